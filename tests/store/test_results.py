"""Pages, links and history in crawl.db: what stands in the rows, and what a failed write leaves behind."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.core.urls import fingerprint
from crawler.errors import DiskFullError, OutputError
from crawler.model import Body, LinkRow, Page, PageError, Record
from crawler.store.database import Database
from crawler.store.files import PageFiles
from crawler.store.results import ResultStore
from crawler.store.row import row_of

URL = "https://a.test/page"
NOON = datetime(2026, 11, 22, 12, 30, 5, 123456, UTC)
FULL = Page(
    URL, fingerprint(URL), 200, "ok", None,
    (("Content-Type", "text/html"), ("ETag", '"1"'), ("Last-Modified", "yesterday"), ("X", "a"), ("x", "b")),
    Body(4, b"body", None, "aa"), "page", 2, "https://a.test/", None, "text/html", "windows-1252", "Title", "Words", "https://a.test/c",
    "en", "noindex", NOON, 0.0123, 0.5, 3, None, (), (), {"price": "1"},
)  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "crawl.db")) as database:
        database.connection.row_factory = sqlite3.Row
        yield database


@pytest.fixture
def files(tmp_path: Path) -> PageFiles:
    return PageFiles(tmp_path / "pages")


def page(path: str, **facts: Any) -> Page:
    url = f"https://a.test{path}"
    return Page(url, fingerprint(url), 200, **facts)


def links(count: int, kind: str = "a") -> tuple[LinkRow, ...]:
    return tuple((number, kind, "", "") for number in range(count))


def rows(database: Database, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in database.connection.execute(query)]


def test_all_that_is_known_of_a_page_is_in_its_row(database: Database) -> None:
    """Every fact has its column: ids of parent and target, times in UTC and milliseconds, headers as received."""
    ResultStore(database, None, run=7).write([Record(FULL, links(2))])

    (row,) = rows(database, "SELECT * FROM pages")
    assert row == {
        "row": 1, "id": fingerprint(URL), "url": URL, "run": 7, "status": 200, "outcome": "ok", "error": None, "error_detail": None,
        "redirect_to": None, "redirect_id": None, "role": "page", "depth": 2, "parent": fingerprint("https://a.test/"),
        "content_type": "text/html", "charset": "windows-1252", "bytes": 4, "sha256": "aa", "title": "Title", "description": "Words",
        "canonical": "https://a.test/c", "lang": "en", "robots_meta": "noindex", "etag": '"1"', "last_modified": "yesterday",
        "fetched_at": "2026-11-22T12:30:05.123456Z", "ttfb_ms": 12.3, "total_ms": 500.0, "attempts": 3, "file": None,
        "headers": '[["Content-Type", "text/html"], ["ETag", "\\"1\\""], ["Last-Modified", "yesterday"], ["X", "a"], ["x", "b"]]',
        "data": '{"price": "1"}', "first_link": 1, "link_count": 2,
    }  # fmt: skip


def test_an_error_and_a_redirect_have_their_columns(database: Database) -> None:
    """An error has kind and detail and no status, a redirect its target with its id."""
    failed = Page(URL, fingerprint(URL), 0, "error", PageError("dns", "no such host"))
    moved = page("/old", outcome="redirect", redirect_to=URL)
    ResultStore(database, None, run=1).write([Record(failed), Record(moved)])

    first, second = rows(
        database, "SELECT status, error, error_detail, redirect_to, redirect_id, ttfb_ms, link_count FROM pages ORDER BY row"
    )
    assert first == {
        "status": 0,
        "error": "dns",
        "error_detail": "no such host",
        "redirect_to": None,
        "redirect_id": None,
        "ttfb_ms": None,
        "link_count": 0,
    }
    assert (second["redirect_to"], second["redirect_id"]) == (URL, fingerprint(URL))


def test_a_row_for_programs_says_the_same(database: Database) -> None:
    """The row that `--jsonl` writes has the documented keys, in their order."""
    row = row_of(Record(FULL, links(2)))

    assert list(row._fields) == [
        "url", "status", "ok", "outcome", "error", "error_detail", "redirect_to", "depth", "parent", "content_type", "charset", "bytes",
        "sha256", "title", "fetched_at", "ttfb_ms", "total_ms", "attempts", "file", "links", "data",
    ]  # fmt: skip
    assert (row.ok, row.links, row.ttfb_ms, row.fetched_at) == (True, 2, 12.3, "2026-11-22T12:30:05.123456Z")


def test_the_links_of_a_page_are_found_by_their_numbers(database: Database) -> None:
    """`first_link` and `link_count` name exactly the rows of a page, also after pages were replaced."""
    store = ResultStore(database, None, run=1)
    store.write([Record(page(f"/{number}", outcome="error"), links(number * 40)) for number in range(4)])
    store.write([Record(page("/3"), links(5)), Record(page("/1"), links(130)), Record(page("/0"))])
    store.write([Record(page("/9"), links(1))])

    for row in rows(database, "SELECT id, first_link, link_count FROM pages"):
        own = rows(database, f"SELECT link, position FROM links WHERE src = {row['id']} ORDER BY link")
        assert [each["link"] for each in own] == list(range(row["first_link"] or 0, (row["first_link"] or 0) + row["link_count"]))
        assert [each["position"] for each in own] == list(range(row["link_count"]))
    assert rows(database, "SELECT count(*) AS count FROM links") == [{"count": 5 + 130 + 80 + 1}]


def test_links_may_be_left_out(database: Database) -> None:
    """With `keep_links=False` pages still say how many links they had."""
    store = ResultStore(database, None, run=1, keep_links=False)
    store.write([Record(page("/a"), links(3))])
    store.write([Record(page("/a"), links(2))])

    assert rows(database, "SELECT link_count, first_link FROM pages") == [{"link_count": 2, "first_link": None}]
    assert rows(database, "SELECT * FROM links") == []


# Runs


def test_a_later_run_keeps_what_it_replaces(database: Database) -> None:
    """A page of an earlier run goes to `history` with its facts; within one run nothing does."""
    ResultStore(database, None, run=1).write([Record(replace(FULL, title="old"), links(2))])
    second = ResultStore(database, None, run=2)
    second.write([Record(replace(FULL, status=404, outcome="http_error", title=""))])
    second.write([Record(replace(FULL, title="new"), links(1))])

    history = rows(database, "SELECT run, status, outcome, bytes, sha256, title FROM history")
    assert history == [{"run": 1, "status": 200, "outcome": "ok", "bytes": 4, "sha256": "aa", "title": "old"}]
    assert rows(database, "SELECT run, title FROM pages") == [{"run": 2, "title": "new"}]


def test_another_answer_in_a_later_run_replaces_an_ok_page(database: Database) -> None:
    """A page that is gone now is gone: the earlier answer is in `history`."""
    ResultStore(database, None, run=1).write([Record(FULL)])
    ResultStore(database, None, run=2).write([Record(replace(FULL, status=410, outcome="http_error"))])

    assert rows(database, "SELECT run, status FROM pages") == [{"run": 2, "status": 410}]


def test_no_answer_never_replaces_an_ok_page(database: Database, files: PageFiles) -> None:
    """A refetch that fails leaves the page of an earlier run as it is, with its links and its body."""
    name = files.name_of(URL)
    ResultStore(database, files, run=1).write([Record(replace(FULL, file=name), links(2))])
    failed = replace(FULL, status=0, outcome="error", error=PageError("timeout"), content=Body(), file=None)
    ResultStore(database, files, run=2).write([Record(failed)])

    assert rows(database, "SELECT run, outcome, file, link_count FROM pages") == [
        {"run": 1, "outcome": "ok", "file": name, "link_count": 2}
    ]
    assert rows(database, "SELECT count(*) AS links FROM links") == [{"links": 2}]
    assert (files.root.parent / name).read_bytes() == FULL.body
    assert rows(database, "SELECT * FROM history") == []


# Bodies


def test_a_body_is_a_file_beside_the_database(database: Database, files: PageFiles) -> None:
    """The row names the file; a large body that is in a file already is moved there; without a name nothing is saved."""
    spooled = files.temporary / "spooled"
    spooled.write_bytes(b"large")
    name, large = files.name_of(URL), files.name_of("https://a.test/large")
    store = ResultStore(database, files, run=1)
    written = store.write([
        Record(replace(FULL, file=name)),
        Record(page("/large", content=Body(5, None, spooled, "bb"), file=large)),
        Record(page("/unsaved", content=Body(3, b"abc"))),
    ])  # fmt: skip

    root = files.root.parent
    assert [(root / name).read_bytes(), (root / large).read_bytes()] == [b"body", b"large"]
    assert [record.page.body for record in written] == [b"body", b"large", b"abc"]
    assert [row["file"] for row in rows(database, "SELECT file FROM pages ORDER BY row")] == [name, large, None]
    assert list(files.temporary.iterdir()) == []


def test_a_body_that_is_not_kept_leaves_no_file(database: Database, files: PageFiles) -> None:
    """Large bodies of errors, and of pages that may not replace a better one, are removed."""
    store = ResultStore(database, files, run=1)
    store.write([Record(replace(FULL, file=files.name_of(URL)))])
    for number, outcome in enumerate(("http_error", "error")):
        spooled = files.temporary / f"spooled-{number}"
        spooled.write_bytes(b"x")
        store.write([Record(replace(FULL, outcome=outcome, content=Body(1, None, spooled)))])

    assert list(files.temporary.iterdir()) == []
    assert (files.root.parent / files.name_of(URL)).read_bytes() == b"body"


# Failures


def test_a_batch_that_fails_leaves_nothing(database: Database, files: PageFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a body cannot be put in its place no row of the batch is there; the next batch goes on."""
    store = ResultStore(database, files, run=1)
    real = os.replace

    def broken(source: Any, target: Any) -> None:
        if "bad" in str(target):
            raise PermissionError(errno.EACCES, "Permission denied", str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", broken)
    good, bad = (
        Record(page(path, content=Body(1, b"x"), file=files.name_of(f"https://a.test{path}")), links(3)) for path in ("/good", "/bad")
    )
    with pytest.raises(OutputError, match="cannot write"):
        store.write([good, bad])
    assert rows(database, "SELECT url FROM pages UNION ALL SELECT kind FROM links") == []

    store.write([good])
    assert rows(database, "SELECT first_link, link_count FROM pages") == [{"first_link": 1, "link_count": 3}]


def test_a_rolled_back_batch_is_not_there(database: Database) -> None:
    """Inside of a transaction that fails later, what was written is gone, and numbers are given anew."""
    store = ResultStore(database, None, run=1)

    def step() -> None:
        with database.transaction():
            store.write([Record(page("/a"), links(3))])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        step()
    assert rows(database, "SELECT url FROM pages") == []
    store.write([Record(page("/b"), links(2))])
    assert rows(database, "SELECT first_link FROM pages") == [{"first_link": 1}]


def test_a_full_disk_is_said_plainly(database: Database, files: PageFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC becomes an error with its own class, so that the crawl can pause instead of failing."""

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskFullError) as caught:
        ResultStore(database, files, run=1).write([Record(replace(FULL, file=files.name_of(URL)))])

    assert "the disk is full" in str(caught.value)


def test_below_the_reserve_nothing_is_written(database: Database) -> None:
    """With less room than `min_free` the store stops before the disk is full, and says how much is left."""
    with pytest.raises(DiskFullError, match="are left for"):
        ResultStore(database, None, run=1, min_free=1 << 62).write([Record(FULL)])

    assert rows(database, "SELECT url FROM pages") == []
    ResultStore(database, None, run=1, min_free=1).write([Record(FULL)])
