"""What was stored since somebody looked last: each row once, as far as a row tells of its page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.core.urls import fingerprint
from crawler.model import Body, Page, PageError, Record
from crawler.store.database import Database
from crawler.store.latest import Latest
from crawler.store.results import ResultStore
from crawler.store.row import row_of

NOON = datetime(2026, 11, 22, 12, 30, 5, 123456, UTC)


def record(path: str, links: int = 0, **facts: object) -> Record:
    url = f"https://a.test{path}"
    page = Page(url, fingerprint(url), 200, fetched_at=NOON, elapsed=0.25, content=Body(3, b"abc", None, "aa"))
    return Record(replace(page, **facts), [(number, "a", "", "") for number in range(links)])  # type: ignore[arg-type]


RECORDS = [
    record("/old"),
    record("/", 3, title="Title", content_type="text/html", charset="utf-8", ttfb=0.125, attempts=2, data={"price": ["1"]}),
    record("/moved", status=301, outcome="redirect", redirect_to="https://a.test/", content=Body()),
    record("/gone", status=0, outcome="error", error=PageError("reset", "by peer"), depth=4, role="requisite", content=Body()),
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "crawl.db")) as database:
        yield database


def test_every_row_comes_once_and_says_what_its_page_said(database: Database) -> None:
    """Rows that others commit, on connections of their own, in the order of storing, and nothing that was there before."""
    assert database.path is not None
    ResultStore(database, None, run=1).write(RECORDS[:1])
    latest = Latest(database)
    assert latest.take() == []
    with closing(Database(database.path)) as other:
        ResultStore(other, None, run=1).write(RECORDS[1:])

    found = latest.take(2) + latest.take(2)
    assert [row_of(each) for each in found] == [row_of(each) for each in RECORDS[1:]]
    assert [each.page.role for each in found] == ["page", "page", "requisite"]
    assert latest.take() == []


def test_a_parent_is_named_by_its_url(database: Database) -> None:
    """As soon as the frontier knows it, which it does before it can be one."""
    latest = Latest(database)
    database.connection.execute(
        "INSERT INTO _frontier (id, url, host_id, role, depth, rank) VALUES (?, 'https://a.test/', 1, 'page', 0, 1)",
        (fingerprint("https://a.test/"),),
    )
    ResultStore(database, None, run=1).write([record("/b", parent="https://a.test/")])

    assert [each.page.parent for each in latest.take()] == ["https://a.test/"]
