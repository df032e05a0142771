"""A bounded memory of ids that need no second trip to the frontier."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from crawler.model import Role


class SeenFilter:
    """Holds the most recent ids: at least `size` / 2 of them, at most `size` (a larger batch is whole until the next one).

    An id that is in it was acknowledged; one that is not may or may not be known: the frontier decides. Two generations:
    when the younger is full it becomes the older one, and the older is let go. 64-bit ids cost about 70 bytes each there.

    What is let go is still known in a table of at most `beyond` places (a power of two; 0: no table), 8 bytes each, which doubles when
    a quarter is full. Every id has three places; when others are in all of them it drives one away. With an id for every second
    place it still knows 97 of a hundred, where a single place for each would leave 79.
    """

    __slots__ = ("_beyond", "_half", "_let_go", "_old", "_table", "_young")

    def __init__(self, size: int = 500_000, beyond: int = 0) -> None:
        self._half = size // 2
        self._beyond = beyond
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._table = _empty()
        self._let_go = 0

    def __contains__(self, identity: int) -> bool:
        return not self.unknown({identity})

    def unknown(self, ids: set[int]) -> set[int]:
        """Those of the ids that are not in the filter: one step for all links of a page."""
        left = ids.difference(self._young).difference(self._old)
        if not left or not self._let_go:
            return left
        table, mask = self._table, len(self._table) - 1
        for shift in _SHIFTS:
            left = {identity for identity in left if table[identity >> shift & mask] != identity}
        return left

    def __len__(self) -> int:
        """How many the two generations hold."""
        return len(self._young) + len(self._old)

    def update(self, ids: Iterable[int]) -> None:
        """Remembers ids that were acknowledged."""
        self._young.update(ids)
        if len(self._young) >= self._half:
            if self._beyond:
                self._let_go_of(self._old)
            self._old = self._young
            self._young = set()

    def _let_go_of(self, ids: set[int]) -> None:
        """Puts ids into the table. Doubled, it has each id in two places: in one of its own, and in one where nobody looks for it, which
        is as good as empty."""
        self._let_go += len(ids)
        while len(self._table) < self._beyond and len(self._table) < 4 * self._let_go:
            self._table += self._table
        table, mask = self._table, len(self._table) - 1
        first, second, third = _SHIFTS
        for identity in ids:
            for shift in _SHIFTS:
                place = identity >> shift & mask
                there = table[place]
                if place not in (there >> first & mask, there >> second & mask, there >> third & mask):
                    break
            table[place] = identity

    def clear(self) -> None:
        """Forgets all: what was refused may be judged again."""
        self._young.clear()
        self._old.clear()
        self._table = _empty()
        self._let_go = 0


_SHIFTS = (0, 20, 40)
"""Each place of an id is the number that its bits from one of these on make."""


def _empty() -> array[int]:
    """A table of two places. An empty place holds an id none of whose places it is, however often the table is doubled: those of the
    first are odd, those of the second even."""
    return array("q", [sum(1 << shift for shift in _SHIFTS), 0])


_PROBE = 1 << 61


def known_as(role: Role, identity: int) -> int:
    """A URL in the filter: what is known as a part of pages, or as a probe, may be unknown as a page."""
    if role == "requisite":
        return ~identity
    return identity ^ _PROBE if role == "probe" else identity
