"""Files that are there when they are whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from crawler.errors import DiskFullError, OutputError, UsageError

_BUFFER = 256 * 1024


class WholeFiles:
    """Files under `with` that get their names at its end, all of them or none: whatever happens before, nothing is left of them.

    `fresh` allows them to take the place of others. Raises UsageError when one is there already, DiskFullError and OutputError when
    one cannot be written.
    """

    def __init__(self, fresh: bool = False) -> None:
        self._fresh = fresh
        self._written: list[tuple[Path, Path]] = []

    def open(self, path: Path) -> BinaryIO:
        """A new file that will be `path`; to be closed before the end."""
        self._check(path)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        with explained(path):
            file = part.open("wb", buffering=_BUFFER)
        self._written.append((part, path))
        return file

    def rename(self, before: Path, path: Path) -> None:
        """Says that a file will be `path` in the end, and not `before`."""
        self._check(path)
        self._written = [(part, path if known == before else known) for part, known in self._written]

    def _check(self, path: Path) -> None:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", "a file is to be written", f"-o {path / 'pages'}")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file", "a file is to be written, and to take the place of what is there", "-o -")
        if not self._fresh and path.exists():
            raise UsageError(f"{path} is there already", "nothing is replaced unasked", "another name, or --fresh")
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", f"{path.name} was to be written there", f"mkdir -p {path.parent}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                for part, path in self._written:
                    with explained(path):
                        _bring_to_disk(part)
                        part.replace(path)
        finally:
            with ExitStack() as stack:
                for part, _ in self._written:
                    stack.callback(part.unlink, missing_ok=True)


def write_whole(path: Path, pieces: Iterable[str]) -> None:
    """A text of which all is there or nothing, in the place of one before; what is no file (a pipe, a terminal) is simply written to.

    Raises DiskFullError and OutputError when it cannot be written.
    """
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file():
        with explained(path), place.open("w", encoding="utf-8") as stream:
            stream.writelines(pieces)
        return
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with explained(path):
            with part.open("w", encoding="utf-8") as file:
                file.writelines(pieces)
            _bring_to_disk(part)
            part.replace(place)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def explained(path: object) -> Iterator[None]:
    """What the operating system says of writing a file, in words of ours."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError.writing(path) from error
        raise OutputError(f"cannot write {path}", error.strerror or str(error), "check who owns the folder") from error


def _bring_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
