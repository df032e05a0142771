"""Looking at rows while they pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

_Row = TypeVar("_Row")


class Watch(Protocol):
    """Gives back the rows that it is given, in their order, and may tell somebody how many have passed."""

    def __call__(self, rows: Iterator[_Row], what: str) -> Iterator[_Row]:
        """The rows; `what` they are: pages, links."""


def unwatched(rows: Iterator[_Row], what: str) -> Iterator[_Row]:
    """The rows; nobody looks."""
    return rows
