"""Whether a crawl that runs gets on: for a container's health check, which has nothing but the folder to look at."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from crawler.report import queries
from crawler.report.folder import holder, one_moment
from crawler.store.database import FILE_NAME
from crawler.text import human_count, human_duration


@dataclass(frozen=True, slots=True)
class Health:
    """What a crawl was found to do. `ok`: it gets on, or waits for a reason; `words` say which, or what is wrong."""

    ok: bool
    words: str


def running_crawls(folder: Path) -> list[Path]:
    """The folders that a process is crawling into: `folder` itself, or those inside it, those of workers also one further down, in the
    order of their names."""
    inside = (file.parent for depth in ("*", "*/*") for file in folder.glob(f"{depth}/{FILE_NAME}"))
    candidates = [folder] if (folder / FILE_NAME).is_file() else sorted(inside)
    return [candidate for candidate in candidates if holder(candidate) is not None]


def health(connection: sqlite3.Connection, now: datetime, monotonic: float, within: float) -> Health:
    """Whether the crawl behind the connection has stored a page, begun, or (a worker) asked for work in vain in the last `within` seconds,
    or waits until a host may be asked: for its delay, for a Retry-After, or after failures. `now` is in UTC, `monotonic` this boot's
    clock, in seconds."""
    with one_moment(connection):
        sign = connection.execute(queries.LAST_SIGN).fetchone()
        due_at, host, queued = connection.execute(queries.NEXT_DUE).fetchone() or (None, None, 0)
    if sign is None:
        return Health(True, "the crawl is about to begin")
    what, at = sign
    quiet = (now.astimezone(UTC) - datetime.fromisoformat(at)).total_seconds()
    if quiet <= within:
        return Health(True, f"{what} {_span(quiet)} ago")
    if due_at is not None and due_at > monotonic:
        return Health(True, f"{what} {_span(quiet)} ago; waits {_span(due_at - monotonic)} until {host} may be asked")
    if due_at is not None and due_at > monotonic - within:
        return Health(True, f"{what} {_span(quiet)} ago; waits for {host}")
    return Health(False, f"{what} {_span(quiet)} ago, and {_neglected(host, queued)}")


def _neglected(host: str | None, queued: int) -> str:
    return "no host has anything left" if host is None else f"{host} could be asked, with {human_count(queued)} queued"


def _span(seconds: float) -> str:
    return human_duration(max(0, round(seconds)))
