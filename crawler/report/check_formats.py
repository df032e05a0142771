"""The result of a link check as text, JUnit XML and Markdown, piece by piece. What came from the web is escaped in each."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from crawler.report.check import BrokenLink, CheckResult, Source
from crawler.report.formats import markdown
from crawler.text import human_count, printable

SHOWN = 10
"""Links to one target that are shown in text and Markdown; JSON and JUnit have all."""


def as_text(result: CheckResult) -> Iterator[str]:
    """Each broken target with the pages that link to it below, and at the end the verdict."""
    for link in result.broken:
        yield f"{printable(link.url)}   {_why(link)}\n"
        for source in link.sources[:SHOWN]:
            yield f"    {_place(source)}\n"
        if len(link.sources) > SHOWN:
            yield f"    and {human_count(len(link.sources) - SHOWN)} more\n"
        yield "\n"
    yield verdict(result) + "\n"
    for note in notes(result):
        yield f"  {note}\n"


def as_markdown(result: CheckResult) -> Iterator[str]:
    """For the summary of a job: a heading with the verdict, a table, what was not checked."""
    yield f"## Links: {'broken' if result.broken else 'fine'}\n\n{verdict(result)}\n"
    if result.broken:
        yield "\n| broken | why | linked from |\n|---|---|---|\n"
    for link in result.broken:
        places = [_markdown_place(source) for source in link.sources[:SHOWN]]
        places += [f"and {human_count(len(link.sources) - SHOWN)} more"] if len(link.sources) > SHOWN else []
        yield f"| {markdown(link.url)} | {markdown(_why(link))} | {'<br>'.join(places)} |\n"
    for note in notes(result):
        yield f"\n- {note}"
    yield "\n" if list(notes(result)) else ""


def as_junit(result: CheckResult) -> Iterator[str]:
    """One suite; each broken target is a failed case, with the pages that link to it."""
    tests = max(1, len(result.broken))
    totals = f'tests="{tests}" failures="{len(result.broken)}"'
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="crawler check" {totals}>\n  <testsuite name="links" {totals}>\n'
    if not result.broken:
        yield f'    <testcase classname="links" name={quoteattr(verdict(result))}/>\n'
    for link in result.broken:
        yield f'    <testcase classname="links" name={quoteattr(printable(link.url))}>\n'
        yield f"      <failure message={quoteattr(_why(link))}>"
        yield "".join(f"\n{escape(_place(source))}" for source in link.sources)
        yield "</failure>\n    </testcase>\n"
    yield "  </testsuite>\n</testsuites>\n"


def verdict(result: CheckResult) -> str:
    """The result in one line."""
    count = len(result.broken)
    of = f"{human_count(result.checked)} checked on {human_count(result.pages)} page{'' if result.pages == 1 else 's'}"
    return f"{human_count(count) if count else 'No'} broken link{'' if count == 1 else 's'} of {of}"


def notes(result: CheckResult) -> Iterator[str]:
    """What the verdict does not cover."""
    if result.known:
        yield f"{human_count(result.known)} known to be good from the cache"
    if result.unchecked:
        yield "not checked: " + ", ".join(f"{human_count(count)} {name}" for name, count in result.unchecked.items())
    if result.queued:
        yield f"not complete: {human_count(result.queued)} URLs left ({result.finish_reason})"


def _why(link: BrokenLink) -> str:
    return printable(link.why + (f", after redirects to {link.end}" if link.end else ""))


def _place(source: Source) -> str:
    if not source.page:
        return "(the start)"
    name = source.kind if source.kind not in ("a", "area") else ""
    return "   ".join(filter(None, (printable(source.page), name, f'"{printable(source.text)}"' if source.text and not name else "")))


def _markdown_place(source: Source) -> str:
    if not source.page:
        return "the start"
    return markdown(source.page) + (f" “{markdown(source.text)}”" if source.text and source.kind in ("a", "area") else "")
