"""The pictures of report.html as SVG: no text scales with them, no style is in them but classes, and every mark says its number in a
<title>. All that they are given is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from crawler.report.figures import Bucket, Interval
from crawler.report.treemap import Cell
from crawler.text import human_count, human_duration, human_size, printable, shortened

_UNIT = 20
_HEIGHT = 100


def safe(text: str) -> str:
    """A text from anywhere inside an element or a quoted attribute."""
    return escape(printable(text))


def bars(rows: Sequence[tuple[str, int, str, str]]) -> str:
    """Horizontal bars: each with its name, its number, the number as one reads it, and a class."""
    most = max((number for _, number, _, _ in rows), default=0) or 1
    cells = (
        f'<tr><th scope=row>{safe(name)}<td class=bar><svg role=img aria-hidden=true><rect class={kind} width="{100 * number / most:.1f}%" '
        f'height="100%" rx="2"/></svg><td class=n>{safe(shown)}'
        for name, number, shown, kind in rows
    )
    return f"<table class=bars>{''.join(cells)}</table>"


def _columns(values: Sequence[Sequence[tuple[str, float]]], titles: Sequence[str], label: str) -> str:
    """Columns beside each other, each a pile of classes and numbers from the bottom up."""
    most = max((sum(number for _, number in pile) for pile in values), default=0) or 1
    marks: list[str] = []
    for position, (pile, title) in enumerate(zip(values, titles, strict=True)):
        x, below, parts = position * _UNIT, float(_HEIGHT), []
        for kind, number in pile:
            if number:
                # A single page among thousands is still seen.
                high = max(1.2, _HEIGHT * number / most)
                parts.append(f'<path class={kind} d="M{x + 1} {below:.1f}V{max(0.0, below - high):.1f}h{_UNIT - 2}V{below:.1f}z"/>')
                below -= high
        marks.append(f'<g><path class=hit d="M{x} 0h{_UNIT}v{_HEIGHT}h-{_UNIT}z"/>{"".join(parts)}<title>{safe(title)}</title></g>')
    size = f'viewBox="0 0 {max(1, len(values)) * _UNIT} {_HEIGHT}" preserveAspectRatio=none'
    return f'<svg class=plot {size} role=img aria-label="{safe(label)}">{"".join(marks)}</svg>'


def _axis(labels: Sequence[tuple[float, str]]) -> str:
    """Texts below a picture, at their per cent from the left."""
    texts = (
        f'<text x="{at:.1f}%" y="12"{" class=end" if at > 90 else " class=mid" if at > 8 else ""}>{safe(text)}</text>'
        for at, text in labels
    )
    return f"<svg class=axis aria-hidden=true>{''.join(texts)}</svg>"


def time_histogram(buckets: Sequence[Bucket], median: float | None, p95: float | None) -> str:
    """Pages by their time to the first byte, with lines where half of them, and 95 in a hundred, have answered."""
    if not buckets:
        return ""
    titles = [f"{_range(bucket)}: {human_count(bucket.pages)} pages" for bucket in buckets]
    slow = [bucket.low >= 1000 for bucket in buckets]
    columns = [[("slow" if late else "ok", bucket.pages)] for bucket, late in zip(buckets, slow, strict=True)]
    labels = [
        (100 * number / len(buckets), f"{10**exponent} ms" if exponent < 3 else f"{10 ** (exponent - 3)} s")
        for exponent in range(6)
        for number, bucket in enumerate(buckets)
        if math.isclose(bucket.low, 10**exponent)
    ]
    marked = (("median", median), ("95 %", p95))
    said = " · ".join(f"{name} {human_duration(ms / 1000)}" for name, ms in marked if ms is not None)
    return _columns(columns, titles, f"Time to the first byte: {said}") + _axis(labels or [(0.0, _range(buckets[0]))])


def _range(bucket: Bucket) -> str:
    if math.isinf(bucket.high):
        return f"more than {human_duration(bucket.low / 1000)}"
    if not bucket.low:
        return "less than 1 ms"
    return f"{_three(bucket.low)} to {_three(bucket.high)}"


def _three(ms: float) -> str:
    """Milliseconds with the digits that tell buckets apart."""
    return f"{ms:.2g} ms" if ms < 100 else f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.3g} s"


def depth_columns(rows: Sequence[tuple[int, int, int, int, int, int]]) -> str:
    """Pages by depth, each with its pages in all, ok, redirects, broken, errors."""
    piles = [[("ok", ok), ("moved", moved), ("broken", broken), ("error", errors)] for _, _, ok, moved, broken, errors in rows]
    titles = [
        f"depth {depth}: {human_count(pages)} pages, {human_count(broken)} broken, {human_count(errors)} errors"
        for depth, pages, _, _, broken, errors in rows
    ]
    every = 1 + len(rows) // 13
    labels = [(100 * (number + 0.5) / len(rows), str(row[0])) for number, row in enumerate(rows) if not number % every]
    texts = "".join(f'<text x="{at:.1f}%" y="12" class=mid>{text}</text>' for at, text in labels)
    return _columns(piles, titles, "Pages by depth") + f"<svg class=axis aria-hidden=true>{texts}</svg>"


def over_time(found: Sequence[Interval]) -> str:
    """Pages a second while the crawl ran, those that went wrong at the bottom."""
    if not found:
        return ""
    piles = [[("broken", each.bad / each.seconds), ("ok", (each.pages - each.bad) / each.seconds)] for each in found]
    titles = [
        f"{human_duration(each.start)} after the start: {each.pages / each.seconds:.3g} pages a second"
        + (f", {human_count(each.bad)} broken" if each.bad else "")
        for each in found
    ]
    end = found[-1].start + found[-1].seconds
    fastest = max(each.pages / each.seconds for each in found)
    label = f"Pages a second, {fastest:.3g} at the most"
    return _columns(piles, titles, label) + _axis([(0.0, "0"), (50.0, human_duration(end / 2)), (100.0, human_duration(end))])


def site_map(cells: Sequence[Cell]) -> str:
    """The tree map; a cell is the darker the more of it is broken, and clips its own words."""
    return f'<svg class=map role=img aria-label="Pages by folder">{"".join(_cells(cells))}</svg>'


def _cells(cells: Sequence[Cell]) -> Iterator[str]:
    for cell in cells:
        branch = cell.branch
        share = branch.bad / branch.pages
        kind = "q0" if not branch.bad else "q1" if share < 0.05 else "q2" if share < 0.25 else "q3"
        where = printable(branch.name)
        name = f"{human_count(cell.others)} others" if cell.others else _last(where)
        pages = human_count(branch.pages)
        title = f"{shortened(where, 60)}{f' ({name})' if cell.others else ''}: {pages} pages, "
        title += f"{human_count(branch.bad)} broken, {human_size(branch.size)}"
        # Where there is no room nobody reads: about 10 by 6 pixels a letter.
        words = ""
        if cell.width > 4 and cell.height > 8:
            words = f"<text x=8 y=18>{escape(shortened(name, 40))}</text>"
            words += f"<text x=8 y=34 class=dim>{pages}</text>" if cell.height > 15 else ""
        place = f'x="{cell.x:.2f}%" y="{cell.y:.2f}%" width="{cell.width:.2f}%" height="{cell.height:.2f}%"'
        yield f'<svg {place}><rect class={kind} width="100%" height="100%"/>{words}<title>{escape(title)}</title></svg>'


def _last(name: str) -> str:
    """The last folder of a URL, its host when there is none."""
    parts = name.partition("://")[2].strip("/").split("/")
    return f"/{parts[-1]}/" if len(parts) > 1 else parts[0]
