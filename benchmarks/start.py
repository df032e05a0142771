"""Measures what it takes to begin: `python benchmarks/start.py --repeat 15`.

CPU time (user and system) in milliseconds, which hardly depends on what else the machine does: of `crawler --version`, `crawler -h` and
`crawler --help` from their start to their end, of a crawl from its start to its first request (that for robots.txt), and of an
interpreter that does nothing, for comparison. Interleaved; the first round is dropped. Needs Linux.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

OURS = [sys.executable, "-m", "crawler"]


def to_the_end(words: list[str]) -> float:
    """Milliseconds of CPU of a command. Raises RuntimeError when it fails."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit status {process.returncode} of {' '.join(words)}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def to_the_first_request() -> float:
    """Milliseconds of CPU until a crawl has connected to the site of its seed and asked. Raises RuntimeError when it does not ask."""
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as scratch:
        seed = f"http://127.0.0.1:{server.getsockname()[1]}/"
        process = subprocess.Popen([*OURS, "crawl", seed, "-o", f"{scratch}/out", "-q"], stdin=subprocess.DEVNULL)
        try:
            server.settimeout(60)
            connection, _ = server.accept()
            with connection:
                asked = connection.recv(65536)
                spent = _cpu(process.pid)
        except TimeoutError:
            asked, spent = b"", 0.0
        finally:
            process.kill()
            process.wait()
    if not asked.startswith(b"GET /robots.txt "):
        raise RuntimeError(f"the crawl did not ask for robots.txt but for {asked[:80]!r}")
    return spent


def _cpu(pid: int) -> float:
    """Milliseconds that the threads of a running process have had."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


BEGINNINGS: dict[str, Callable[[], float]] = {
    "python -c pass": partial(to_the_end, [sys.executable, "-c", "pass"]),
    "crawler --version": partial(to_the_end, [*OURS, "--version"]),
    "crawler -h": partial(to_the_end, [*OURS, "-h"]),
    "crawler --help": partial(to_the_end, [*OURS, "--help"]),
    "crawler crawl URL, to the first request": to_the_first_request,
}


def main() -> int:
    """Prints the table; 2 when something did not begin."""
    parser = argparse.ArgumentParser(description="CPU time to begin with.")
    parser.add_argument("--repeat", type=int, default=15)
    given = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name in BEGINNINGS}
    try:
        for turn in range(given.repeat + 1):
            for name, measure in BEGINNINGS.items():
                spent = measure()
                if turn:
                    taken[name].append(spent)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    bare = statistics.median(taken["python -c pass"])
    print("| what | CPU ms, median (min-max) | above a bare interpreter |\n|---|---|---|")
    for name, values in taken.items():
        middle = statistics.median(values)
        print(f"| `{name}` | {middle:.0f} ({min(values):.0f}-{max(values):.0f}) | {middle - bare:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
