"""Files for bodies that are too large for the memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from secrets import token_hex
from typing import Self

import aiofiles
from aiofiles.threadpool.binary import AsyncBufferedIOBase

from crawler.fetch import descriptors
from crawler.waiting import to_the_end


def new_path(folder: Path) -> Path:
    """A name that no other body has."""
    return folder / f"{token_hex(16)}.part"


class SpoolFile:
    """A new file that is written from a coroutine: kept by `close`, removed by `discard`."""

    def __init__(self, path: Path, file: AsyncBufferedIOBase) -> None:
        self.path = path
        self._file = file

    @classmethod
    async def create(cls, folder: Path) -> Self:
        """A new, empty file in `folder`. Raises OSError, EMFILE while some descriptors are left."""
        path = new_path(folder)
        opening = asyncio.ensure_future(aiofiles.open(path, "xb").__aenter__())
        try:
            await to_the_end(opening)  # the thread that opens it cannot be stopped
        except asyncio.CancelledError:
            if opening.exception() is None:
                await cls(path, opening.result()).discard()
            raise
        spool = cls(path, opening.result())
        try:
            descriptors.check(spool._file.fileno(), descriptors.FOR_PAGES)
        except OSError:
            await spool.discard()
            raise
        return spool

    async def write(self, data: bytes) -> None:
        """Appends all of `data`."""
        await self._file.write(data)

    async def close(self) -> None:
        """Ends the file and keeps it."""
        await self._file.close()

    async def discard(self) -> None:
        """Ends the file and removes it, also when that is cancelled meanwhile."""
        try:
            await to_the_end(asyncio.ensure_future(self._file.close()))
        finally:
            self.path.unlink(missing_ok=True)
