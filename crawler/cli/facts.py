"""What commands share that read a crawl's folder: opening it, and printing what was found for people or programs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from crawler.cli.screen import wants_color
from crawler.cli.screen_text import encodable
from crawler.report.folder import open_folder, readable
from crawler.report.formats import Format, formatted
from crawler.report.table import Row
from crawler.text import as_json


class _Facts(Protocol):
    def to_json(self) -> dict[str, Any]: ...


_Found = TypeVar("_Found", bound=_Facts)


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the crawl in a folder that can only read. Raises OutputError when there is none, and for what is damaged."""
    with readable(folder), closing(open_folder(folder)) as connection:
        yield connection


def print_facts(found: _Found, render: Callable[[_Found, str, int, bool], str], arguments: Namespace) -> None:
    """Prints what was found in `arguments.folder`: as JSON with `arguments.json`, else as `render` makes it of the facts, the folder, the
    width of the terminal, and whether it has colours."""
    if arguments.json:
        print(as_json(found.to_json(), indent=2, ascii=True))
        return
    color = wants_color("auto", sys.stdout, os.environ)
    print(encodable(render(found, arguments.folder, shutil.get_terminal_size().columns, color), sys.stdout.encoding))


def print_rows(columns: Sequence[str], rows: Iterable[Row], format: Format | None = None) -> None:
    """Prints rows as they come. Without a format: a table on a terminal, lines with tabs elsewhere."""
    is_terminal = sys.stdout.isatty()
    if format is None:
        format = "table" if is_terminal else "tsv"
    width = shutil.get_terminal_size().columns if is_terminal else 0
    if format == "table":
        for text in formatted(format, columns, rows, width):
            sys.stdout.write(encodable(text, sys.stdout.encoding))
        return
    # JSON is UTF-8 (RFC 8259, 8.1), and a file of the others should not depend on who wrote it.
    sys.stdout.flush()
    for text in formatted(format, columns, rows):
        sys.stdout.buffer.write(text.encode())
