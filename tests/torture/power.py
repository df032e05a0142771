"""A loss of power, played: what a folder holds when all that was not synced is gone or damaged.

A victim keeps a copy of its database at the beginning of every sync, and a list of its bodies. A loss of power takes the last copy whose
sync came to its end (the system was asked for the folder's file system, and said that it did it), and rolls dice for each body that was
written later.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path

from witness import Witness

import crawler.assembly
from crawler.store import sync

DATABASE = ("crawl.db-wal", "crawl.db")
_LIST = "find pages -type f -printf '%i:%T@ %p\\n'"
# The log first: what is missing in it is in the database by then.
_COPY = f'for file in {" ".join(DATABASE)}; do [ ! -e $file ] || cp $file "$1"; done; {_LIST} > "$1"/bodies'


def keep_copies(copies: Path, interval: float) -> None:
    """Makes this process keep its copies in a folder, and sync so often."""
    real, numbers, witness = sync.sync_disk, count(1), Witness()
    copies.mkdir(exist_ok=True)
    for left in copies.iterdir():
        shutil.rmtree(left)

    def sync_disk(folder: Path) -> None:
        copy = copies / f"{next(numbers):06}"
        begun = copy.with_suffix(".part")
        begun.mkdir()
        (begun / "times").write_text(f"{time.monotonic()} ")
        with closing(sqlite3.connect(folder / "crawl.db", isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # nobody commits meanwhile
            # By another process, which costs this one nothing; and closing a file that SQLite has open would take SQLite's locks away.
            subprocess.run(["sh", "-c", _COPY, "sh", str(begun)], cwd=folder, check=True)
        witness.synced.clear()
        real(folder)
        if witness.synced != [folder.stat().st_dev]:
            return  # it is on no disk, whatever was said
        with (begun / "times").open("a") as times:
            times.write(f"{time.monotonic()}")
        begun.rename(copy)

    sync.ctypes = witness  # type: ignore[assignment]
    sync.sync_disk = sync_disk
    crawler.assembly.Syncer = partial(sync.Syncer, interval=interval)  # type: ignore[misc,assignment]


def slowness(copies: Path, struck: float) -> float:
    """By how many seconds the last two syncs took longer than half a second each, one that was cut off at `struck` counted."""
    taken = [[float(word) for word in (copy / "times").read_text().split()] for copy in sorted(copies.iterdir())[-2:]]
    return sum(max(0.0, (times[1] if len(times) == 2 else struck) - times[0] - 0.5) for times in taken if times)


def bodies(folder: Path) -> dict[str, str]:
    """Which files lie below `pages/`, and which those are: file system number and time."""
    return _listed(subprocess.run(["sh", "-c", _LIST], cwd=folder, check=True, capture_output=True, text=True).stdout)


def _listed(text: str) -> dict[str, str]:
    return {name: facts for facts, _, name in (line.partition(" ") for line in text.splitlines())}


def lose_power(folder: Path, copies: Path, roll: random.Random) -> str:
    """Leaves of a killed crawl's folder what a loss of power might have left; returns the name of the copy, "" for none."""
    copy = max((path for path in copies.iterdir() if not path.suffix), default=None)
    if copy is None:
        shutil.rmtree(folder)  # nothing at all was synced
        return ""
    (folder / "crawl.db-shm").unlink(missing_ok=True)
    log = folder / "crawl.db-wal"
    written = log.read_bytes() if log.exists() else b""
    for name in DATABASE:
        (folder / name).unlink(missing_ok=True)
        if (copy / name).exists():
            shutil.copy(copy / name, folder / name)
    _grow_log(log, written, roll)
    synced = _listed((copy / "bodies").read_text("utf-8"))
    for name, facts in bodies(folder).items():
        if synced.get(name) != facts:
            roll.choice(DAMAGE)(folder / name, roll)
    return copy.name


def _grow_log(log: Path, written: bytes, roll: random.Random) -> None:
    """Some of what was written to the log after the sync may have reached the disk, whole or not."""
    synced = log.read_bytes() if log.exists() else b""
    if synced and written[: len(synced)] == synced and roll.random() < 0.7:
        tail = bytearray(written[len(synced) : roll.randint(len(synced), len(written))])
        if tail and roll.random() < 0.5:
            tail[roll.randrange(len(tail)) :] = b""
            tail += roll.randbytes(roll.randrange(8192))
        log.write_bytes(synced + tail)


def _keep(path: Path, roll: random.Random) -> None:
    """It had reached the disk."""


def _take(path: Path, roll: random.Random) -> None:
    path.unlink()


def _empty(path: Path, roll: random.Random) -> None:
    path.write_bytes(b"")


def _shorten(path: Path, roll: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: roll.randrange(max(1, path.stat().st_size))])


def _blank(path: Path, roll: random.Random) -> None:
    path.write_bytes(bytes(path.stat().st_size))


DAMAGE: list[Callable[[Path, random.Random], None]] = [_keep, _take, _empty, _shorten, _blank]
