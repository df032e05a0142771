"""The tables of a report for people: on a terminal, and in Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from crawler.cli.screen_text import MARGIN, flow
from crawler.report.formats import markdown
from crawler.report.groups import Shown, Taken
from crawler.report.lines import Line, item_line, line_of
from crawler.report.tables import Table
from crawler.text import printable, shortened, width_of

_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
# What a subject needs to be told apart, and what stands before it may take.
_NARROWEST, _LONGEST_BEFORE = 16, 18
# Lines of facts below a subject.
_MOST_BELOW = 4


def text_table(table: Table, taken: Taken, folder: str, width: int = 0, color: bool = False) -> Iterator[str]:
    """The table in lines, none wider than `width` if that is possible (0: no limit); what came from the web is escaped. What is left out
    is counted, with the command that shows it."""
    paint = _Paint(color)
    yield paint(table.counted(taken.total), _BOLD) + "\n"
    lines = [line_of(table, group.key) for group in taken.groups]
    left = min(_LONGEST_BEFORE, max((width_of(printable(line.before)) for line in lines), default=0))
    if taken.groups:
        yield "\n"
    for line, group in zip(lines, taken.groups, strict=True):
        yield from _line(line, MARGIN, left, width, paint)
        yield from _items(table, group, MARGIN + " " * (left + 2 if left else 2), width, paint)
    if (more := taken.total - len(taken.groups)) > 0:
        yield f"\n{MARGIN}and {more:,} more: crawler report {shlex.quote(printable(folder))} --{table.name} --limit 0\n"


class _Paint:
    """Colours a text, or leaves it."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, text: str, code: str) -> str:
        return f"{code}{text}{_PLAIN}" if self._color and text else text


def _line(line: Line, margin: str, left: int, width: int, paint: _Paint) -> Iterator[str]:
    """The parts beside each other; what has no room stands below."""
    before, subject, after = map(printable, line)
    head = margin + (f"{' ' * (left - width_of(before))}{before}  " if left else "")
    room = width - width_of(head) if width else 0
    if not width or width_of(subject) + 2 + width_of(after) <= room:
        yield f"{head}{subject}{paint(f'  {after}', _DIM) if after else ''}\n"
        return
    yield head + shortened(subject, max(_NARROWEST, room)) + "\n"
    if after:
        below = " " * min(width_of(head) + 2, max(0, width - _NARROWEST))
        room = width - len(below)
        facts = [shortened(fact, room) for fact in shortened(after, _MOST_BELOW * room).split(" · ")]
        for fact in flow(facts, " · ", room, ""):
            yield below + paint(shortened(fact, room), _DIM) + "\n"


def _items(table: Table, group: Shown, margin: str, width: int, paint: _Paint) -> Iterator[str]:
    lines = [item_line(table, item) for item in group.items]
    left = max((width_of(printable(line.before)) for line in lines), default=0)
    for line in lines:
        yield from _line(line, margin, left, width, paint)
    if (more := group.total - len(group.items)) > 0:
        yield f"{margin}and {more:,} more\n"


def markdown_table(table: Table, taken: Taken) -> Iterator[str]:
    """The table as a heading and lists; no text from the web becomes markup."""
    yield f"## {markdown(table.counted(taken.total))}\n"
    yield "\n" if taken.groups else ""
    for group in taken.groups:
        yield f"- {_marked(line_of(table, group.key))}\n"
        for item in group.items:
            yield f"  - {_marked(item_line(table, item))}\n"
        if (more := group.total - len(group.items)) > 0:
            yield f"  - and {more:,} more\n"
    if (more := taken.total - len(taken.groups)) > 0:
        yield f"\nand {more:,} more\n"


def _marked(line: Line) -> str:
    return " ".join(markdown(part) for part in line if part)
