"""A bounded memory of ids that need no second trip to the frontier."""

from __future__ import annotations

from collections.abc import Iterable

from crawler.model import Role


class SeenFilter:
    """Holds the most recent ids: at least `size` / 2 of them, at most `size` (a larger batch is whole until the next one).

    An id that is in it was acknowledged; one that is not may or may not be known: the frontier decides. Two generations:
    when the younger is full it becomes the older one, and the older is forgotten. 64-bit ids cost about 70 bytes each.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, size: int = 500_000) -> None:
        self._half = size // 2
        self._young: set[int] = set()
        self._old: set[int] = set()

    def __contains__(self, identity: int) -> bool:
        return identity in self._young or identity in self._old

    def unknown(self, ids: set[int]) -> set[int]:
        """Those of the ids that are not in the filter: one step for all links of a page."""
        return ids.difference(self._young).difference(self._old)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def update(self, ids: Iterable[int]) -> None:
        """Remembers ids that were acknowledged."""
        self._young.update(ids)
        if len(self._young) >= self._half:
            self._old = self._young
            self._young = set()

    def clear(self) -> None:
        """Forgets all: what was refused may be judged again."""
        self._young.clear()
        self._old.clear()


_PROBE = 1 << 61


def known_as(role: Role, identity: int) -> int:
    """A URL in the filter: what is known as a part of pages, or as a probe, may be unknown as a page."""
    return {"requisite": ~identity, "probe": identity ^ _PROBE}.get(role, identity)
