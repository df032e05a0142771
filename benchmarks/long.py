"""Measures how a long crawl holds: what a page costs and what is resident at a thousand pages, at a million, and between.

    python benchmarks/long.py --pages 1000000 --scratch /dev/shm
    python benchmarks/long.py --pages 1000000 --urls 1000000 --scratch /dev/shm
    python benchmarks/long.py --pages 1000000 --turns 5 --scratch /dev/shm

The site is made while it is asked for and is on no disk: pages of 4 KB with 20 links, five of them to pages that nobody else names as
long as there are such, so that a million pages name five million, or `--urls`. It runs in this process, which looks at the crawler's
whenever so many pages have been asked for. A row is CPU of the last stretch and memory at its end; the last line compares the last
stretch with the first one after start-up. Half an hour lies between these two, so a machine that has other work compares them better in
turns: after its pages the crawl waits for a new one of eleven thousand, goes on for ten thousand, and so on.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from run import stored

_CHILDREN = 5
_OTHERS = 15
_SIZE = 4 * 1024
_HEAD = b"HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
_NUMBER = re.compile(rb"/page-(\d+)\.html")
_START = 1_000
"""So many pages are not looked at: they pay for starting."""
_STRETCH = 10_000
_PATIENCE = ("--timeout", "1h", "--read-timeout", "1h")
"""Of a crawl that waits for another one."""
_SETTLING = 1.0
"""Seconds in which it writes what it has."""


def path_of(number: int) -> str:
    """The path of a page, fifty to a folder; the page of number 0 is `/`."""
    return f"/section-{number // 50:06}/page-{number}.html" if number else "/"


def page(number: int, urls: int) -> bytes:
    """The answer for one of so many pages: its own children in the tree over all numbers, and others that this or an earlier page has
    named."""
    chance = random.Random(number)
    first = number * _CHILDREN + 1
    children = range(first, min(urls, first + _CHILDREN))
    others = (chance.randrange(min(urls, first + _CHILDREN)) for _ in range(_OTHERS))
    links = "".join(f'<p>See <a href="{path_of(each)}">page {each}</a>.</p>\n' for each in (*children, *others))
    body = f"<!doctype html><title>Page {number}</title>\n{links}".encode()
    body += b"<p>text</p>\n" * ((_SIZE - len(body)) // 12)
    return _HEAD % (b"200 OK", len(body)) + body


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at a moment: the pages it has asked for, its seconds of CPU, and what of it is and was at most resident, in MB."""

    pages: int
    cpu: float
    resident: int
    peak: int

    @classmethod
    def of(cls, process: int, pages: int) -> Sample:
        """What Linux knows of the process."""
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{process}/status").read_text()
        resident, peak = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) // 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[index]
        return cls(pages, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), resident, peak)


class Site:
    """Counts the pages that are asked for, and takes a sample of who asks at each of the `marks`. At each of the `pauses` it answers nobody
    until it is told to `go_on`."""

    def __init__(self, marks: list[int], urls: int, pauses: Sequence[int] = ()) -> None:
        self._urls = urls
        self.asked = 0
        self.process = 0
        self._marks = marks
        self._pauses = pauses
        self._held: list[tuple[asyncio.WriteTransport, bytes]] | None = None
        self.pauses: asyncio.Queue[int] = asyncio.Queue()
        self.samples: list[Sample] = []

    def ask(self, transport: asyncio.WriteTransport, path: bytes) -> None:
        """Answers, now or when it goes on."""
        if self._held is not None:
            self._held.append((transport, path))
            return
        before = self.asked
        transport.write(self.answer(path))
        if self.asked > before and self.asked in self._pauses:
            self._held = []
            self.pauses.put_nowait(self.asked)

    def go_on(self) -> None:
        """What has waited is answered; what was done meanwhile belongs to no stretch."""
        self.samples.append(Sample.of(self.process, self.asked))
        held, self._held = self._held or [], None
        for transport, path in held:
            self.ask(transport, path)

    def answer(self, path: bytes) -> bytes:
        """The answer to a path."""
        if (named := _NUMBER.search(path)) is None and path != b"/":
            return _HEAD % (b"404 Not Found", 0)
        self.asked += 1
        if self.asked in self._marks:
            self.samples.append(Sample.of(self.process, self.asked))
            print_row(self.samples)
        return page(int(named[1]) if named else 0, self._urls)


class Connection(asyncio.Protocol):
    """One client, which asks one thing at a time and sends no bodies."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.endswith(b"\r\n\r\n"):
            path, self._buffer = self._buffer.split(b" ", 2)[1], b""
            self._site.ask(self._transport, path)  # type: ignore[arg-type]


def print_row(samples: list[Sample]) -> None:
    """The row of the last sample, against the one before."""
    last = samples[-1]
    if len(samples) > 1:
        before = samples[-2]
        cost = 1000 * (last.cpu - before.cpu) / (last.pages - before.pages)
        print(f"| {before.pages:,} to {last.pages:,} | {cost:.3f} | {last.resident} | {last.peak} |", flush=True)


def marks(pages: int) -> list[int]:
    """Where to look: after start-up, ten thousand pages later, at 50,000, at every further tenth of the whole, and ten thousand before
    its end."""
    tenths = (pages * tenth // 10 for tenth in range(1, 11))
    later = {mark for mark in (50_000, *tenths, pages - 10_000) if _START + 10_000 < mark <= pages}
    return sorted({_START, _START + 10_000, pages} | later)


async def crawl(site: Site, pages: int, out: Path, options: Sequence[str]) -> int:
    """Crawls so many pages of a site; returns the exit status."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(site), "127.0.0.1", 0, backlog=4096)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    words = [url, "-o", str(out), "-q", "--preset", "fast", "--max-pages", str(pages), *options]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "crawler", "crawl", *words)
    site.process = process.pid
    status = await process.wait()
    server.close()
    return status


async def measure(pages: int, urls: int, out: Path, turns: int, options: list[str]) -> tuple[Site, int]:
    """Crawls so many pages of a site of so many, then ten thousand more in each turn; returns it with the exit status."""
    pauses = [pages + _STRETCH * turn for turn in range(turns)]
    site = Site(sorted({*marks(pages), *pauses, pages + _STRETCH * turns}), urls, pauses)
    long = asyncio.create_task(crawl(site, pages + _STRETCH * turns, out, (*_PATIENCE, *options) if turns else options))
    for _ in pauses:
        if not await paused(site, long):
            break
        await asyncio.sleep(_SETTLING)
        young, folder = Site([_START, _START + _STRETCH], urls), out.with_name("new")
        print("a new crawl meanwhile:")
        await crawl(young, _START + _STRETCH, folder, options)
        shutil.rmtree(folder)
        print("the long one again:")
        site.go_on()
    return site, await long


async def paused(site: Site, long: asyncio.Task[int]) -> bool:
    """Waits until the site answers nobody; False when the crawl ended before."""
    pause = asyncio.create_task(site.pauses.get())
    await asyncio.wait([pause, long], return_when=asyncio.FIRST_COMPLETED)
    pause.cancel()
    return not long.done()


def main() -> int:
    """Measures and prints; 1 when the crawl did not store exactly those pages."""
    parser = argparse.ArgumentParser(description="Measures how a long crawl holds.")
    parser.add_argument("--pages", type=int, default=1_000_000, help="at least 20,000")
    parser.add_argument("--urls", type=int, help="how many pages the site has (five times as many as are crawled)")
    parser.add_argument("--turns", type=int, default=0, help="so often ten thousand pages more, each time after a new crawl")
    parser.add_argument("--scratch", type=Path, help="where the crawl's folder goes (the system's folder for temporary files)")
    parser.add_argument("options", nargs="*", help="after `--`: options of the crawl")
    given = parser.parse_args()
    print("| pages | CPU ms/page | resident MB | peak MB |\n|---|---|---|---|", flush=True)
    whole = given.pages + _STRETCH * given.turns
    scratch = Path(tempfile.mkdtemp(prefix="long-", dir=given.scratch))
    try:
        site, status = asyncio.run(measure(given.pages, given.urls or _CHILDREN * whole, scratch / "out", given.turns, given.options))
        kept = stored(scratch / "out" / "crawl.db")
        size = (scratch / "out" / "crawl.db").stat().st_size
    finally:
        shutil.rmtree(scratch)
    if status or kept != whole:
        print(f"error: exit status {status}, {kept:,} of {whole:,} pages stored", file=sys.stderr)
        return 1
    first, last = site.samples[:2], site.samples[-2:]
    costs = [(after.cpu - before.cpu) / (after.pages - before.pages) for before, after in (first, last)]
    print(f"\nThe last stretch costs {costs[1] / costs[0]:.2f} times the first; crawl.db has {size / 2**20:,.0f} MB.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
