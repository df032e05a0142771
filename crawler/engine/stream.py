"""The stream of pages: `async for page in crawler.crawl(url)`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from crawler.model import Page, Record
from crawler.waiting import to_the_end

BUFFER = 64
"""Pages that wait for the reader, at most; when it is full the crawl waits too."""


class PageBuffer:
    """Pages on their way from the crawl to its reader. The crawl knows this much of the stream and no more, so that a stream that
    nobody holds any more is gone."""

    def __init__(self, *, ok_only: bool = False) -> None:
        self._ok_only = ok_only
        self._pages: deque[Page] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self.is_closed = False

    async def deliver(self, records: Sequence[Record]) -> None:
        """Takes stored pages; waits while the reader is behind, returns at once when nobody reads any more."""
        for record in records:
            if record.page.role == "sitemap" or (self._ok_only and not record.page.ok):
                continue
            while len(self._pages) >= BUFFER and not self.is_closed:
                self._room.clear()
                await self._room.wait()
            if not self.is_closed:
                self._pages.append(record.page)
                self._changed.set()

    async def take(self, crawl: asyncio.Task[None]) -> Page:
        """The next page. Raises StopAsyncIteration, or what ended the crawl, when there is none."""
        while not self._pages:
            if self.is_closed or crawl.done():
                self.close()
                if crawl.done() and not crawl.cancelled():
                    crawl.result()
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        self._room.set()
        return self._pages.popleft()

    def ended(self, crawl: asyncio.Task[None]) -> None:
        """The crawl is over: nothing more will come."""
        self._changed.set()

    def close(self) -> None:
        """Nobody reads any more."""
        self.is_closed = True
        self._pages.clear()
        self._room.set()
        self._changed.set()


class PageStream:
    """Pages as they are stored, each once. Reading it to its end sees every attempted URL; leaving early is fine.

    The crawl runs in a task of its own, begun by the first page that is asked for and owned by the crawler: this object holds
    a bounded buffer and nothing else, so no `yield` sits inside anybody's task group. What ends the crawl with an error is
    raised after the last page.

    A stream that nobody holds any more, as after `break`, is closed: its crawl ends, and can be gone on with.
    """

    def __init__(self, begin: Callable[[PageBuffer], asyncio.Task[None]], *, ok_only: bool = False) -> None:
        self._begin = begin
        self._buffer = PageBuffer(ok_only=ok_only)
        self._task: asyncio.Task[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page:
        if self._buffer.is_closed:
            raise StopAsyncIteration
        if self._task is None:
            self._task = self._begin(self._buffer)
            self._task.add_done_callback(self._buffer.ended)
        return await self._buffer.take(self._task)

    def close(self) -> None:
        """Nobody reads any more: ends the crawl, and waits for nothing."""
        self._buffer.close()
        if self._task is not None and not self._task.done():
            with suppress(RuntimeError):  # the loop is gone, and the task with it
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    async def aclose(self) -> None:
        """The same, and waits until nothing of the crawl is left: for `contextlib.aclosing`."""
        self.close()
        if self._task is not None:
            await to_the_end(self._task)

    def __del__(self) -> None:
        self.close()
