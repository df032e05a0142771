"""Opening a crawl's folder to read: while another process writes to it, and without changing it."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from crawler.errors import OutputError
from crawler.store.database import FILE_NAME, FORMAT
from crawler.store.merge import merged, shards_of

# The same as in `crawler.store.folder`, which would load what only a crawl needs.
LOCK_NAME = ".lock"
# Seconds that a program may hold the database before reading it is given up.
_PATIENCE = 5.0


def open_folder(folder: Path) -> sqlite3.Connection:
    """A connection to the folder's crawl.db that can only read; it may be used while a crawl runs. The caller closes it. Of a folder with
    the folders of workers that share a crawl it is one to what all of them have.

    Raises OutputError when the folder holds no crawl, a damaged one, one of a newer format, or one that cannot be read.
    """
    path = folder / FILE_NAME
    if not path.is_file() and folder.is_dir():
        path = merged(folder) or path
    if not path.is_file():
        why = f"it has no {FILE_NAME}" if folder.is_dir() else "there is no such folder"
        raise OutputError(f"{folder} is not a crawl", why, "crawler crawl URL -o DIR")
    try:
        connection = _connect(path)
        try:
            _check(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.OperationalError as error:
        if is_locked(error):
            raise unreadable(path, error) from error
        raise OutputError(f"cannot read {path}", str(error), "check who owns the folder") from error
    except sqlite3.DatabaseError as error:
        raise OutputError(f"{path} is damaged or is no database", str(error), "crawler crawl URL -o DIR") from error
    return connection


def is_locked(error: sqlite3.Error) -> bool:
    """Whether the database was held by somebody for longer than one waits. A crawl that runs never does."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def unreadable(place: object, error: sqlite3.Error) -> OutputError:
    """What to say when reading a database that was opened fails: it is locked, damaged, or its disk is."""
    if is_locked(error):
        return OutputError(f"{place} is locked", "another program holds it in a transaction", "close that program and try again")
    return OutputError(f"cannot read {place}", str(error), "crawler crawl URL -o DIR")


@contextmanager
def readable(place: object) -> Iterator[None]:
    """What SQLite says of reading a place becomes an OutputError that names it."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise unreadable(place, error) from error


def seeds_of(folder: Path) -> list[str]:
    """The canonical URLs of the seeds of the folder's crawl; none when it was cut off before it had any. Raises OutputError as above."""
    with closing(open_folder(folder)) as connection:
        row = connection.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
    return [] if row is None else list(json.loads(row[0])["seeds"])


def _connect(path: Path) -> sqlite3.Connection:
    # as_uri escapes what would end the path of a URI: ? # %
    address = path.absolute().as_uri() + "?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=_PATIENCE)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        # A folder that nobody may write to: SQLite cannot make its shared memory there, and needs none when nobody writes.
        return sqlite3.connect(address + "&immutable=1", uri=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not tables:
        raise OutputError(
            f"{path} is not a crawl", "it is empty: a crawl was cut off before it began", f"crawler crawl URL -o {path.parent}"
        )
    if not {"meta", "runs", "hosts", "pages", "_frontier"} <= tables:
        raise OutputError(f"{path} is not a crawl", "it is a database of something else", "crawler crawl URL -o DIR")
    row = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    if row is not None and str(row[0]).isdigit() and int(row[0]) > FORMAT:
        raise OutputError(f"{path} has format {row[0]}", f"this crawler reads formats up to {FORMAT}", "pip install --upgrade asyncrawl")


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read inside is of the same moment, while another process goes on writing."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


def holder(folder: Path) -> int | None:
    """The id of the process that holds the folder, 0 when it did not leave one, or None when nobody does. Of a folder with the folders of
    workers it is one of those that hold one.

    A process that died holds nothing: what counts is its lock on the file, which ends with it.
    """
    folders = [folder] if (folder / FILE_NAME).is_file() else [folder, *shards_of(folder)]
    return next((found for each in folders if (found := _holder(each)) is not None), None)


def _holder(folder: Path) -> int | None:
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        with (folder / LOCK_NAME).open("rb") as file:
            try:
                # Shared, and given back at once: two readers never get into each other's way.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read(20).split()
                return int(text[0]) if text and text[0].isdigit() else 0
    except OSError:
        pass
    return None
