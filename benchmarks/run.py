"""Measures what a page costs: runs crawlers on a static site and prints a table of CPU, memory and time per page.

    python benchmarks/site.py --pages 5000 -o site
    python benchmarks/run.py site --url http://127.0.0.1:8080/ --log access.log
    python benchmarks/run.py site --with-nginx TOOL "ours: crawler crawl {url} -o {out} -q" "wget: wget -q -r -l inf -P {out} {url}"

Each command runs pinned to one core, interleaved with the others, into a folder of its own. A row is refused when the pages it
stored (crawl.db) or asked for (the server's log) are not exactly those of the site. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

DEFAULT = "crawler: crawler crawl {url} -o {out} --preset fast -q"
# A crawler may ask for these; they are no pages.
_NO_PAGES = re.compile(r"/(robots\.txt|sitemap[^/]*|favicon\.ico|llms\.txt|site\.json)(\?|$)|^/\.well-known/")
_REQUEST = re.compile(r'"(?:GET|HEAD) (\S+)')


@dataclass(frozen=True, slots=True)
class Command:
    """A command line with `{url}` and `{out}` to be filled in, and its name in the table."""

    name: str
    line: str

    @classmethod
    def parse(cls, text: str) -> Command:
        name, colon, line = text.partition(": ")
        return cls(name, line) if colon and re.fullmatch(r"[\w .+-]+", name) else cls(text.split()[0], text)


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds of wall time and CPU, kilobytes of the largest process, exit status, and the pages as counted."""

    wall: float
    cpu: float
    peak: int
    status: int
    stored: int | None
    asked: int | None
    requests: int | None

    def objection(self, pages: int) -> str:
        """Why this run measures something else than a crawl of the whole site; "" when it is one."""
        if self.status:
            return f"exit status {self.status}"
        if self.stored is None and self.asked is None:
            return "nothing to count its pages by: no crawl.db, no server log"
        wrong = {"stored": self.stored, "asked for": self.asked}
        return ", ".join(f"{count:,} of {pages:,} pages {what}" for what, count in wrong.items() if count not in (None, pages))


class ServerLog:
    """What the server was asked since the last look, from its access log (nginx's, or any with the request in quotes)."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._read = 0

    def take(self) -> Counter[str] | None:
        """Requests for pages, by path. None: there is no log."""
        if self._file is None or not self._file.exists():
            return None
        with self._file.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        self._read += len(text)
        paths = _REQUEST.findall(text.decode("utf-8", "replace"))
        return Counter(path for path in paths if not _NO_PAGES.search(path))


def run_once(command: Command, url: str, core: int | None, log: ServerLog, scratch: Path) -> Run:
    """Runs a command to its end in a fresh folder, which is removed."""
    out = Path(tempfile.mkdtemp(dir=scratch)) / "out"
    words = [word.format(url=url, out=out) for word in shlex.split(command.line)]
    if core is not None and shutil.which("taskset"):
        words = ["taskset", "-c", str(core), *words]
    log.take()
    begun = time.perf_counter()
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    talk = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        sys.stderr.write(talk.decode("utf-8", "replace")[-2000:])
    # nginx writes its line after the last byte was sent, perhaps after the client has gone.
    time.sleep(0.2)
    counts = log.take()
    asked, requests = (None, None) if counts is None else (len(counts), sum(counts.values()))
    stored = _stored(out / "crawl.db")
    shutil.rmtree(out.parent, ignore_errors=True)
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, process.returncode, stored, asked, requests)


def _stored(database: Path) -> int | None:
    if not database.exists():
        return None
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM pages WHERE outcome = 'ok'").fetchone()[0])


def measure(commands: list[Command], url: str, repeat: int, core: int | None, log: ServerLog, scratch: Path) -> dict[str, list[Run]]:
    """`repeat` runs of each command, interleaved; a first round warms the caches and is dropped."""
    runs: dict[str, list[Run]] = {command.name: [] for command in commands}
    for turn in range(repeat + 1):
        for command in commands:
            run = run_once(command, url, core, log, scratch)
            print(
                f"{'warm-up' if turn == 0 else f'{turn}/{repeat}'} {command.name}: {run.wall:.2f} s, {run.cpu:.2f} s CPU", file=sys.stderr
            )
            if turn:
                runs[command.name].append(run)
    return runs


def row(name: str, runs: list[Run], pages: int) -> tuple[str, bool]:
    """The line of the table, and whether the runs were what they should be."""
    objection = next(filter(None, (run.objection(pages) for run in runs)), "")
    if objection:
        return f"| {name} | refused: {objection} | | | | |", False
    walls, costs = [run.wall for run in runs], [run.cpu / pages * 1000 for run in runs]
    wall, cost, peak = statistics.median(walls), statistics.median(costs), statistics.median(run.peak for run in runs) / 1024
    extra = max(run.requests - pages for run in runs if run.requests is not None) if runs[0].requests is not None else None
    repeated = "not counted" if extra is None else str(extra)
    return (
        f"| {name} | {cost:.3f} ({min(costs):.3f}-{max(costs):.3f}) | {wall:.2f} ({min(walls):.2f}-{max(walls):.2f}) "
        f"| {pages / wall:,.0f} | {peak:.0f} | {repeated} |",
        True,
    )


def heading(commands: list[Command], shape: dict[str, object], repeat: int) -> list[str]:
    """Where, when and on what the figures were taken."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
        model = found[1] if found else ""
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores {model}".rstrip(),
        f"Python {platform.python_version()}; " + "; ".join(_version(command) for command in commands),
        f"site: {', '.join(f'{key} {value}' for key, value in shape.items())}; {repeat} runs each, interleaved; median (min-max)",
    ]
    if os.getloadavg()[0] > 1.5:
        lines.append(f"The machine was loaded when this began (load {os.getloadavg()[0]:.1f}): take the figures with care.")
    return lines


def keep_server_off(core: int) -> None:
    """Leaves the core to the crawlers, where the server's process is known (SITE_PID) and there is another core."""
    others = set(range(os.cpu_count() or 1)) - {core}
    parent = os.environ.get("SITE_PID", "")
    children = Path(f"/proc/{parent}/task/{parent}/children")
    if parent and others and children.exists():
        for process in [parent, *children.read_text("ascii").split()]:
            os.sched_setaffinity(int(process), others)


def _version(command: Command) -> str:
    program = shlex.split(command.line)[0]
    try:
        printed = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except OSError:
        printed = ""
    return f"{command.name}: {printed.strip().splitlines()[0] if printed.strip() else program}"


def under_nginx(tool: str, site: Path) -> int:
    """Runs this program again as the client of a server that the tool starts: it sets SITE_URL and writes the log."""
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/access.log"
        words = [tool, "-r", str(site), "--log", log, "--", sys.executable, *sys.argv, "--log", log]
        return subprocess.run(words, check=False).returncode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures what a page costs.", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, help="the folder that benchmarks/site.py wrote")
    parser.add_argument("commands", nargs="*", default=[DEFAULT], metavar="NAME: COMMAND", help=f"with {{url}} and {{out}} ({DEFAULT})")
    parser.add_argument("--url", default=os.environ.get("SITE_URL"), help="where the folder is served")
    parser.add_argument("--log", type=Path, help="the server's access log")
    parser.add_argument(
        "--with-nginx", default=os.environ.get("WITH_NGINX"), metavar="TOOL", help="starts a server: TOOL -r DIR --log FILE -- CMD"
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--core", type=int, default=(os.cpu_count() or 1) - 1, help="the core to run on; -1: any")
    parser.add_argument("--scratch", type=Path, help="where the crawlers write (the system's folder for temporary files)")
    given = parser.parse_intermixed_args()
    if not (given.site / "site.json").exists():
        parser.error(f"{given.site} is no folder that benchmarks/site.py wrote")
    if not given.url and not given.with_nginx:
        parser.error("give --url of a server for the folder, or --with-nginx TOOL")
    return given


def main() -> int:
    """Prints the table; 1 when a row was refused."""
    given = _arguments()
    if not given.url:
        return under_nginx(given.with_nginx, given.site)
    shape = json.loads((given.site / "site.json").read_text("utf-8"))
    commands = [Command.parse(text) for text in given.commands]
    lines = heading(commands, shape, given.repeat)
    keep_server_off(given.core)
    with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
        core = given.core if given.core >= 0 else None
        runs = measure(commands, given.url, given.repeat, core, ServerLog(given.log), Path(scratch))
    rows = [row(command.name, runs[command.name], shape["pages"]) for command in commands]
    print("\n".join(lines), "\n")
    print("| command | CPU ms/page | wall s | pages/s | peak MB | requests beyond one a page |")
    print("|---|---|---|---|---|---|")
    print("\n".join(line for line, _ in rows))
    return 0 if all(good for _, good in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
