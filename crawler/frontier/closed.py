"""Hosts that were given up: what waits for them fails, until they get another chance."""

from __future__ import annotations

from typing import get_args

from crawler.frontier.counts import Counts
from crawler.model import ErrorKind
from crawler.store.database import Database

_WITH_HOST = ("dns", "refused", "reset", "timeout", "tls", "robots_unavailable")  # what a URL fails of together with its host


def kind_of(closed: str) -> ErrorKind | None:
    """The kind of error that a reason begins with."""
    kind = closed.partition(":")[0]
    return kind if kind in get_args(ErrorKind) else None  # type: ignore[return-value]


class ClosedHosts:
    """Part of the frontier in crawl.db; its counts change with the rows."""

    def __init__(self, database: Database, counts: Counts) -> None:
        self._execute = database.connection.execute
        self._totals, self._ranks = counts.totals, counts.ranks

    def grow_queue(self, host_id: int, count: int) -> None:
        """Counts URLs that now wait for a host; for one that was given up they fail at once, as nobody would ever ask for them."""
        query = "UPDATE hosts SET queued = queued + ?, due_at = 0 WHERE host_id = ? RETURNING closed"
        closed = self._execute(query, (count, host_id)).fetchone()[0]
        if closed:
            self.fail_queue(host_id, closed, kind_of(closed))

    def fail_queue(self, host_id: int, closed: str, kind: str | None) -> None:
        """All that waits for a host fails in one step, with the reason."""
        query = "SELECT rank, count(*) FROM _frontier WHERE host_id = ? AND state = 'queued' GROUP BY rank"
        pending = self._execute(query, (host_id,)).fetchall()
        count = sum(number for _, number in pending)
        if not count:
            return
        self._execute(
            "UPDATE _frontier SET state = 'failed', reason = ?, detail = ? WHERE host_id = ? AND state = 'queued'",
            (kind or "refused", closed, host_id),
        )
        self._execute("UPDATE hosts SET queued = 0, failed = failed + ? WHERE host_id = ?", (count, host_id))
        self._totals["queued"] -= count
        self._totals["failed"] += count
        self._ranks.subtract(dict(pending))

    def reopen(self, now: float) -> int:
        """Gives them another chance, and queues again what failed with them; returns how many URLs that are."""
        which = f"state = 'failed' AND reason IN {_WITH_HOST} AND host_id IN (SELECT host_id FROM hosts WHERE closed <> '')"
        ranks = self._execute(f"SELECT host_id, rank, count(*) FROM _frontier WHERE {which} GROUP BY host_id, rank").fetchall()
        self._execute(f"UPDATE _frontier SET state = 'queued', reason = NULL, detail = NULL, attempts = 0, not_before = 0 WHERE {which}")
        for host_id, rank, count in ranks:
            self._execute("UPDATE hosts SET queued = queued + ?, failed = failed - ? WHERE host_id = ?", (count, count, host_id))
            self._ranks[rank] += count
            self._totals["queued"] += count
            self._totals["failed"] -= count
        self._execute("UPDATE hosts SET closed = '', failures = 0, refusals = 0, next_at = ?, due_at = 0 WHERE closed <> ''", (now,))
        return sum(count for _, _, count in ranks)
