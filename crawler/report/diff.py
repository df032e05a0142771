"""What is different between two crawls, or between two runs of one: pages that are new, gone or changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from crawler.errors import UsageError
from crawler.report.folder import one_moment, readable

Kind = Literal["new", "gone", "changed"]
What = Literal["status", "title", "body", "redirect"]

# 304 says that the page is the one before, which was fetched well.
_COLUMNS = """{p}.id, p.url, iif({p}.outcome = 'not_modified', 200, {p}.status) AS status,
       iif({p}.outcome = 'not_modified', 'ok', {p}.outcome) AS outcome, {p}.error, {p}.redirect_to, {p}.title, {p}.sha256, {p}.bytes"""
_NOW = f"SELECT {_COLUMNS.format(p='p')} FROM pages p ORDER BY p.id"
# Of pages that were asked for since, the last row before.
_BEFORE = f"""
SELECT {_COLUMNS.format(p="p")} FROM pages p WHERE p.run <= :run
UNION ALL
SELECT {_COLUMNS.format(p="h")} FROM history h JOIN pages p USING (id)
WHERE p.run > :run AND h.run = (SELECT max(run) FROM history WHERE id = h.id AND run <= :run)
ORDER BY 1
"""
_WHERE = "SELECT state, reason, detail FROM urls WHERE id = ?"


@dataclass(frozen=True, slots=True)
class State:
    """What one crawl knows of a URL: `outcome` and `status` of its answer (those of the page before for one that was not modified)."""

    status: int
    outcome: str
    error: str | None
    redirect_to: str | None
    title: str | None
    sha256: str | None
    bytes: int


@dataclass(frozen=True, slots=True)
class Change:
    """One URL that is new, gone, or `changed` in what `what` names. `before` and `after` are None where there is no answer; `why` says of
    one that is gone what became of it."""

    url: str
    kind: Kind
    what: tuple[What, ...]
    before: State | None
    after: State | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its folder, its last run and when that began (UTC, RFC 3339), pages with an answer, and how many URLs wait."""

    folder: str
    run: int
    started: str
    pages: int
    queued: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Both sides; pages that are the same, and that cannot be told, as one side has not asked for them; the changes by kind and URL."""

    old: Side
    new: Side
    same: int
    untold: int
    changes: tuple[Change, ...]

    def of(self, kind: Kind) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.changes if change.kind == kind]

    def to_json(self) -> dict[str, Any]:
        """The fields, with the number of each kind, as JSON values."""
        return {"counts": {kind: len(self.of(kind)) for kind in _KINDS}} | asdict(self)


_KINDS: tuple[Kind, ...] = ("new", "gone", "changed")
_Row = tuple[int, str, State]


def compare(old: sqlite3.Connection, new: sqlite3.Connection, folders: tuple[str, str]) -> Difference:
    """What is different in the crawl `new` from the crawl `old`, each of one moment; `folders` are their names.

    A page is gone when it answers 404 or 410, or when no page of a crawl leads to it any more. Takes about a second for 100,000 pages.
    """
    with one_moment(old), one_moment(new):
        sides = _side(old, folders[0]), _side(new, folders[1])
        return _compared(sides, old, new, _rows(old, folders[0], _NOW), _rows(new, folders[1], _NOW))


def compare_runs(connection: sqlite3.Connection, folder: str, since: int | None = None) -> Difference:
    """The same for the crawl behind the connection, between the end of its run `since` and now; None: before its last update.

    Raises UsageError when there is no such run, or none after it.
    """
    with one_moment(connection):
        last = connection.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()[0]
        if since is None:
            row = connection.execute("SELECT value FROM meta WHERE key = 'update'").fetchone()
            if row is None:
                why = "with one folder, its last update is compared with what was there before"
                raise UsageError(f"{folder} was never updated", why, f"crawler crawl --update {folder}, or crawler diff OLD NEW")
            since = int(row[0]) - 1
        if not 1 <= since < last:
            raise UsageError(f"there is nothing to compare since run {since}", f"{folder} has run 1 to {last}", f"crawler status {folder}")
        sides = _side(connection, folder, since), _side(connection, folder)
        return _compared(sides, None, connection, _rows(connection, folder, _BEFORE, since), _rows(connection, folder, _NOW))


def _side(connection: sqlite3.Connection, folder: str, run: int | None = None) -> Side:
    with readable(folder):
        return _read_side(connection, folder, run)


def _read_side(connection: sqlite3.Connection, folder: str, run: int | None) -> Side:
    if run is None:
        run, began = connection.execute("SELECT run, started FROM runs ORDER BY run DESC LIMIT 1").fetchone() or (0, "")
        queued = connection.execute("SELECT queued + leased FROM _totals").fetchone()[0]
        return Side(folder, run, began, connection.execute("SELECT count(*) FROM pages").fetchone()[0], queued)
    started = connection.execute("SELECT started FROM runs WHERE run = ?", (run,)).fetchone()[0]
    return Side(folder, run, started, connection.execute(f"SELECT count(*) FROM ({_BEFORE})", {"run": run}).fetchone()[0], 0)


def _rows(connection: sqlite3.Connection, folder: str, query: str, run: int = 0) -> Iterator[_Row]:
    with readable(folder):
        for identity, url, status, outcome, error, redirect_to, title, sha256, size in connection.execute(query, {"run": run}):
            yield identity, url, State(status, outcome, error, redirect_to, title, sha256, size)


def _compared(
    sides: tuple[Side, Side], old: sqlite3.Connection | None, new: sqlite3.Connection, before: Iterator[_Row], after: Iterator[_Row]
) -> Difference:
    """Walks both in the order of their ids, so that neither has to fit into memory. `old` is None for the same crawl."""
    changes: list[Change] = []
    same = untold = 0
    for url, identity, was, now in _paired(before, after):
        if now is None and (why := _absent(new, identity)) is not None:
            change: Change | None = Change(url, "gone", (), was, None, why) if was and _is_there(was) else None
            same += change is None
        elif now is None or (was is None and old is not None and _waits(old, identity)):
            untold += 1
            continue
        else:
            change = _change(url, was, now)
            same += change is None
        if change is not None:
            changes.append(change)
    return Difference(*sides, same, untold, tuple(sorted(changes, key=lambda change: (_KINDS.index(change.kind), change.url))))


def _paired(before: Iterator[_Row], after: Iterator[_Row]) -> Iterator[tuple[str, int, State | None, State | None]]:
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0] < new[0]):
            assert old is not None
            yield old[1], old[0], old[2], None
            old = next(before, None)
        elif old is None or new[0] < old[0]:
            yield new[1], new[0], None, new[2]
            new = next(after, None)
        else:
            yield new[1], new[0], old[2], new[2]
            old, new = next(before, None), next(after, None)


def _absent(connection: sqlite3.Connection, identity: int) -> str | None:
    """Why a crawl has no answer of a URL, in words; None when it may still get one, or nobody answered."""
    row = connection.execute(_WHERE, (identity,)).fetchone()
    if row is None:
        return "no page leads to it any more"
    state, reason, detail = row
    return f"skipped: {reason}{f' ({detail})' if detail else ''}" if state == "skipped" else None


def _waits(connection: sqlite3.Connection, identity: int) -> bool:
    row = connection.execute(_WHERE, (identity,)).fetchone()
    return row is not None and row[0] in ("queued", "leased")


def _is_there(state: State | None) -> bool:
    return state is not None and state.status not in (404, 410)


def _change(url: str, was: State | None, now: State) -> Change | None:
    if not _is_there(was) or not _is_there(now):
        if not _is_there(was) and not _is_there(now):
            return None
        return Change(url, "new", (), was, now) if _is_there(now) else Change(url, "gone", (), was, now, f"HTTP {now.status}")
    assert was is not None
    if (was.outcome, was.status, was.error) != (now.outcome, now.status, now.error):
        return Change(url, "changed", ("status",), was, now)
    what: list[What] = []
    if now.outcome == "ok":
        what += ["title"] if was.title != now.title else []
        what += ["body"] if was.sha256 != now.sha256 else []
    if was.redirect_to != now.redirect_to:
        what.append("redirect")
    return Change(url, "changed", tuple(what), was, now) if what else None
