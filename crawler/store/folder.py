"""The folder of a crawl: who holds it, which crawl it is, its runs."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from crawler.errors import DifferentCrawlError, DiskFullError, FolderInUseError, OutputError
from crawler.model import FinishReason
from crawler.store.database import FILE_NAME, Database
from crawler.store.files import PageFiles, refuse_link
from crawler.text import utc_text

LOCK_NAME = ".lock"
_ATTEMPTS = 600  # 5 ms each, to hold it
COOKIES_NAME = "cookies.json"
# What `--fresh` removes: what a crawl made, and nothing else.
_OURS = (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", "pages", "crawl.toml", "crawl.log", COOKIES_NAME, "summary.json", "report.html")
# The fact in `meta` that says so while that is done.
_REMOVED = "removed"
# Files on their way to their names.
_PARTS = (".crawl.toml.part", ".summary.json.part", ".report.html.part", f"{COOKIES_NAME}.part")


class Folder:
    """A held crawl folder with its open database.

    Opening it creates it, locks it, and brings it to rest after an unclean end. `close` (or leaving `with`) lets it go.
    Raises OutputError when it cannot be used, FolderInUseError with the holder's pid when another process has it.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self.path = path
        self.lock = _locked(path)
        try:
            if not (path / FILE_NAME).exists() and any(entry.name != LOCK_NAME for entry in path.iterdir()):
                raise OutputError(f"{path}/ is not a crawl folder", "it holds other files and no crawl.db", "-o another-folder")
            refuse_link(path / FILE_NAME)
            self.database = self._open(fresh)
            try:
                self._sweep()
            except BaseException:
                self.database.close()
                raise
        except BaseException:
            os.close(self.lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database and lets the folder go."""
        if self.lock >= 0:
            self.database.close()
            os.close(self.lock)
            self.lock = -1

    def is_gone(self) -> bool:
        """Whether the crawl is not where it was opened any more: somebody has removed or moved it."""
        try:
            there = os.stat(self.path / LOCK_NAME)
            return not (os.path.samestat(os.fstat(self.lock), there) and (self.path / FILE_NAME).exists())
        except OSError:
            return True

    def _open(self, fresh: bool) -> Database:
        """The folder's database: a new one when the crawl is to be removed, or a kill came while it was. A database of something else
        raises before anything is removed."""
        for name in () if fresh else _OURS:
            refuse_link(self.path / name)
        database = Database(self.path / FILE_NAME)
        if database.is_new or not (fresh or database.meta(_REMOVED)):
            return database
        with closing(database), suppress(DiskFullError), database.transaction():
            database.set_meta(**{_REMOVED: "yes"})
        _remove_crawl(self.path)
        return Database(self.path / FILE_NAME)

    def _sweep(self) -> None:
        """Removes what a kill left on its way to its name, before anything asks for the room that it takes."""
        try:
            for name in _PARTS:
                (self.path / name).unlink(missing_ok=True)
            if (self.path / "pages").is_dir():
                self.files().sweep()
        except OSError as error:
            raise _unusable(self.path, error) from error

    def files(self) -> PageFiles:
        """The folder's saved bodies."""
        try:
            return PageFiles(self.path / "pages")
        except OSError as error:
            raise _unusable(self.path, error) from error

    def write(self, name: str, text: str) -> None:
        """Writes a small file of the folder (summary.json, crawl.toml) so that it is whole at every moment, a loss of power included."""
        temporary = self.path / f".{name}.part"
        try:
            with temporary.open("w", encoding="utf-8") as part:
                part.write(text)
                part.flush()
                os.fsync(part.fileno())
            temporary.replace(self.path / name)
        except OSError as error:
            raise _unusable(self.path, error) from error
        finally:  # a signal may come in between
            with suppress(OSError):
                temporary.unlink()


def identify(database: Database, identity: Mapping[str, Any], where: str) -> bool:
    """Makes sure that a database holds this crawl; True when it is new. `identity` names what may not change: seeds, scope …

    Raises DifferentCrawlError that names every difference.
    """
    stored = database.meta("identity")
    if stored is None:
        database.set_meta(identity=json.dumps(identity))
        return True
    hint = f"crawler resume {where}, -o another-folder, or --fresh to delete the crawl there"
    check_same(json.loads(stored), identity, f"{where}/ holds another crawl", hint)
    return False


def check_same(before: Mapping[str, Any], identity: Mapping[str, Any], what: str, hint: str) -> None:
    """Raises DifferentCrawlError that names every difference between a crawl and how it was `before`; `what` and `hint` are the words
    in front of that and what to try."""
    now = json.loads(json.dumps(identity))
    # A switch that an older version did not have was off.
    different = [name for name in {**before, **now} if (before.get(name) or None) != (now.get(name) or None)]
    if different:
        name = different[0]
        more = f" (and {', '.join(different[1:])})" if len(different) > 1 else ""
        raise DifferentCrawlError(
            f"{what}: `{name}` is {_shown(before.get(name))} there, {_shown(identity.get(name))} here{more}",
            "seeds, scope and what decides which URLs are the same cannot change in a crawl",
            hint,
        )


def _shown(value: Any) -> str:
    if value in (None, [], ()):
        return "not set"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def start_run(database: Database, version: str, settings: str) -> int:
    """Begins a run and returns its number; call it in the transaction that adds the seeds. A run that a kill cut off stays
    without an end."""
    row = database.connection.execute(
        "INSERT INTO runs (started, version, settings) VALUES (?, ?, ?) RETURNING run", (utc_text(datetime.now(UTC)), version, settings)
    ).fetchone()
    return int(row[0])


def end_run(database: Database, run: int, reason: FinishReason, seconds: float) -> None:
    """Writes down when and why a run ended, and how long it took."""
    with database.transaction():
        database.connection.execute(
            "UPDATE runs SET ended = ?, seconds = ?, finish_reason = ? WHERE run = ?", (utc_text(datetime.now(UTC)), seconds, reason, run)
        )


def last_end(database: Database) -> str | None:
    """Why the last run ended; None when there was none, and after a kill."""
    row = database.connection.execute("SELECT finish_reason FROM runs ORDER BY run DESC LIMIT 1").fetchone()
    return None if row is None else row[0]


def suspects(database: Database) -> frozenset[int]:
    """The ids of the URLs that the last run had in hand when it was cut off, if it was: the page of one of them may have ended the
    process. To be asked before the leases are voided."""
    if database.connection.execute("SELECT ended FROM runs ORDER BY run DESC LIMIT 1").fetchone() != (None,):
        return frozenset()
    return frozenset(identity for (identity,) in database.connection.execute("SELECT id FROM _frontier WHERE state = 'leased'"))


def boot_id() -> str:
    """Tells one start of the machine from another, as far as the system says: monotonic times do not outlive one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _locked(path: Path) -> int:
    """The descriptor of the folder's lock. The kernel frees the lock of a process that died, however it died."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise _unusable(path, error) from error
    if not _has_locked(descriptor):
        holder = _holder(descriptor)
        os.close(descriptor)
        raise FolderInUseError(
            f"{path}/ is in use by process {holder}", "two crawls cannot share one folder", f"crawler status {path}, or -o another-folder"
        )
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(descriptor)
        raise _unusable(path, error) from error
    return descriptor


def _has_locked(descriptor: int) -> bool:
    """Tries for a moment: `crawler status` looks at the lock by holding it for some microseconds. Longer when the holder is dead: its
    workers have noticed that, and are about to end."""
    for attempt in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if attempt >= 20 and _is_alive(_holder(descriptor)):
                return False
            time.sleep(0.005)
    return False


def _holder(descriptor: int) -> str:
    """The process that says it holds the folder, or "unknown"."""
    return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, OverflowError, PermissionError):
        return True  # as far as anybody can tell
    except ProcessLookupError:
        return False
    return True


def _remove_crawl(path: Path) -> None:
    for name in reversed(_OURS):  # the database last: it knows that the rest is to go
        target = path / name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


def _unusable(path: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError.writing(f"{path}/")
    if file := next((place for place in (path, *path.parents) if os.path.isfile(place)), None):
        what, why = f"{file} is a file, not a folder", "a crawl is kept in a folder"
        return OutputError(*((what, why) if file == path else (f"cannot make {path}/", what)), "-o another-folder")
    if error.errno == errno.ENOENT and not _has_working_directory():
        return OutputError(f"cannot make {path}/", "the working directory has been removed", "cd to another folder, or -o /a/full/path")
    why = f"{error.strerror} (this process runs as uid {os.geteuid()}{_owner(path)})"
    return OutputError(f"cannot write {path}/", why, "-o another-folder, or give this user the right to write there")


def _has_working_directory() -> bool:
    try:
        return bool(os.getcwd())
    except OSError:
        return False


def _owner(path: Path) -> str:
    for place in (path, *path.absolute().parents):
        if place.exists():
            return f", {place} belongs to uid {place.stat().st_uid}"
    return ""
