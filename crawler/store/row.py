"""The row of one page, as `--jsonl`, exports and Python see it."""

from __future__ import annotations

from typing import Any, NamedTuple

from crawler.model import ErrorKind, OutcomeName, Record
from crawler.text import utc_text


class PageRow(NamedTuple):
    """One attempted URL and what came of it: a plain tuple with names, the same in `--jsonl`, in exports and in Python.

    `status` is 0 without an answer, `ok` means outcome `ok` or `not_modified`, `parent` is the URL it was found on. `bytes` and `sha256`
    are of the decoded body, `fetched_at` is UTC in RFC 3339, `ttfb_ms` and `total_ms` are milliseconds, `file` is relative to the
    folder, `links` counts the links of the page, `data` is what `extract` found. As JSON Schema: docs/reference/row.schema.json.
    """

    url: str
    status: int
    ok: bool
    outcome: OutcomeName
    error: ErrorKind | None
    error_detail: str | None
    redirect_to: str | None
    depth: int
    parent: str | None
    content_type: str | None
    charset: str | None
    bytes: int
    sha256: str | None
    title: str | None
    fetched_at: str | None
    ttfb_ms: float | None
    total_ms: float | None
    attempts: int
    file: str | None
    links: int
    data: dict[str, Any]


def row_of(record: Record) -> PageRow:
    """The row of a page that was stored."""
    page = record.page
    return PageRow(
        url=page.url,
        status=page.status,
        ok=page.ok,
        outcome=page.outcome,
        error=page.error.kind if page.error else None,
        error_detail=page.error.detail if page.error else None,
        redirect_to=page.redirect_to,
        depth=page.depth,
        parent=page.parent,
        content_type=page.content_type or None,
        charset=page.charset or None,
        bytes=page.content.size,
        sha256=page.sha256,
        title=page.title or None,
        fetched_at=utc_text(page.fetched_at) if page.fetched_at else None,
        ttfb_ms=None if page.ttfb is None else round(page.ttfb * 1000, 3),
        total_ms=round(page.elapsed * 1000, 3),
        attempts=page.attempts,
        file=page.file,
        links=record.link_count,
        data=dict(page.data),
    )
