"""Asking the database in SQL: everything can be read, nothing can be changed, and whatever is wrong is said with what may be meant."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crawler.errors import OutputError, UsageError
from crawler.report.folder import open_folder
from crawler.report.sql import ask
from tests.report.crawl_folder import CrawlFolder, example


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[CrawlFolder]:
    """A folder whose crawl has it open."""
    with closing(example(tmp_path / "out")) as folder:
        yield folder


@pytest.fixture
def connection(folder: CrawlFolder) -> Iterator[sqlite3.Connection]:
    """A second connection, as another process has."""
    with closing(open_folder(folder.path)) as connection:
        yield connection


READING = [
    "SELECT * FROM broken_links;",
    "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT max(i) FROM n",
    "SELECT value FROM json_each('[1, 2]')",
    "SELECT name FROM pragma_table_info('pages')",
    "SELECT count(*) FROM _frontier -- the crawler's own",
    "PRAGMA table_info(pages)",
    "EXPLAIN QUERY PLAN SELECT * FROM pages",
    "SELECT sql FROM sqlite_master",
    "VALUES (1, 'two')",
]


@pytest.mark.parametrize("sql", READING)
def test_whatever_reads_is_answered(connection: sqlite3.Connection, sql: str) -> None:
    """Tables, views, recursion, functions as tables, what SQLite tells of its schema and of its plans."""
    answer = ask(connection, sql)
    assert answer.columns
    assert list(answer.rows) == connection.execute(sql).fetchall()


WRITING = [
    "DELETE FROM pages", "INSERT INTO meta VALUES ('a', 'b')", "UPDATE pages SET title = ''", "REPLACE INTO meta VALUES ('format', '9')",
    "DROP TABLE pages", "CREATE TABLE x (a)", "CREATE TEMP TABLE x (a)", "CREATE INDEX x ON pages (title)", "ALTER TABLE pages ADD x",
    "CREATE TEMP VIEW pages AS SELECT 1", "UPDATE sqlite_master SET sql = ''", "BEGIN", "BEGIN EXCLUSIVE", "SAVEPOINT x", "VACUUM",
    "VACUUM INTO '{}/copy.db'", "ATTACH '{}/other.db' AS other", "ATTACH ':memory:' AS other", "DETACH main", "REINDEX", "ANALYZE",
    "PRAGMA journal_mode = DELETE", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA writable_schema = 1", "PRAGMA query_only = 0",
    "PRAGMA temp_store_directory = '{}'", "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA optimize", "SELECT load_extension('{}/x')",
    "SELECT * FROM pragma_wal_checkpoint", "EXPLAIN DELETE FROM pages", "WITH x AS (SELECT 1) DELETE FROM pages",
]  # fmt: skip


@pytest.mark.parametrize("sql", WRITING)
def test_whatever_does_more_is_refused(folder: CrawlFolder, connection: sqlite3.Connection, sql: str) -> None:
    """Nothing is written, opened, loaded, locked or set, by whatever words; and the next question is answered as ever."""
    before = "".join(folder.connection.iterdump())
    with pytest.raises(UsageError) as caught:
        list(ask(connection, sql.format(folder.path)).rows)
    assert caught.value.exit_code == 2
    assert "".join(folder.connection.iterdump()) == before
    assert {path.name for path in folder.path.iterdir()} <= {"crawl.db", "crawl.db-wal", "crawl.db-shm"}
    assert list(ask(connection, "SELECT 1").rows) == [(1,)]
    folder.connection.execute("UPDATE meta SET value = '1' WHERE key = 'format'")


WRONG = [
    ("SELECT * FROM pagse", "there is no table pagse", "did you mean pages?"),
    ("SELECT * FROM zzzzzz", "there is no table zzzzzz", "there are meta, runs, hosts, pages, history, links, urls, skipped, "),
    ("SELECT titel FROM pages", "there is no column titel", "did you mean title?"),
    ("SELECT p.statsu FROM pages p", "there is no column p.statsu", "did you mean status?"),
    ("SELECT zzzzzz FROM pages", "there is no column zzzzzz", "no table or view has one of that name"),
    ("SELCT url FROM pages", "the query cannot be understood near SELCT", "did you mean SELECT?"),
    ("SELECT url FROM pages WHERE", "the query ends too early", "something is missing at its end"),
    ("SELECT 1; SELECT 2", "the query has more than one statement", "one is answered at a time"),
    ("", "there is no question in the query", "an answer has columns"),
    ("-- nothing", "there is no question in the query", "an answer has columns"),
    ("SELECT json_extract('{', '$')", "the query cannot be answered", "malformed JSON"),
    ("SELECT \x00", "the query cannot be answered", "null character"),
    ("DELETE FROM pages", "the query was refused", "it only reads: DELETE from pages is not possible here"),
    ("ATTACH 'x' AS y", "the query was refused", "it only reads: opening another file is not possible here"),
]


@pytest.mark.parametrize(("sql", "what", "why"), WRONG)
def test_what_is_wrong_is_said(connection: sqlite3.Connection, sql: str, what: str, why: str) -> None:
    """In two lines, with the nearest name for one that does not exist."""
    with pytest.raises(UsageError) as caught:
        ask(connection, sql)
    assert caught.value.what == what
    assert why in caught.value.why


def test_an_error_in_a_later_row_is_said_the_same_way(connection: sqlite3.Connection) -> None:
    """The first rows come, and then the error."""
    rows = ask(connection, "SELECT json_extract(column1, '$') FROM (VALUES ('1'), ('2'), ('{'))").rows
    assert next(rows) == (1,)
    with pytest.raises(UsageError, match="malformed JSON"):
        list(rows)


def test_a_damaged_file_is_no_mistake_of_the_query(folder: CrawlFolder) -> None:
    """Exit code 6, as for every folder that cannot be read."""
    folder.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    folder.close()
    path = folder.path / "crawl.db"
    data = bytearray(path.read_bytes())
    with closing(open_folder(folder.path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'pages'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data[(root - 1) * size : root * size] = b"\xff" * size
    path.write_bytes(data)
    with closing(open_folder(folder.path)) as connection, pytest.raises(OutputError, match="malformed") as caught:
        list(ask(connection, "SELECT * FROM pages").rows)
    assert caught.value.exit_code == 6


def log_size(folder: CrawlFolder) -> tuple[int, int]:
    """How many pages of the write-ahead log there are, and how many of them a checkpoint could move into the file."""
    _, there, moved = folder.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return there, moved


@pytest.mark.parametrize("at_once", [True, False])
def test_whoever_reads_slowly_does_not_keep_the_log_from_being_emptied(
    folder: CrawlFolder, connection: sqlite3.Connection, at_once: bool
) -> None:
    """Read at once, the rows of an answer hold nothing open: the crawl's log is moved into its file. An open statement would keep it."""
    sql = "SELECT a.row, b.url, x'00', NULL, 0.5 FROM pages a, pages b, pages c, pages d"
    expected = connection.execute(sql).fetchall()
    rows = ask(connection, sql, at_once=at_once).rows
    first = next(rows)
    with folder.database.transaction():
        folder.url("https://example.org/meanwhile")

    there, moved = log_size(folder)
    assert (there == moved) == at_once
    assert [first, *rows] == expected
