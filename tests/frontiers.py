"""What tests of frontiers share: a clock that stands still, requests, and a second way to count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import shared_rows
from redis_server import needs_redis, new_name, shared_server

from crawler.core.urls import fingerprint, host_key
from crawler.frontier.memory import MemoryFrontier
from crawler.frontier.sharing import Sharing
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Limits, Request, Role
from crawler.store.database import Database

if TYPE_CHECKING:
    from crawler.frontier.redis import RedisFrontier
    from crawler.frontier.shared.connection import Servers

START = 1000.0


class Clock:
    """Monotonic seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Row(NamedTuple):
    """One URL as a frontier has it."""

    state: str
    reason: str | None
    detail: str | None
    attempts: int


AnyFrontier = "MemoryFrontier | SqliteFrontier | RedisFrontier"


def request(url: str, depth: int = 0, role: Role = "page", parent: str | None = None, chain: tuple[int, ...] = ()) -> Request:
    """A request for a URL, or for a path of https://a.test."""
    url = f"https://a.test{url}" if url.startswith("/") else url
    return Request(url, fingerprint(url), host_key(url), role, depth, parent, chain)


class Adapter:
    """One kind of frontier, opened and opened again: "disk", "memory database", "memory" or "redis"."""

    def __init__(self, kind: str, folder: Path, clock: Clock) -> None:
        self.kind = kind
        self.clock = clock
        self.database: Database | None = None
        self._path = folder / "crawl.db" if kind == "disk" else None
        self._shared: SharedCrawl | None = None

    def open(self, limits: Limits | None = None, delay: float = 0.0, sharing: Sharing | None = None) -> AnyFrontier:
        """A frontier with these limits and the least delay of every host, whose hosts are shared like that; of "disk" all share one
        file, of "redis" one crawl, one at a time."""
        if self.kind == "redis":
            assert sharing is None, "hosts have one slot there"
            self._shared = self._shared or SharedCrawl()  # first, as it may skip the test
            self.database = self.database or Database(None)
            return self._shared.frontier(self.database, limits, self.clock, lambda host: delay)
        self.close()
        if self.kind == "memory":
            return MemoryFrontier(limits, self.clock, lambda host: delay, sharing)
        self.database = Database(self._path)
        return SqliteFrontier(self.database, limits or Limits(), self.clock, lambda host: delay, sharing)

    def close(self) -> None:
        if self.database is not None:
            self.database.close()
            self.database = None
        if self._shared is not None:
            self._shared.close()


class SharedCrawl:
    """A crawl of its own on the tests' Redis, of which nothing stays."""

    def __init__(self, partitions: int = 1) -> None:
        needs_redis()
        from crawler.frontier.shared.connection import Servers

        self.servers: Servers = Servers(shared_server().url)
        self.name = new_name()
        self.partitions = partitions

    def frontier(
        self, database: Database, limits: Limits | None, clock: Clock | None, delay_of: Callable[[str], float] = lambda host: 0.0
    ) -> RedisFrontier:
        """A frontier of this crawl, whose journal is in `database`."""
        from crawler.frontier.redis import RedisFrontier
        from crawler.frontier.shared.journal import Journal

        journal = Journal(database)
        return RedisFrontier(self.servers, self.name, self.partitions, journal, limits or Limits(), clock, delay_of)

    def close(self) -> None:
        self.servers.command(0, "FLUSHALL")
        self.servers.close()


def rows_of(frontier: AnyFrontier) -> dict[str, Row]:
    """Every URL that the frontier knows, by URL. Fails when one is there twice."""
    if not isinstance(frontier, SqliteFrontier | MemoryFrontier):
        return {url: Row(*row) for url, row in shared_rows.rows_of(frontier).items()}
    if isinstance(frontier, SqliteFrontier):
        query = "SELECT url, state, reason, detail, attempts FROM urls"
        found = [(url, Row(*rest)) for url, *rest in frontier._database.connection.execute(query)]
    else:
        found = [(each.request.url, Row(each.state, each.reason, each.detail, each.request.attempts)) for each in frontier.entries.values()]
        refused = [each for identity, each in frontier.refused.items() if identity not in frontier.entries]
        found += [(each.url, Row("skipped", each.reason, each.detail, 0)) for each in refused]
    assert len(dict(found)) == len(found)
    return dict(found)


def check_counts(frontier: AnyFrontier) -> None:
    """What a frontier counts on the side is what counting its rows gives."""
    if isinstance(frontier, MemoryFrontier):
        return
    if not isinstance(frontier, SqliteFrontier):
        shared_rows.check_counts(frontier)
        return
    execute = frontier._database.connection.execute
    count = Counter(dict(execute("SELECT state, count(*) FROM _frontier GROUP BY state")))
    stats = frontier.stats()
    assert (stats.queued, stats.leased, stats.done, stats.failed, stats.skipped) == tuple(
        count[state] for state in ("queued", "leased", "done", "failed", "skipped")
    )
    granted = execute("SELECT count(*) FROM _frontier WHERE state = 'leased' AND role = 'page'").fetchone()[0]
    assert execute("SELECT granted FROM _totals").fetchone()[0] == granted
    pending = execute("SELECT rank, count(*) FROM _frontier WHERE state IN ('queued', 'leased') GROUP BY rank ORDER BY rank").fetchall()
    assert execute("SELECT rank, pending FROM _ranks WHERE pending <> 0 ORDER BY rank").fetchall() == pending
    by_host = """SELECT h.host, h.queued, h.done, h.failed, sum(f.state = 'queued'), sum(f.state = 'done'), sum(f.state = 'failed')
                 FROM hosts h JOIN _frontier f USING (host_id) GROUP BY h.host_id"""
    for host, *counts in execute(by_host):
        assert counts[:3] == counts[3:], f"counts of {host}"
    ownerless = "SELECT url FROM _frontier f JOIN hosts h USING (host_id) WHERE f.state = 'leased' AND leased_until IS NULL"
    assert execute(ownerless).fetchall() == []
