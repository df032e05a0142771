"""The counts that the frontier in crawl.db keeps, so that nothing has to be counted when it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from crawler.store.database import Database


class Counts:
    """`_totals` and `_ranks`: what has changed is collected in `totals` and `ranks` and written at the end of each transaction,
    with the rows that it counts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.totals: Counter[str] = Counter()
        self.ranks: Counter[int] = Counter()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction, or a part of the one that is open, with its counts."""
        try:
            with self._database.transaction():
                yield
                self.write()
        except BaseException:
            # What was rolled back must not be counted by the next transaction.
            self.totals.clear()
            self.ranks.clear()
            raise

    def read(self) -> Counter[str]:
        """The totals as they are now, what is not written yet included."""
        cursor = self._database.connection.execute("SELECT queued, leased, done, failed, skipped, granted, ok_pages, size FROM _totals")
        totals = Counter(dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True)))
        totals.update(self.totals)
        return totals

    def write(self) -> None:
        """Writes what has changed since the last time."""
        changed = {name: count for name, count in self.totals.items() if count}
        if changed:
            assignments = ", ".join(f"{name} = {name} + :{name}" for name in changed)
            self._database.connection.execute(f"UPDATE _totals SET {assignments}", changed)
        ranks = [(rank, count) for rank, count in self.ranks.items() if count]
        if ranks:
            self._database.connection.executemany(
                "INSERT INTO _ranks VALUES (?, ?) ON CONFLICT (rank) DO UPDATE SET pending = pending + excluded.pending", ranks
            )
        self.totals.clear()
        self.ranks.clear()
