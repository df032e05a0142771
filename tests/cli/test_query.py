"""`crawler query`: what it prints where, how it ends, and beside what."""

from __future__ import annotations

import csv
import io
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Capture, ended, error_lines, no_surroundings, run, running

from crawler.testing import Gate, Site, answer
from tests.report.crawl_folder import HOSTILE, example

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]
BROKEN = "SELECT url, status FROM pages WHERE status >= 400 ORDER BY url"
FOUND = [("https://example.org/gone", 404), ("https://example.org/lonely", 500), ("https://example.org/missing", 404)]
ENDLESS = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished crawl."""
    made = example(tmp_path_factory.mktemp("query") / "out")
    made.page(HOSTILE, title="\x1b[2J|<b>")
    made.close()
    return made.path


def test_each_format_has_the_same_rows(folder: Path, capfd: Capture) -> None:
    """Lines with tabs for a pipe, and whatever was asked for."""
    assert run(capfd, "query", folder, BROKEN).out == "".join(f"{url}\t{status}\n" for url, status in FOUND)
    assert list(csv.reader(io.StringIO(run(capfd, "query", folder, BROKEN, "--csv").out)))[1:] == [[url, str(n)] for url, n in FOUND]
    assert json.loads(run(capfd, "query", folder, BROKEN, "--json").out) == [{"url": url, "status": n} for url, n in FOUND]
    lines = run(capfd, "query", folder, BROKEN, "--jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == [{"url": url, "status": n} for url, n in FOUND]
    assert run(capfd, "query", folder, BROKEN, "--md").out.splitlines()[2] == "| <https://example.org/gone> | 404 |"
    assert run(capfd, "query", folder, BROKEN, "--table").out.splitlines()[0].split() == ["url", "status"]


@pytest.mark.parametrize("format", ["", "--table", "--csv", "--json", "--jsonl", "--md"])
def test_no_control_character_gets_through(folder: Path, capfd: Capture, format: str) -> None:
    """Whatever a database holds."""
    out = run(capfd, "query", folder, "SELECT url, title FROM pages", *filter(None, [format])).out
    assert "owned" in out
    assert all(character.isprintable() or character in "\n\t" for character in out)


def test_the_list_shows_every_table_and_view(folder: Path, capfd: Capture) -> None:
    """Each with its columns, what they mean and what they hold; the crawler's own are left out."""
    out = run(capfd, "query", folder, "--list", "--jsonl").out
    shown = [json.loads(line) for line in out.splitlines()]
    listed = run(capfd, "query", folder, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT GLOB '_*'")

    assert {row["relation"] for row in shown} == set(listed.out.split())
    assert all(row["means"] for row in shown)
    [first] = [row for row in shown if (row["relation"], row["column"]) == ("broken_links", "target")]
    assert first["row 1"].startswith("https://example.org/")


def test_sql_from_standard_input(folder: Path) -> None:
    """`-` reads it from there."""
    with running("query", folder, "-", stdin=-1) as process:
        assert ended(process, BROKEN).out.splitlines()[0].split("\t") == [FOUND[0][0], "404"]


WRONG: list[tuple[list[str], int, str]] = [
    (["SELECT * FROM pagse"], 2, "did you mean pages?"),
    (["SELECT titel FROM pages"], 2, "did you mean title?"),
    (["DELETE FROM pages"], 2, "it only reads: DELETE from pages is not possible here"),
    ([], 2, "usage: crawler query DIR SQL"),
    (["--list", "SELECT 1"], 2, "there is nothing to ask"),
    (["SELECT 1", "--cvs"], 2, "did you mean --csv?"),
]


@pytest.mark.parametrize(("words", "code", "why"), WRONG)
def test_what_is_wrong_is_said_in_three_lines(folder: Path, capfd: Capture, words: list[str], code: int, why: str) -> None:
    """On standard error, and nothing on standard output."""
    ran = run(capfd, "query", folder, *words)
    assert (ran.code, ran.out) == (code, "")
    assert why in error_lines(ran.err)[1]


def test_a_folder_without_a_crawl(tmp_path: Path, capfd: Capture) -> None:
    """Exit code 6, whatever is asked."""
    assert run(capfd, "query", tmp_path, "SELECT 1").code == 6
    assert run(capfd, "query", tmp_path / "nowhere", "--list").code == 6


def test_ctrl_c_stops_a_query_that_takes_for_ever(folder: Path) -> None:
    """SQLite is in the midst of its work, and the process ends with 130."""
    # More than is kept back for a larger write (128 KiB from Python 3.14 on); what is left of it has room in a pipe.
    with running("query", folder, f"{ENDLESS} printf('%.140000c', 'x') UNION ALL SELECT 2 UNION ALL SELECT max(i) FROM n") as process:
        assert process.stdout is not None
        assert process.stdout.read(80_000) == "x" * 80_000
        process.send_signal(signal.SIGINT)
        ran = ended(process)
    assert (ran.code, ran.err) == (130, "interrupted\n")


def test_a_reader_that_has_seen_enough(folder: Path) -> None:
    """`| head` is no error."""
    with running("query", folder, f"{ENDLESS} i FROM n") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        process.stdout.close()
        process.stdout = None
        assert ended(process)[::2] == (0, "")


def test_beside_a_crawl(new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """What is stored already is there, while the crawl waits for its next answer."""
    gate = Gate()
    web = new_site({"/": answer(links=["/a", "/slow"]), "/a": "<title>A</title>", "/slow": answer(gate=gate)})
    out = tmp_path / "out"
    with running("crawl", web.url(), "-o", out, "--jsonl", "-", "-q") as process:
        assert process.stdout is not None
        stored = [json.loads(process.stdout.readline())["url"] for _ in range(2)]
        ran = run(capfd, "query", out, "SELECT url FROM pages ORDER BY row")
        gate.open()
        assert ended(process).code == 0
    assert ran.out.split() == stored
