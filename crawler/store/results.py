"""The store in crawl.db: pages, links, history, and the bodies as files beside it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import chain
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path

from crawler.core.urls import fingerprint
from crawler.errors import DiskFullError, OutputError
from crawler.model import Page, Record
from crawler.redaction import public
from crawler.store.database import Database
from crawler.store.files import PageFiles
from crawler.store.unmodified import Stored, confirm, is_confirmed
from crawler.text import human_size, utc_text, without_controls

_PAGE_COLUMNS = (
    "id", "url", "run", "status", "outcome", "error", "error_detail", "redirect_to", "redirect_id", "role", "depth", "parent",
    "content_type", "charset", "bytes", "sha256", "title", "description", "canonical", "lang", "robots_meta", "etag",
    "last_modified", "fetched_at", "ttfb_ms", "total_ms", "attempts", "file", "headers", "data", "first_link", "link_count",
)  # fmt: skip
_INSERT_PAGE = f"INSERT INTO pages ({', '.join(_PAGE_COLUMNS)}) VALUES ({', '.join('?' * len(_PAGE_COLUMNS))})"
_LISTED = "SELECT src, min(link), max(link) FROM links WHERE src IN (SELECT id FROM _frontier WHERE role = 'sitemap') GROUP BY src"
# One statement for many rows costs half of many statements.
_LINKS_AT_ONCE = 100


@lru_cache(maxsize=1024)
def _insert_links(rows: int) -> str:
    """The statement that appends so many links of one page, one after the other: the source, the position of the first, then four
    values a link."""
    # No numbered parameters: from Python 3.12 on the name of each one is looked up, in a list.
    values = ", ".join(f"(?, ?, ?, ?, {row})" for row in range(rows))
    columns = "?, column1, column2, column3, column4, ? + column5"
    return f"INSERT INTO links (src, dst, kind, rel, text, position) SELECT {columns} FROM (VALUES {values})"


class ResultStore:
    """Implements `crawler.ports.Store` on a `Database` and, unless `files` is None, a folder of saved bodies.

    `run` is the number of this run in `runs`; `keep_links` False leaves the link table empty; with less than `min_free` bytes
    left on the disk nothing is written. Unless `shows_links`, nobody asks a page that was not modified for its links.
    Raises DiskFullError and OutputError; what was written in the open transaction is then gone, and nothing else.
    """

    def __init__(
        self, database: Database, files: PageFiles | None, run: int, *, keep_links: bool = True, min_free: int = 0, shows_links: bool = True
    ) -> None:
        self._database = database
        self._execute = database.connection.execute
        self._files = files
        self._run = run
        self._keep_links = keep_links
        self._min_free = min_free
        self._shows_links = shows_links

    def write(self, records: Sequence[Record]) -> Sequence[Record]:
        """See `Store.write`."""
        if len({record.page.id for record in records}) < len(records):
            with self._database.transaction():  # a page twice: one record after the other
                return [written for record in records for written in self.write([record])]
        self._check_room()
        try:
            staged = [self._stage(record) for record in records]
            with self._database.transaction():
                before = self._stored([record.page.id for record in records])
                replaced = [self._make_room(record.page, before.get(record.page.id)) for record in records]
                # Counted after the old rows have gone: SQLite gives the next row the highest number and one more.
                link = int(self._execute("SELECT coalesce(max(link), 0) FROM links").fetchone()[0]) + 1
                written = []
                for record, path, has_room in zip(records, staged, replaced, strict=True):
                    if is_confirmed(record.page, before.get(record.page.id)):
                        written.append(self._confirm(record))
                        continue
                    written.append(self._write_page(record, path, link) if has_room else _discard(record, path))
                    link += len(record.links) if self._keep_links and has_room else 0
                if self._keep_links:
                    self._write_links([record for record, has_room in zip(records, replaced, strict=True) if has_room])
        except OSError as error:
            raise _readable(error) from error
        return written

    @cached_property
    def _listed(self) -> dict[int, tuple[int, int]]:
        """The rows of links, from the lowest to the highest, that sitemaps had before this run: a sitemap that is read again replaces
        them. No index knows them, so they are looked for once."""
        if self._run <= 1:
            return {}
        return {source: (lowest, highest) for source, lowest, highest in self._execute(_LISTED)}

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
        if self._files is None or record.page.file is None:
            if content.path is not None:
                PageFiles.discard([content.path])
            return None
        return content.path if content.data is None else self._files.stage(content.data)

    def _stored(self, ids: Sequence[int]) -> dict[int, Stored]:
        """What there is of these URLs already."""
        query = f"SELECT id, run, outcome, first_link, link_count FROM pages WHERE id IN ({', '.join('?' * len(ids))})"
        return {row[0]: row[1:] for row in self._execute(query, ids)}

    def _make_room(self, page: Page, before: Stored | None) -> bool:
        """Takes away what was stored of this URL before; False when that has to stay."""
        if before is None:
            return True
        run, outcome, first_link, link_count = before
        was_ok, is_failed = outcome in ("ok", "not_modified"), page.outcome == "error"
        if (was_ok and not page.ok) if run == self._run else (is_failed and outcome != "error"):
            return False
        if run != self._run:
            self._execute(
                "INSERT OR REPLACE INTO history SELECT id, run, status, outcome, error, redirect_to, bytes, sha256, title, fetched_at "
                "FROM pages WHERE id = ?",
                (page.id,),
            )
        if is_confirmed(page, before):
            return True
        if first_link is not None:
            self._execute("DELETE FROM links WHERE link BETWEEN ? AND ?", (first_link, first_link + link_count - 1))
        self._execute("DELETE FROM pages WHERE id = ?", (page.id,))
        return True

    def _confirm(self, record: Record) -> Record:
        parent = record.page.parent
        folder = self._database.path and self._database.path.parent
        return confirm(self._database.connection, record, self._run, fingerprint(parent) if parent else None, folder, self._shows_links)

    def _write_page(self, record: Record, staged: str | Path | None, link: int) -> Record:
        page = record.page
        if page.role == "sitemap":  # a source of links, not a page: it has no row of its own
            if (before := self._listed.pop(page.id, None)) is not None:
                self._execute("DELETE FROM links WHERE link BETWEEN ? AND ? AND src = ?", (*before, page.id))
            return record
        if staged is not None and self._files is not None and page.file is not None:
            self._files.place(staged, page.file)
            if page.content.data is None:
                page = replace(page, content=replace(page.content, path=self._files.root.parent / page.file))
                record = replace(record, page=page)
        self._execute(_INSERT_PAGE, (*self._columns(page), link if self._keep_links and record.links else None, record.link_count))
        return record

    def _columns(self, page: Page) -> tuple[object, ...]:
        """The values of `_PAGE_COLUMNS` up to the links."""
        error = page.error
        return (
            page.id, page.url, self._run, page.status, page.outcome, error and error.kind, error and error.detail,
            page.redirect_to, fingerprint(page.redirect_to) if page.redirect_to else None, page.role, page.depth,
            fingerprint(page.parent) if page.parent else None, page.content_type or None, page.charset or None,
            page.content.size, page.content.sha256, page.title or None, page.description or None, page.canonical,
            page.lang or None, page.robots_meta or None, _header(page, "etag"), _header(page, "last-modified"),
            utc_text(page.fetched_at) if page.fetched_at else "",
            None if page.ttfb is None else round(page.ttfb * 1000, 3), round(page.elapsed * 1000, 3), page.attempts, page.file,
            _listed(public(page.raw_headers)) if page.raw_headers else None, json.dumps(page.data) if page.data else None,
        )  # fmt: skip

    def _write_links(self, records: Sequence[Record]) -> None:
        """Appends the links of all records, few statements for many rows."""
        for record in records:
            rows, source = record.links, record.page.id
            for start in range(0, len(rows), _LINKS_AT_ONCE):
                part = rows[start : start + _LINKS_AT_ONCE]
                self._execute(_insert_links(len(part)), (source, start, *chain.from_iterable(part)))

    def flush(self) -> None:
        """See `Store.flush`."""
        self._database.sync()

    def close(self) -> None:
        """The database belongs to the folder: nothing to close."""


def _header(page: Page, name: str) -> str | None:
    value = page.headers.get(name)
    return value and without_controls(value)


def _listed(headers: Sequence[tuple[str, str]]) -> str:
    """What `json.dumps` says of pairs of text, in a fifth of the time."""
    return "[" + ", ".join([f"[{quoted(name)}, {quoted(value)}]" for name, value in headers]) + "]"


def _discard(record: Record, staged: str | Path | None) -> Record:
    if staged is not None:
        PageFiles.discard([staged])
    return record


def _readable(error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError.writing(error.filename or "a page")
    return OutputError(f"cannot write {error.filename or 'a page'}", error.strerror or str(error), "check who owns the folder")
