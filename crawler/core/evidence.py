"""What is remembered of the pages of one shape, and what one more page adds to that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Literal, NamedTuple

from crawler.core.seen import SeenFilter
from crawler.core.shapes import Shape, shape_of
from crawler.core.sketch import Whole, name_of
from crawler.core.urls import Target
from crawler.model import Request

Worth = Literal["new", "hopeful", "open", "dull"]
"""What a page is worth: it brought something new, leads to pages of which nobody knows anything yet, nobody can tell, or it did not."""

UNPROVEN = 4
"""Pages of a shape after which it must have said something to be worth leading to."""
PATIENCE = 25
"""What a good past adds to the pages that have to be dull in a row, at most: one for each two that brought something, of answers to
questions one for each eight."""
GAPS, FEWEST_GAPS, SHORTEST_GAP = 12, 4, 6
"""A calendar is quiet when nothing came for so many times as long as it took between two things that it brought; fewer times while it
has brought few, of which nobody can tell whether they came quickly by chance."""
HOPE = 3
"""Steps that lead away from a page within which the pages that it leads to have been asked for."""
PROBATION = 20
"""Pages of a shape after which it is no longer looked at one by one, if nothing speaks against it."""
SHAPES, NUMBERS = 40, 1_500
"""Shapes that are remembered, and numbers by which their lines and links are known again, for each host that a crawl holds at once: all
of its hosts have their turn before one comes again."""
LOOKED_AT = 100
"""New links of a page of which the shape is worked out, at most."""

_LINKS, _LINES, _PARENTS, _RANKS = 1000, 1000, 100, 20
_CALM, _RAREST = 16, 7  # looks without a dull page after which they become rarer, down to one in 2 ** 7


class Sight(NamedTuple):
    """A page as it was fetched: its request, its title, its body (None: too large to be in memory) and where it leads. `unknown`
    picks the ids of a set that the crawl did not know."""

    request: Request
    title: str
    body: bytes | None
    targets: Sequence[Target | None]
    unknown: Callable[[set[int]], set[int]]


class Record:
    """What is known of one shape: pages seen, those that brought something, those in a row that did not."""

    __slots__ = (
        "bred", "calm", "counted", "dated", "dull", "first", "hoped", "is_endless", "is_solid", "lines", "links", "looks", "new", "others",
        "parents", "ranks", "run", "seen", "span", "start",
    )  # fmt: skip

    def __init__(self) -> None:
        self.seen = self.looks = self.new = self.run = 0
        self.span = 0  # looks up to the last page that brought something
        self.bred = 0  # of those in a row the ones that were found on pages of the same shape
        self.calm = 0  # looks since the last dull page
        self.is_solid = False  # its pages say something, or lead to such
        self.dated = True  # so far all its numbers could be dates
        self.start = 0  # the depth at which the present chain of pages began
        self.first: int | None = None  # what the first page said, in one number
        self.others = 0  # pages that were found on pages of other shapes
        self.parents: set[str] = set()  # these, as far as they are few
        self.dull: set[str] = set()  # of a wide shape: the narrower ones that were dull since it brought something
        self.ranks: dict[str, int] = {}  # of a wide shape: the narrower ones in the order in which they were met
        self.is_endless = False  # of a wide shape: its pages lead to others like them that nobody has listed
        self.hoped: int | None = None  # the depth at which its pages began to lead to unknown ones, since it brought something
        self.links: SeenFilter | None = None
        self.lines: SeenFilter | None = None
        self.counted = 0  # its size as `Records` has counted it

    @property
    def size(self) -> int:
        """How many numbers and URLs it holds."""
        return len(self.links or ()) + len(self.lines or ()) + len(self.parents)

    @property
    def is_resting(self) -> bool:
        """Whether this page need not be looked at: the shape has proved itself, a look now and then is enough."""
        return not self.run and self.calm > _CALM and bool(self.seen & ((1 << min(_RAREST, (self.calm - _CALM) // 2)) - 1))

    def is_enough(self, least: int, shape: Shape) -> bool:
        """Whether so many dull pages in a row are a trap."""
        patience = least + min(PATIENCE, self.new // (8 if shape.kind == "worded" else 2))
        if self.new and shape.dated:
            times = min(GAPS, FEWEST_GAPS + self.new)
            patience = max(patience, times * self.span // self.new, times * SHORTEST_GAP if times < GAPS else 0)
        return self.run >= patience

    def rank(self, pattern: str) -> int:
        """The place of a narrower shape in the order in which they were met."""
        if len(self.ranks) < _RANKS:
            return self.ranks.setdefault(pattern, len(self.ranks))
        return self.ranks.get(pattern, _RANKS)

    def may_hope(self, depth: int) -> bool:
        """Whether what its pages lead to may still have to be asked for."""
        if self.hoped is None:
            self.hoped = depth
        return depth < self.hoped + HOPE

    def found_elsewhere(self, parent: str) -> bool:
        """Takes notice of a page that was found on one of another shape; whether such pages are listed, several by each. Otherwise
        each page of a site links to one of its own, as to the day on which it was written."""
        self.others += 1
        if len(self.parents) < _PARENTS:
            self.parents.add(parent)
        return self.others >= 2 * len(self.parents)

    def brought_something(self) -> None:
        """A page was new."""
        self.new += 1
        self.span = self.looks
        self.hoped = None
        self.begins_again()

    def begins_again(self, depth: int | None = None) -> None:
        """What was counted in a row ends here."""
        self.run = self.bred = 0
        self.dull.clear()
        self.start = self.start if depth is None else depth

    def new_links(self, targets: Sequence[Target | None]) -> set[int] | None:
        """Where its pages had not led before; None for the first page, of which nobody can tell what stands on all."""
        ids = {target.id for target in targets if target is not None and target.refusal is None}
        first = self.links is None
        self.links = self.links or SeenFilter(_LINKS)
        strange = self.links.unknown(ids)
        self.links.update(strange)
        return None if first else strange

    def compare_lines(self, text: Mapping[int, int]) -> Worth:
        """Whether any line is new. A line that stands on all pages may hold a word of the URL by chance, so each is known in two
        ways: as it stands, and without them."""
        first = self.lines is None
        self.lines = self.lines or SeenFilter(_LINES)
        lines = self.lines
        is_new = any(line not in lines and bare not in lines for line, bare in text.items())
        lines.update([*text, *text.values()])
        return "open" if first else "new" if is_new else "dull"

    def compare_set(self, text: Mapping[int, int]) -> Worth:
        """Whether another page has said exactly this."""
        self.lines = self.lines or SeenFilter(_LINES)
        whole = hash(frozenset(text.values()))
        worth: Worth = "dull" if whole in self.lines else "new"
        self.lines.update((whole,))
        return worth

    def has_new_title(self, title: str, without: Set[bytes]) -> bool:
        """Whether no page before was called so, its own words and numbers left out. The first page is none that could be new."""
        if self.lines is None:
            return False
        name = name_of(title, without)
        if name in self.lines:
            return False
        self.lines.update((name,))
        return True

    def compare_whole(self, page: Whole) -> Literal["first", "new", "same", "alike"]:
        """Whether the page as a whole is the first one, another one, or one that was there, perhaps but for its own numbers."""
        first = self.lines is None
        self.lines = self.lines or SeenFilter(_LINES)
        is_same, is_alike = page.text in self.lines, page.bare in self.lines
        self.lines.update((page.text, page.bare))
        if first:
            self.first = page.text
            self.lines.update((page.name,))
            return "first"
        self.is_solid = self.is_solid or page.text != self.first
        return "same" if is_same else "alike" if is_alike else "new"


class Records:
    """The records of shapes by host and pattern, for so many hosts; those that were asked for longest ago are forgotten first."""

    def __init__(self, hosts: int) -> None:
        self._records: dict[tuple[str, str], Record] = {}
        self._most, self._largest = hosts * SHAPES, hosts * NUMBERS
        self._size = 0

    def of(self, host: str, pattern: str) -> Record:
        """The record of a shape."""
        key = (host, pattern)
        record = self._records.pop(key, None)
        if record is None:
            record = Record()
            if len(self._records) >= self._most:
                self._forget()
        self._records[key] = record
        return record

    def count(self, *records: Record) -> None:
        """Takes notice of what these, which were asked for last, hold by now."""
        for record in records:
            size = record.size
            self._size += size - record.counted
            record.counted = size
        while self._size > self._largest and len(self._records) > len(records):
            self._forget()

    def _forget(self) -> None:
        self._size -= self._records.pop(next(iter(self._records))).counted

    def has_looked(self, host: str, shape: Shape) -> bool:
        """Whether a page of this shape has been looked at."""
        known = self._records.get((host, shape.pattern))
        return known is not None and known.looks > 0

    def is_on_probation(self, host: str, shape: Shape) -> bool:
        """Whether the pages of a shape are looked at one by one: they have begun to be dull, or they are of a kind that often is and
        have not said anything yet."""
        known = self._records.get((host, shape.pattern))
        wide = self._records.get((host, shape.wide))
        if (known is not None and known.run) or (wide is not None and wide.run):
            return True
        if shape.kind == "plain" and not shape.dated:
            return False
        solid = (known is not None and known.is_solid) or (wide is not None and wide.is_solid)
        return not solid and (known is None or known.seen < PROBATION)

    def promise(self, host: str, shape: Shape) -> Worth:
        """What it is worth to lead to a page of this shape: something when its pages are known to say something, which is open while
        there were only a few of them."""
        known = self._records.get((host, shape.pattern))
        if known is not None and known.is_solid:
            return "new"
        if shape.dated and (wide := self._records.get((host, shape.wide))) is not None and wide.hoped is not None:
            return "hopeful"
        return "open" if known is None or known.seen < UNPROVEN else "dull"


def bred_by(request: Request, shape: Shape) -> Literal["itself", "its like", ""]:
    """Whether a page was found on one of its own shape, or on one that is made in the same way."""
    if request.parent is None:
        return ""
    parent = shape_of(request.parent)
    return "itself" if parent.pattern == shape.pattern else "its like" if parent.wide == shape.wide else ""


def is_longer(url: str, target: str) -> bool:
    """Whether a link leads further down, into a folder that is called as one above it."""
    folder = url.partition("?")[0].rpartition("/")[0] + "/"
    if not target.startswith(folder):
        return False
    name = target[len(folder) :].partition("/")[0]
    return bool(name) and not name.isdigit() and f"/{name}/" in folder[url.index("/", 8) :]
