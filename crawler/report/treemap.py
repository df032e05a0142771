"""A tree as rectangles: each as large as its share. The same tree gives the same picture, in time that grows with what is shown."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from crawler.report.figures import Branch

# Of one part: what is smaller than a hundredth of it is put together, and so is what is more than so many.
_MOST_PARTS, _SMALLEST = 24, 0.01
# Nothing is divided into parts that would be smaller, on average, than this share of the picture: nobody could read them.
_READABLE = 0.008


class Cell(NamedTuple):
    """A rectangle in per cent of the whole picture, and the part of the site it stands for; `others` counts the parts that one
    cell stands for, 0 when it is a single one."""

    x: float
    y: float
    width: float
    height: float
    branch: Branch
    others: int = 0


def is_telling(cells: Sequence[Cell]) -> bool:
    """Whether the picture shows more than that there are many parts: a tenth of the pages has places of its own."""
    whole = sum(cell.branch.pages for cell in cells)
    return len(cells) > 2 and sum(cell.branch.pages for cell in cells if cell.others) <= 0.9 * whole


def treemap(root: Branch, cells: int, aspect: float) -> list[Cell]:
    """At most about so many rectangles. The largest part is divided into its own parts, again and again, until there are enough.
    `aspect` is how much wider than high the picture is: rectangles are made as square as they can be on it."""
    whole = Cell(0.0, 0.0, 100.0, 100.0, root)
    waiting = [(-root.pages, root.name, whole)] if root.pages else []
    done: list[Cell] = []
    while waiting:
        _, _, cell = heapq.heappop(waiting)
        parts = _parts(cell)
        too_small = cell.branch.pages < _READABLE * root.pages * len(parts) and cell.branch is not root
        if len(parts) < 2 or too_small or len(done) + len(waiting) + len(parts) > cells:
            done.append(cell)
            continue
        for part in _divided(cell, parts, aspect):
            heapq.heappush(waiting, (-part.branch.pages, f"{part.branch.name}\0{part.others}", part))
    return sorted(done, key=lambda cell: (cell.y, cell.x))


def _parts(cell: Cell) -> list[tuple[Branch, int]]:
    """What a cell is divided into, the largest first: parts of the site, with its own pages one of them, and what is too small together.
    Nothing where that says nothing new."""
    branch = cell.branch
    parts = [] if cell.others else list(branch.parts.values())
    while len(parts) == 1 and parts[0].pages == branch.pages and parts[0].parts:
        branch = parts[0]
        parts = list(branch.parts.values())
    if not parts:
        return []
    own = Branch(branch.name)
    own.pages = branch.pages - sum(part.pages for part in parts)
    own.bad, own.size = branch.bad - sum(part.bad for part in parts), branch.size - sum(part.size for part in parts)
    ordered = sorted((*parts, *([own] if own.pages else [])), key=lambda part: (-part.pages, part.name))
    large = [(part, 0) for part in ordered[:_MOST_PARTS] if part.pages >= _SMALLEST * branch.pages]
    small = ordered[len(large) :]
    if len(small) < 2:
        return [(part, 0) for part in ordered]
    rest = Branch(branch.name, sum(part.pages for part in small), sum(part.bad for part in small), sum(part.size for part in small))
    return sorted([*large, (rest, len(small))], key=lambda part: (-part[0].pages, part[1], part[0].name))


def _divided(cell: Cell, parts: Sequence[tuple[Branch, int]], aspect: float) -> Iterator[Cell]:
    """The rectangle of a cell given to its parts in rows, each row as long as it makes its rectangles most square (Bruls, Huizing, van
    Wijk: Squarified Treemaps, 2000)."""
    x, y, width, height = cell.x * aspect, cell.y, cell.width * aspect, cell.height
    scale = width * height / cell.branch.pages
    areas = [part.pages * scale for part, _ in parts]
    first = 0
    while first < len(parts):
        side = min(width, height)
        last = first + 1
        while last < len(parts) and _worst(areas[first : last + 1], side) <= _worst(areas[first:last], side):
            last += 1
        row = sum(areas[first:last])
        thick = row / side if side else 0.0
        at = 0.0
        for (branch, others), area in zip(parts[first:last], areas[first:last], strict=True):
            long = area / thick if thick else 0.0
            if width >= height:
                yield Cell(x / aspect, y + at, thick / aspect, long, branch, others)
            else:
                yield Cell((x + at) / aspect, y, long / aspect, thick, branch, others)
            at += long
        if width >= height:
            x, width = x + thick, width - thick
        else:
            y, height = y + thick, height - thick
        first = last


def _worst(areas: Sequence[float], side: float) -> float:
    """How far from square the worst rectangle of a row is."""
    whole = sum(areas)
    if not whole or not side:
        return float("inf")
    return max(max(side * side * area / (whole * whole), whole * whole / (side * side * area)) for area in areas if area)
