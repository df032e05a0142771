"""How much may be asked for now, and how deep: the limits of a crawl, as the frontier in crawl.db keeps to them."""

from __future__ import annotations

from crawler.frontier.counts import Counts
from crawler.frontier.rows import NEXT, NEXT_REQUISITES, REQUISITES, SITEMAPS
from crawler.model import Limits
from crawler.store.database import Database

NEVER = 1e18
"""When a host is due whose queue lies beyond the open depth."""


class Grants:
    """Counts what is granted against `limits`. Requisites count for the size alone: they belong to pages that were granted."""

    def __init__(self, database: Database, limits: Limits, counts: Counts) -> None:
        self._database = database
        self._limits = limits
        self._counts = counts
        self._execute = database.connection.execute
        self.deepest = NEVER if limits.max_depth is None else 1 + limits.max_depth
        """The last rank that is ever opened."""

    def head(self, wanted: int) -> tuple[int, int]:
        """How many URLs may be granted now, at most `wanted`, and the deepest rank that they may have."""
        if room := self._pages(wanted):
            return room, self._open_rank()
        return (wanted, REQUISITES) if self.has_requisites() else (0, REQUISITES)

    def is_open(self) -> bool:
        """Whether another page may be granted now."""
        return self._pages(1) > 0

    def has_requisites(self) -> bool:
        """Whether requisites are queued or leased that no limit holds back."""
        if self._is_full():
            return False
        self._counts.write()
        row = self._execute("SELECT pending FROM _ranks WHERE rank = ?", (REQUISITES,)).fetchone()
        return row is not None and row[0] > 0

    def next_host(self) -> float | None:
        """When the next free host is due of which something may be granted; None when no host has anything."""
        if not (is_open := self.is_open()) and not self.has_requisites():
            return None
        due: float | None = self._execute(NEXT if is_open else NEXT_REQUISITES).fetchone()[0]
        return due if due is not None and due < NEVER else None

    def lowest_rank(self) -> int | None:
        """The lowest rank of a page or sitemap that is not finished."""
        self._counts.write()
        lowest: int | None = self._execute("SELECT min(rank) FROM _ranks WHERE pending > 0 AND rank >= ?", (SITEMAPS,)).fetchone()[0]
        return lowest

    def open_depth(self) -> None:
        """When a further depth has opened, hosts that waited for it are due again."""
        if self._limits.max_depth is None:
            return
        limit = str(self._open_rank())
        if self._database.meta("open_rank") != limit:
            self._execute("UPDATE hosts SET due_at = 0 WHERE due_at >= ?", (NEVER,))
            self._database.set_meta(open_rank=limit)

    def _pages(self, wanted: int) -> int:
        if self._is_full():
            return 0
        if self._limits.max_pages is None:
            return wanted
        totals = self._counts.read()
        return max(0, min(wanted, self._limits.max_pages - totals["ok_pages"] - totals["granted"]))

    def _is_full(self) -> bool:
        return self._limits.max_size is not None and self._counts.read()["size"] >= self._limits.max_size

    def _open_rank(self) -> int:
        """The deepest rank that is open: all of them, or with a depth limit only the lowest that is not finished."""
        if self._limits.max_depth is None:
            return 1 << 40
        return int(min(self.lowest_rank() or SITEMAPS, self.deepest))
