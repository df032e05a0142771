"""Waiting for what a cancellation must not cut off."""

from __future__ import annotations

import asyncio
from typing import Any


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


def is_cancelled() -> bool:
    """Whether the task that asks is itself being cancelled. Otherwise a CancelledError says that something it awaited was."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception of a group that is no group itself."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
