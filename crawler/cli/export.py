"""`crawler export DIR`: what was found, as files for other tools."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from crawler.cli.messages import say
from crawler.cli.screen import wants_color
from crawler.cli.screen_text import plural
from crawler.cli.signals import interruptible
from crawler.core.urls import normalize_seed, origin
from crawler.errors import UsageError
from crawler.report.export.graphml import graphml
from crawler.report.export.sitemap import Sitemaps, site_of, write_sitemaps
from crawler.report.export.watch import Watch, unwatched
from crawler.report.export.whole import WholeFiles, explained
from crawler.report.folder import readable
from crawler.report.formats import formatted
from crawler.report.results import Results, open_results
from crawler.store.row import PageRow
from crawler.text import human_size, printable

_Row = TypeVar("_Row")

_BY_ENDING = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".xml": "sitemap", ".graphml": "graphml"}
_ROW_FORMATS = ("jsonl", "csv")
_TOTALS = {"pages": "SELECT count(*) FROM pages", "links": "SELECT coalesce(max(link) - min(link) + 1, 0) FROM links"}


def run(arguments: argparse.Namespace) -> int:
    """Writes what `arguments` ask for. Raises UsageError, and OutputError when the folder cannot be read or the file not be written."""
    to = arguments.to or _BY_ENDING.get(Path(arguments.output or "").suffix.lower(), "jsonl")
    _check(arguments, to)
    with readable(Path(arguments.folder)), open_results(arguments.folder) as results, _watched(results, arguments) as watch:
        if arguments.output is None or arguments.output == "-":
            sys.stdout.flush()
            _write(to, results, sys.stdout.buffer, watch, arguments)
            sys.stdout.buffer.flush()
            return 0
        path = Path(arguments.output)
        with interruptible(), WholeFiles(arguments.fresh) as files:
            if to == "sitemap":
                said = _sitemap(results, path, files, watch, arguments)
            else:
                with explained(path), closing(files.open(path)) as file:
                    _write(to, results, file, watch, arguments)
                said = ""
    if not arguments.quiet:
        say(f"Wrote {printable(str(path))} ({human_size(path.stat().st_size)})" + said)
    return 0


def _check(arguments: argparse.Namespace, to: str) -> None:
    to_stdout = arguments.output in (None, "-")
    folder = arguments.folder
    if to == "parquet":
        from crawler.report.export.parquet import arrow

        arrow()
    if arguments.schema != "pages" and to != "parquet":
        raise UsageError(f"`--schema {arguments.schema}` is for parquet, not for {to}", "it says the types of columns", "--to parquet")
    if arguments.site is not None and to != "sitemap":
        raise UsageError(f"`--site` is for sitemaps, not for {to}", "the other formats have all pages", "--to sitemap")
    if to == "sitemap" and to_stdout:
        raise UsageError("a sitemap needs a file", "it may become several", f"crawler export {folder} -o sitemap.xml")
    if to_stdout and to not in _ROW_FORMATS and (arguments.output is None or sys.stdout.isatty()):
        raise UsageError(f"{to} needs a file", "only rows go to standard output by themselves", f"crawler export {folder} -o pages.{to}")


def _write(to: str, results: Results, file: BinaryIO, watch: Watch, arguments: argparse.Namespace) -> None:
    match to:
        case "parquet":
            from crawler.report.export.parquet import write_captures, write_pages

            pages = watch(results.pages(), "pages")
            if arguments.schema == "commoncrawl":
                write_captures(file, pages, Path(arguments.folder).resolve().name)
            else:
                write_pages(file, pages)
        case "graphml":
            for text in graphml(results, watch):
                file.write(text.encode())
        case _:
            for text in formatted("csv" if to == "csv" else "jsonl", PageRow._fields, watch(results.pages(), "pages")):
                file.write(text.encode())


def _sitemap(results: Results, path: Path, files: WholeFiles, watch: Watch, arguments: argparse.Namespace) -> str:
    """Writes it, and returns what there is to say of it."""
    site = origin(normalize_seed(arguments.site)) if arguments.site is not None else site_of(results)
    if site is None:
        hint = f'crawler query {arguments.folder} "SELECT * FROM by_type"'
        raise UsageError("there is no page for a sitemap", "it lists pages and documents that were answered", hint)
    found = write_sitemaps(results, path, files, watch, site)
    if not found.urls:
        raise UsageError(f"{site} has no page for a sitemap", _left_out(found) or "no page of the crawl is there", "--site URL")
    parts = f", an index of {plural(found.files, 'file')}" if found.files > 1 else ""
    left_out = _left_out(found)
    return f": {plural(found.urls, 'page')} of {site}{parts}" + (f"; left out: {left_out}" if left_out else "")


def _left_out(found: Sitemaps) -> str:
    reasons = ((found.elsewhere, "of other sites"), (found.not_indexed, "not to be indexed"), (found.too_long, "with too long URLs"))
    return ", ".join(f"{plural(count, 'page')} {reason}" for count, reason in reasons if count)


def _goes_into_file(output: str | None) -> bool:
    return output not in (None, "-") or stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)


@contextmanager
def _watched(results: Results, arguments: argparse.Namespace) -> Iterator[Watch]:
    """Shows on a terminal how far it is, unless nothing is to be said, or rows may be shown there: by whoever reads a pipe, too."""
    if (
        arguments.quiet
        or not sys.stderr.isatty()
        or not _goes_into_file(arguments.output)
        or os.environ.get("TERM", "") in ("dumb", "unknown")
    ):
        yield unwatched
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    color = wants_color("auto", sys.stderr, os.environ)
    console = Console(file=sys.stderr, no_color=not color, highlight=False, markup=False, emoji=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, refresh_per_second=4, redirect_stdout=False, redirect_stderr=False
    ) as progress:

        def watch(rows: Iterator[_Row], what: str) -> Iterator[_Row]:
            task = progress.add_task(what, total=results.connection.execute(_TOTALS[what]).fetchone()[0])
            for number, row in enumerate(rows, 1):
                yield row
                if not number % 1000:
                    progress.update(task, completed=number)

        yield watch
