"""What every store promises (`crawler.ports.Store`), on each adapter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crawler.core.urls import fingerprint
from crawler.model import Body, LinkRow, OutcomeName, Page, PageError, Record, Role
from crawler.store.database import Database
from crawler.store.files import PageFiles
from crawler.store.memory import MemoryStore
from crawler.store.results import ResultStore

HOME = "https://a.test"


class Opened:
    """A store, and a second way to look into it."""

    def __init__(self, store: MemoryStore | ResultStore, database: Database | None = None, files: PageFiles | None = None) -> None:
        self.store = store
        self._database = database
        self._files = files

    def record(
        self,
        path: str,
        body: bytes = b"",
        outcome: OutcomeName = "ok",
        links: tuple[LinkRow, ...] = (),
        error: PageError | None = None,
        role: Role = "page",
    ) -> Record:
        url = HOME + path
        content = Body(len(body), body, sha256=hashlib.sha256(body).hexdigest() if body else None)
        file = self._files.name_of(url) if self._files is not None and body and outcome == "ok" else None
        return Record(Page(url, fingerprint(url), 200, outcome, error, content=content, file=file, role=role), links)

    def pages(self) -> list[tuple[str, str]]:
        """Path and outcome of every page, in the order of storing."""
        if isinstance(self.store, MemoryStore):
            found = [(page.url, page.outcome) for page in self.store.pages]
        else:
            assert self._database is not None
            found = self._database.connection.execute("SELECT url, outcome FROM pages ORDER BY row").fetchall()
        return [(url.removeprefix(HOME), outcome) for url, outcome in found]

    def links(self, path: str) -> list[LinkRow]:
        """The links of a page in their order."""
        source = fingerprint(HOME + path)
        if isinstance(self.store, MemoryStore):
            return list(self.store.links.get(source, ()))
        assert self._database is not None
        return self._database.connection.execute(
            "SELECT dst, kind, rel, text FROM links WHERE src = ? ORDER BY position", (source,)
        ).fetchall()


@pytest.fixture(params=["folder", "memory database", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """One kind of store."""
    if request.param == "memory":
        yield Opened(MemoryStore())
        return
    on_disk = request.param == "folder"
    with closing(Database(tmp_path / "crawl.db" if on_disk else None)) as database:
        files = PageFiles(tmp_path / "pages") if on_disk else None
        yield Opened(ResultStore(database, files, run=1), database, files)


def test_what_was_written_is_kept_in_its_order(opened: Opened) -> None:
    """Every page once, in the order of storing, with its outcome."""
    opened.store.write([opened.record("/a"), opened.record("/b", outcome="redirect")])
    opened.store.write([])
    opened.store.write([opened.record("/c", outcome="error", error=PageError("dns"))])

    assert opened.pages() == [("/a", "ok"), ("/b", "redirect"), ("/c", "error")]


def test_write_returns_a_record_for_each_record(opened: Opened) -> None:
    """What comes back are the same pages in the same order, with bodies that can be read."""
    records = [opened.record("/a", b"body of a"), opened.record("/b"), opened.record("/map.xml", role="sitemap")]
    written = opened.store.write(records)

    assert [record.page.url for record in written] == [record.page.url for record in records]
    assert written[0].page.body == b"body of a"


def test_links_keep_their_order_and_texts(opened: Opened) -> None:
    """A page's links come back as they were written, repeated ones too, however many there are."""
    links = tuple((number % 90, "a", "nofollow" if number % 2 else "", f"text {number}") for number in range(250))
    opened.store.write([opened.record("/few", links=links[:3]), opened.record("/none"), opened.record("/many", links=links)])

    assert opened.links("/many") == list(links)
    assert opened.links("/few") == list(links[:3])
    assert opened.links("/none") == []


def test_a_page_written_again_replaces_the_one_before(opened: Opened) -> None:
    """The later record stands, with its own links, and those of other pages stay."""
    old, new, others = ((1, "a", "", "old"),) * 3, ((2, "a", "", "new"),), ((3, "a", "", "other"),) * 2
    opened.store.write([opened.record("/a", outcome="error", links=old), opened.record("/b", links=others)])
    opened.store.write([opened.record("/a", b"better", links=new)])

    assert opened.pages() == [("/b", "ok"), ("/a", "ok")]
    assert (opened.links("/a"), opened.links("/b")) == (list(new), list(others))


@pytest.mark.parametrize("worse", ["error", "http_error", "redirect"])
def test_a_failure_never_replaces_an_ok_page(opened: Opened, worse: OutcomeName) -> None:
    """In one run the answer that was good stays, whatever came later; a good one replaces a failure."""
    links = ((1, "a", "", ""),)
    opened.store.write([opened.record("/a", b"good", links=links)])
    opened.store.write([opened.record("/a", outcome=worse), opened.record("/b", outcome=worse)])
    opened.store.write([opened.record("/b", outcome="ok")])

    assert opened.pages() == [("/a", "ok"), ("/b", "ok")]
    assert opened.links("/a") == list(links)


def test_a_page_twice_in_one_batch_is_one_page(opened: Opened) -> None:
    """The rule of replacing holds within a batch too."""
    links = ((1, "a", "", ""),)
    opened.store.write([
        opened.record("/a", outcome="error"), opened.record("/a", b"good", links=links), opened.record("/a", outcome="error"),
        opened.record("/b", b"one"), opened.record("/b", b"two", links=links),
    ])  # fmt: skip

    assert opened.pages() == [("/a", "ok"), ("/b", "ok")]
    assert opened.links("/a") == opened.links("/b") == list(links)


def test_a_sitemap_is_a_source_of_links_and_no_page(opened: Opened) -> None:
    """A sitemap's links are kept, and it has no row of its own."""
    opened.store.write(
        [opened.record("/map.xml", links=((1, "sitemap", "", ""), (2, "sitemap", "", "")), role="sitemap"), opened.record("/a")]
    )

    assert opened.pages() == [("/a", "ok")]
    assert len(opened.links("/map.xml")) == 2


def test_flushing_and_closing_change_nothing(opened: Opened) -> None:
    """What was written is there before and after."""
    opened.store.write([opened.record("/a")])
    opened.store.flush()
    opened.store.close()

    assert opened.pages() == [("/a", "ok")]
