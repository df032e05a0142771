"""Hrefs that need no second look: from every page of an origin they lead to the same URL, and the crawl knows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Longer ones are not remembered: one of them should not weigh as much as a page.
_LONGEST = 2048
_ALIKE = ("/", "http://", "https://")


class Familiar:
    """A bounded memory of such hrefs, with the id of where each leads. A site repeats its links on every page, so for most of them
    one look-up is all there is to do. Holds at most `size` hrefs (more, if one page has them), and begins anew when it is full."""

    __slots__ = ("_count", "_known", "_size")

    def __init__(self, size: int = 65536) -> None:
        self._size = size
        self._known: dict[str, dict[str, int]] = {}  # by origin
        self._count = 0

    def ids(self, base: str, hrefs: Sequence[str]) -> list[int | None]:
        """For each href of a page with this base URL the id of where it leads; None for those that are not remembered."""
        known = self._known.get(_origin(base))
        return [None] * len(hrefs) if known is None else list(map(known.get, hrefs))

    def keep(self, base: str, found: Iterable[tuple[str, int]]) -> None:
        """Remembers of the hrefs of a page with this base URL, each with the id of where it leads, those that mean the same on every
        page of the origin."""
        alike = {href: identity for href, identity in found if href.startswith(_ALIKE) and len(href) <= _LONGEST}
        if not alike:
            return
        if self._count + len(alike) > self._size:
            self._known, self._count = {}, 0
        known = self._known.setdefault(_origin(base), {})
        self._count -= len(known)
        known.update(alike)
        self._count += len(known)


def _origin(base: str) -> str:
    """All that such an href can depend on."""
    end = base.find("/", 8)
    return base if end < 0 else base[:end]
