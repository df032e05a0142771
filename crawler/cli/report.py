"""`crawler report DIR`: the summary again, and tables of what deserves a look."""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from crawler.cli.facts import reading
from crawler.cli.farewell import render_summary
from crawler.cli.messages import say
from crawler.cli.report_text import markdown_table, text_table
from crawler.cli.screen import wants_color
from crawler.cli.screen_text import encodable
from crawler.errors import UsageError
from crawler.report.folder import holder, one_moment
from crawler.report.formats import formatted
from crawler.report.groups import Group, Taken, groups_of, take
from crawler.report.junit import junit
from crawler.report.summary import Summary, summarize
from crawler.report.tables import TABLES, Table
from crawler.text import as_json, human_size, printable

MOST = 50
"""Groups of a table that people are shown, unless they want more; and items of a group in JUnit."""


def run(arguments: argparse.Namespace) -> int:
    """Prints what the crawl in `arguments.folder` found. Raises OutputError when that holds no crawl, UsageError for what a format cannot
    say."""
    tables = [table for name, table in TABLES.items() if getattr(arguments, name)]
    _check(arguments, tables)
    if arguments.sql:
        for table in tables or TABLES.values():
            print(f"-- --{table.name}: {table.help}{table.sql.rstrip()};\n")
        return 0
    with reading(Path(arguments.folder)) as connection, one_moment(connection):
        if arguments.html:
            _write_html(connection, arguments.folder, arguments.html)
        if tables or not arguments.html:
            for piece in _pieces(connection, arguments, tables):
                sys.stdout.write(encodable(piece, sys.stdout.encoding))
    return 0


def _check(arguments: argparse.Namespace, tables: Sequence[Table]) -> None:
    folder = arguments.folder
    if arguments.format == "csv" and len(tables) > 1:
        why = f"csv has one head: {', '.join(f'--{table.name}' for table in tables)} have one each"
        raise UsageError("csv holds one table", why, f"crawler report {folder} --{tables[0].name} --format csv")
    for table in tables:
        if arguments.format == "junit" and not table.is_finding:
            why = "a case passes or fails, and this table only tells"
            raise UsageError(f"junit has nothing to say of --{table.name}", why, f"crawler report {folder} --broken --format junit")


def _pieces(connection: sqlite3.Connection, arguments: argparse.Namespace, tables: Sequence[Table]) -> Iterator[str]:
    match arguments.format:
        case "json":
            return _json(connection, tables)
        case "csv":
            return _csv(connection, tables)  # all of it: who computes with it counts on that
        case "junit":
            wanted = tables or [table for table in TABLES.values() if table.is_finding]
            return junit([(table, take(connection, table, arguments.limit or 0, max(table.most_items, MOST))) for table in wanted])
        case "md":
            return _markdown(connection, arguments, tables)
        case _:
            return _text(connection, arguments, tables)


def _text(connection: sqlite3.Connection, arguments: argparse.Namespace, tables: Sequence[Table]) -> Iterator[str]:
    """Cut to the width of a terminal, whole elsewhere."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    color = wants_color("auto", sys.stdout, os.environ)
    if (process := holder(Path(arguments.folder))) is not None:
        yield f"This crawl is running{f' (process {process})' if process else ''}: what follows is of this moment.\n\n"
    if not tables:
        files = [name for name in ("crawl.db", "report.html", "summary.json") if (Path(arguments.folder) / name).is_file()]
        yield render_summary(summarize(connection), arguments.folder, width or 100, color, files) + "\n"
    for number, table in enumerate(tables):
        yield "\n" if number else ""
        yield from text_table(table, _some(connection, arguments, table), arguments.folder, width, color)


def _markdown(connection: sqlite3.Connection, arguments: argparse.Namespace, tables: Sequence[Table]) -> Iterator[str]:
    if not tables:
        yield from formatted("md", ("name", "value"), _facts(summarize(connection)))
    for number, table in enumerate(tables):
        yield "\n" if number else ""
        yield from markdown_table(table, _some(connection, arguments, table))


def _some(connection: sqlite3.Connection, arguments: argparse.Namespace, table: Table) -> Taken:
    """As much of a table as people look at, or want to."""
    most = MOST if arguments.limit is None else arguments.limit
    return take(connection, table, most, table.most_items if most else 0)


def _csv(connection: sqlite3.Connection, tables: Sequence[Table]) -> Iterator[str]:
    """A row for each item: what a group has in common is repeated."""
    if not tables:
        return formatted("csv", ("name", "value"), _facts(summarize(connection)))
    return formatted("csv", tables[0].columns, connection.cursor().execute(tables[0].sql))


def _facts(summary: Summary) -> Iterator[tuple[str, object]]:
    """The numbers of the summary, name and value."""
    return ((name, value) for name, value in summary.to_json().items() if not isinstance(value, dict | list | tuple))


def _json(connection: sqlite3.Connection, tables: Sequence[Table]) -> Iterator[str]:
    """The summary, or one object with an array for each table; as many groups in memory as one."""
    if not tables:
        yield as_json(summarize(connection).to_json(), indent=2, ascii=True) + "\n"
        return
    yield "{"
    for number, table in enumerate(tables):
        yield f'{"," if number else ""}\n"{table.name}": ['
        yield from _objects(table, groups_of(connection, table))
        yield "\n]"
    yield "\n}\n"


def _objects(table: Table, groups: Iterable[Group]) -> Iterator[str]:
    for number, (key, items) in enumerate(groups):
        found = dict(zip(table.group_columns, key, strict=True))
        if table.items:
            found[table.items] = [dict(zip(table.item_columns, item, strict=True)) for item in items]
        yield f"{',' if number else ''}\n  {as_json(found, ascii=True)}"


def _write_html(connection: sqlite3.Connection, folder: str, name: str) -> None:
    from crawler.report.export.whole import write_whole
    from crawler.report.html import report_html

    text = report_html(connection, summarize(connection, findings=False), folder)
    if name == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        return
    write_whole(Path(name), [text])
    say(f"wrote {printable(name)}, {human_size(len(text.encode()))}")
