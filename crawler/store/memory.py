"""The store in a dictionary: for tests, and for crawls whose pages are looked at and forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from crawler.model import LinkRow, Page, Record


class MemoryStore:
    """Implements `crawler.ports.Store` in memory: one run, bodies stay in their pages. `pages` and `links` may be looked at."""

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}

    def __repr__(self) -> str:
        return f"<MemoryStore {len(self._records)} pages>"

    @property
    def pages(self) -> list[Page]:
        """Every stored page once, in the order of storing."""
        return [record.page for record in self._records.values() if record.page.role != "sitemap"]

    @property
    def links(self) -> dict[int, tuple[LinkRow, ...]]:
        """The links of each page and sitemap that has some, by its id, in the order of the page."""
        return {identity: tuple(record.links) for identity, record in self._records.items() if record.links}

    def write(self, records: Sequence[Record]) -> Sequence[Record]:
        """See `Store.write`."""
        for record in records:
            before = self._records.get(record.page.id)
            if before is None or record.page.ok or not before.page.ok:
                # A page written again comes last, as a new row would.
                self._records.pop(record.page.id, None)
                self._records[record.page.id] = record
        return records

    def flush(self) -> None:
        """Memory does not survive a loss of power."""

    def close(self) -> None:
        """Nothing was opened."""
