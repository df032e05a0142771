"""Work in steps of some milliseconds, between which others have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from time import monotonic
from typing import TypeVar

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""A generator that yields where others may have their turn, and returns the result."""


def in_one_go(steps: Steps[Result], between: Callable[[], object] = lambda: None) -> Result:
    """What comes of the steps, without a pause between them. `between` may raise, and so end them."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        between()


async def in_turn(steps: Steps[Result], others: Callable[[], Awaitable[object]] | None = None) -> Result:
    """What comes of the steps; between two of them `others` is awaited, and half of the time belongs to whoever else has work.

    Not only to the event loop: a thread would get the interpreter once in five milliseconds, and lose it with its next call to
    the database.
    """
    while True:
        begun = monotonic()
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        await asyncio.sleep(monotonic() - begun)
        if others is not None:
            await others()


async def others_first() -> None:
    """Lets all go on who are ready, and those whom they wake: of answers that come together the next requests leave before the page of
    the first one is read."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
