"""What commands share that look at one thing and crawl nothing: fetching it, and rows for people or programs."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from crawler.cli.parser import settings_from
from crawler.cli.screen_text import encodable
from crawler.core.urls import normalize_seed
from crawler.errors import UsageError
from crawler.fetch.blocking import BlockingFetcher
from crawler.settings import Settings
from crawler.text import printable, shortened


def settings_of(arguments: Namespace) -> Settings:
    """The settings in effect: those flags that are settings, and the environment."""
    return settings_from(arguments).settings


def fetcher_for(settings: Settings, url: str) -> BlockingFetcher:
    """A fetcher (a context manager) that asks as a crawl with this seed would."""
    from crawler.wiring import fetch_options_of

    return BlockingFetcher(fetch_options_of(settings, (url,)))


def file_or_url(name: str) -> tuple[bytes | None, str]:
    """The bytes of a file ("-" is standard input), or None and the canonical URL. Raises UsageError."""
    if name == "-":
        return sys.stdin.buffer.read(), "standard input"
    path = Path(name)
    try:
        if "://" not in name and path.is_file():
            return path.read_bytes(), name
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {name}", str(error), "ls -l") from error
    if "/" in name and not name.startswith(("http:", "https:")) and not path.parts[0].count("."):
        raise UsageError(
            f"there is no file {name}", "and a URL begins with a host, such as example.org/page", f"https://{name.lstrip('/')}"
        )
    return None, normalize_seed(name)


def show_rows(rows: Sequence[Sequence[str]], widest: Sequence[int]) -> None:
    """Prints rows on standard output: as a table on a terminal, where no column is wider than `widest` says and the last one takes what
    is left; otherwise with a tab between the columns. What came from outside is escaped."""
    harmless = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in harmless:
            print("\t".join(row))
        return
    columns = max(40, shutil.get_terminal_size().columns)
    widths = [min(most, max(len(row[number]) for row in harmless)) for number, most in enumerate(widest)] if harmless else []
    for row in harmless:
        cells = [shortened(cell, width).ljust(width) for cell, width in zip(row, widths, strict=False)]
        room = columns - sum(widths) - 2 * len(widths)
        print(encodable("  ".join([*cells, shortened(row[-1], room)]).rstrip(), sys.stdout.encoding))
