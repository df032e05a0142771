"""Shapes of URLs that are traps: kept in crawl.db, with the URLs that wait for nothing until somebody releases them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from crawler.core.shapes import covers, head_of
from crawler.core.urls import host_key
from crawler.frontier.counts import Counts
from crawler.model import Request
from crawler.store.database import Database

_WITHDRAW = """UPDATE _frontier SET state = 'skipped', reason = 'trap', detail = :pattern
                WHERE host_id = :host AND state = 'queued' AND role = 'page' AND depth > 0 AND instr(url, :head) AND covers(:pattern, url)
                RETURNING rank"""
_READMIT = """UPDATE _frontier SET state = 'queued', reason = NULL, detail = NULL, not_before = 0
               WHERE state = 'skipped' AND reason = 'trap' AND (detail = ? OR covers(?, url)) RETURNING host_id, rank"""
_REFUSED = """SELECT r.url, r.id, r.depth, p.url FROM _refused r LEFT JOIN _frontier p ON p.id = r.parent
               WHERE r.reason = 'trap' AND (r.detail = ? OR covers(?, r.url))
                 AND NOT EXISTS (SELECT 1 FROM _frontier f WHERE f.id = r.id)"""
_KNOWN = """SELECT f.url, f.id FROM _frontier f JOIN hosts h USING (host_id)
             WHERE h.host = ? AND f.role = 'page' AND f.state IN ('done', 'queued', 'leased') ORDER BY f.state <> 'done', f.seq LIMIT ?"""


class Quarantine:
    """Part of the frontier in crawl.db; its counts change with the rows."""

    def __init__(self, database: Database, counts: Counts) -> None:
        self._database = database
        self._execute = database.connection.execute
        self._counts = counts
        database.connection.create_function("covers", 2, covers, deterministic=True)

    @property
    def patterns(self) -> list[tuple[str, str]]:
        """Hosts, each with a pattern that is quarantined there."""
        return [(host, pattern) for host, pattern in json.loads(self._database.meta("traps") or "[]")]

    @property
    def released(self) -> list[str]:
        """Patterns that were released: they are never quarantined again."""
        return [str(pattern) for pattern in json.loads(self._database.meta("released") or "[]")]

    def known(self, most: int) -> Iterator[tuple[str, int, str]]:
        """URLs on hosts with a trap that were asked for or will be, those that were first: each with its id and host."""
        for host in sorted({host for host, _ in self.patterns}):
            for url, identity in self._execute(_KNOWN, (host, most)):
                yield url, identity, host

    def withdraw(self, host: str, pattern: str) -> int:
        """See `Frontier.withdraw`."""
        if pattern in self.released:
            return 0
        self._database.set_meta(traps=json.dumps(sorted({*self.patterns, (host, pattern)})))
        row = self._execute("SELECT host_id FROM hosts WHERE host = ?", (host,)).fetchone()
        if row is None:
            return 0
        facts = {"pattern": pattern, "host": row[0], "head": head_of(pattern)}
        ranks = Counter(rank for (rank,) in self._execute(_WITHDRAW, facts).fetchall())
        count = ranks.total()
        self._execute("UPDATE hosts SET queued = queued - ? WHERE host_id = ?", (count, row[0]))
        self._counts.totals.update({"queued": -count, "skipped": count})
        self._counts.ranks.subtract(ranks)
        return count

    def readmit(self, pattern: str) -> bool:
        """See `Frontier.readmit`; what was refused is `refused`, for the frontier to add."""
        if pattern in (released := self.released):
            return True
        patterns = self.patterns
        kept = [pair for pair in patterns if pair[1] != pattern]
        if len(kept) == len(patterns):
            return False
        self._database.set_meta(traps=json.dumps(kept), released=json.dumps([*released, pattern]))
        back = self._execute(_READMIT, (pattern, pattern)).fetchall()
        for host_id, count in Counter(host_id for host_id, _ in back).items():
            self._execute("UPDATE hosts SET queued = queued + ?, due_at = 0 WHERE host_id = ?", (count, host_id))
        self._counts.totals.update({"queued": len(back), "skipped": -len(back)})
        self._counts.ranks.update(rank for _, rank in back)
        return True

    def refused(self, pattern: str) -> Iterator[Request]:
        """The URLs that were refused for a pattern. `Frontier.add` may be called meanwhile."""
        for url, identity, depth, parent in self._execute(_REFUSED, (pattern, pattern)):
            yield Request(url, identity, host_key(url), depth=depth, parent=parent)
