"""The results of a crawl for programs: rows with names and types, read one after the other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from crawler.model import ErrorKind, LinkKind
from crawler.report.folder import holder, open_folder, unreadable
from crawler.report.formats import told_apart
from crawler.report.parts import in_parts
from crawler.report.sql import Parameters, ask
from crawler.store.row import PageRow

_Row = TypeVar("_Row")


class LinkRow(NamedTuple):
    """One link: the URL of the page, sitemap or style sheet it is on, the URL it leads to, its kind, rel and text, and its place there."""

    source: str
    target: str
    kind: LinkKind
    rel: str
    text: str
    position: int


class BrokenLink(NamedTuple):
    """A link that leads to an error: `status` is 0 and `error` says why when there was no answer."""

    target: str
    status: int
    error: ErrorKind | None
    source: str
    kind: LinkKind
    text: str


# Of a crawl that runs these are the rows that were there when the reading began.
_PAGES = """
SELECT p.row, p.url, p.status, p.outcome IN ('ok', 'not_modified') AS ok, p.outcome, p.error, p.error_detail, p.redirect_to, p.depth,
       f.url AS parent, p.content_type, p.charset, p.bytes, p.sha256, p.title, nullif(p.fetched_at, '') AS fetched_at, p.ttfb_ms,
       p.total_ms, p.attempts, p.file, p.link_count AS links, p.data
FROM pages p LEFT JOIN _frontier f ON f.id = p.parent WHERE p.row > :after AND p.row <= :last ORDER BY p.row LIMIT :rows
"""
_LAST_PAGE = "SELECT max(row) FROM pages"

_LINKS = """
SELECT l.link, s.url, coalesce(t.url, r.url, ''), l.kind, l.rel, l.text, l.position
FROM links l JOIN _frontier s ON s.id = l.src LEFT JOIN _frontier t ON t.id = l.dst LEFT JOIN _refused r ON r.id = l.dst
WHERE l.link > :after AND l.link <= :last ORDER BY l.link LIMIT :rows
"""
_LAST_LINK = "SELECT max(link) FROM links"

_BROKEN = "SELECT target, status, error, source, kind, text FROM broken_links ORDER BY target, source, text, kind"


def open_results(folder: str | Path) -> Results:
    """The results of the crawl in a folder, read-only, also while it runs. To be closed, best by `with`.

    Raises OutputError when the folder holds no crawl, a damaged one, or one of a newer format.
    """
    return Results(Path(folder))


class Results:
    """What a crawl has found. Iterators read a thousand rows at a time: memory stays flat, and a crawl that runs is not held up.

    Rows come in the order of storing, and are those that were there when the iterator began. For the thread that opened it.
    All methods raise OutputError when the database cannot be read any more.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = open_folder(folder)

    def pages(self) -> Iterator[PageRow]:
        """All attempted URLs, redirects and failures included."""
        return self._in_parts(_PAGES, _LAST_PAGE, _page)

    def links(self) -> Iterator[LinkRow]:
        """All links of all pages, and what sitemaps list."""
        return self._in_parts(_LINKS, _LAST_LINK, lambda row: LinkRow._make(row[1:]))

    def broken(self) -> Iterator[BrokenLink]:
        """The links that lead to an error, by target and source."""
        return (BrokenLink._make(row) for row in self._answer(_BROKEN)[1])

    def query(self, sql: str, parameters: Parameters = ()) -> Iterator[dict[str, Any]]:
        """The rows that one SQL statement selects, as dictionaries; `parameters` fill its `?` or `:name`.

        Raises UsageError for a statement that is wrong, or would do more than read.
        """
        columns, rows = self._answer(sql, parameters)
        names = told_apart(columns)
        return (dict(zip(names, row, strict=True)) for row in rows)

    def close(self) -> None:
        """Closes the database; closing twice does no harm."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _answer(self, sql: str, parameters: Parameters = ()) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
        # A crawl that runs must not wait for whoever reads the rows.
        answer = ask(self.connection, sql, parameters, at_once=holder(self.folder) is not None)
        return answer.columns, answer.rows

    def _in_parts(self, sql: str, last: str, read: Callable[[tuple[Any, ...]], _Row]) -> Iterator[_Row]:
        try:
            yield from in_parts(self.connection, sql, last, read)
        except sqlite3.ProgrammingError:
            raise  # closed, or used in another thread: a mistake of the program
        except sqlite3.DatabaseError as error:
            raise unreadable(self.folder, error) from error


def _page(row: tuple[Any, ...]) -> PageRow:
    _, url, status, ok, *facts, data = row
    return PageRow._make((url, status, bool(ok), *facts, json.loads(data) if data else {}))
