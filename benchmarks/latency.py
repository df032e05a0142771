"""Measures how close a crawl comes to the best possible schedule when answers take time: `python benchmarks/latency.py --repeat 5`.

Four cases, by name (all of them without one):

    fixed      5,000 URLs, 50 ms before each answer, 64 connections to their host; ideal: 5,000 x 50 ms / 64
    heavy      the same with 20 to 2,000 ms, mostly short; ideal: whoever is free takes the next of the list, and nothing costs anything
    adaptive   as fixed, with the usual preset instead, which finds out how many requests at once the host bears
    hosts      200 hosts with 40 pages each, one request a second to each of them; ideal: 39 seconds

The clock is the server's: from the first request for a page to the last byte of the last answer (of `hosts`: to the last request).
Before each case a client that does nothing but ask shows what the server itself is able to. A row is refused unless every page was
asked for exactly once and the crawl ended well.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from latency_server import delay_of

from crawler.bench.pages import path_of

HERE = Path(__file__).resolve().parent
OURS = [sys.executable, "-m", "crawler", "crawl", "-i", "{urls}", "-o", "{out}", "-q"]
FLOOR = [sys.executable, str(HERE / "peers" / "floor.py"), "--urls", "{urls}", "--connections", "64"]
WIDTH = 64


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure: the server's pages, addresses and delay, the words that follow ours, and the least part of the possible
    pace that was promised."""

    name: str
    words: tuple[str, ...]
    pages: int = 5000
    addresses: int = 1
    delay: str = "50ms"
    pace: float = 0.0
    promise: float = 0.90

    @property
    def ideal(self) -> float:
        """Seconds that nobody can do better than."""
        if self.pace:
            return (self.pages - 1) * self.pace
        free = [0.0] * WIDTH
        for number in range(self.pages):
            heapq.heapreplace(free, free[0] + delay_of(path_of(number), self.delay))
        return max(free)


CASES = (
    Case("fixed", ("--preset", "fast", "--per-host", "64", "--no-adaptive"), promise=1 / 1.10),
    Case("heavy", ("--preset", "fast", "--per-host", "64", "--no-adaptive"), delay="heavy", promise=1 / 1.10),
    Case("adaptive", ("--concurrency", "64", "--per-host", "64"), promise=1 / 1.25),
    Case("hosts", ("--delay", "1s", "--sitemap", "off"), pages=40, addresses=200, delay="20ms", pace=1.0, promise=0.99),
)


@contextlib.contextmanager
def served(case: Case) -> Iterator[int]:
    """The case's server; gives its port."""
    words = [f"--pages={case.pages}", f"--addresses={case.addresses}", f"--delay={case.delay}"]
    command = [sys.executable, str(HERE / "latency_server.py"), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.communicate()


def taken(port: int) -> list[tuple[str, str, float, float]]:
    """The requests for pages since the last look."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/__log")
    rows = json.load(connection.getresponse())
    connection.close()
    return [(address, path, came, left) for address, path, came, left in rows if path == "/" or path.endswith(".html")]


def span(case: Case, rows: list[tuple[str, str, float, float]]) -> float:
    """Seconds on the server's clock. Raises ValueError unless every page was asked for exactly once."""
    counts = Counter((address, path) for address, path, _, _ in rows)
    wanted = case.pages * case.addresses
    if len(counts) != wanted or len(rows) != wanted:
        raise ValueError(f"{len(counts):,} of {wanted:,} pages asked for, with {len(rows):,} requests")
    return max(came if case.pace else left for _, _, came, left in rows) - min(came for _, _, came, _ in rows)


def run_once(case: Case, command: list[str], port: int, scratch: Path) -> tuple[float, float]:
    """Runs a command in a folder that is removed: seconds on the server's clock and of CPU. Raises ValueError when it went wrong."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    urls = folder / "urls.txt"
    pages = range(case.pages if case.addresses == 1 else 1)
    urls.write_text("".join(f"http://127.0.0.{1 + each}:{port}{path_of(page)}\n" for each in range(case.addresses) for page in pages))
    words = [word.format(urls=urls, out=folder / "out") for word in command]
    taken(port)
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    shutil.rmtree(folder)
    if process.returncode:
        raise ValueError(f"exit status {process.returncode}")
    return span(case, taken(port)), usage.ru_utime + usage.ru_stime


def measure(case: Case, repeat: int, scratch: Path) -> bool:
    """Prints the rows of a case; whether none was refused."""
    commands = {"crawler": [*OURS, *case.words]} | ({} if case.addresses > 1 else {"only asking": FLOOR})
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    good = True
    with served(case) as port:
        for turn in range(1, repeat + 1):
            for name, command in commands.items():
                try:
                    run = run_once(case, command, port, scratch)
                except ValueError as error:
                    print(f"| {case.name} | {name} | refused: {error} | | | | |", flush=True)
                    good = False
                    continue
                print(f"{turn}/{repeat} {case.name}, {name}: {run[0]:.2f} s, {run[1]:.2f} s CPU", file=sys.stderr)
                runs[name].append(run)
    for name, found in runs.items():
        if len(found) == repeat:
            print(row(case, name, found), flush=True)
    return good


def row(case: Case, name: str, found: list[tuple[float, float]]) -> str:
    """One line of the table."""
    walls = [wall for wall, _ in found]
    wall, part = statistics.median(walls), case.ideal / statistics.median(walls)
    verdict = "" if name != "crawler" else "yes" if part >= case.promise else "no"
    cpu = statistics.median(cpu for _, cpu in found) / (case.pages * case.addresses) * 1000
    return (
        f"| {case.name} | {name} | {case.ideal:.2f} | {wall:.2f} ({min(walls):.2f}-{max(walls):.2f}) | {part:.1%} "
        f"| {f'{case.promise:.1%}: {verdict}' if verdict else ''} | {cpu:.2f} |"
    )


def main() -> int:
    """Prints a table; 1 when a row was refused."""
    parser = argparse.ArgumentParser(description="How close a crawl comes to the best possible schedule when answers take time.")
    parser.add_argument("cases", nargs="*", choices=[[], *(case.name for case in CASES)], metavar="CASE", help="fixed heavy adaptive hosts")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--scratch", type=Path, help="where the crawls go (the system's folder for temporary files)")
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores when this began; {given.repeat} runs each, interleaved\n")
    print("| case | client | ideal s | s, median (min-max) | of the possible pace | promised | CPU ms/page |")
    print("|---|---|---|---|---|---|---|", flush=True)
    good = [measure(case, given.repeat, given.scratch) for case in CASES if not given.cases or case.name in given.cases]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
