"""`crawler report`: each format says what the SQL says, for people and programs, while a crawl runs too, and whatever a site has said."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from running import SECONDS, Capture, no_surroundings, run, running, value, wait_until

from crawler.cli.report_text import text_table
from crawler.errors import OutputError
from crawler.report.export.whole import write_whole
from crawler.report.folder import open_folder
from crawler.report.groups import take
from crawler.report.tables import TABLES, Table
from crawler.store.database import FORMAT
from crawler.testing import Gate, Site, answer
from crawler.text import width_of
from tests.report.crawl_folder import CrawlFolder, example
from tests.report.test_report_page import hostile_crawl

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]")
FINDINGS = [table for table in TABLES.values() if table.is_finding]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small crawl with a bit of everything."""
    made = example(tmp_path / "crawl")
    made.close()
    return made.path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crawl of a site that wants to do harm with every word."""
    return hostile_crawl(tmp_path_factory.mktemp("hostile") / "crawl", 40)


def in_sql(folder: Path, name: str) -> list[tuple[object, ...]]:
    """The rows of a table, as anybody would ask for them."""
    with closing(sqlite3.connect(folder / "crawl.db")) as connection:
        return connection.execute(TABLES[name].sql).fetchall()


def groups_in_sql(folder: Path, name: str) -> int:
    """How many groups the rows of a table make."""
    keys = TABLES[name].keys
    return len({row[: keys or None] for row in in_sql(folder, name)})


# --- every format says what the SQL says --------------------------------------------------------------------------------


def test_every_table_in_every_format_is_its_sql(folder: Path, capfd: Capture) -> None:
    """JSON and CSV hold each row, text and Markdown say how many groups there are and hold them all, JUnit has a case for each of those
    that are findings."""
    every = [f"--{name}" for name in TABLES]
    report = json.loads(run(capfd, "report", folder, *every, "--json").out)
    text = run(capfd, "report", folder, *every).out.split("\n")
    marked = run(capfd, "report", folder, *every, "--format", "md").out.split("\n## ")
    suites = ElementTree.fromstring(run(capfd, "report", folder, "--format", "junit").out)
    for (name, table), of_one in zip(TABLES.items(), marked, strict=True):
        rows, groups = in_sql(folder, name), groups_in_sql(folder, name)
        flat = [tuple(group[column] for column in table.group_columns) + item for group in report[name] for item in _items(table, group)]
        assert flat == rows
        assert len(report[name]) == groups
        assert table.counted(groups) in text
        assert len([line for line in of_one.split("\n") if line.startswith("- ")]) == groups

        lines = list(csv.reader(io.StringIO(run(capfd, "report", folder, f"--{name}", "--format", "csv").out)))
        assert tuple(lines[0]) == table.columns
        assert [["" if value is None else str(value) for value in row] for row in rows] == lines[1:]
        if table.is_finding:
            (suite,) = (each for each in suites if each.attrib["name"] == table.many)
            assert int(suite.attrib["failures"]) == len(suite.findall(".//failure")) == groups
            assert int(suite.attrib["tests"]) == len(suite.findall(".//testcase")) == max(1, groups)


def _items(table: Table, group: dict[str, Any]) -> list[tuple[object, ...]]:
    """The rest of the rows of a group; that of one that has no items."""
    nothing = tuple(None for _ in table.item_columns)
    return [tuple(item.values()) for item in group.get(table.items, ())] or [nothing]


def test_the_summary_again(folder: Path, capfd: Capture) -> None:
    """Without a table: the last screen, as JSON what summary.json holds, and its numbers as CSV and Markdown."""
    text = run(capfd, "report", folder).out
    assert "ok 4 · redirects 1 · broken 3 · errors 1" in text
    assert "crawler report" in text
    summary = json.loads(run(capfd, "report", folder, "--format", "json").out)
    assert (summary["pages"], summary["broken_links"]) == (9, 3)
    numbers = dict(list(csv.reader(io.StringIO(run(capfd, "report", folder, "--format", "csv").out)))[1:])
    assert (numbers["pages"], numbers["bytes"]) == ("9", "4600")
    assert "| pages | 9 |" in run(capfd, "report", folder, "--format", "md").out
    suites = ElementTree.fromstring(run(capfd, "report", folder, "--format", "junit").out)
    assert [suite.attrib["name"] for suite in suites] == [table.many for table in FINDINGS]


def test_what_is_left_out_is_counted(hostile: Path, capfd: Capture) -> None:
    """A long table ends with how many more there are and the command that shows them; `--limit 0` is that command."""
    groups = groups_in_sql(hostile, "broken")
    text = run(capfd, "report", hostile, "--broken", "--limit", 3).out
    assert f"and {groups - 3} more: crawler report {hostile} --broken --limit 0" in text
    whole = run(capfd, "report", hostile, "--broken", "--limit", 0).out
    assert " more" not in whole
    assert whole.count("https://") == sum(1 for row in in_sql(hostile, "broken") if row[5]) + groups


def test_the_sql_can_be_asked(folder: Path, capfd: Capture) -> None:
    """`--sql` prints the statements behind the tables, and `crawler query` answers them."""
    ran = run(capfd, "report", folder, "--slow", "--sql")
    asked = run(capfd, "query", folder, ran.out.partition("\n")[2], "--json")
    assert asked.code == 0, asked.err
    assert json.loads(asked.out) == json.loads(run(capfd, "report", folder, "--slow", "--json").out)["slow"]
    assert run(capfd, "report", folder, "--sql").out.count("SELECT") >= len(TABLES)


# --- whatever a site has said -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["text", "json", "csv", "md", "junit"])
def test_hostile_words_do_nothing(hostile: Path, capfd: Capture, format: str) -> None:
    """No control and no change of direction gets through, no cell of CSV begins a formula, Markdown has no element and no link that
    is not http, and XML can be read."""
    names = [table.name for table in (FINDINGS if format == "junit" else TABLES.values())]
    asked = [[name] for name in names] if format == "csv" else [names]
    for words in asked:
        ran = run(capfd, "report", hostile, *(f"--{name}" for name in words), "--format", format)
        assert ran.code == 0, ran.err
        assert "alert(1)" in ran.out or "alert" not in str([in_sql(hostile, name) for name in words])
        assert not ACTS.search(ran.out)
        if format == "csv":
            cells = [cell for row in csv.reader(io.StringIO(ran.out)) for cell in row]
            assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "-")) and not re.fullmatch(r"-?[\d.]+", cell)]
        if format == "md":
            page = MarkdownIt("commonmark", {"html": True}).render(ran.out)
            assert set(re.findall(r"<(\w+)", page)) <= {"h2", "ul", "li", "p", "a"}
            assert not re.search(r'href="(?!https?:)', page)
        if format == "junit":
            ElementTree.fromstring(ran.out)


@pytest.mark.parametrize("columns", [80, 40, 20])
def test_no_line_is_wider_than_the_terminal(hostile: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Of any table; a command that is there to be copied may be, and on a terminal too narrow for any URL so may those."""
    monkeypatch.setenv("COLUMNS", str(columns))
    with patch("sys.stdout.isatty", return_value=True):
        text = run(capfd, "report", hostile, *(f"--{name}" for name in TABLES)).out
    plain = re.sub(r"\x1b\[\d*m", "", text)
    assert not ACTS.search(plain)
    heads = {table.counted(groups_in_sql(hostile, table.name)) for table in TABLES.values()}
    wide = [line for line in plain.split("\n") if width_of(line) > max(columns, 46) and line not in heads and "crawler report" not in line]
    assert wide == []
    assert text != plain


def test_no_number_is_cut_for_want_of_room(tmp_path: Path) -> None:
    """What does not fit beside its subject stands below, on as many lines as it needs."""
    made = CrawlFolder(tmp_path / "crawl").run()
    for number in range(1000):
        made.page(f"https://example.org/{number}", outcome=("ok", "redirect", "http_error", "error")[number % 4], ttfb_ms=1500.0)
    made.close()
    with closing(open_folder(made.path)) as connection:
        lines = "".join(text_table(TABLES["depth"], take(connection, TABLES["depth"]), "crawl", 40)).splitlines()
    assert all(width_of(line) <= 40 for line in lines)
    facts = " · ".join(line.strip() for line in lines[3:])
    assert facts == "ok 250 · redirects 250 · broken 250 · errors 250 · 977 KB · 1.5 s"


# --- a crawl that runs, and folders that hold none ----------------------------------------------------------------------------


def test_while_a_crawl_runs(new_site: Callable[..., Site], tmp_path: Path, capfd: Capture) -> None:
    """Another process reads what is stored so far, and says that it is of this moment."""
    gate = Gate()
    site = new_site({"/": answer(links=["/gone", "/late"]), "/late": answer(body="late", gate=gate)})
    out = tmp_path / "out"
    with running("crawl", site.url(), "-o", out, "-q", "--sitemap", "off") as crawling:
        site.wait_for("/late", timeout=SECONDS)
        wait_until(lambda: value(out, "SELECT count(*) FROM pages") == 2, crawling)
        ran = run(capfd, "report", out, "--broken")
        gate.open()
        crawling.communicate(timeout=30)
    assert ran.out.startswith(f"This crawl is running (process {crawling.pid}): what follows is of this moment.\n\n1 broken URL\n")
    assert not run(capfd, "report", out, "--broken").out.startswith("This crawl")


def test_folders_that_hold_no_crawl(tmp_path: Path, folder: Path, capfd: Capture) -> None:
    """Nothing there, an empty folder, a database of something else, a damaged one, an empty one, one of a newer format: code 6, one error
    each."""
    empty = tmp_path / "empty"
    empty.mkdir()
    other, damaged, begun = tmp_path / "other", tmp_path / "damaged", tmp_path / "begun"
    for path in (other, damaged, begun):
        path.mkdir()
    (begun / "crawl.db").touch()
    with closing(sqlite3.connect(other / "crawl.db")) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    whole = (folder / "crawl.db").read_bytes()
    (damaged / "crawl.db").write_bytes(whole[:5000] + b"\xff" * 40_000 + whole[45_000:])
    for path, said in (
        (tmp_path / "none", "no such folder"), (empty, "it has no crawl.db"), (other, "something else"), (damaged, ""),
        (begun, "it is empty"),
    ):  # fmt: skip
        ran = run(capfd, "report", path, "--broken")
        assert (ran.code, ran.out) == (6, "")
        assert ran.err.startswith("error: ")
        assert said in ran.err
        assert len(ran.err.strip().split("\n")) <= 3
    with closing(sqlite3.connect(folder / "crawl.db")) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'format'", (str(FORMAT + 1),))
        connection.commit()
    newer = run(capfd, "report", folder)
    assert (newer.code, f"has format {FORMAT + 1}" in newer.err) == (6, True)


def test_what_a_format_cannot_say(folder: Path, capfd: Capture) -> None:
    """Two tables in one CSV, a table of no findings as JUnit, an unknown format: code 2, with what works instead."""
    for words, said in (
        (("--broken", "--slow", "--format", "csv"), "csv holds one table"),
        (("--hosts", "--format", "junit"), "junit has nothing to say of --hosts"),
        (("--format", "xml"), "`--format` cannot be 'xml'"),
        (("--brokn",), "did you mean --broken?"),
    ):
        ran = run(capfd, "report", folder, *words)
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err
        assert "  try: crawler report" in ran.err or "  try: --format" in ran.err


# --- report.html ----------------------------------------------------------------------------------------------------------


def test_html_goes_where_it_is_told(folder: Path, tmp_path: Path, capfd: Capture) -> None:
    """`--html FILE` writes it and says so, `-` is standard output, a table that is asked for is printed too, and a file that cannot be
    written is code 6."""
    ran = run(capfd, "report", folder, "--html", tmp_path / "r.html")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(f"wrote {tmp_path / 'r.html'}, ")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert run(capfd, "report", folder, "--html", "-").out == text
    assert run(capfd, "report", folder, "--html", tmp_path / "r.html", "--broken").out.startswith("4 broken URLs")
    ran = run(capfd, "report", folder, "--html", tmp_path / "no" / "r.html")
    assert (ran.code, "cannot write" in ran.err) == (6, True)


def test_html_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Whatever goes wrong on the way, the file before stays and nothing lies beside it; a link stays a link, a device a device."""

    def broken_off() -> Iterator[str]:
        yield "half of"
        raise KeyboardInterrupt

    real, link = tmp_path / "real.html", tmp_path / "link.html"
    link.symlink_to(real)
    write_whole(link, ["before"])
    with pytest.raises(KeyboardInterrupt):
        write_whole(link, broken_off())
    assert real.read_text("utf-8") == "before"
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [link, real]
    write_whole(Path(os.devnull), ["nothing"])
    assert not Path(os.devnull).is_file()
    with pytest.raises(OutputError, match="cannot write"):
        write_whole(tmp_path, ["a folder"])


def test_every_stop_leaves_a_report(new_site: Callable[..., Site], tmp_path: Path, capfd: Capture) -> None:
    """At a limit, at the end, and again when it was lost: the report in the folder is of the crawl as it stands."""
    site = new_site({"/": answer(links=["/1", "/2"]), "/1": "one", "/2": "two"})
    out = tmp_path / "out"
    command = ("crawl", site.url(), "-o", out, "--sitemap", "off")
    assert run(capfd, *command, "--max-pages", 2).code == 0
    first = (out / "report.html").read_text("utf-8")
    assert "Not complete (page limit, 1 URL is left)." in first
    ran = run(capfd, *command)
    assert "report.html" in ran.err
    last = (out / "report.html").read_text("utf-8")
    assert "<dt>pages<dd>3" in last
    assert "Not complete" not in last
    (out / "report.html").unlink()
    assert run(capfd, *command).code == 0
    assert (out / "report.html").read_text("utf-8") == last


def test_a_report_that_cannot_be_written_is_not_named(new_site: Callable[..., Site], tmp_path: Path, capfd: Capture) -> None:
    """The crawl ends as well as without it."""
    site = new_site({"/": "<a href=/more>", "/more": "more"})
    command = ("crawl", site.url(), "-o", tmp_path / "out", "--sitemap", "off")
    assert run(capfd, *command, "--max-pages", 1).code == 0
    (tmp_path / "out" / "report.html").unlink()
    (tmp_path / "out" / "report.html").mkdir()
    ran = run(capfd, *command)
    assert (ran.code, "report.html" in ran.err, "finished: queue empty" in ran.err) == (0, False, True), ran.err


def test_each_page_that_links_to_a_broken_one_comes_first(tmp_path: Path, capfd: Capture) -> None:
    """A page that links there a hundred times hides no other: all pages are named before the second link of any is."""
    made, gone = CrawlFolder(tmp_path / "crawl").run(), "https://example.org/gone"
    made.page("https://example.org/list", [gone] * 100)
    for number in range(3):
        made.page(f"https://example.org/{number}", [gone, gone])
    made.page(gone, outcome="http_error").close()

    lines = run(capfd, "report", made.path, "--broken").out.split("\n")
    assert [line.strip().removeprefix("https://example.org/") for line in lines[3:9]] == ["list", "0", "1", "2", "list", "and 101 more"]
    found = json.loads(run(capfd, "report", made.path, "--broken", "--json").out)["broken"][0]["found_on"]
    assert len(found) == 106
    assert [link["source"].removeprefix("https://example.org/") for link in found[:9]] == ["list", "0", "1", "2"] * 2 + ["list"]


def test_what_was_given_up_with_its_host_is_broken(tmp_path: Path, capfd: Capture) -> None:
    """URLs that were never asked for, as their host did not answer, have no row among the pages: whoever links to them is named all the
    same, with the reason; a sitemap that is not there is no broken link."""
    made = CrawlFolder(tmp_path / "crawl").run()
    made.page("https://example.org/", ["https://down.example/a"]).url("https://down.example/a", "failed", "dns", "dns: no such name")
    made.url("https://example.org/sitemap.xml", "failed", "decode", role="sitemap")
    made.close()
    ran = run(capfd, "report", made.path, "--broken")
    assert ran.out.split("\n")[:4] == [
        "1 broken URL",
        "",
        "  dns  https://down.example/a  no such name · 1 link",
        "       https://example.org/",
    ]
    assert (
        json.loads(run(capfd, "report", made.path, "--broken", "--json").out)["broken"][0]["found_on"][0]["source"]
        == "https://example.org/"
    )


def test_the_folder_is_named_for_a_shell(tmp_path: Path, capfd: Capture) -> None:
    """In the command for what is left out."""
    made = CrawlFolder(tmp_path / "my crawl").run()
    for number in range(3):
        made.page(f"https://example.org/{number}", outcome="http_error")
    made.close()
    assert f"crawler report '{made.path}' --broken --limit 0" in run(capfd, "report", made.path, "--broken", "--limit", 1).out
