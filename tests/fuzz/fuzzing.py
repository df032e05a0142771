"""Laws that hold for every input, tried on inputs that somebody hostile could have written.

    @fuzz(robots_files, st.text())
    def test_any_bytes_are_a_robots_txt(body: bytes, agent: str) -> None:
        ...

In the suite each law is tried on a few inputs, the same always. `make fuzz` (`--fuzz-minutes`) goes on with other ones until the
time is over, shared evenly among the laws.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cost import cpu_seconds
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy, lists, sampled_from, text, tuples

SHORT = 40
"""Inputs of each law in the suite."""

_ROUND = 400


@dataclass(slots=True)
class Fuzzing:
    """How long a law is tried: `seconds`, or a few inputs when that is 0."""

    seconds: float
    tried: int = 0

    def run(self, law: Callable[..., None], strategies: tuple[SearchStrategy[Any], ...]) -> None:
        """Tries a law until the time is over. Fails with the smallest input that breaks it, and how to see it again."""

        end = time.monotonic() + self.seconds
        broken = False

        def counted(inputs: tuple[Any, ...]) -> None:
            nonlocal broken
            if self.tried > SHORT and not broken and time.monotonic() >= end:
                return  # the rest of a round takes no time
            self.tried += 1
            try:
                law(*inputs)
            except BaseException:
                broken = True  # a smaller input is looked for, however long that takes
                raise

        while True:
            # One at a time: a decorated function keeps the settings it has got.
            trial = given(inputs=tuples(*strategies))(counted)
            calm = settings(
                max_examples=_ROUND if self.seconds else SHORT,
                derandomize=not self.seconds,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            )
            (seed(secrets.randbits(64))(calm(trial)) if self.seconds else calm(trial))()
            if time.monotonic() >= end:
                return


def fuzz(*strategies: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[[Fuzzing], None]]:
    """Makes a test of a law: it is called with one value of each strategy, and asserts or raises."""

    def decorate(law: Callable[..., None]) -> Callable[[Fuzzing], None]:
        def test(fuzzing: Fuzzing) -> None:
            fuzzing.run(law, strategies)

        test.__name__ = law.__name__
        test.__doc__ = law.__doc__
        test.__module__ = law.__module__
        return test

    return decorate


def soup(*pieces: str, most: int = 40) -> SearchStrategy[str]:
    """Texts made of these pieces in any order: what a parser looks for, and what confuses it."""
    return lists(sampled_from(pieces) | text(max_size=3), max_size=most).map("".join)


SIZES = (500, 4_000, 32_000)
"""Characters of the inputs whose times are compared."""


def assert_linear(read: Callable[[str], object], before: str, piece: str, slack: float = 0.05) -> None:
    """Eight times as much of a piece takes about eight times as long; trying all ways would take 64 times as long. Four times as
    long and `slack` seconds are allowed: for what a clock cannot tell apart, or for a better way that begins at some size."""
    if not piece:
        return
    spent = 0.0
    for size in SIZES:
        whole = before + piece * (size // len(piece) + 1)
        now = cpu_seconds(partial(read, whole), 1)
        if spent and now > 32 * spent + slack:  # looked at again: others use this processor too
            now = cpu_seconds(partial(read, whole), 3)
            assert now <= 32 * spent + slack, f"{size:,} characters of {piece!r} took {now:.3f} s, an eighth of them {spent:.3f} s"
        spent = now
