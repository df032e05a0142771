"""Measures what a crawl loses to those who look into its folder while it runs.

    python benchmarks/beside.py --every 2 --scratch /dev/shm

From `--before` pages on, stretches of the same length take turns: in every second one another process asks `crawler query` a question every
so many seconds. The crawl has a core of its own, the other one belongs to the site of `long.py` and, behind it, to the questions: what two
programs take from each other by sharing a core is no loss of the crawl's. A row is a pair of stretches; the last line has the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from time import perf_counter

from long import Connection, Sample, Site

# Each reads a whole table, or sorts one.
_QUESTIONS = (
    "SELECT * FROM by_type",
    "SELECT count(*) FROM links WHERE kind = 'a' AND text <> ''",
    "SELECT * FROM duplicate_titles LIMIT 10",
    "SELECT state, count(*) FROM urls GROUP BY state",
    "SELECT * FROM broken_links LIMIT 10",
)
_CRAWL, _OTHERS = {0}, {1}


@dataclass(frozen=True, slots=True)
class Moment:
    """What the crawl had at a moment: seconds of wall clock and of CPU."""

    wall: float
    cpu: float


@dataclass(slots=True)
class Beside:
    """The stretches of a crawl: quiet ones and asked ones in turn, the first quiet."""

    folder: Path
    before: int
    stretch: int
    pairs: int
    every: float
    moments: list[Moment] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    largest_wal: list[int] = field(default_factory=lambda: [0, 0])
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_asked(self) -> bool:
        """Whether this stretch is one with questions."""
        return 0 < len(self.moments) <= 2 * self.pairs and len(self.moments) % 2 == 0

    def look(self, site: Site) -> None:
        """Takes a sample when a stretch ends."""
        wal = self.folder / "crawl.db-wal"
        if self.moments and not site.asked % 50 and wal.exists():
            kind = int(self.is_asked)
            self.largest_wal[kind] = max(self.largest_wal[kind], wal.stat().st_size)
        if site.asked < self.before + len(self.moments) * self.stretch:
            return
        self.moments.append(Moment(perf_counter(), Sample.of(site.process, site.asked).cpu))
        if len(self.moments) > 2 * self.pairs:
            self.over.set()

    async def ask(self) -> None:
        """Asks until the end, in every second stretch."""
        for question in cycle(_QUESTIONS):
            while not self.is_asked:
                if self.over.is_set():
                    return
                await asyncio.sleep(0.02)
            start = perf_counter()
            words = ["nice", "-n", "10", sys.executable, "-m", "crawler", "query", str(self.folder), question, "--json"]
            process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.DEVNULL)
            if await process.wait():
                raise SystemExit(f"error: no answer to {question}")
            self.answers.append(perf_counter() - start)
            await asyncio.sleep(max(0.0, self.every - (perf_counter() - start)))

    def rows(self) -> list[tuple[float, float, float, float]]:
        """Pages a second and CPU ms a page, quiet and asked, of each pair."""
        steps = [
            (self.stretch / (after.wall - start.wall), 1000 * (after.cpu - start.cpu) / self.stretch)
            for start, after in zip(self.moments, self.moments[1:], strict=False)
        ]
        return [(*quiet, *asked) for quiet, asked in zip(steps[::2], steps[1::2], strict=False)]


class _Watched(Site):
    """Tells `beside` of every page that is asked for."""

    def __init__(self, beside: Beside, urls: int) -> None:
        super().__init__([], urls)
        self._beside = beside

    def answer(self, path: bytes) -> bytes:
        answer = super().answer(path)
        self._beside.look(self)
        return answer


async def measure(beside: Beside, options: list[str]) -> None:
    """Crawls until all stretches are there, then stops the crawl."""
    pages = beside.before + (2 * beside.pairs + 1) * beside.stretch
    site = _Watched(beside, 5 * pages)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(site), "127.0.0.1", 0, backlog=4096)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    words = [url, "-o", str(beside.folder), "-q", "--preset", "fast", "--max-pages", str(pages), *options]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "crawler", "crawl", *words)
    os.sched_setaffinity(process.pid, _CRAWL)
    site.process = process.pid
    asking = asyncio.create_task(beside.ask())
    await beside.over.wait()
    await asking
    with suppress(ProcessLookupError):
        process.terminate()
    await process.wait()
    server.close()


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Measures what a crawl loses to those who look into its folder while it runs.")
    parser.add_argument("--before", type=int, default=100_000, help="pages before the first stretch")
    parser.add_argument("--stretch", type=int, default=5_000, help="pages of a stretch")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--every", type=float, default=2.0, help="seconds from one question to the next")
    parser.add_argument("--scratch", type=Path, help="where the crawl's folder goes (the system's folder for temporary files)")
    parser.add_argument("options", nargs="*", help="after `--`: options of the crawl")
    given = parser.parse_args()
    os.sched_setaffinity(0, _OTHERS)
    scratch = Path(tempfile.mkdtemp(prefix="beside-", dir=given.scratch))
    beside = Beside(scratch / "out", given.before, given.stretch, given.pairs, given.every)
    try:
        asyncio.run(measure(beside, given.options))
    finally:
        shutil.rmtree(scratch)
    print("| pages/s | with questions | | CPU ms/page | with questions | |\n|---|---|---|---|---|---|")
    rows = beside.rows()
    for quiet, cost, asked, dear in rows:
        cells = (
            f"{quiet:,.0f} | {asked:,.0f} | {100 * (asked / quiet - 1):+.1f} % | {cost:.3f} | {dear:.3f} | {100 * (dear / cost - 1):+.1f} %"
        )
        print(f"| {cells} |")
    rate = statistics.median(asked / quiet - 1 for quiet, _, asked, _ in rows)
    cpu = statistics.median(dear / cost - 1 for _, cost, _, dear in rows)
    logs = " and ".join(f"{size / 2**20:.0f} MB" for size in beside.largest_wal)
    print(f"\nmedians: rate {100 * rate:+.1f} %, CPU a page {100 * cpu:+.1f} %; write-ahead log at most {logs}")
    answers = sorted(beside.answers)
    print(f"{len(answers)} questions: median {statistics.median(answers):.2f} s, slowest {answers[-1]:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
