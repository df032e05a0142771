"""The programs in benchmarks/ write the site they say, and give no figure to a crawl of anything else."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from crawler.bench.pages import KINDS, generate, path_of
from crawler.testing import Site

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir() or sys.platform == "win32", reason="needs benchmarks/ and a POSIX system")


def program(name: str) -> ModuleType:
    """One of the programs as a module. They find each other because they lie in one folder."""
    if str(BENCHMARKS) not in sys.path:
        sys.path.append(str(BENCHMARKS))
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """benchmarks/run.py as a module."""
    return program("run")


def test_the_static_site_is_the_generated_one(tmp_path: Path) -> None:
    """One file per page, the same bytes as the generator's, and never into a folder that holds anything."""
    command = [sys.executable, str(BENCHMARKS / "site.py"), "--kind", "small", "--pages", "60", "-o", str(tmp_path / "site")]
    subprocess.run(command, check=True, capture_output=True)
    shape = json.loads((tmp_path / "site" / "site.json").read_text("utf-8"))
    assert (shape["pages"], shape["size"], shape["links"]) == (60, 4096, KINDS["small"].links)
    pages = dict(generate(type(KINDS["small"])(**shape)))
    written = {f"/{file.relative_to(tmp_path / 'site').as_posix()}": file.read_bytes() for file in (tmp_path / "site").rglob("*.html")}
    assert written == {"/index.html" if path == "/" else path: body for path, body in pages.items()}
    assert subprocess.run(command, check=False, capture_output=True).returncode == 2


@pytest.mark.parametrize(
    ("status", "stored", "asked", "saved", "objection"),
    [
        (0, 500, 500, 500, ""),
        (0, None, 500, None, ""),
        (0, 500, None, None, ""),
        (3, 500, 500, 500, "exit status 3"),
        (0, 499, 500, 500, "499 of 500 pages stored"),
        (0, 500, 501, 500, "501 of 500 pages asked for"),
        (0, None, 500, 0, "0 of 500 pages saved"),
        (0, None, None, None, "nothing to count its pages by: no crawl.db, no server log"),
    ],
)
def test_a_row_with_the_wrong_pages_is_refused(
    runner: ModuleType, status: int, stored: int | None, asked: int | None, saved: int | None, objection: str
) -> None:
    """Whoever stops early, goes astray, keeps too little or fails gets no figure."""
    run = runner.Run(1.0, 0.5, 51200, status, stored, asked, asked, saved)
    assert run.objection(500) == objection
    line, good = runner.row("x", [run], 500)
    assert good is not bool(objection)
    assert (f"refused: {objection}" in line) is bool(objection)


def test_the_figures_of_a_row(runner: ModuleType) -> None:
    """Medians with the lowest and the highest; CPU in milliseconds per page, memory in MB."""
    runs = [runner.Run(wall, cpu, 51200, 0, 500, 500, 502) for wall, cpu in ((1.0, 0.5), (2.0, 0.25), (4.0, 0.75))]
    assert runner.row("x", runs, 500, "bodies") == ("| x | 1.000 (0.500-1.500) | 2.00 (1.00-4.00) | 250 | 50 | 2 | bodies |", True)


def test_a_run_is_counted_by_log_and_database(runner: ModuleType, site: Site, tmp_path: Path) -> None:
    """What an earlier run left in the log does not count, nor do robots.txt and sitemaps; files count that have the size of a page."""
    log = tmp_path / "access.log"
    log.write_text('1.0 127.0.0.1 200 5 "GET /before HTTP/1.1" 1\n')
    lines = "".join(f'1.0 127.0.0.1 200 5 "GET {path} HTTP/1.1" 1\n' for path in ("/", "/a", "/a", "/robots.txt", "/sitemap.xml"))
    code = (
        "import pathlib, sqlite3, sys; out = pathlib.Path(sys.argv[1]); out.mkdir(); "
        "files = {'1.html': 'whole', '2.html': 'half', '3.txt': 'other', 'report.html': 'whole'}; "
        "[(out / name).write_text(text) for name, text in files.items()]; "
        f"open({str(log)!r}, 'a').write({lines!r}); base = sqlite3.connect(out / 'crawl.db'); "
        "base.execute('CREATE TABLE pages (outcome)'); "
        "base.executemany('INSERT INTO pages VALUES (?)', [('ok',), ('ok',), ('error',)]); base.commit()"
    )
    script = tmp_path / "crawl.py"
    script.write_text(code)
    command = runner.Command.parse(f"ours: {sys.executable} {script} {{out}} {{url}}", tmp_path)
    crawled = runner.Site([site.url()], [site.url(), site.url("/a")], size=5)
    run = runner.run_once(command, crawled, None, runner.ServerLog(log), tmp_path)
    assert command.name == "ours"
    assert (run.status, run.stored, run.asked, run.requests, run.saved) == (0, 2, 2, 3, None)
    assert run.objection(2) == ""
    keeper = replace(command, saves=True)
    assert runner.run_once(keeper, crawled, None, runner.ServerLog(log), tmp_path).objection(2) == "1 of 2 pages saved"
    another = runner.Site([site.url()], [site.url(), site.url("/b")], size=5)
    objection = "1 of 2 pages asked for, 1 others asked for"
    assert runner.run_once(command, another, None, runner.ServerLog(log), tmp_path).objection(2) == objection, "the number alone is right"


def test_runners_that_are_not_there_are_named(runner: ModuleType, tmp_path: Path) -> None:
    """With how to get them, or that there is none; nothing is left out silently."""
    for name, why in (("scrapy", "not installed: python3 -m venv"), ("wgte", "no such runner")):
        with pytest.raises(LookupError, match=why):
            runner.Command.parse(name, tmp_path)


@pytest.mark.skipif(not (shutil.which("nginx") or shutil.which("/usr/sbin/nginx")), reason="needs nginx")
def test_a_whole_comparison(tmp_path: Path) -> None:
    """A real crawler on a site that a real nginx serves under two addresses: who fetches all gets a row, who stops early none."""
    early = f"early: {sys.executable} {BENCHMARKS / 'peers' / 'floor.py'} --urls {{seeds}}"
    words = ["small:6", "--hosts=2", "--repeat=1", "--core=-1", f"--venvs={tmp_path}", f"--scratch={tmp_path}"]
    command = [sys.executable, str(BENCHMARKS / "run.py"), *words, "floor-lexbor", early, "crawlee"]
    environment = os.environ | {"PYTHONPATH": str(BENCHMARKS.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    rows = dict(re.findall(r"^\| ([\w-]+) \| ([^|]*) \|", done.stdout, re.MULTILINE))
    assert rows.pop("command") == "CPU ms/page"
    assert rows["early"] == "refused: 2 of 12 pages asked for"
    nobody = subprocess.run([*command[:-3], "crawlee"], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (nobody.returncode, nobody.stdout, nobody.stderr[:24]) == (2, "", "error: nothing to run: c"), "no table without a row"
    assert rows["crawlee"].startswith("not installed: ")
    assert re.match(r"\d+\.\d+ \(", rows["floor-lexbor"])
    assert os.listdir(tmp_path) == []


def test_the_latency_server_logs_every_answer(tmp_path: Path) -> None:
    """By address and path, from the coming of a request to the last byte of its answer, after the delay of its path."""
    latency = program("latency")
    case = latency.Case("two", (), pages=2, addresses=2, delay="20ms")
    with latency.served(case) as port:
        for address in ("127.0.0.1", "127.0.0.2"):
            for path in ("/", path_of(1), "/robots.txt"):
                connection = http.client.HTTPConnection(address, port, timeout=10)
                connection.request("GET", path)
                connection.getresponse().read()
                connection.close()
        rows = latency.taken(port)
        assert latency.taken(port) == []
    assert [(address, path) for address, path, _, _ in rows] == [(f"127.0.0.{host}", path) for host in (1, 2) for path in ("/", path_of(1))]
    assert all(left - came >= 0.018 for _, _, came, left in rows), "timers of a loop are as fine as a millisecond"
    assert latency.span(case, rows) >= 5 * 0.018, "from the first page to the last, with a robots.txt in between"
    for wrong in (rows[:3], [*rows, rows[0]]):
        with pytest.raises(ValueError, match="of 4 pages asked for"):
            latency.span(case, wrong)


def test_the_ideal_schedule() -> None:
    """64 at once, each as long as its answer takes; or one a second."""
    latency = program("latency")
    fixed, heavy, _, hosts = latency.CASES
    assert fixed.ideal == pytest.approx(79 * 0.05), "5,000 answers are 78 rounds of 64 and a bit"
    delays = sorted(latency.delay_of(path_of(number), heavy.delay) for number in range(heavy.pages))
    assert (delays[0] >= 0.02, delays[2500] < 0.04, delays[-1]) == (True, True, 2.0)
    assert sum(delays) / 64 <= heavy.ideal <= sum(delays) / 64 + delays[-1]
    assert hosts.ideal == 39.0


def test_instructions_are_read_from_callgrind() -> None:
    """Its total; a log without one is an error, and no figure."""
    instructions = program("instructions")
    log = "==7== Events    : Ir\n==7== Collected : 5123456789\n==7== \n"
    assert instructions.collected(log) == 5_123_456_789
    with pytest.raises(RuntimeError, match="counted nothing"):
        instructions.collected("==7== Process terminating")


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux, which tells the CPU time of each thread")
def test_what_it_takes_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU time to the first request of a crawl, which is for robots.txt and is never answered; what fails gives no figure."""
    start = program("start")
    monkeypatch.setenv("PYTHONPATH", str(BENCHMARKS.parent))
    assert start.to_the_first_request() > 10
    with pytest.raises(RuntimeError, match="exit status 3 of"):
        start.to_the_end([sys.executable, "-c", "raise SystemExit(3)"])
