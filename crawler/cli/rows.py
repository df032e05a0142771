"""Rows for programs while the crawl runs: one JSON line for each page."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from contextlib import suppress
from threading import Thread

from crawler.errors import DiskFullError, OutputError


class Rows:
    """Lines on a descriptor, which `close` closes; `name` says in messages where they go.

    `deliver` leaves the writing to a thread: a reader that stands still holds up the crawl, but no signal. Once `give_up` was
    called nothing is waited for and nothing more is written. Both raise DiskFullError, OSError, and BrokenPipeError once: when
    nobody reads any more. What comes after that is dropped.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._name = name
        self._descriptor = descriptor
        self._written: asyncio.Future[None] | None = None
        self._given_up = False
        self._reader_left = False

    def put(self, text: str) -> None:
        """Writes at once; returns when all is written."""
        left = memoryview(text.encode())
        try:
            while left and not self._reader_left:
                left = left[os.write(self._descriptor, left) :]
        except BrokenPipeError:
            self._reader_left = True
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError.writing(self._name) from error
            raise

    async def deliver(self, text: str) -> None:
        """The same, waiting beside the loop."""
        if self._given_up or not text:
            return
        loop = asyncio.get_running_loop()
        self._written = loop.create_future()
        # A daemon, so that a write that never returns keeps no process alive.
        Thread(target=self._write, args=(text, loop, self._written), name="crawler-rows", daemon=True).start()
        await self._written

    def _write(self, text: str, loop: asyncio.AbstractEventLoop, written: asyncio.Future[None]) -> None:
        failure: Exception | None = None
        try:
            self.put(text)
        except (OSError, DiskFullError) as error:
            failure = error
        with suppress(RuntimeError):  # the loop is over: nobody waits any more
            loop.call_soon_threadsafe(_settle, written, failure)

    def give_up(self) -> None:
        """Ends the wait for a reader that does not read."""
        self._given_up = True
        if self._written is not None:
            _settle(self._written, None)

    def close(self) -> None:
        """Closes the descriptor, unless a write that was given up may still use it: its number must not become another file's."""
        if not self._given_up:
            os.close(self._descriptor)


def _settle(written: asyncio.Future[None], failure: Exception | None) -> None:
    if written.done():
        return
    if failure is None:
        written.set_result(None)
    else:
        written.set_exception(failure)


def open_rows(name: str) -> Rows:
    """The rows of a file, which is appended to; "-" is standard output, which stays open when we leave it. Raises OutputError."""
    if name == "-":
        return Rows(os.dup(sys.stdout.fileno()), "standard output")
    try:
        return Rows(os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), name)
    except OSError as error:
        raise OutputError(f"cannot write {name}", str(error.strerror), "--jsonl another-file") from error
