"""A page that was not modified: its row stays as it is stored, but for the facts of the answer that said so."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

from crawler.model import Body, Page, Record
from crawler.text import utc_text

# With the highest number, as any row that is stored: what a power loss may have cost is looked for behind a mark.
_CONFIRM = """UPDATE pages SET row = (SELECT max(row) FROM pages) + 1, run = ?, status = ?, outcome = 'not_modified', role = ?, depth = ?,
                     parent = ?, fetched_at = ?, ttfb_ms = ?, total_ms = ?, attempts = ? WHERE id = ?
              RETURNING content_type, charset, bytes, sha256, title, description, canonical, lang, robots_meta, file, data,
                        first_link, link_count"""
_LINKS = """SELECT l.dst, coalesce(f.url, r.url), l.kind, l.rel, l.text FROM links l
             LEFT JOIN _frontier f ON f.id = l.dst LEFT JOIN _refused r ON r.id = l.dst
             WHERE l.link >= ? AND l.link < ? + ? ORDER BY l.link"""


Stored = tuple[int, str, int | None, int]
"""What there is of a page: run, outcome, first link, number of links."""


def confirm(connection: sqlite3.Connection, record: Record, run: int, parent: int | None, folder: Path | None, shows_links: bool) -> Record:
    """Says in the stored row of a page that it was not modified, and returns the record with what is stored: title, digest, body in
    `folder`, and the links or (unless `shows_links`) their number. The row must be there."""
    page = record.page
    fetched_at = utc_text(page.fetched_at) if page.fetched_at else ""
    ttfb = None if page.ttfb is None else round(page.ttfb * 1000, 3)
    facts = (run, page.status, page.role, page.depth, parent, fetched_at, ttfb, round(page.elapsed * 1000, 3), page.attempts, page.id)
    [(content_type, charset, size, sha256, *texts, file, data, first_link, link_count)] = connection.execute(_CONFIRM, facts).fetchall()
    title, description, canonical, lang, robots_meta = texts
    links = connection.execute(_LINKS, (first_link, first_link, link_count)).fetchall() if shows_links and first_link is not None else []
    path = folder / file if folder is not None and file else None
    return Record(
        replace(
            page, content=Body(size, None if path else b"", path, sha256), content_type=content_type or "", charset=charset or "",
            title=title or "", description=description or "", canonical=canonical, lang=lang or "", robots_meta=robots_meta or "",
            file=file, data=json.loads(data) if data else {}, targets=[link[:2] for link in links],
            anchors=[(url or "", kind, rel, text) for _, url, kind, rel, text in links],
        ),
        [(identity, kind, rel, text) for identity, _, kind, rel, text in links],
        link_count - len(links),
    )  # fmt: skip


def is_confirmed(page: Page, before: Stored | None) -> bool:
    """Whether a page leaves the row that there is `before` as it is."""
    return page.outcome == "not_modified" and before is not None and before[1] in ("ok", "not_modified")
