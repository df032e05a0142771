"""Many rows, read some at a time: memory stays flat, and between two parts nothing is held open that would hold up a crawl."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

_ROWS_AT_ONCE = 1_000

_Row = TypeVar("_Row")


def in_parts(
    connection: sqlite3.Connection, sql: str, last: str, read: Callable[[tuple[Any, ...]], _Row], **values: object
) -> Iterator[_Row]:
    """What `read` makes of each row of `sql`, which selects its number first, has it between `:after` and `:last`, orders by it and
    takes `:rows`. `last` asks for the last number: rows that are stored meanwhile are left for the next time."""
    bounds = {**values, "after": -1, "last": connection.execute(last).fetchone()[0] or -1, "rows": _ROWS_AT_ONCE}
    while part := connection.execute(sql, bounds).fetchall():
        bounds["after"] = part[-1][0]
        yield from map(read, part)
