"""An aligned table of rows for people, as wide as their terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from crawler.text import as_json, printable, shortened, width_of

Row = Sequence[object]
"""One row: None, numbers, texts, bytes, truth values, lists and objects, one for each column."""

_GAP = "  "
# So many rows decide how wide the columns are; those after them are cut to that.
_LOOKED_AT = 500
# A column of text that would have to be narrower says nothing any more: then each row is shown as a list.
_NARROWEST = 12


def cell(value: object) -> str:
    """A value on one line of text, harmless: "" for None, digits, `true`, hexadecimal digits for bytes, JSON for lists and objects."""
    if isinstance(value, str):
        return printable(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    return as_json(value) if isinstance(value, dict | list | tuple) else str(value)


def table(columns: Sequence[str], rows: Iterable[Row], width: int = 0) -> Iterator[str]:
    """The rows as lines, numbers to the right. No line is wider than `width` (0: no limit): long texts lose their middle, and where there
    are too many columns for that, each row is a list of all its values, whole."""
    rest = iter(rows)
    first = list(islice(rest, _LOOKED_AT))
    names = [printable(name) for name in columns]
    numeric = [_is_numeric(row[number] for row in first) for number in range(len(names))]
    looked_at = [[cell(value) for value in row] for row in first]
    widths = [max(width_of(name), *(width_of(row[number]) for row in looked_at), 1) for number, name in enumerate(names)]
    limits = _fitted(widths, numeric, width - len(_GAP) * (len(names) - 1)) if width else widths
    cells = chain(looked_at, ([cell(value) for value in row] for row in rest))
    if limits is None:
        yield from _lists(names, cells)
        return
    yield _line(names, limits, numeric, width)
    yield _GAP.join("-" * limit for limit in limits) + "\n"
    for row in cells:
        yield _line(row, limits, numeric, width)


def _is_numeric(values: Iterable[object]) -> bool:
    """Whether there are numbers, and nothing else."""
    kinds = {type(value) for value in values} - {type(None)}
    return bool(kinds) and kinds <= {int, float}


def _fitted(widths: Sequence[int], numeric: Sequence[bool], room: int) -> list[int] | None:
    """As many columns as there is room for: the widest texts give way first. None when they would become too narrow."""
    if sum(widths) <= room:
        return list(widths)
    room -= sum(width for width, fixed in zip(widths, numeric, strict=True) if fixed)
    texts = sorted(width for width, fixed in zip(widths, numeric, strict=True) if not fixed)
    for number, width in enumerate(texts):
        share = room // (len(texts) - number)
        if width > share:
            if share < _NARROWEST:
                return None
            return [width if fixed else min(width, share) for width, fixed in zip(widths, numeric, strict=True)]
        room -= width
    return None


def _line(cells: Sequence[str], limits: Sequence[int], numeric: Sequence[bool], width: int) -> str:
    fitting = [shortened(text, limit) for text, limit in zip(cells, limits, strict=True)] if width else cells
    padded = (
        " " * (limit - width_of(text)) + text if right else text + " " * (limit - width_of(text))
        for text, limit, right in zip(fitting, limits, numeric, strict=True)
    )
    return _GAP.join(padded).rstrip() + "\n"


def _lists(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    widest = max(map(width_of, names))
    for number, row in enumerate(rows):
        facts = (f"{name}{' ' * (widest - width_of(name))}{_GAP}{text}".rstrip() for name, text in zip(names, row, strict=True))
        yield ("\n" if number else "") + "".join(f"{fact}\n" for fact in facts)
