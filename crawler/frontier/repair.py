"""What a loss of power did to saved bodies, and how it is mended: such pages are asked for again.

The database comes back as it was at some moment of the last two seconds, the files beside it as they please. Bodies of rows after the
sync mark are compared with what their rows say; a page whose body is missing or another one goes, and its URL is queued again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from crawler.store.database import Database

_LATER = "SELECT id, file, bytes, sha256, first_link, link_count FROM pages WHERE row > ? AND file IS NOT NULL"


def repair(database: Database, folder: Path) -> int:
    """Queues the pages again whose bodies in `folder` are not what was stored; returns how many those were. For the sole holder of
    a folder, at its start, before anything is leased."""
    mark = int(database.meta("synced") or 0)
    with database.transaction():
        later = database.connection.execute(_LATER, (mark,)).fetchall()
        damaged = [(page, *rest) for page, file, size, sha256, *rest in later if not _is_whole(folder / file, size, sha256)]
        for page, first_link, link_count in damaged:
            if first_link is not None:
                database.connection.execute("DELETE FROM links WHERE link BETWEEN ? AND ?", (first_link, first_link + link_count - 1))
            [size] = database.connection.execute("DELETE FROM pages WHERE id = ? RETURNING bytes", (page,)).fetchone()
            _queue_again(database, page, size)
    return len(damaged)


def _is_whole(path: Path, size: int, sha256: str) -> bool:
    try:
        with path.open("rb") as body:
            return path.stat().st_size == size and hashlib.file_digest(body, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _queue_again(database: Database, page: int, size: int) -> None:
    """The opposite of acknowledging a page that was ok."""
    execute = database.connection.execute
    state = "UPDATE _frontier SET state = 'queued', attempts = 0 WHERE id = ? AND state = 'done' RETURNING host_id, rank, role = 'page'"
    host_id, rank, counts = execute(state, (page,)).fetchone()
    execute("UPDATE hosts SET queued = queued + 1, done = done - 1, due_at = 0 WHERE host_id = ?", (host_id,))
    execute("UPDATE _totals SET queued = queued + 1, done = done - 1, ok_pages = ok_pages - ?, size = size - ?", (counts, size))
    execute("UPDATE _ranks SET pending = pending + 1 WHERE rank = ?", (rank,))
