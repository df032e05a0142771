"""The numbers behind the pictures of report.html, each from a query that reads `pages` once; what they hold is bounded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

STATUSES = "SELECT status, outcome, count(*) AS pages FROM pages WHERE role = 'page' GROUP BY status, outcome ORDER BY status, outcome"

TYPES = """
SELECT coalesce(content_type, 'unknown') AS type, count(*) AS pages, sum(bytes) AS bytes FROM pages
WHERE bytes > 0 GROUP BY type ORDER BY bytes DESC, type
"""

# Whole milliseconds: what is faster than one of them is one group.
TIMES = "SELECT CAST(ttfb_ms AS INTEGER) AS ms, count(*) AS pages FROM pages WHERE ttfb_ms IS NOT NULL GROUP BY ms ORDER BY ms"

# An RFC 3339 time cut to whole seconds (19 characters) or tenths (21).
MOMENTS = """
SELECT run, substr(fetched_at, 1, :length) AS moment, count(*) AS pages, count(*) FILTER (WHERE outcome IN ('http_error', 'error')) AS bad
FROM pages WHERE role = 'page' GROUP BY run, moment ORDER BY run, moment
"""

PATHS = "SELECT url, outcome IN ('http_error', 'error') AS bad, bytes FROM pages WHERE role = 'page'"

RUNS = """
SELECT run, started, ended, seconds, finish_reason, version, settings, (SELECT value FROM meta WHERE key = 'format') AS format
FROM runs ORDER BY run DESC
"""

BARS = 48
"""Of a picture over time."""

PER_DECADE = 6
_FASTEST, _SLOWEST = 0, 30


class Bucket(NamedTuple):
    """Answers whose time to the first byte was between `low` and `high` milliseconds, the latter excluded."""

    low: float
    high: float
    pages: int


class Interval(NamedTuple):
    """What happened in `seconds` seconds, that many after the start; the time between two runs does not count."""

    start: float
    seconds: float
    pages: int
    bad: int


@dataclass(slots=True)
class Branch:
    """A part of the site: the pages below a path, those that are broken, their bytes, and the parts it has."""

    name: str
    pages: int = 0
    bad: int = 0
    size: int = 0
    parts: dict[str, Branch] = field(default_factory=dict)

    def add(self, pages: int, bad: int, size: int) -> None:
        """Counts pages that lie in it."""
        self.pages += pages
        self.bad += bad
        self.size += size


def histogram(rows: Iterable[tuple[int, int]]) -> list[Bucket]:
    """Times in six buckets for each power of ten, from the fastest that has pages to the slowest, the empty ones between them included.
    What took less than a millisecond is in the first, what took more than 100 s in the last."""
    pages: dict[int, int] = {}
    edges = [10 ** (number / PER_DECADE) for number in range(_SLOWEST + 1)]
    number = 0
    for ms, count in rows:
        while number < _SLOWEST and ms >= edges[number]:
            number += 1
        pages[number] = pages.get(number, 0) + count
    if not pages:
        return []
    return [
        Bucket(edges[each - 1] if each else 0.0, edges[each] if each < _SLOWEST else float("inf"), pages.get(each, 0))
        for each in range(min(pages), max(pages) + 1)
    ]


def read_intervals(connection: sqlite3.Connection, seconds: float, bars: int = BARS) -> list[Interval]:
    """The pages over time in at most `bars` intervals of the same length; runs follow one another without the time between them. `seconds`
    is about how long the crawl took: a short one is looked at more closely."""
    steps = 10 if seconds < bars else 1
    rows = connection.cursor().execute(MOMENTS, {"length": 21 if steps > 1 else 19})
    points = list(_placed(rows, steps))
    if not points:
        return []
    whole = points[-1][0] + 1
    each = -(-whole // bars)
    found = [[0, 0] for _ in range(-(-whole // each))]
    for step, pages, bad in points:
        found[step // each][0] += pages
        found[step // each][1] += bad
    ends = [min(each * (number + 1), whole) for number in range(len(found))]
    return [
        Interval(number * each / steps, (end - number * each) / steps, pages, bad)
        for number, (end, (pages, bad)) in enumerate(zip(ends, found, strict=True))
    ]


def _placed(rows: Iterable[tuple[int, str, int, int]], steps: int) -> Iterator[tuple[int, int, int]]:
    """Steps since the first page, so many a second, without the time between runs; in their order within each run."""
    run, began, offset, last = None, 0.0, 0, -1
    for number, text, pages, bad in rows:
        try:
            moment = datetime.fromisoformat(f"{text}00+00:00" if steps > 1 else f"{text}+00:00").timestamp()
        except ValueError:
            continue
        if number != run:
            run, began, offset = number, moment, last + 1
        last = offset + round((moment - began) * steps)
        yield last, pages, bad


def tree(rows: Iterable[tuple[str, int, int]], deepest: int = 4) -> Branch:
    """The site by the folders of its URLs; several hosts are parts of it, too. Takes time that grows with the pages alone."""
    folders: dict[str, list[int]] = {}
    for url, bad, size in rows:
        folder = url.partition("?")[0].rpartition("/")[0]
        if (counts := folders.get(folder)) is None:
            counts = folders[folder] = [0, 0, 0]
        counts[0] += 1
        counts[1] += bad
        counts[2] += size
    root = Branch("")
    for folder, (pages, bad, size) in folders.items():
        scheme, _, path = folder.partition("://")
        branch = root
        branch.add(pages, bad, size)
        for number, name in enumerate(path.split("/")[:deepest]):
            known = branch.parts.get(name)
            if known is None:
                known = branch.parts[name] = Branch(f"{branch.name}{name}/" if number else f"{scheme}://{name}/")
            branch = known
            branch.add(pages, bad, size)
    return root


def read_tree(connection: sqlite3.Connection) -> Branch:
    """The site's shape; below the host where there is one only."""
    root = tree(connection.cursor().execute(PATHS))
    return next(iter(root.parts.values())) if len(root.parts) == 1 else root
