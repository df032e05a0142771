"""The store in crawl.db: pages, links, history, and the bodies as files beside it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from crawler.core.urls import fingerprint
from crawler.errors import DiskFullError, OutputError
from crawler.model import Page, Record
from crawler.store.database import Database
from crawler.store.files import PageFiles
from crawler.text import human_size

_PAGE_COLUMNS = (
    "id", "url", "run", "status", "outcome", "error", "error_detail", "redirect_to", "redirect_id", "role", "depth", "parent",
    "content_type", "charset", "bytes", "sha256", "title", "description", "canonical", "lang", "robots_meta", "etag",
    "last_modified", "fetched_at", "ttfb_ms", "total_ms", "attempts", "file", "headers", "data", "first_link", "link_count",
)  # fmt: skip
_INSERT_PAGE = f"INSERT INTO pages ({', '.join(_PAGE_COLUMNS)}) VALUES ({', '.join('?' * len(_PAGE_COLUMNS))})"
# One statement for many rows costs half of many statements.
_LINKS_AT_ONCE = 100
_INSERT_LINK = "INSERT INTO links (link, src, dst, kind, rel, text, position) VALUES (?, ?, ?, ?, ?, ?, ?)"
_INSERT_LINKS = _INSERT_LINK + ", (?, ?, ?, ?, ?, ?, ?)" * (_LINKS_AT_ONCE - 1)

_LinkRecord = tuple[int, int, int, str, str, str, int]


class ResultStore:
    """Implements `crawler.ports.Store` on a `Database` and, unless `files` is None, a folder of saved bodies.

    `run` is the number of this run in `runs`; `keep_links` False leaves the link table empty; with less than `min_free` bytes
    left on the disk nothing is written.
    Raises DiskFullError and OutputError; what was written in the open transaction is then gone, and nothing else.
    """

    def __init__(self, database: Database, files: PageFiles | None, run: int, *, keep_links: bool = True, min_free: int = 0) -> None:
        self._database = database
        self._execute = database.connection.execute
        self._files = files
        self._run = run
        self._keep_links = keep_links
        self._min_free = min_free
        self._link = int(self._execute("SELECT coalesce(max(link), 0) FROM links").fetchone()[0])

    def write(self, records: Sequence[Record]) -> Sequence[Record]:
        """See `Store.write`."""
        link = self._link
        self._check_room()
        try:
            staged = [self._stage(record) for record in records]
            with self._database.transaction():
                links: list[_LinkRecord] = []
                written = [self._write_page(record, path, links) for record, path in zip(records, staged, strict=True)]
                self._write_links(links)
        except OSError as error:
            raise _readable(error) from error
        except BaseException:
            self._link = link
            raise
        return written

    def _check_room(self) -> None:
        if not self._min_free or self._database.path is None:
            return
        disk = os.statvfs(self._database.path.parent)
        if (free := disk.f_bavail * disk.f_frsize) < self._min_free:
            raise DiskFullError(
                f"only {human_size(free)} are left for {self._database.path.parent}/",
                f"the crawl stops below {human_size(self._min_free)} (--min-free-disk)",
                "make room and run the same command again",
            )

    def _stage(self, record: Record) -> str | Path | None:
        """The temporary file that holds the record's body, or None when nothing is to be saved."""
        content = record.page.content
        if self._files is None or not record.keep_body:
            if content.path is not None:
                PageFiles.discard([content.path])
            return None
        return content.path if content.data is None else self._files.stage(content.data)

    def _write_page(self, record: Record, staged: str | Path | None, links: list[_LinkRecord]) -> Record:
        page = record.page
        if page.role == "sitemap":
            # A sitemap is a source of links, not a page: it has no row of its own.
            self._collect_links(record, links)
            return record
        before = self._execute("SELECT run, outcome, first_link, link_count FROM pages WHERE id = ?", (page.id,)).fetchone()
        if before is not None:
            if before[0] == self._run and before[1] in ("ok", "not_modified") and not page.ok:
                PageFiles.discard([staged] if staged else [])
                return record
            self._retire(page.id, *before)
        if staged is not None and self._files is not None:
            name = self._files.place(staged, page.url)
            page = replace(page, file=name, content=replace(page.content, path=self._files.root.parent / name))
        first = self._collect_links(record, links)
        self._execute(_INSERT_PAGE, (*self._columns(page), first, len(record.links)))
        return replace(record, page=page)

    def _collect_links(self, record: Record, links: list[_LinkRecord]) -> int | None:
        """Numbers the links of a page; returns the first number, None when there is none to keep."""
        if not self._keep_links or not record.links:
            return None
        first, source = self._link + 1, record.page.id
        links.extend((first + position, source, *row, position) for position, row in enumerate(record.links))
        self._link += len(record.links)
        return first

    def _columns(self, page: Page) -> tuple[object, ...]:
        """The values of `_PAGE_COLUMNS` up to the links."""
        error = page.error
        return (
            page.id, page.url, self._run, page.status, page.outcome, error and error.kind, error and error.detail,
            page.redirect_to, fingerprint(page.redirect_to) if page.redirect_to else None, page.role, page.depth,
            fingerprint(page.parent) if page.parent else None, page.content_type or None, page.charset or None,
            page.content.size, page.content.sha256, page.title or None, page.description or None, page.canonical,
            page.lang or None, page.robots_meta or None, page.headers.get("etag"), page.headers.get("last-modified"),
            page.fetched_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if page.fetched_at else "",
            None if page.ttfb is None else round(page.ttfb * 1000, 3), round(page.elapsed * 1000, 3), page.attempts, page.file,
            json.dumps(page.raw_headers) if page.raw_headers else None, json.dumps(page.data) if page.data else None,
        )  # fmt: skip

    def _retire(self, identity: int, run: int, outcome: str, first_link: int | None, link_count: int) -> None:
        """Makes room for a new row: the old one goes to history when it is of an earlier run, its links go."""
        if run != self._run:
            self._execute(
                "INSERT OR REPLACE INTO history SELECT id, run, status, outcome, error, redirect_to, bytes, sha256, title, fetched_at "
                "FROM pages WHERE id = ?",
                (identity,),
            )
        if first_link is not None:
            self._execute("DELETE FROM links WHERE link BETWEEN ? AND ?", (first_link, first_link + link_count - 1))
        self._execute("DELETE FROM pages WHERE id = ?", (identity,))

    def _write_links(self, links: list[_LinkRecord]) -> None:
        whole = len(links) - len(links) % _LINKS_AT_ONCE
        for start in range(0, whole, _LINKS_AT_ONCE):
            self._execute(_INSERT_LINKS, tuple(chain.from_iterable(links[start : start + _LINKS_AT_ONCE])))
        if whole < len(links):
            self._database.connection.executemany(_INSERT_LINK, links[whole:])

    def flush(self) -> None:
        """See `Store.flush`."""
        self._database.sync()

    def close(self) -> None:
        """The database belongs to the folder: nothing to close."""


def _readable(error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"cannot write {error.filename or 'a page'}", "the disk is full", "make room and run the same command again")
    return OutputError(f"cannot write {error.filename or 'a page'}", error.strerror or str(error), "check who owns the folder")
