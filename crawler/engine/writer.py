"""What a cancellation must not cut off: the thread that writes, and the end of a crawl."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


class Writer:
    """One thread for what blocks, one job at a time, under `with`. A job that was handed to it runs to its end, also when who
    waits for it is cancelled."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._job: asyncio.Future[Any] | None = None

    def __enter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, "crawler-writer")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._thread is not None:
            self._thread.shutdown()

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` returns or raises in the thread."""
        job = asyncio.get_running_loop().run_in_executor(self._thread, work)
        self._job = job
        await asyncio.wait([job])  # unlike awaiting the job itself, this leaves it alone when it is cancelled
        return job.result()

    async def rest(self) -> None:
        """Waits until the last job is over, whatever came of it."""
        if self._job is not None:
            await asyncio.wait([self._job])
            self._job.exception()  # belongs to who was cancelled while waiting for it


async def to_the_end(task: asyncio.Task[Any]) -> None:
    """Waits until a task is over, whatever comes of it. A cancellation, and any further one, takes effect after that."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if not task.cancelled():
        task.exception()  # looked at, so that nobody complains that nobody did
    if cancelled is not None:
        raise cancelled
