"""`crawler diff OLD NEW`: which pages are new, gone or changed."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from crawler.cli.facts import reading
from crawler.cli.screen_text import encodable, paragraph, plural
from crawler.errors import UsageError
from crawler.report.diff import Difference, compare, compare_runs
from crawler.report.diff_page import diff_page, facts_of, headline, named
from crawler.report.export.whole import write_whole
from crawler.text import as_json, printable


def run(arguments: argparse.Namespace) -> int:
    """Prints the difference. Raises OutputError where there is no crawl, UsageError where there is nothing to compare."""
    found = _found(arguments)
    if arguments.html is not None:
        _write(arguments.html, diff_page(found))
        if arguments.html == "-":
            return 0
    if arguments.json:
        print(as_json(found.to_json(), indent=2, ascii=True))
        return 0
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    for line in render_difference(found, width):
        print(encodable(line, sys.stdout.encoding))
    return 0


def _found(arguments: argparse.Namespace) -> Difference:
    old = Path(arguments.old)
    with ExitStack() as stack:
        first = stack.enter_context(reading(old))
        if arguments.new is None:
            return compare_runs(first, str(old), arguments.since)
        if arguments.since is not None:
            raise UsageError("`--since` is for one folder", "two folders are compared as they are now", f"crawler diff {old} --since RUN")
        new = Path(arguments.new)
        return compare(first, stack.enter_context(reading(new)), (str(old), str(new)))


def _write(name: str, pieces: Iterator[str]) -> None:
    if name == "-":
        sys.stdout.flush()
        sys.stdout.buffer.writelines(piece.encode() for piece in pieces)
        return
    write_whole(Path(name), pieces)


def render_difference(found: Difference, width: int) -> Iterator[str]:
    """The difference as lines: what is compared, how many of each kind, then each URL with what is different below it."""
    yield from paragraph(f"{named(found.old)} against {named(found.new)}", width, "")
    yield ""
    yield from paragraph(headline(found), width)
    for side in (found.old, found.new):
        if side.queued:
            yield from paragraph(f"{printable(side.folder)} is not complete: {plural(side.queued, 'URL')} queued", width)
    for kind in ("new", "gone", "changed"):
        if changes := found.of(kind):
            yield f"\n{kind}"
        for change in changes:
            yield f"  {printable(change.url)}"
            for name, (was, now) in facts_of(change):
                fact = f"{name}  {was} -> {now}" if now else f"{name}  {was}".rstrip()
                yield from paragraph(printable(fact), width, "      ")
