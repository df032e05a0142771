"""A finished crawl once more: its URLs are queued again, and what is stored of them is asked for on the condition that it has changed.

All that was ever asked for waits again, whether a page still links to it or not: only an answer tells what became of it. Seeds and
sitemaps are among it, and robots.txt is forgotten. What a trap holds back stays where it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crawler.core.validators import conditions
from crawler.model import Request
from crawler.store.database import Database

_UPDATE = "update"
"""The fact in `meta` that tells the first run of the update that was begun last."""

# What decides what is kept of a page besides its body.
_KEPT = ("extract", "links")

_AGAIN = """UPDATE _frontier SET state = 'queued', attempts = 0, not_before = 0, reason = NULL, detail = NULL
             WHERE state IN ('done', 'failed') OR (state = 'skipped' AND reason <> 'trap')"""
_COUNTS = (
    "UPDATE hosts SET queued = 0, done = 0, failed = 0, due_at = 0, robots = ''",
    """UPDATE hosts SET queued = waiting
        FROM (SELECT host_id AS waiting_for, count(*) AS waiting FROM _frontier WHERE state = 'queued' GROUP BY host_id)
        WHERE waiting_for = hosts.host_id""",
    "DELETE FROM _ranks",
    "INSERT INTO _ranks SELECT rank, count(*) FROM _frontier WHERE state = 'queued' GROUP BY rank",
    """UPDATE _totals SET done = 0, failed = 0, granted = 0, ok_pages = 0, size = 0,
              queued = (SELECT count(*) FROM _frontier WHERE state = 'queued'),
              skipped = (SELECT count(*) FROM _frontier WHERE state = 'skipped')""",
)
_STORED = """SELECT id, role, etag, last_modified, file, bytes FROM pages
              WHERE run < ? AND outcome IN ('ok', 'not_modified') AND coalesce(etag, last_modified) IS NOT NULL AND id IN ({})"""


def queue_again(database: Database, run: int) -> None:
    """Queues every URL again that has ended, for an update that begins with this run. For the sole holder of a folder, at its start,
    while nothing is leased."""
    with database.transaction():
        for statement in (_AGAIN, *_COUNTS):
            database.connection.execute(statement)
        database.set_meta(**{_UPDATE: str(run)})


def update_of(database: Database) -> int:
    """The first run of the update that was begun last; 0 when there was none."""
    return int(database.meta(_UPDATE) or 0)


def keeps_the_same(database: Database, update: int, settings: Mapping[str, Any]) -> bool:
    """Whether a run with these settings (as plain values) keeps of a page what was kept before the update, so that a page which was not
    modified may stay as it is."""
    row = database.connection.execute("SELECT settings FROM runs WHERE run < ? ORDER BY run DESC LIMIT 1", (update,)).fetchone()
    before = json.loads(row[0]) if row is not None else {}
    return all(before.get(name) == settings.get(name) for name in _KEPT)


class Conditions:
    """Adds to requests what makes them conditional (RFC 9110, 13.1): If-None-Match with the ETag that is stored, If-Modified-Since with
    the Last-Modified.

    Only where a 304 would leave a page as this run would store it: it was ok before the run `before`, was asked for in the same role, and
    its body lies in `folder` (None: bodies are not saved). Only at the first try: a server that answers 304 to what it should not is
    asked again without a condition.
    """

    def __init__(self, database: Database, before: int, folder: Path | None) -> None:
        self._execute = database.connection.execute
        self._before = before
        self._folder = folder

    def __call__(self, requests: Sequence[Request]) -> tuple[Request, ...]:
        """The same requests, those with a condition that may have one."""
        query = _STORED.format(", ".join("?" * len(requests)))
        stored = {identity: rest for identity, *rest in self._execute(query, (self._before, *(request.id for request in requests)))}
        return tuple(self._with_condition(request, *stored[request.id]) if request.id in stored else request for request in requests)

    def _with_condition(
        self, request: Request, role: str, etag: str | None, last_modified: str | None, file: str | None, size: int
    ) -> Request:
        if request.attempts or request.role != role or not self._is_kept(file, size):
            return request
        return replace(request, headers=conditions(etag, last_modified))

    def _is_kept(self, file: str | None, size: int) -> bool:
        if self._folder is None or not size:
            return True
        return file is not None and (self._folder / file).is_file()
