"""crawl.db: opening it, one step at a time, and what is said when it cannot be used."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from frontiers import Clock, check_counts, request

from crawler.errors import OutputError
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Limits
from crawler.store.database import FORMAT, Database


def add(database: Database, **facts: str) -> None:
    database.set_meta(**facts)


def test_a_new_database_has_its_format(tmp_path: Path) -> None:
    """A database is made whole, in write-ahead mode, with the number of its format; opened again it is not new."""
    with closing(Database(tmp_path / "crawl.db")) as database:
        assert database.is_new
        assert database.meta("format") == str(FORMAT)
        assert database.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with closing(Database(tmp_path / "crawl.db")) as database:
        assert not database.is_new


def test_a_loss_of_power_costs_no_database(tmp_path: Path) -> None:
    """SQLite syncs the log before it merges it (NORMAL) whenever the file is opened: a damaged database is worse than one without the
    last commits."""
    for _ in range(2):
        with closing(Database(tmp_path / "crawl.db")) as database:
            assert database.connection.execute("PRAGMA synchronous").fetchone() == (1,)


def test_the_log_of_the_database_stays_small(tmp_path: Path) -> None:
    """Commits are merged into the file while the crawl goes on: the write-ahead log grows to some 8 MB and no further."""
    with closing(Database(tmp_path / "crawl.db")) as database:
        for number in range(24):
            add(database, large=str(number % 10) * 2**20)
        assert (tmp_path / "crawl.db-wal").stat().st_size < 12 * 2**20


def test_the_log_gives_the_room_back_that_a_long_reader_made_it_take(tmp_path: Path) -> None:
    """Who reads for long keeps the log from being emptied, so that it grows; once the reader has gone, it is small again soon."""
    with closing(Database(tmp_path / "crawl.db")) as database:
        with closing(sqlite3.connect(tmp_path / "crawl.db")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM meta").fetchone()
            for number in range(5):
                database.set_meta(**{f"large{number}": "x" * 2**22})
            assert (tmp_path / "crawl.db-wal").stat().st_size > 20 * 2**20
        database.set_meta(small="x")
        database.set_meta(small="y")
        assert (tmp_path / "crawl.db-wal").stat().st_size <= 16 * 2**20


def test_it_lives_in_memory_without_a_path() -> None:
    """Without a path everything works and nothing is left behind."""
    with closing(Database(None)) as database:
        add(database, a="1")
        assert database.meta("a") == "1"
        assert database.meta("b") is None


def test_everything_in_the_schema_explains_itself(tmp_path: Path) -> None:
    """Every public view can be asked, and integrity is whole."""
    with closing(Database(tmp_path / "crawl.db")) as database:
        execute = database.connection.execute
        views = [name for (name,) in execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
        assert {"urls", "skipped", "broken_links", "redirect_chains", "orphans"} <= set(views)
        for view in views:
            assert execute(f"SELECT count(*) FROM {view}").fetchone() == (0,)
        assert execute("PRAGMA integrity_check").fetchone() == ("ok",)


class Broken(Exception):
    pass


def fail_inside(database: Database, *keys: str) -> None:
    with database.transaction():
        for key in keys:
            add(database, **{key: "x"})
        raise Broken


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    """What fails inside has not happened; what ends well has, for other readers too, and not before."""
    path = tmp_path / "crawl.db"
    with closing(Database(path)) as database, closing(sqlite3.connect(path)) as reader:
        with pytest.raises(Broken):
            fail_inside(database, "a", "b")
        assert database.meta("a") is None
        with database.transaction():
            add(database, c="1")
            assert reader.execute("SELECT count(*) FROM meta WHERE key = 'c'").fetchone() == (0,)
        assert reader.execute("SELECT value FROM meta WHERE key = 'c'").fetchone() == ("1",)


def test_a_transaction_inside_another_is_part_of_it() -> None:
    """Only the outermost commits: when it fails, what was done inside is gone as well."""
    with closing(Database(None)) as database:

        def outer() -> None:
            with database.transaction():
                with database.transaction():
                    add(database, a="1")
                add(database, b="1")
                raise Broken

        with pytest.raises(Broken):
            outer()
        assert (database.meta("a"), database.meta("b")) == (None, None)
        with database.transaction(), database.transaction():
            add(database, a="2")
        assert database.meta("a") == "2"


def test_after_a_failure_it_goes_on() -> None:
    """A failed transaction leaves none open."""
    with closing(Database(None)) as database:
        for _ in range(3):
            with pytest.raises(Broken):
                fail_inside(database, "a")
        assert not database.connection.in_transaction


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A damaged file is an error that names it, with a hint; nothing is overwritten."""
    path = tmp_path / "crawl.db"
    path.write_bytes(b"certainly no database " * 100)
    with pytest.raises(OutputError) as caught:
        Database(path)

    assert str(path) in caught.value.what
    assert caught.value.hint
    assert path.read_bytes().startswith(b"certainly")


def test_a_database_of_something_else(tmp_path: Path) -> None:
    """A database without our tables is left alone."""
    path = tmp_path / "crawl.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE mine (x)")
        other.commit()

    with pytest.raises(OutputError, match="is not a crawl"):
        Database(path)


def test_a_newer_format(tmp_path: Path) -> None:
    """A folder of a later crawler is not touched; the error says which format it has."""
    path = tmp_path / "crawl.db"
    with closing(Database(path)) as database:
        add(database, format=str(FORMAT + 1))

    with pytest.raises(OutputError, match=f"has format {FORMAT + 1}"):
        Database(path)


def test_an_error_leaves_no_connection_open(tmp_path: Path) -> None:
    """A database that is refused is let go at once: another program can have it for itself."""
    path = tmp_path / "crawl.db"
    with closing(Database(path)) as database:
        add(database, format=str(FORMAT + 1))
    with pytest.raises(OutputError) as caught:
        Database(path)

    with closing(sqlite3.connect(path, timeout=0)) as other:
        # Only the last connection may leave the write-ahead mode.
        assert other.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    assert caught.value.exit_code == 6


def test_a_database_that_another_program_holds(tmp_path: Path) -> None:
    """A transaction that somebody else keeps open is an error that says so."""
    path = tmp_path / "crawl.db"
    with closing(Database(path)) as database, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        database.connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(OutputError, match="is locked"), database.transaction():
            pass
        other.execute("ROLLBACK")
        with database.transaction():
            add(database, a="1")


def test_a_folder_from_before_hosts_had_slots(tmp_path: Path) -> None:
    """Whoever held a host had its first slot: what a kill left leased is given out again."""
    clock, asked = Clock(), request("/")
    with closing(Database(tmp_path / "crawl.db")) as database:
        frontier = SqliteFrontier(database, Limits(), clock)
        frontier.add([asked])
        frontier.lease(1, 1, 60.0)
        database.connection.executescript("DROP TABLE _leases; ALTER TABLE _frontier DROP COLUMN slot")
    with closing(Database(tmp_path / "crawl.db")) as database:
        frontier = SqliteFrontier(database, Limits(), clock)
        assert frontier.lease(1, 1, 60.0).leases == ()
        frontier.void_leases(same_clock=True)
        assert [lease.requests for lease in frontier.lease(1, 1, 60.0).leases] == [(asked,)]
        check_counts(frontier)
