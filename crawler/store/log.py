"""crawl.log: what happened during a crawl, one JSON object a line."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from crawler.errors import DiskFullError, OutputError
from crawler.redaction import redact
from crawler.text import as_json

MAX_BYTES = 50 * 1024 * 1024
KEEP = 3


def utc_now() -> datetime:
    """The time of day, in UTC."""
    return datetime.now(UTC)


class EventLog:
    """Appends events to a file, which is plain ASCII: whatever came from the web is escaped and acts on no terminal.

    A line is `{"time": UTC (RFC 3339), "event": name, ...facts}` and is with the operating system when `write` returns.
    User names and passwords in URLs do not get in. A file that would grow beyond `max_bytes` becomes `crawl.log.1`, that one
    `crawl.log.2`, up to `keep`; the oldest goes. One process writes to one log; its threads may share it.
    Raises DiskFullError when there is no room, OutputError when the file cannot be written.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now, max_bytes: int = MAX_BYTES, keep: int = KEEP) -> None:
        self.path = path
        self._now = now
        self._max_bytes = max_bytes
        self._keep = keep
        self._lock = Lock()
        self._descriptor = -1
        self._size = 0
        with self._lock:
            self._checked(self._open)

    def write(self, event: str, /, **facts: object) -> None:
        """Appends one event. Facts are JSON values, or anything else as its text."""
        moment = self._now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        own = {"time": moment, "event": event}
        values = own | {name: _plain(fact) for name, fact in facts.items()} | own
        line = as_json(values, ascii=True).encode("ascii") + b"\n"
        with self._lock:
            self._checked(self._append, line)

    def close(self) -> None:
        """Closes the file. Closing twice does no harm."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _checked(self, step: Callable[..., None], *arguments: object) -> None:
        try:
            step(*arguments)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError.writing(self.path) from error
            raise OutputError(f"cannot write {self.path}", os.strerror(error.errno or 0), "check who owns the folder") from error

    def _open(self) -> None:
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._size = os.fstat(self._descriptor).st_size
        if self._size and not self._ends_whole():
            # A kill in the middle of a line: what follows is not to be glued to it.
            self._put(b"\n")

    def _ends_whole(self) -> bool:
        os.lseek(self._descriptor, -1, os.SEEK_END)
        return os.read(self._descriptor, 1) == b"\n"

    def _append(self, line: bytes) -> None:
        if self._size and self._size + len(line) > self._max_bytes:
            self._rotate()
        self._put(line)

    def _put(self, data: bytes) -> None:
        while data:
            written = os.write(self._descriptor, data)
            self._size += written
            data = data[written:]

    def _rotate(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        names = [self.path, *(self.path.with_name(f"{self.path.name}.{number}") for number in range(1, self._keep + 1))]
        for older, newer in reversed(list(zip(names[1:], names, strict=False))):
            with suppress(FileNotFoundError):
                newer.replace(older)
        if not self._keep:
            self.path.unlink(missing_ok=True)
        self._open()


def _plain(fact: object) -> object:
    """The fact as JSON has it, without secrets."""
    match fact:
        case None | bool() | int():
            return fact
        case float():
            # JSON has no infinity.
            return fact if math.isfinite(fact) else None
        case str():
            return redact(fact)
        case datetime():
            return fact.isoformat()
        case Mapping():
            return {redact(str(key)): _plain(value) for key, value in fact.items()}
        case bytes():
            return redact(fact.decode("utf-8", "backslashreplace"))
        case Sequence() | set() | frozenset():
            return [_plain(value) for value in fact]
        case _:
            return redact(str(fact))
