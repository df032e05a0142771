"""One question in SQL to a crawl's database: whoever asks can read all of it and change nothing, and holds up no crawl."""

from __future__ import annotations

import marshal
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from tempfile import TemporaryFile
from typing import Any

from crawler.errors import CrawlerError, UsageError
from crawler.report.folder import unreadable

Parameters = Sequence[object] | Mapping[str, object]

# Of SQLite's machine, between two moments at which Ctrl-C is heard: some tenths of a millisecond.
_INSTRUCTIONS = 10_000
_ROWS_AT_ONCE = 1_000

_LOOKING = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE))
# What tells of the schema, and checks the file.
_PRAGMAS = frozenset(
    ("table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list", "compile_options", "integrity_check")
)  # fmt: skip
_WORDS = (
    "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "LEFT", "INNER", "JOIN", "USING", "UNION",
    "INTERSECT", "EXCEPT", "VALUES", "WITH",
    "RECURSIVE", "BETWEEN", "EXPLAIN", "CASE", "WHEN", "THEN", "ELSE", "LIKE", "AND",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What SQLite answers: the names of the columns, and the rows, each read when it is asked for."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def ask(connection: sqlite3.Connection, sql: str, parameters: Parameters = (), *, at_once: bool = False) -> Answer:
    """The answer to one statement that reads.

    No statement can write, attach or open a file, load an extension or change a setting: it is refused before it runs, and the connection
    could not write anyway. With `at_once` all rows are read before this returns, many of them into a temporary file: an open
    statement keeps a crawl from emptying its write-ahead log, and who reads the rows may take for ever.

    Raises UsageError for what is no such statement, with the nearest name when there is no table or column of that name; OutputError when
    the database cannot be read; KeyboardInterrupt at once when Ctrl-C ends a question that takes long.
    """
    guard = _Guard()
    # Inside of a callback Python hears signals, which it does not while SQLite works; its exception interrupts the statement.
    connection.set_progress_handler(lambda: 0, _INSTRUCTIONS)
    with _translated(connection, guard):
        try:
            connection.set_authorizer(guard)
            cursor = connection.execute(sql, parameters)
        finally:
            connection.set_authorizer(None)
    columns = tuple(column[0] for column in cursor.description or ())
    rows = _rows(connection, cursor)
    if columns and at_once:
        rows = _spooled(rows)
    if not columns:
        raise UsageError("there is no question in the query", "an answer has columns", 'crawler query DIR "SELECT * FROM by_status"')
    return Answer(columns, rows)


class _Guard:
    """Says for each thing a statement wants to do whether it may, and remembers the first that it may not."""

    refused = ""

    def __call__(self, action: int, first: str | None, second: str | None, database: str | None, view: str | None) -> int:
        if action in _LOOKING and second != "load_extension":
            return sqlite3.SQLITE_OK
        # SQLite pretends to write its schema when it makes a table of a function: json_each, pragma_table_info.
        if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS:
            return sqlite3.SQLITE_OK
        if not self.refused:
            of_schema = first in ("sqlite_master", "sqlite_temp_master")
            self.refused = "changing the schema" if of_schema else _NAMES.get(action, "changing anything").format(first)
        return sqlite3.SQLITE_DENY


_NAMES = {
    sqlite3.SQLITE_INSERT: "INSERT into {}",
    sqlite3.SQLITE_UPDATE: "UPDATE of {}",
    sqlite3.SQLITE_DELETE: "DELETE from {}",
    sqlite3.SQLITE_ATTACH: "opening another file",
    sqlite3.SQLITE_PRAGMA: "PRAGMA {}",
    sqlite3.SQLITE_TRANSACTION: "a transaction",
    sqlite3.SQLITE_SAVEPOINT: "a transaction",
    sqlite3.SQLITE_FUNCTION: "load_extension",
}


@contextmanager
def _translated(connection: sqlite3.Connection, guard: _Guard) -> Iterator[None]:
    """What SQLite and its module say is wrong, in words of ours."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise _readable(connection, error, guard) from error


def _rows(connection: sqlite3.Connection, cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    with _translated(connection, _Guard()):
        # Not `yield from`, which would close the cursor with this generator: the connection may be closed by then.
        for row in cursor:  # noqa: UP028
            yield row


def _spooled(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The same rows, all read now."""
    first = list(islice(rows, _ROWS_AT_ONCE))
    if len(first) < _ROWS_AT_ONCE:
        return iter(first)
    file = TemporaryFile()  # noqa: SIM115 - `_unspooled` closes it
    while part := list(islice(rows, _ROWS_AT_ONCE)):
        marshal.dump(part, file)
    marshal.dump([], file)
    file.seek(0)
    return _unspooled(first, file)


def _unspooled(first: Iterable[tuple[Any, ...]], file: Any) -> Iterator[tuple[Any, ...]]:
    with file:
        yield from first
        while part := marshal.load(file):  # written by this process into a file that has no name
            yield from part


# --- what is wrong with a question ------------------------------------------------------------------------------------


def _readable(connection: sqlite3.Connection, error: Exception, guard: _Guard) -> BaseException:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    text = str(error)
    if code == sqlite3.SQLITE_INTERRUPT:
        return KeyboardInterrupt()
    if guard.refused or code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY):
        why = f"it only reads: {guard.refused or 'writing'} is not possible here"
        return UsageError("the query was refused", why, 'sqlite3 crawl.db ".backup copy.db", and change the copy')
    if isinstance(error, sqlite3.Error) and code in _BROKEN:
        return unreadable("crawl.db", error)
    if "one statement at a time" in text:
        return UsageError("the query has more than one statement", "one is answered at a time", "crawler query DIR SQL, once for each")
    return _misspelled(connection, text)


# Not the fault of the question.
_BROKEN = frozenset((
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL,
))  # fmt: skip


def _misspelled(connection: sqlite3.Connection, text: str) -> CrawlerError:
    """What SQLite does not know, with the name that may have been meant."""
    if found := re.fullmatch(r"no such table: (?:main\.)?(.*)", text):
        names = _relations(connection)
        return _unknown(f"there is no table {found[1]}", found[1], names, f"there are {', '.join(names)}")
    if found := re.fullmatch(r"no such column: (.*?)( - should this be a string literal .*)?", text):
        otherwise = "a text stands in single quotes: 'text'" if found[2] else "no table or view has one of that name"
        return _unknown(f"there is no column {found[1]}", found[1].strip('"').rpartition(".")[2], _columns(connection), otherwise)
    if found := re.fullmatch(r'near "(.*)": syntax error', text, re.DOTALL):
        known = [] if found[1].upper() in _WORDS else _WORDS
        return _unknown(f"the query cannot be understood near {found[1]}", found[1].upper(), known, "that is not SQL as SQLite speaks it")
    if text == "incomplete input":
        return UsageError("the query ends too early", "something is missing at its end")
    return UsageError("the query cannot be answered", text)


def _unknown(what: str, name: str, known: Sequence[str], otherwise: str) -> UsageError:
    near = next(iter(get_close_matches(name, known, 1, 0.6)), None)
    return UsageError(what, f"did you mean {near}?" if near else otherwise, "crawler query DIR --list")


def _relations(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE '\\_%' ESCAPE '\\'")
    return [name for (name,) in found]


def _columns(connection: sqlite3.Connection) -> list[str]:
    return [column for name in _relations(connection) for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))]
