"""The sync mark: what lies before it is on the disk."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from witness import HAS_SYNCFS, Witness

from crawler.errors import DiskFullError, OutputError
from crawler.model import Page, Record
from crawler.store import sync
from crawler.store.database import Database
from crawler.store.results import ResultStore

has_syncfs = pytest.mark.skipif(not HAS_SYNCFS, reason="needs syncfs (Linux)")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "crawl.db")) as opened:
        yield opened


def write(database: Database, *ids: int) -> None:
    """Stores pages with these ids."""
    ResultStore(database, None, run=1).write([Record(Page(f"https://a.test/{each}", each, 200)) for each in ids])


def test_a_flush_moves_the_mark_to_the_last_row(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is synced first; the mark is what had been committed before."""
    write(database, 1, 2)
    synced: list[Path] = []

    def meanwhile(folder: Path) -> None:
        synced.append(folder)
        assert database.meta("synced") is None
        write(database, 3)

    monkeypatch.setattr(sync, "sync_disk", meanwhile)
    ResultStore(database, None, run=1).flush()

    assert synced == [tmp_path]
    assert database.meta("synced") == "2"


def test_a_disk_that_fails_is_said_and_leaves_the_mark(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is claimed to be on a disk that could not be written."""
    write(database, 1)
    monkeypatch.setattr(sync, "sync_disk", failing)
    with pytest.raises(OutputError, match="cannot write"):
        ResultStore(database, None, run=1).flush()
    assert database.meta("synced") is None


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), sqlite3.OperationalError("database or disk is full")])
def test_a_full_disk_is_said_by_a_flush(database: Database, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Whether the system finds it or SQLite: the crawl ends as on every full disk."""

    def full(folder: Path) -> None:
        raise error

    write(database, 1)
    monkeypatch.setattr(sync, "sync_disk", full)
    with pytest.raises(DiskFullError):
        ResultStore(database, None, run=1).flush()
    assert database.meta("synced") is None


def failing(folder: Path) -> None:
    raise OSError(5, "Input/output error")


class Watched:
    """Counts the calls of `sync_disk`, lets each through on demand, and fails those that it is told to."""

    def __init__(self, real: Callable[[Path], None]) -> None:
        self.real = real
        self.calls = 0
        self.fails = False
        self.called = threading.Condition()

    def __call__(self, folder: Path) -> None:
        with self.called:
            self.calls += 1
            self.called.notify_all()
        if self.fails:
            failing(folder)
        self.real(folder)

    def wait_for(self, calls: int) -> None:
        with self.called:
            assert self.called.wait_for(lambda: self.calls >= calls, 10), f"synced {self.calls} times"


def test_what_is_committed_is_synced_by_itself(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every so often, as long as there is something new; a sync that fails is tried again, and the mark waits for it."""
    watched = Watched(sync.sync_disk)
    monkeypatch.setattr(sync, "sync_disk", watched)
    assert database.path is not None
    with sync.Syncer(database.path, interval=0.01):
        write(database, 1)
        watched.wait_for(1)
        watched.fails = True
        write(database, 2, 3)
        watched.wait_for(watched.calls + 2)
        watched.fails = False
        watched.wait_for(watched.calls + 1)
    assert database.meta("synced") == "3"


def test_nothing_new_is_no_work(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crawl that waits leaves the disk alone."""
    watched = Watched(sync.sync_disk)
    monkeypatch.setattr(sync, "sync_disk", watched)
    assert database.path is not None
    write(database, 1)
    looked = threading.Event()
    with sync.Syncer(database.path, interval=0.001) as syncer:
        watched.wait_for(1)
        waits = iter(range(50))
        real = syncer._over.wait
        monkeypatch.setattr(syncer._over, "wait", lambda seconds: looked.set() if next(waits, None) is None else real(seconds))
        assert looked.wait(10), "the thread goes on looking"
    assert watched.calls == 1


@has_syncfs
def test_the_disk_of_the_folder_is_synced(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush asks the system itself to sync, once, the file system on which the folder lies; only then the mark is set."""
    write(database, 1)
    witness = Witness()
    monkeypatch.setattr(sync, "ctypes", witness)
    ResultStore(database, None, run=1).flush()

    assert witness.synced == [os.stat(tmp_path).st_dev]
    assert database.meta("synced") == "1"


@has_syncfs
def test_a_disk_that_was_not_synced_is_said_and_leaves_the_mark(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says counts, not that it was asked."""
    write(database, 1)
    witness = Witness(refusal=errno.EIO)
    monkeypatch.setattr(sync, "ctypes", witness)
    with pytest.raises(OutputError) as caught:
        ResultStore(database, None, run=1).flush()

    assert (caught.value.why, witness.synced) == (os.strerror(errno.EIO), [])
    assert database.meta("synced") is None


def test_a_folder_that_is_gone_cannot_be_synced(tmp_path: Path) -> None:
    """That is an error like any other."""
    with pytest.raises(OSError):
        sync.sync_disk(tmp_path / "gone")
