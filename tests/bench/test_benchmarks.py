"""The programs in benchmarks/ write the site they say, and give no figure to a crawl of anything else."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from crawler.bench.pages import KINDS, generate
from crawler.testing import Site

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir() or sys.platform == "win32", reason="needs benchmarks/ and a POSIX system")


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """benchmarks/run.py as a module."""
    specification = importlib.util.spec_from_file_location("benchmarks_run", BENCHMARKS / "run.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["benchmarks_run"] = module
    specification.loader.exec_module(module)
    return module


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
    ("status", "stored", "asked", "objection"),
    [
        (0, 500, 500, ""),
        (0, None, 500, ""),
        (0, 500, None, ""),
        (3, 500, 500, "exit status 3"),
        (0, 499, 500, "499 of 500 pages stored"),
        (0, 500, 501, "501 of 500 pages asked for"),
        (0, None, None, "nothing to count its pages by: no crawl.db, no server log"),
    ],
)
def test_a_row_with_the_wrong_pages_is_refused(
    runner: ModuleType, status: int, stored: int | None, asked: int | None, objection: str
) -> None:
    """Whoever stops early, goes astray or fails gets no figure."""
    run = runner.Run(wall=1.0, cpu=0.5, peak=51200, status=status, stored=stored, asked=asked, requests=asked)
    assert run.objection(500) == objection
    line, good = runner.row("x", [run], 500)
    assert good is not bool(objection)
    assert (f"refused: {objection}" in line) is bool(objection)


def test_the_figures_of_a_row(runner: ModuleType) -> None:
    """Medians with the lowest and the highest; CPU in milliseconds per page, memory in MB."""
    runs = [runner.Run(wall, cpu, 51200, 0, 500, 500, 502) for wall, cpu in ((1.0, 0.5), (2.0, 0.25), (4.0, 0.75))]
    assert runner.row("x", runs, 500) == ("| x | 1.000 (0.500-1.500) | 2.00 (1.00-4.00) | 250 | 50 | 2 |", True)


def test_a_run_is_counted_by_log_and_database(runner: ModuleType, site: Site, tmp_path: Path) -> None:
    """What an earlier run left in the log does not count, nor do robots.txt and sitemaps."""
    log = tmp_path / "access.log"
    log.write_text('1.0 127.0.0.1 200 5 "GET /before HTTP/1.1" 1\n')
    lines = "".join(f'1.0 127.0.0.1 200 5 "GET {path} HTTP/1.1" 1\n' for path in ("/", "/a", "/a", "/robots.txt", "/sitemap.xml"))
    code = (
        "import pathlib, sqlite3, sys; out = pathlib.Path(sys.argv[1]); out.mkdir(); "
        f"open({str(log)!r}, 'a').write({lines!r}); base = sqlite3.connect(out / 'crawl.db'); "
        "base.execute('CREATE TABLE pages (outcome)'); "
        "base.executemany('INSERT INTO pages VALUES (?)', [('ok',), ('ok',), ('error',)]); base.commit()"
    )
    script = tmp_path / "crawl.py"
    script.write_text(code)
    command = runner.Command.parse(f"ours: {sys.executable} {script} {{out}} {{url}}")
    run = runner.run_once(command, site.url(), None, runner.ServerLog(log), tmp_path)
    assert command.name == "ours"
    assert (run.status, run.stored, run.asked, run.requests) == (0, 2, 2, 3)
    assert run.objection(2) == ""
