"""crawl.db: opening, creating, one transaction at a time."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from crawler.errors import DiskFullError, OutputError
from crawler.store.sync import sync

FORMAT = 1
FILE_NAME = "crawl.db"

# SQLite keeps this much of the file in memory (KiB); the operating system's cache holds the rest.
CACHE_KIB = 8 * 1024

# Bytes of the write-ahead log that are kept when it is used from its beginning again.
_LARGEST_LOG = 16 * 1024 * 1024


# A folder from before hosts had slots: whoever held one had the first.
_OLDER = """BEGIN IMMEDIATE;
CREATE TABLE _leases (host_id INTEGER NOT NULL, slot INTEGER NOT NULL, token INTEGER NOT NULL, holder INTEGER NOT NULL, until REAL NOT NULL,
  leaves INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (host_id, slot)) WITHOUT ROWID;
ALTER TABLE _frontier ADD COLUMN slot INTEGER;
UPDATE _frontier SET slot = 0 WHERE state = 'leased';
INSERT INTO _leases SELECT host_id, 0, token, 0, leased_until, 0 FROM hosts WHERE leased_until IS NOT NULL;
COMMIT;"""


class Database:
    """One shared connection to a crawl's database. Frontier and store use the same one, so a commit is one step for both.

    Not safe for use from two threads at once: the engine calls it from its writer thread alone. `path` None keeps all in memory.
    Raises OutputError when the file is no database, of a newer format, or cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.is_new = path is None or not path.exists()
        try:
            self.connection = sqlite3.connect(
                path or ":memory:", timeout=30, isolation_level=None, check_same_thread=False, cached_statements=256
            )
        except sqlite3.Error as error:
            raise _readable(error, path) from error
        try:
            self._prepare()
        except BaseException as error:
            self.connection.close()
            if isinstance(error, sqlite3.Error):
                raise _readable(error, path) from error
            raise
        self._depth = 0

    def _prepare(self) -> None:
        execute = self.connection.execute
        # Looked at before anything is set: WAL mode would be written into a file of somebody else.
        tables = {name for (name,) in execute("SELECT name FROM sqlite_master")}
        self._check(tables)
        execute("PRAGMA journal_mode = WAL")
        # In WAL mode NORMAL survives every crash of this process; a loss of power may cost the last commits, never the file.
        execute("PRAGMA synchronous = NORMAL")
        execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        execute("PRAGMA temp_store = MEMORY")
        execute("PRAGMA wal_autocheckpoint = 2000")
        # While somebody reads for long the log can only grow; afterwards it gives that room back.
        execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")
        if not tables:
            self._create()
        elif "_leases" not in tables:
            self.connection.executescript(_OLDER)

    def _check(self, tables: set[str]) -> None:
        """Raises OutputError when these are not the tables of a crawl that can be read here."""
        if not tables:
            return
        if "meta" not in tables or "_frontier" not in tables:
            raise OutputError(f"{self.path} is not a crawl", "it is a database of something else", "crawler crawl URL -o another-folder")
        version = int(self.meta("format") or 0)
        if version > FORMAT:
            raise OutputError(
                f"{self.path} has format {version}", f"this crawler reads formats up to {FORMAT}", "pip install --upgrade asyncrawl"
            )

    def _create(self) -> None:
        schema = files("crawler.store").joinpath("schema.sql").read_text("utf-8")
        # One step: a kill here leaves an empty file, which the next start takes for a new one.
        self.connection.executescript(f"BEGIN IMMEDIATE;\n{schema}\nINSERT INTO meta VALUES ('format', '{FORMAT}');\nCOMMIT;")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Entered inside another one, it is part of that one. Raises DiskFullError when the disk is full."""
        if self._depth:
            yield
            return
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0
        except sqlite3.Error as error:
            raise _readable(error, self.path) from error

    def meta(self, key: str) -> str | None:
        """A fact about the folder."""
        row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, **facts: str) -> None:
        """Keeps facts about the folder."""
        self.connection.executemany("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", facts.items())

    def sync(self) -> None:
        """Makes all commits, and the files beside the database, survive a loss of power. Raises DiskFullError, OutputError."""
        if self.path is None:
            return
        try:
            sync(self.connection, self.path.parent)
        except sqlite3.Error as error:
            raise _readable(error, self.path) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError.writing(f"{self.path.parent}/") from error
            raise OutputError(f"cannot write {self.path.parent}/", str(error.strerror), "check the disk") from error

    def close(self) -> None:
        """Closes the connection; the write-ahead log is merged into the file."""
        self.connection.close()


def _readable(error: sqlite3.Error, path: Path | None) -> Exception:
    """The three lines for what SQLite says."""
    text = str(error)
    if "full" in text:
        return DiskFullError.writing(path)
    if "not a database" in text or "malformed" in text:
        return OutputError(f"{path} is damaged or is no database", text, "crawler crawl URL -o another-folder")
    if "readonly" in text or "unable to open" in text:
        return OutputError(f"cannot write {path}", text, "check who owns the folder, or use -o another-folder")
    if "locked" in text:
        return OutputError(f"{path} is locked", "another program holds it in a transaction", "close that program and try again")
    return error
