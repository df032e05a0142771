"""What was stored since somebody looked last, whoever stored it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from crawler.model import Body, LinkRow, Page, PageError, Record
from crawler.store.database import Database

MOST = 500
"""Pages in one look."""

_LATEST = """SELECT p.row, p.url, p.id, p.status, p.outcome, p.error, p.error_detail, p.redirect_to, p.role, p.depth, f.url, p.content_type,
                    p.charset, p.bytes, p.sha256, p.title, p.fetched_at, p.ttfb_ms, p.total_ms, p.attempts, p.file, p.data, p.link_count
              FROM pages p LEFT JOIN _frontier f ON f.id = p.parent WHERE p.row > ? ORDER BY p.row LIMIT ?"""
_LINK: LinkRow = (0, "", "", "")


class Latest:
    """Reads the rows of `pages` that are committed after this was made, each once, in the order of storing."""

    def __init__(self, database: Database) -> None:
        self._execute = database.connection.execute
        self._row: int = self._execute("SELECT coalesce(max(row), 0) FROM pages").fetchone()[0]

    def take(self, most: int = MOST) -> list[Record]:
        """The next ones, as far as a row tells of them: with as many links as there are, but not which; without headers and body."""
        rows = self._execute(_LATEST, (self._row, most)).fetchall()
        if rows:
            self._row = rows[-1][0]
        return [_record(*row[1:]) for row in rows]


def _record(
    url: str, identity: int, status: int, outcome: Any, error: Any, error_detail: str | None, redirect_to: str | None, role: Any,
    depth: int, parent: str | None, content_type: str | None, charset: str | None, size: int, sha256: str | None, title: str | None,
    fetched_at: str, ttfb: float | None, total: float | None, attempts: int, file: str | None, data: str | None, links: int,
) -> Record:  # fmt: skip
    page = Page(
        url, identity, status, outcome, PageError(error, error_detail or "") if error else None, content=Body(size, None, None, sha256),
        role=role, depth=depth, parent=parent, redirect_to=redirect_to, content_type=content_type or "", charset=charset or "",
        title=title or "", fetched_at=datetime.fromisoformat(fetched_at) if fetched_at else None,
        ttfb=None if ttfb is None else ttfb / 1000, elapsed=(total or 0.0) / 1000, attempts=attempts, file=file,
        data=json.loads(data) if data else {},
    )  # fmt: skip
    return Record(page, (_LINK,) * links)
