"""The pictures of report.html as SVG: no text scales with them, no style is in them but classes, and every mark says its number in a
<title>. All that they are given is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from crawler.report.figures import Bucket, Interval
from crawler.report.treemap import Cell
from crawler.text import human_count, human_duration, human_rate, human_size, printable, shortened

_UNIT = 20
_HEIGHT = 100
# That have room side by side below a picture on a phone.
_LETTERS = 44


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


def _columns(values: Sequence[Sequence[tuple[str, float]]], titles: Sequence[str], label: str, unit: str = "pages") -> str:
    """Columns beside each other, each a pile of classes and numbers from the bottom up; what the highest stands for is above them."""
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
    said = human_count(most) if isinstance(most, int) else human_rate(most)
    top = f"{said} {unit.removesuffix('s') if most == 1 else unit}"
    size = f'viewBox="0 0 {max(1, len(values)) * _UNIT} {_HEIGHT}" preserveAspectRatio=none'
    return f'<p class=top>{top}</p><svg class=plot {size} role=img aria-label="{safe(label)}">{"".join(marks)}</svg>'


def _axis(labels: Sequence[tuple[float, str]]) -> str:
    """Texts below a picture, at their per cent from the left."""
    texts = (
        f'<text x="{at:.1f}%" y="12"{" class=end" if at > 90 else " class=mid" if at > 8 else ""}>{safe(text)}</text>'
        for at, text in labels
    )
    return f"<svg class=axis aria-hidden=true>{''.join(texts)}</svg>"


def said_of_times(buckets: Sequence[Bucket], median: float | None, p95: float | None) -> str:
    """What their histogram does not say by itself; times are milliseconds."""
    marked = (("half", median), ("95 %", p95))
    said = [f"{name} within {human_duration(ms / 1000)}" for name, ms in marked if ms is not None]
    return " · ".join([*said, *(["amber: over a second"] if buckets and buckets[-1].high > 1000 else [])])


def time_histogram(buckets: Sequence[Bucket]) -> str:
    """Pages by their time to the first byte."""
    if not buckets:
        return ""
    titles = [f"{_range(bucket)}: {human_count(bucket.pages)} pages" for bucket in buckets]
    slow = [bucket.low >= 1000 for bucket in buckets]
    columns = [[("slow" if late else "ok", bucket.pages)] for bucket, late in zip(buckets, slow, strict=True)]
    edges = [(100 * number / len(buckets), bucket.low) for number, bucket in enumerate(buckets)]
    decades = [edge for edge in edges if edge[1] and math.isclose(math.log10(edge[1]), round(math.log10(edge[1])))]
    # Where there are not two of them, nobody could tell how far apart they are.
    marked = decades if len(decades) > 1 else edges[:: 1 + len(edges) // 7]
    return _columns(columns, titles, "Time to the first byte") + _axis([(at, _three(low) if low else "0") for at, low in marked])


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
    """Pages by depth, each with its pages in all, ok, redirects, broken, errors; the first of these stands below, where there is room."""
    piles = [[("ok", ok), ("moved", moved), ("broken", broken), ("error", errors)] for _, _, ok, moved, broken, errors in rows]
    titles = [
        f"depth {depth}: {human_count(pages)} pages, {human_count(broken)} broken, {human_count(errors)} errors"
        for depth, pages, _, _, broken, errors in rows
    ]
    every = 1 + len(rows) // 13
    labels = [(100 * (number + 0.5) / len(rows), str(row[0])) for number, row in enumerate(rows) if not number % every]
    counts = [(at, human_count(rows[number * every][1])) for number, (at, _) in enumerate(labels)]
    lines = [labels, counts] if len(counts) * max(len(text) for _, text in counts) <= _LETTERS else [labels]
    texts = "".join(
        f'<text x="{at:.1f}%" y="{12 + 15 * line}" class="mid{" count" * line}">{text}</text>'
        for line, texts in enumerate(lines)
        for at, text in texts
    )
    axis = f'<svg class="axis{" two" * (len(lines) > 1)}" aria-hidden=true>{texts}</svg>'
    return _columns(piles, titles, "Pages by depth") + axis


def over_time(found: Sequence[Interval]) -> str:
    """Pages a second while the crawl ran, those that went wrong at the bottom."""
    if not found:
        return ""
    piles = [[("broken", each.bad / each.seconds), ("ok", (each.pages - each.bad) / each.seconds)] for each in found]
    titles = [
        f"{human_duration(each.start)} after the start: {human_rate(each.pages / each.seconds)} pages a second"
        + (f", {human_count(each.bad)} broken" if each.bad else "")
        for each in found
    ]
    end = found[-1].start + found[-1].seconds
    return _columns(piles, titles, "Pages a second", "a second") + _axis(
        [(0.0, "0"), (50.0, human_duration(end / 2)), (100.0, human_duration(end))]
    )


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
