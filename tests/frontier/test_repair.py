"""After a loss of power: rows whose bodies are gone or short are asked for again, and nothing else is touched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from frontiers import Clock, check_counts, request, rows_of

from crawler.frontier.repair import repair
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Body, Fetched, Limits, Page, Record, Stats
from crawler.store.database import Database
from crawler.store.files import PageFiles
from crawler.store.results import ResultStore

BODY = b"as it was served"
SHA256 = hashlib.sha256(BODY).hexdigest()


class Crawled:
    """A folder with four pages that were crawled, and the URLs they link to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database(folder / "crawl.db")
        self.files = PageFiles(folder / "pages")
        self.frontier = SqliteFrontier(self.database, Limits(), Clock())
        self.store = ResultStore(self.database, self.files, run=1)
        self.crawl("/a", "/b")
        self.database.sync()
        self.crawl("/c", "/d")

    def crawl(self, *paths: str) -> None:
        """Leases, stores and acknowledges these pages."""
        asked = [request(path) for path in paths]
        self.frontier.add(asked)
        [lease] = self.frontier.lease(1, 10, 60.0).leases
        pages = [
            Page(each.url, each.id, 200, content=Body(len(BODY), BODY, sha256=SHA256), file=self.files.name_of(each.url)) for each in asked
        ]
        self.store.write([Record(page, ((page.id, "a", "", "itself"),)) for page in pages])
        self.frontier.done(lease, [Fetched(each, ok=True, size=len(BODY)) for each in asked], lease.state)
        self.frontier.release(lease, lease.state)

    def body(self, path: str) -> Path:
        return self.folder / self.files.name_of(request(path).url)

    def stored(self) -> list[str]:
        return [url[-2:] for (url,) in self.database.connection.execute("SELECT url FROM pages ORDER BY row")]


@pytest.fixture
def crawled(tmp_path: Path) -> Iterator[Crawled]:
    crawled = Crawled(tmp_path)
    with closing(crawled.database):
        yield crawled
        check_counts(crawled.frontier)


def test_whole_bodies_stay(crawled: Crawled) -> None:
    """When nothing is damaged nothing happens."""
    assert repair(crawled.database, crawled.folder) == 0
    assert crawled.stored() == ["/a", "/b", "/c", "/d"]
    assert crawled.frontier.stats() == Stats(done=4, ok_pages=4, size=4 * len(BODY))


@pytest.mark.parametrize("left", [None, b"", BODY[:5], bytes(len(BODY))], ids=["missing", "empty", "short", "zeros"])
def test_a_damaged_body_is_asked_for_again(crawled: Crawled, left: bytes | None) -> None:
    """Its row and its links go, its URL is queued anew and untried; its neighbour stays."""
    crawled.body("/c").unlink()
    if left is not None:
        crawled.body("/c").write_bytes(left)

    assert repair(crawled.database, crawled.folder) == 1
    assert crawled.stored() == ["/a", "/b", "/d"]
    assert rows_of(crawled.frontier)[request("/c").url] == ("queued", None, None, 0)
    assert crawled.frontier.stats() == Stats(queued=1, done=3, ok_pages=3, size=3 * len(BODY))
    assert crawled.database.connection.execute("SELECT count(*) FROM links WHERE src = ?", (request("/c").id,)).fetchone() == (0,)
    [lease] = crawled.frontier.lease(1, 10, 60.0).leases
    assert [each.url for each in lease.requests] == [request("/c").url]


def test_what_was_synced_is_not_looked_at(crawled: Crawled) -> None:
    """Rows up to the sync mark are on the disk: a million of them cost nothing at a start."""
    crawled.body("/a").unlink()
    assert repair(crawled.database, crawled.folder) == 0
    assert crawled.stored() == ["/a", "/b", "/c", "/d"]


def test_all_are_looked_at_when_nothing_was_synced(crawled: Crawled) -> None:
    """A loss of power in the first second: every row is later than no mark."""
    crawled.database.connection.execute("DELETE FROM meta WHERE key = 'synced'")
    for path in ("/a", "/b", "/c", "/d"):
        crawled.body(path).unlink()
    assert repair(crawled.database, crawled.folder) == 4
    assert crawled.frontier.stats() == Stats(queued=4)
