"""Counts the instructions of one page, a figure that no other load touches: a crawl of 2N pages minus a crawl of N, by callgrind.

    python benchmarks/instructions.py                        # 300 pages and 600; two minutes
    python benchmarks/instructions.py --kind small --pages 500 -- --links none

Needs valgrind and nginx. What follows `--` is given to both crawls. Prints a row of a table: the commit, what was crawled, and
millions of instructions in user space a page, start-up not counted. It repeats within some tenths of a per cent on one machine with
the same Python and libraries; between machines it does not compare.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from nginx import nginx
from run import stored, written

_PATIENCE = "300s"
"""Under callgrind everything takes fifty times as long; no answer is late for that."""


def command(url: str, out: Path, options: list[str]) -> list[str]:
    """The crawl that is counted."""
    patient = ["--timeout", _PATIENCE, "--read-timeout", _PATIENCE, "--connect-timeout", _PATIENCE]
    return [sys.executable, "-m", "crawler", "crawl", url, "-o", str(out), "-q", "--preset", "fast", *patient, *options]


def collected(log: str) -> int:
    """The instructions that callgrind says it counted. Raises RuntimeError when it does not say."""
    found = re.search(r"^==\d+== Collected\s*: (\d+)", log, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"callgrind counted nothing: {log[-500:]}")
    return int(found[1])


def count(kind: str, pages: int, options: list[str], scratch: Path) -> int:
    """The instructions of one crawl of so many pages. Raises RuntimeError when it was not of all of them."""
    with written(f"{kind}:{pages}") as folder, nginx(folder) as at:
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        first, out, log = scratch / f"{pages}-first", scratch / f"{pages}", scratch / f"{pages}.log"
        # Once without counting: compiles what is not compiled, and finds out what is wrong in a second instead of a minute.
        checked(command(at.urls[0], first, options), environment, first, pages)
        counting = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log}"]
        checked([*counting, *command(at.urls[0], out, options)], environment, out, pages)
        return collected(log.read_text("utf-8"))


def checked(words: list[str], environment: dict[str, str], out: Path, pages: int) -> None:
    """Runs a crawl. Raises RuntimeError when it fails or stored another number of pages."""
    status = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    if status or stored(out / "crawl.db") != pages:
        raise RuntimeError(f"exit status {status}, {stored(out / 'crawl.db')} of {pages} pages stored")


def commit() -> str:
    """What is measured, as git calls it; with a plus when files differ from it."""
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no git"


def main() -> int:
    """Prints the row; 2 when something is missing or a crawl went wrong."""
    parser = argparse.ArgumentParser(description="Counts the instructions of one page.")
    parser.add_argument("--kind", default="standard", help="of the site: standard, small, folders, flat")
    parser.add_argument("--pages", type=int, default=300, help="of the smaller crawl")
    parser.add_argument("options", nargs="*", help="of both crawls, after --")
    given = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("error: no valgrind on this machine: `apt-get install valgrind`", file=sys.stderr)
        return 2
    measured = commit()  # now, not when it ends: minutes later the files may be others
    try:
        with tempfile.TemporaryDirectory() as scratch:
            few, many = (count(given.kind, pages, given.options, Path(scratch)) for pages in (given.pages, 2 * given.pages))
    except (ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    what = " ".join([given.kind, *given.options])
    print("| commit | what | pages | million instructions a page |\n|---|---|---|---|")
    print(f"| {measured} | {what} | {2 * given.pages} - {given.pages} | {(many - few) / given.pages / 1e6:.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
