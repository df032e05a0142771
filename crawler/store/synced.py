"""A store whose pages are on the disk as soon as they are written: for what is told of them to other machines."""

from __future__ import annotations

from collections.abc import Sequence

from crawler.model import Record
from crawler.ports import Store


class SyncedStore:
    """A store after every `write` of which all survives a loss of power."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, records: Sequence[Record]) -> Sequence[Record]:
        """See `Store.write`."""
        written = self._store.write(records)
        if written:
            self._store.flush()
        return written

    def flush(self) -> None:
        """See `Store.flush`."""
        self._store.flush()

    def close(self) -> None:
        """See `Store.close`."""
        self._store.close()
