"""The row of one page, as `--jsonl` and exports write it."""

from __future__ import annotations

from typing import Any

from crawler.model import Record
from crawler.text import utc_text


def row_of(record: Record) -> dict[str, Any]:
    """One plain dictionary for one attempted URL, in the documented order of keys; times in UTC (RFC 3339), durations in ms."""
    page = record.page
    return {
        "url": page.url,
        "status": page.status,
        "ok": page.ok,
        "outcome": page.outcome,
        "error": page.error.kind if page.error else None,
        "error_detail": page.error.detail if page.error else None,
        "redirect_to": page.redirect_to,
        "depth": page.depth,
        "parent": page.parent,
        "content_type": page.content_type or None,
        "charset": page.charset or None,
        "bytes": page.content.size,
        "sha256": page.sha256,
        "title": page.title or None,
        "fetched_at": utc_text(page.fetched_at) if page.fetched_at else None,
        "ttfb_ms": None if page.ttfb is None else round(page.ttfb * 1000, 3),
        "total_ms": round(page.elapsed * 1000, 3),
        "attempts": page.attempts,
        "file": page.file,
        "links": len(record.links),
        "data": dict(page.data),
    }
