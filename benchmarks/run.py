"""Measures what a page costs: runs crawlers on a static site and prints a table of CPU, memory and time per page.

    python benchmarks/run.py standard:5000 crawler wget wget2 httrack
    python benchmarks/run.py small:5000 crawler "sync: crawler crawl -i {seeds} -o {out} -q --mode sync"
    python benchmarks/run.py site --url http://127.0.0.1:8080/ --log access.log crawler wget

The site is KIND:PAGES, written, served by an nginx of its own and removed again, or a folder that benchmarks/site.py wrote. Runners are
those of benchmarks/runners.py by name, or commands with a name of their own.

Each command runs pinned to one core, interleaved with the others, into a folder of its own. A row is refused when the pages it
asked for (the server's log), stored (crawl.db) or saved (files) are not exactly those of the site. See README.md beside this file.
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
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from nginx import Served, nginx
from runners import RUNNERS

from crawler.bench.pages import Shape, path_of

# A crawler may ask for these; they are no pages.
_NO_PAGES = re.compile(r"/(robots\.txt|sitemap[^/]*|favicon\.ico|llms\.txt|site\.json)(\?|$)|/\.well-known/")
_REQUEST = re.compile(r'"(?:GET|HEAD) ([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Site:
    """What is crawled: the URLs to begin at, all of them, and the bytes that a saved page has at least."""

    seeds: Sequence[str]
    urls: Sequence[str]
    size: int

    @property
    def names(self) -> set[str]:
        """What a log may call its pages: by whole URLs, or by paths alone."""
        return {*self.urls, *(urlsplit(url).path for url in self.urls)}

    @classmethod
    def of(cls, shape: Shape, roots: Sequence[str]) -> Site:
        """A generated site at each of these roots. What saves it may rewrite its links, so half of the bytes are asked for."""
        paths = [path_of(number, shape.layout) for number in range(shape.pages)]
        return cls(roots, [root.rstrip("/") + path for root in roots for path in paths], shape.size // 2)


@dataclass(frozen=True, slots=True)
class Command:
    """A command line with `{seeds}`, `{urls}` (files), `{url}` (the first seed) and `{out}` to be filled in, its name in the table, how
    it tells its version, what it keeps, and whether every page is to be a file afterwards."""

    name: str
    line: str
    version: str = ""
    keeps: str = ""
    saves: bool = False

    @classmethod
    def parse(cls, text: str, venvs: Path) -> Command:
        """A runner's name, or a command with or without a name of its own. Raises LookupError for one that is not there, or is none."""
        if (runner := RUNNERS.get(text)) is None and "{" not in text:
            raise LookupError("no such runner, and no command with {seeds} or {url}")
        if runner is None:
            name, colon, line = text.partition(": ")
            return cls(name, line) if colon and re.fullmatch(r"[\w .+-]+", name) else cls(text.split()[0], text)
        if not runner.is_there(venvs):
            raise LookupError(f"not installed: {runner.comes_from}")
        known = shlex.quote(str(venvs.resolve()))
        filled = [line.replace("{venvs}", known) for line in (runner.line, runner.version)]
        return cls(runner.name, *filled, runner.keeps, runner.saves)


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds of wall time and CPU, kilobytes of the largest process, exit status, and the pages as counted: rows of
    crawl.db, files (None: not looked for), URLs in the server's log and requests for them; `strays` are the URLs there that are no
    pages of the site."""

    wall: float
    cpu: float
    peak: int
    status: int
    stored: int | None
    asked: int | None
    requests: int | None
    saved: int | None = None
    strays: int = 0

    def objection(self, pages: int) -> str:
        """Why this run measures something else than a crawl of the whole site; "" when it is one."""
        if self.status:
            return f"exit status {self.status}"
        if self.stored is None and self.asked is None:
            return "nothing to count its pages by: no crawl.db, no server log"
        wrong = {"stored": self.stored, "asked for": self.asked, "saved": self.saved}
        said = [f"{count:,} of {pages:,} pages {what}" for what, count in wrong.items() if count not in (None, pages)]
        return ", ".join([*said, f"{self.strays:,} others asked for"] if self.strays else said)


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


def run_once(command: Command, site: Site, core: int | None, log: ServerLog, scratch: Path) -> Run:
    """Runs a command to its end in a fresh folder, which is removed."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    files = {"seeds": folder / "seeds.txt", "urls": folder / "urls.txt", "out": folder / "out"}
    files["seeds"].write_text("".join(f"{url}\n" for url in site.seeds))
    files["urls"].write_text("".join(f"{url}\n" for url in site.urls))
    words = [word.format(url=site.seeds[0], **files) for word in shlex.split(command.line)]
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
    asked, requests, strays = None, None, 0
    if counts is not None:
        asked, requests, strays = len(counts.keys() & site.names), counts.total(), len(counts.keys() - site.names)
    kept = stored(files["out"] / "crawl.db")
    saved = pages_in(files["out"], site.size) if command.saves else None
    shutil.rmtree(folder, ignore_errors=True)
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, process.returncode, kept, asked, requests, saved, strays)


def pages_in(folder: Path, size: int) -> int:
    """How many files are pages, by their size. A crawler's own report is none."""
    return sum(file.stat().st_size >= size for file in folder.rglob("*.html") if file.name != "report.html")


def stored(database: Path) -> int | None:
    """How many good pages a crawl.db holds; None: there is none."""
    if not database.exists():
        return None
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM pages WHERE outcome = 'ok'").fetchone()[0])


def measure(commands: list[Command], site: Site, repeat: int, core: int | None, log: ServerLog, scratch: Path) -> dict[str, list[Run]]:
    """`repeat` runs of each command, interleaved; a first round warms the caches and is dropped."""
    runs: dict[str, list[Run]] = {command.name: [] for command in commands}
    for turn in range(repeat + 1):
        for command in commands:
            run = run_once(command, site, core, log, scratch)
            print(
                f"{'warm-up' if turn == 0 else f'{turn}/{repeat}'} {command.name}: {run.wall:.2f} s, {run.cpu:.2f} s CPU", file=sys.stderr
            )
            if turn:
                runs[command.name].append(run)
    return runs


HEAD = "| command | CPU ms/page | wall s | pages/s | peak MB | requests beyond one a page | keeps |\n|---|---|---|---|---|---|---|"


def row(name: str, runs: list[Run], pages: int, keeps: str = "") -> tuple[str, bool]:
    """The line of the table, and whether the runs were what they should be."""
    objection = next(filter(None, (run.objection(pages) for run in runs)), "")
    if objection:
        return f"| {name} | refused: {objection} | | | | | |", False
    walls, costs = [run.wall for run in runs], [run.cpu / pages * 1000 for run in runs]
    wall, cost, peak = statistics.median(walls), statistics.median(costs), statistics.median(run.peak for run in runs) / 1024
    extra = max(run.requests - pages for run in runs if run.requests is not None) if runs[0].requests is not None else None
    repeated = "not counted" if extra is None else str(extra)
    return (
        f"| {name} | {cost:.3f} ({min(costs):.3f}-{max(costs):.3f}) | {wall:.2f} ({min(walls):.2f}-{max(walls):.2f}) "
        f"| {pages / wall:,.0f} | {peak:.0f} | {repeated} | {keeps} |",
        True,
    )


def heading(commands: list[Command], shape: Shape, addresses: int, repeat: int) -> list[str]:
    """Where, when and on what the figures were taken."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
        model = found[1] if found else ""
    site = ", ".join(f"{key} {value}" for key, value in asdict(shape).items())
    return [
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores {model}".rstrip(),
        f"Python {platform.python_version()}; " + "; ".join(_version(command) for command in commands),
        f"site: {site}, hosts {addresses}; {repeat} runs each, interleaved; median (min-max)",
        f"load of the machine when this began: {os.getloadavg()[0]:.1f}",
    ]


def _version(command: Command) -> str:
    words = shlex.split(command.version) or [shlex.split(command.line)[0], "--version"]
    try:
        printed = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False).stdout
    except OSError:
        printed = ""
    return printed.strip().splitlines()[0] if printed.strip() else command.name


@contextmanager
def written(site: str) -> Iterator[Path]:
    """The folder of a site: the one that is named, or KIND:PAGES written into one that is removed. Raises ValueError."""
    if (Path(site) / "site.json").exists():
        yield Path(site)
        return
    kind, colon, pages = site.partition(":")
    if not colon:
        raise ValueError(f"{site} is neither KIND:PAGES nor a folder that benchmarks/site.py wrote")
    with tempfile.TemporaryDirectory(prefix="site-") as folder:
        writer = [sys.executable, str(Path(__file__).parent / "site.py"), "--kind", kind, "--pages", pages, "-o", folder]
        if subprocess.run(writer, stdout=subprocess.DEVNULL, check=False).returncode:
            raise ValueError(f"no site {site}")
        yield Path(folder)


@contextmanager
def served(folder: Path, given: argparse.Namespace) -> Iterator[Served]:
    """Where the folder is served: by whoever does it already, or by an nginx for as long as this is entered."""
    if given.url:
        yield Served((given.url,), given.log)
        return
    with nginx(folder, given.hosts, given.core if given.core >= 0 else None) as found:
        yield found


def chosen(given: argparse.Namespace) -> tuple[list[Command], list[str]]:
    """The commands to run, and the rows of those that cannot. Raises ValueError without any."""
    commands, absent = [], []
    for text in given.commands or RUNNERS:
        try:
            commands.append(Command.parse(text, given.venvs))
        except LookupError as error:
            absent.append((text, error.args[0]))
    if not commands:
        raise ValueError("nothing to run: " + "; ".join(f"{name}: {why}" for name, why in absent))
    return commands, [f"| {name} | {why} | | | | | |" for name, why in absent]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures what a page costs.")
    parser.add_argument("site", help="KIND:PAGES, e.g. standard:5000, or a folder that benchmarks/site.py wrote")
    parser.add_argument("commands", nargs="*", metavar="RUNNER", help=f"{' '.join(RUNNERS)} (all of them), or 'NAME: COMMAND'")
    parser.add_argument("--hosts", type=int, default=1, help="serve the site on so many loopback addresses: each is crawled whole")
    parser.add_argument("--url", help="where the folder is served already; without it an nginx is started")
    parser.add_argument("--log", type=Path, help="that server's access log")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--core", type=int, default=(os.cpu_count() or 1) - 1, help="the core to run on; -1: any")
    parser.add_argument("--scratch", type=Path, help="where the crawlers write (the system's folder for temporary files)")
    parser.add_argument("--venvs", type=Path, default=Path(".venvs"), help="where the environments of scrapy and crawlee are (.venvs)")
    return parser.parse_intermixed_args()


def main() -> int:
    """Prints the table; 1 when a row was refused, 2 when nothing could be measured."""
    given = _arguments()
    try:
        commands, absent = chosen(given)
        with written(given.site) as folder, served(folder, given) as at, tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
            shape = Shape(**json.loads((folder / "site.json").read_text("utf-8")))
            site = Site.of(shape, at.urls)
            lines = heading(commands, shape, len(at.urls), given.repeat)
            core = given.core if given.core >= 0 else None
            runs = measure(commands, site, given.repeat, core, ServerLog(at.log), Path(scratch))
    except (ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = [row(command.name, runs[command.name], len(site.urls), command.keeps) for command in commands]
    print("\n".join(lines), f"\n\n{HEAD}")
    print("\n".join([*(line for line, _ in rows), *absent]))
    return 0 if all(good for _, good in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
