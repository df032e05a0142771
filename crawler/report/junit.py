"""Tables as JUnit XML, which continuous integration shows: a suite for each table, a failed case for each of its groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from crawler.report.groups import Taken
from crawler.report.lines import Line, item_line, line_of
from crawler.report.tables import Table
from crawler.text import printable


def junit(suites: Sequence[tuple[Table, Taken]]) -> Iterator[str]:
    """The XML, piece by piece. A table without groups is one case that passed. Text from the web is escaped, first as for a terminal,
    so that no character is left that XML does not know."""
    failures = sum(taken.total for _, taken in suites)
    tests = sum(max(1, taken.total) for _, taken in suites)
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="crawler report" tests="{tests}" failures="{failures}">\n'
    for table, taken in suites:
        yield f'  <testsuite name={_attribute(table.many)} tests="{max(1, taken.total)}" failures="{taken.total}">\n'
        if not taken.total:
            yield f'    <testcase classname="{table.name}" name={_attribute(table.none)}/>\n'
        for group in taken.groups:
            line = line_of(table, group.key)
            yield f'    <testcase classname="{table.name}" name={_attribute(line.subject)}>\n'
            yield f"      <failure message={_attribute(_sentence(line._replace(subject='')))}>"
            yield "".join(f"\n{escape(_sentence(item_line(table, item)))}" for item in group.items)
            yield f"\nand {more:,} more" if (more := group.total - len(group.items)) > 0 else ""
            yield "</failure>\n    </testcase>\n"
        yield "  </testsuite>\n"
    yield "</testsuites>\n"


def _sentence(line: Line) -> str:
    return printable("  ".join(filter(None, line)))


def _attribute(text: str) -> str:
    return quoteattr(printable(text))
