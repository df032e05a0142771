"""The rows of a table in its groups, as they come from the database: at no time more of them are in memory than somebody keeps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any, NamedTuple

from crawler.report.tables import Table

Values = tuple[Any, ...]
_ALL = 2**62


class Group(NamedTuple):
    """What the rows of a group have in common, and its items, which have to be read before the next group is."""

    key: Values
    items: Iterator[Values]


class Shown(NamedTuple):
    """As much of a group as is shown: its first items, and how many there are."""

    key: Values
    items: list[Values]
    total: int


class Taken(NamedTuple):
    """As much of a table as is shown: its first groups, and how many there are."""

    groups: list[Shown]
    total: int


def groups_of(connection: sqlite3.Connection, table: Table) -> Iterator[Group]:
    """All groups of a table, in its order."""
    return _grouped(table, connection.cursor().execute(table.sql))


def _grouped(table: Table, rows: Iterator[Values]) -> Iterator[Group]:
    if not table.keys:
        return (Group(row, iter(())) for row in rows)
    keys = table.keys
    return (
        Group(key, (row[keys:] for row in members if any(value is not None for value in row[keys:])))
        for key, members in groupby(rows, key=lambda row: row[:keys])
    )


def take(connection: sqlite3.Connection, table: Table, most: int = 0, most_items: int = 0) -> Taken:
    """The first groups of a table with their first items, and how many there are; 0 takes all."""
    if most and table.first:
        cursor = connection.cursor()
        total = cursor.execute(table.total).fetchone()[0]
        rows = cursor.execute(table.first, {"groups": most, "items": most_items or _ALL})
        return Taken([_shown(table, group, most_items) for group in _grouped(table, rows)], total)
    taken: list[Shown] = []
    count = 0
    for count, group in enumerate(groups_of(connection, table), 1):
        if not most or count <= most:
            taken.append(_shown(table, group, most_items))
    return Taken(taken, count)


def _shown(table: Table, group: Group, most_items: int) -> Shown:
    items = list(islice(group.items, most_items) if most_items else group.items)
    counted_by = table.items_counted_by
    return Shown(group.key, items, group.key[table.columns.index(counted_by)] if counted_by else len(items))
