"""What a worker of a shared crawl writes down of URLs that have ended: the shared frontier knows their ids alone.

It stands in the tables of crawl.db in which a frontier on one machine keeps the same, so that `urls` and every report read both alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from crawler.core.shapes import covers
from crawler.core.urls import fingerprint, host_key
from crawler.frontier import rows
from crawler.model import Failed, Fetched, HostState, Lease, Outcome, Refusal, Request, Retry, Skipped, SkipReason
from crawler.store.database import Database
from crawler.text import utc_text

_KEEP = """INSERT INTO _frontier (id, url, host_id, role, depth, chain, parent, rank, state, reason, detail, attempts, token)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET role = excluded.role, depth = excluded.depth,
             chain = excluded.chain, parent = excluded.parent, rank = excluded.rank, state = excluded.state, reason = excluded.reason,
             detail = excluded.detail, attempts = excluded.attempts, token = excluded.token"""
_REFUSALS = """SELECT r.url, r.id, r.detail, coalesce(p.url, r.parent), r.depth FROM _refused r LEFT JOIN _frontier p ON p.id = r.parent
               WHERE r.reason = ?"""
_SKIPPED = """SELECT h.host, f.url, f.id, f.role, f.depth, p.url, f.chain, 0 FROM _frontier f JOIN hosts h USING (host_id)
              LEFT JOIN _frontier p ON p.id = f.parent
              WHERE f.state = 'skipped' AND f.reason = 'trap' AND (f.detail = ? OR covers(?, f.url))"""
_REFUSED = """SELECT r.url, r.id, r.depth, coalesce(p.url, r.parent) FROM _refused r LEFT JOIN _frontier p ON p.id = r.parent
              WHERE r.reason = 'trap' AND (r.detail = ? OR covers(?, r.url))"""
_KNOWN = """SELECT f.url, f.id FROM _frontier f JOIN hosts h USING (host_id)
            WHERE h.host = ? AND f.role = 'page' AND f.state = 'done' ORDER BY f.seq LIMIT ?"""


# Parents whose URLs are remembered until they stand in the database themselves.
_MOST_PARENTS = 10_000
_IDLE_EVERY = 10.0  # seconds: each is a commit that waits for the disk


class Journal:
    """The ends of URLs and the refusals of one worker, in its crawl.db."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._execute = database.connection.execute
        self._hosts: dict[str, int] = {}
        self._parents: dict[int, str] = {}
        self._idle_at = float("-inf")
        database.connection.create_function("covers", 2, covers, deterministic=True)

    def has_nothing_to_do(self, now: float) -> None:
        """Writes down every ten seconds of `now` that the frontier was asked for work and had none: else nothing in this folder would tell
        a worker that waits from one that is stuck."""
        if now - self._idle_at >= _IDLE_EVERY:
            self._idle_at = now
            with self.database.transaction():
                self.database.set_meta(idle_at=utc_text(datetime.now(UTC)))

    def settle(self, lease: Lease, outcomes: Sequence[Outcome], state: HostState) -> None:
        """Writes down how URLs of a lease have ended, and what is known of their host."""
        with self.database.transaction():
            ended = [_end(outcome) for outcome in outcomes if not isinstance(outcome, Retry)]
            host_id = self._host_id(lease.host)
            self._keep(host_id, ended, lease.token)
            self._execute("UPDATE hosts SET token = ? WHERE host_id = ?", (lease.token, host_id))
            done = sum(end[1] == "done" for end in ended)
            failed = sum(end[1] == "failed" for end in ended)
            self._execute(rows.KEEP, (*rows.state_columns(state), done, failed, 0, False, host_id))

    def withdrawn(self, host: str, requests: Iterable[Request], pattern: str) -> None:
        """Writes down URLs that are skipped as a trap."""
        with self.database.transaction():
            self._keep(self._host_id(host), [(request, "skipped", "trap", pattern, 0) for request in requests], 0)

    def _keep(self, host_id: int, ended: Iterable[tuple[Request, str, str | None, str | None, int]], token: int) -> None:
        for request, state, reason, detail, tried in ended:
            parent = fingerprint(request.parent) if request.parent else None
            place = (rows.chain_column(request.chain), parent, rows.rank_of(request))
            who, end = (request.id, request.url, host_id, request.role, request.depth), (state, reason, detail)
            self._execute(_KEEP, (*who, *place, *end, request.attempts + tried, token))

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """See `Frontier.refuse`."""
        columns = [(r.id, r.url, r.reason, r.detail, r.depth, fingerprint(r.parent) if r.parent else None) for r in refusals]
        if len(self._parents) > _MOST_PARENTS:
            self._parents.clear()
        self._parents.update((columns[-1], refusal.parent) for refusal, columns in zip(refusals, columns, strict=True) if refusal.parent)  # type: ignore[misc]
        with self.database.transaction():
            self.database.connection.executemany("INSERT OR IGNORE INTO _refused VALUES (?, ?, ?, ?, ?, ?)", columns)

    def refusals(self, reason: SkipReason) -> Iterator[Refusal]:
        """See `Frontier.refusals`: those of this worker."""
        for url, identity, detail, parent, depth in self._execute(_REFUSALS, (reason,)):
            yield Refusal(url, identity, reason, detail, self._parent(parent), depth)

    def _parent(self, known: str | int | None) -> str | None:
        """The URL of a parent, of which there may be its id alone while it has not ended."""
        return self._parents.get(known) if isinstance(known, int) else known

    def admitted(self, requests: Iterable[Request]) -> None:
        """URLs that may have been refused and are not any more."""
        with self.database.transaction():
            self.database.connection.executemany("DELETE FROM _refused WHERE id = ?", [(request.id,) for request in requests])

    def skipped(self, pattern: str) -> list[Request]:
        """The URLs that were skipped for a pattern after they had been admitted."""
        return [rows.request_of(*row) for row in self._execute(_SKIPPED, (pattern, pattern))]

    def back(self, requests: Iterable[Request]) -> None:
        """URLs that were skipped and are not any more."""
        with self.database.transaction():
            self.database.connection.executemany("DELETE FROM _frontier WHERE id = ?", [(request.id,) for request in requests])

    def refused(self, pattern: str) -> list[Request]:
        """The URLs that were refused for a pattern."""
        found = self._execute(_REFUSED, (pattern, pattern)).fetchall()
        return [Request(url, identity, host_key(url), depth=depth, parent=self._parent(parent)) for url, identity, depth, parent in found]

    def known(self, hosts: Iterable[str], most: int) -> Iterator[tuple[str, int, str]]:
        """URLs on these hosts that this worker has asked for, those that were first: each with its id and host."""
        for host in hosts:
            for url, identity in self._execute(_KNOWN, (host, most)):
                yield url, identity, host

    def _host_id(self, host: str) -> int:
        known = self._hosts.get(host)
        if known is None:
            self._execute("INSERT OR IGNORE INTO hosts (host) VALUES (?)", (host,))
            known = int(self._execute("SELECT host_id FROM hosts WHERE host = ?", (host,)).fetchone()[0])
            self._hosts[host] = known
        return known


def _end(outcome: Outcome) -> tuple[Request, str, str | None, str | None, int]:
    """A URL, its state, reason and detail, and whether the attempt counts."""
    match outcome:
        case Skipped(request, reason, detail):
            return request, "skipped", reason, detail, 0
        case Failed(request, error):
            return request, "failed", error.kind, error.detail, 1
        case Fetched(request, instead=instead):
            return request, "done", None, instead or None, 1
        case _:
            return outcome.request, "done", None, None, 1
