"""The stream of pages: `async for page in crawler.crawl(url)`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from crawler.model import Page, Record

BUFFER = 64
"""Pages that wait for the reader, at most; when it is full the crawl waits too."""


class PageStream:
    """Pages as they are stored, each once. Reading it to its end sees every attempted URL; leaving early is fine.

    The crawl runs in a task of its own, begun by the first page that is asked for and owned by the crawler: this object holds
    a bounded buffer and nothing else, so no `yield` sits inside anybody's task group. What ends the crawl with an error is
    raised after the last page.
    """

    def __init__(self, begin: Callable[[PageStream], asyncio.Task[None]], *, ok_only: bool = False) -> None:
        self._begin = begin
        self._ok_only = ok_only
        self._pages: deque[Page] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page:
        if self._closed:
            raise StopAsyncIteration
        if self._task is None:
            self._task = self._begin(self)
            self._task.add_done_callback(lambda _: self._changed.set())
        while not self._pages:
            if self._task.done():
                self._closed = True
                if not self._task.cancelled():
                    self._task.result()
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        self._room.set()
        return self._pages.popleft()

    async def deliver(self, records: Sequence[Record]) -> None:
        """Takes stored pages; waits while the reader is behind, returns at once when nobody reads any more."""
        for record in records:
            if record.page.role == "sitemap" or (self._ok_only and not record.page.ok):
                continue
            while len(self._pages) >= BUFFER and not self._closed:
                self._room.clear()
                await self._room.wait()
            if not self._closed:
                self._pages.append(record.page)
                self._changed.set()

    def close(self) -> None:
        """Nobody reads any more."""
        self._closed = True
        self._pages.clear()
        self._room.set()
