"""What was written survives a loss of power: twice a second it is brought to the disk, in a thread of its own.

A commit in WAL mode and a file that was renamed into place survive every crash of this process, but lie in the memory of the operating
system for up to half a minute. `syncfs` brings all of them to the disk in one call, for a fraction of what a call for each file would
cost. The sync mark (`meta.synced`) is the last row of `pages` that was committed before such a call: bodies of later rows may be missing
or short after a loss of power, those of rows up to it never are.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

INTERVAL = 0.5
"""Seconds between two syncs. A loss of power costs these and what two syncs take."""

_SET_MARK = "INSERT INTO meta VALUES ('synced', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


def sync_disk(folder: Path) -> None:
    """Returns when all that was written to the file system of `folder` is on its disk. Where there is no `syncfs` (it is Linux's)
    the system is asked to write all disks, which it may do a little later. Raises OSError."""
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(descriptor)


def sync(connection: sqlite3.Connection, folder: Path) -> None:
    """Syncs a crawl's folder and sets the mark. Raises OSError, sqlite3.Error."""
    row = connection.execute("SELECT max(row) FROM pages").fetchone()[0]
    sync_disk(folder)
    connection.execute(_SET_MARK, (str(row or 0),))


class Syncer:
    """Syncs the folder of the database at `path` every so often while there is something new, under `with`. It has a connection of
    its own, so nobody waits for the disk but its thread."""

    def __init__(self, path: Path, interval: float = INTERVAL) -> None:
        self._path = path
        self._interval = interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crawler-syncer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        if self._over.wait(self._interval):
            return
        try:
            # Somebody who holds the database for long must not hold up the end: the mark is set the next time.
            opened = sqlite3.connect(self._path, timeout=0.2, isolation_level=None)
        except sqlite3.Error:
            return  # the folder has gone, which the writer meets too
        with closing(opened) as connection:
            synced = None
            while not self._over.is_set():
                # Whatever is wrong with the disk, the writer meets it too, and says so; the mark stays where it is.
                with suppress(OSError, sqlite3.Error):
                    # Changes with every commit of another connection.
                    version = connection.execute("PRAGMA data_version").fetchone()
                    if version != synced:
                        sync(connection, self._path.parent)
                        synced = version
                self._over.wait(self._interval)
