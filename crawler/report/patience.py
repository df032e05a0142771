"""Reading a database for so long and no longer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar

# Of SQLite's machine, between two looks at the clock: some tenths of a millisecond.
_INSTRUCTIONS = 10_000

_Found = TypeVar("_Found")


class Patience:
    """Under `with`, a query on the connection that still runs `seconds` seconds after this was made is interrupted; None waits for ever.
    It may be entered again."""

    def __init__(self, connection: sqlite3.Connection, seconds: float | None, clock: Callable[[], float] = monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def __enter__(self) -> Self:
        if (end := self._end) is not None:
            # Returning true interrupts the statement that runs.
            self._connection.set_progress_handler(lambda: self._clock() > end, _INSTRUCTIONS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.set_progress_handler(None, 0)

    def read(self, find: Callable[[], _Found]) -> _Found | None:
        """What `find` finds; None when there was no time for it."""
        try:
            return find()
        except sqlite3.OperationalError as error:
            # SQLite from 3.41 on is interrupted also while it reads a statement, and complains of what it has not read then.
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT and (self._end is None or self._clock() <= self._end):
                raise
            return None
