"""Rows as text: the names of their columns and tuples become CSV, JSON, JSON lines, Markdown, lines with tabs, or a table for a terminal.

Everything from the web is hostile, and each format makes it harmless in its own way. What would act on a terminal (controls, changes of
direction, line ends) is escaped in all of them: as `\\x1b` in the formats for people, as `\\u001b` in JSON, where it reads back the same.

| value | table, tsv, csv, md | json, jsonl |
|---|---|---|
| NULL | empty | `null` |
| an id: `id`, `parent`, `src`, `dst`, `redirect_id` | digits | a string of digits: ids have 64 bits, JavaScript rounds beyond 53 |
| another whole number of more than 53 bits | digits | a string of digits |
| infinite | `inf`, `-inf` | `null` |
| true, false | `true`, `false` | `true`, `false` |
| bytes | hexadecimal digits | a string of hexadecimal digits |
| lists and objects | JSON | as they are |

CSV is RFC 4180 with `\\n` at the end of lines. A text that a spreadsheet would take for a formula (it begins with `=`, `+`, `-`, `@`, or
with a wide form of one) has a `'` in front of it; for exact texts there is JSON.
Markdown is GitHub's: no text becomes markup, URLs are links.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from crawler.report.table import Row, cell, table
from crawler.text import as_json

Format = Literal["table", "tsv", "csv", "json", "jsonl", "md"]

_IDS = frozenset(("id", "parent", "src", "dst", "redirect_id"))
_EXACT = 2**53 - 1
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_MARKUP = re.compile(r"([\\`*_\[\]<>&|~$])")
_LINK = re.compile(r"https?://[^\s<>]+")


def formatted(format: Format, columns: Sequence[str], rows: Iterable[Row], width: int = 0) -> Iterator[str]:
    """The rows in a format, piece by piece: at no time more than some hundred of them are in memory.

    `width` is that of the terminal for a table, 0 for no limit. JSON names the second column of one name `name_2`.
    """
    if format == "table":
        return table(columns, rows, width)
    return _WRITERS[format](columns, rows)


def _tsv(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Without a head, for `cut`, `sort` and `xargs`: a tab inside a text is escaped as any control."""
    for row in rows:
        yield "\t".join(map(cell, row)) + "\n"


class _Line:
    """What csv.writer writes to: it keeps the last line."""

    text = ""

    def write(self, text: str) -> int:
        self.text = text
        return len(text)


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    line = _Line()
    writer = csv.writer(line, lineterminator="\n")
    writer.writerow(map(_csv_cell, columns))
    yield line.text
    for row in rows:
        writer.writerow(map(_csv_cell, row))
        yield line.text


def _csv_cell(value: object) -> str:
    text = cell(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int | float) else text


def _objects(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    names = told_apart(columns)
    are_ids = [name in _IDS for name in columns]
    for row in rows:
        yield as_json({name: _json_value(value, is_id) for name, value, is_id in zip(names, row, are_ids, strict=True)})


def _json_value(value: object, is_id: bool) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value) if is_id or not -_EXACT <= value <= _EXACT else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.hex() if isinstance(value, bytes) else value


def told_apart(columns: Sequence[str]) -> list[str]:
    """The names of columns, where the second one of a name is `name_2`."""
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _jsonl(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    return (f"{text}\n" for text in _objects(columns, rows))


def _json(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """One array, an object on each line."""
    before = "[\n"
    for text in _objects(columns, rows):
        yield before + text
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _markdown(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    yield f"| {' | '.join(map(markdown, columns))} |\n"
    yield f"|{'---|' * len(columns)}\n"
    for row in rows:
        yield f"| {' | '.join(map(markdown, row))} |\n"


def markdown(value: object) -> str:
    """A value inside a line or cell of Markdown: no text becomes markup or leaves its cell, a URL becomes a link."""
    text = cell(value)
    if _LINK.fullmatch(text):
        return f"<{text.replace('|', '%7C')}>"
    # What a backslash means before a pipe that is escaped, readers do not agree on.
    return _MARKUP.sub(lambda found: "&#92;" if found[0] == "\\" else "\\" + found[0], text)


_WRITERS: dict[Format, Callable[[Sequence[str], Iterable[Row]], Iterator[str]]] = {
    "tsv": _tsv,
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
    "md": _markdown,
}
