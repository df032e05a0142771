"""Long work in steps gives the same, and leaves time to others."""

from __future__ import annotations

import asyncio

import pytest

from crawler.engine.steps import Steps, in_one_go, in_turn


def story(steps: int) -> Steps[int]:
    for _ in range(steps):
        yield
    return steps


async def test_the_result_is_that_of_the_generator() -> None:
    """With pauses or without, after any number of steps."""
    for steps in (0, 1, 5):
        assert in_one_go(story(steps)) == steps
        assert await in_turn(story(steps)) == steps


def test_steps_can_be_ended_between_two() -> None:
    """Whoever looks at a clock between two steps ends them by raising; a single step nobody looks at."""

    def late() -> None:
        raise TimeoutError

    assert in_one_go(story(0), late) == 0
    with pytest.raises(TimeoutError):
        in_one_go(story(1), late)


async def test_others_have_their_turn_between_two_steps() -> None:
    """Callbacks of the loop, and what is to be waited for."""
    turns: list[str] = []

    def tick() -> None:
        turns.append("loop")
        asyncio.get_running_loop().call_soon(tick)

    async def others() -> None:
        turns.append("others")

    tick()
    assert await in_turn(story(3), others) == 3
    assert turns.count("others") == 3
    assert turns.count("loop") > 3


async def test_an_exception_comes_out() -> None:
    """Whatever a step raises is raised."""

    def broken() -> Steps[int]:
        yield
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_one_go(broken())
    with pytest.raises(ZeroDivisionError):
        await in_turn(broken())
