"""`open_results`: what a crawl has found, as rows for programs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from running import Capture, no_surroundings, run

import crawler
from crawler import BrokenLink, LinkRow, OutputError, PageRow, UsageError, open_results
from crawler.model import ErrorKind, OutcomeName
from crawler.report import folder as report_folder
from crawler.testing import PageValue, Site, answer, redirect, site
from tests.report.crawl_folder import CrawlFolder, example

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "row.schema.json").read_text("utf-8"))
VALID = jsonschema.Draft202012Validator(SCHEMA).validate
WEB: dict[str, PageValue] = {
    "/robots.txt": answer(200, "Sitemap: /map.xml\n", {"Content-Type": "text/plain"}),
    "/map.xml": "<urlset><url><loc>/listed</loc><lastmod>2026-11-22</lastmod></url></urlset>",
    "/": "<title>Home \x1b[2J| page</title><h1>=1+1</h1><a href=/a rel=next>To A</a><a href=/old>Old</a><a href=https://other.example/>O</a>",
    "/a": "<title>A</title><a href=/gone>Gone</a><a href=/down>Down</a>",
    "/old": redirect("/a"),
    "/gone": answer(404),
    "/down": answer(fault="reset"),
    "/listed": answer(200, "%PDF", {"Content-Type": "application/pdf"}),
}


def test_pages_are_the_rows_of_jsonl(new_site: Any, tmp_path: Path, capfd: Capture) -> None:
    """What a crawl printed while it ran, what `open_results` gives and what the schema in the documentation says are the same."""
    web = new_site(WEB)
    ran = run(capfd, "crawl", web.url(), "-o", tmp_path / "out", "--jsonl", "-", "--extract", "h=h1", "--retries", "0", "-q")
    printed = [json.loads(line) for line in ran.out.splitlines()]
    with open_results(tmp_path / "out") as results:
        read = list(results.pages())

    assert {page.outcome for page in read} == {"ok", "redirect", "http_error", "error"}
    assert sorted(printed, key=lambda row: row["url"]) == sorted((row._asdict() for row in read), key=lambda row: row["url"])
    for row in printed:
        VALID(row)


def test_the_schema_has_the_keys_and_closed_sets_of_the_code() -> None:
    """In their order, none more and none less; and it tells a wrong row."""
    assert tuple(SCHEMA["properties"]) == tuple(SCHEMA["required"]) == PageRow._fields
    assert SCHEMA["properties"]["outcome"]["enum"] == list(get_args(OutcomeName))
    assert SCHEMA["properties"]["error"]["enum"] == [*get_args(ErrorKind), None]
    with pytest.raises(jsonschema.ValidationError):
        VALID({"url": "https://example.org/"})


def test_reading_loads_nothing_that_crawls() -> None:
    """Whoever only reads results pays for no HTTP client, event loop or parser."""
    code = "import sys; from crawler import open_results; print([name for name in sys.argv[1:] if name in sys.modules])"
    heavy = ("aiohttp", "asyncio", "selectolax", "rich", "ada_url", "pyarrow")
    ran = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_links_and_broken_links(tmp_path: Path) -> None:
    """Links with the URLs at both ends, those of sitemaps and refused ones included; broken ones by target."""
    with site(WEB) as web, closing(open_site(web, tmp_path)) as results:
        base = web.url("")
        links = list(results.links())
        assert LinkRow(f"{base}/", f"{base}/a", "a", "next", "To A", 0) in links
        assert LinkRow(f"{base}/", "https://other.example/", "a", "", "O", 2) in links
        assert LinkRow(f"{base}/map.xml", f"{base}/listed", "sitemap", "", "2026-11-22", 0) in links
        assert list(results.broken()) == [
            BrokenLink(f"{base}/down", 0, "reset", f"{base}/a", "a", "Down"),
            BrokenLink(f"{base}/gone", 404, None, f"{base}/a", "a", "Gone"),
        ]
        count = results.query("SELECT count(*) AS links FROM links")
        assert list(count) == [{"links": len(links)}]


def open_site(web: Site, tmp_path: Path) -> crawler.Results:
    """The results of a crawl of the site."""
    for _ in crawler.crawl(web.url("/"), output=str(tmp_path / "out"), retries=0):
        pass
    return open_results(str(tmp_path / "out"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[CrawlFolder]:
    """A folder with more pages than are read at a time, whose crawl has it open."""
    with closing(example(tmp_path / "out")) as made:
        with made.database.transaction():
            for number in range(2500):
                made.page(f"https://example.org/many/{number}", [f"https://example.org/many/{number + 1}"])
        yield made


def test_every_row_comes_once_and_in_order(folder: CrawlFolder) -> None:
    """Whatever the parts are in which they are read."""

    def every(sql: str) -> list[object]:
        return [value for (value,) in folder.connection.execute(sql)]

    with open_results(folder.path) as results:
        assert [page.url for page in results.pages()] == every("SELECT url FROM pages ORDER BY row")
        assert [link.position for link in results.links()] == every("SELECT position FROM links ORDER BY link")


def test_what_is_stored_meanwhile_comes_the_next_time(folder: CrawlFolder) -> None:
    """An iterator ends, however fast the crawl is; and it never keeps the crawl's log from being emptied."""
    with open_results(folder.path) as results:
        pages = results.pages()
        first = next(pages)
        with folder.database.transaction():
            folder.page("https://example.org/late")
        _, there, moved = folder.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        assert there == moved
        urls = [first.url, *(page.url for page in pages)]
        assert len(urls) == 2509
        assert "https://example.org/late" not in urls
        assert "https://example.org/late" in {page.url for page in results.pages()}


def test_queries_take_parameters_and_tell_columns_apart(folder: CrawlFolder) -> None:
    """Dictionaries, in the order of the columns."""
    with open_results(folder.path) as results:
        sql = "SELECT url, status AS url FROM pages WHERE status = ? ORDER BY row"
        assert list(results.query(sql, (500,))) == [{"url": "https://example.org/lonely", "url_2": 500}]
        assert list(results.query("SELECT :name AS it", {"name": "x"})) == [{"it": "x"}]
        with pytest.raises(UsageError, match="did you mean pages"):
            results.query("SELECT * FROM page")
        with pytest.raises(UsageError, match="only reads"):
            results.query("DELETE FROM pages")


def test_rows_are_tuples_and_dictionaries(folder: CrawlFolder) -> None:
    """As data frames want them; nobody can change one by mistake."""
    with open_results(folder.path) as results:
        page = next(results.pages())
        assert dict(zip(PageRow._fields, page, strict=True)) == page._asdict()
        with pytest.raises(AttributeError):
            page.url = "x"  # type: ignore[misc]


def test_several_iterators_and_an_early_end(folder: CrawlFolder) -> None:
    """They do not know of each other, and one that is left needs no care."""
    with open_results(folder.path) as results:
        together = zip(results.pages(), results.pages(), strict=True)
        assert all(one == other for one, other in islice(together, 1500))
        rows = results.query("SELECT url FROM pages")
        next(rows)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        next(results.pages())
    results.close()


def test_a_database_that_another_program_holds(folder: CrawlFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said as such, with exit code 6; it is no damage."""
    monkeypatch.setattr(report_folder, "_PATIENCE", 0.0)
    path = folder.path
    folder.close()
    with closing(sqlite3.connect(path / "crawl.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutputError, match="is locked\n  another program holds it") as caught:
            open_results(path)
        assert caught.value.exit_code == 6


def test_a_folder_that_cannot_be_read(tmp_path: Path, folder: CrawlFolder) -> None:
    """No crawl, a newer format, a locked database: OutputError, with exit code 6."""
    with pytest.raises(OutputError, match="is not a crawl"):
        open_results(tmp_path / "nowhere")
    folder.database.set_meta(format="99")
    with pytest.raises(OutputError, match="has format 99") as caught:
        open_results(folder.path)
    assert caught.value.exit_code == 6
