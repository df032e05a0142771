"""`crawler query DIR SQL`: one question to the database, answered as a table, CSV, JSON or Markdown."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from crawler.cli.facts import print_rows, reading
from crawler.cli.schema_page import Relation, relations
from crawler.errors import UsageError
from crawler.report.folder import holder
from crawler.report.sql import ask
from crawler.report.table import Row, cell
from crawler.text import shortened

# Rows of a view that takes longer are not shown: a list should come at once.
_PATIENCE = 0.3
_SAMPLES = 2
_LONGEST_SAMPLE = 40


def run(arguments: argparse.Namespace) -> int:
    """Prints the rows of `arguments.sql`. Raises UsageError for what is no statement that reads, OutputError when there is no crawl."""
    if arguments.list:
        if arguments.sql is not None:
            raise UsageError("`--list` shows everything", "there is nothing to ask", f"crawler query {arguments.folder} --list")
        return _list(arguments)
    if arguments.sql is None:
        raise UsageError("SQL is missing", "usage: crawler query DIR SQL", f"crawler query {arguments.folder} --list")
    sql = sys.stdin.read() if arguments.sql == "-" else arguments.sql
    folder = Path(arguments.folder)
    with reading(folder) as connection:
        # A crawl that runs must not wait for whoever reads the rows.
        answer = ask(connection, sql, at_once=holder(folder) is not None)
        print_rows(answer.columns, answer.rows, arguments.format)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    """All public tables and views with what their columns mean and hold."""
    with reading(Path(arguments.folder)) as connection:
        known = [(relation, _samples(connection, relation)) for relation in relations()]
    columns = ("column", "means", *(f"row {number + 1}" for number in range(_SAMPLES)))
    if arguments.format:
        rows = ((relation.name, relation.kind, *row) for relation, samples in known for row in _facts(relation, samples))
        print_rows(("relation", "kind", *columns), rows, arguments.format)
        return 0
    for number, (relation, samples) in enumerate(known):
        print("\n" * bool(number) + f"{relation.name} ({relation.kind}): {relation.meaning}\n")
        print_rows(columns, _facts(relation, samples), "table")
    return 0


def _facts(relation: Relation, samples: list[Row]) -> Iterator[Row]:
    for number, column in enumerate(relation.columns):
        shown = [shortened(cell(row[number]), _LONGEST_SAMPLE) for row in samples]
        yield column.name, column.meaning.replace("`", ""), *shown, *[None] * (_SAMPLES - len(shown))


def _samples(connection: sqlite3.Connection, relation: Relation) -> list[Row]:
    """The first rows, as far as they are found at once."""
    end = monotonic() + _PATIENCE
    connection.set_progress_handler(lambda: monotonic() > end, 10_000)
    try:
        return list(connection.execute(f"SELECT * FROM {relation.name} LIMIT {_SAMPLES}"))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return []
    finally:
        connection.set_progress_handler(None, 0)
