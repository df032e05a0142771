"""One thread for what blocks, which a cancellation does not cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


class Writer:
    """One thread for what blocks, one job at a time, until it is closed (`with` does that). A job that was handed to it runs to its
    end, also when who waits for it is cancelled."""

    def __init__(self, name: str = "crawler-writer") -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._job: asyncio.Future[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Waits for the job that runs, and ends the thread."""
        self._thread.shutdown()

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` returns or raises in the thread."""
        job = asyncio.get_running_loop().run_in_executor(self._thread, work)
        self._job = job
        await asyncio.wait([job])  # unlike awaiting the job itself, this leaves it alone when it is cancelled
        return job.result()

    async def rest(self) -> None:
        """Waits until the job that runs is over, whatever came of it."""
        if (job := self._job) is not None:
            await asyncio.wait([job])
            job.exception()  # belongs to who was cancelled while waiting for it
