"""What a crawl found, in numbers: the data of the screen at the end and of summary.json."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from time import monotonic
from typing import Any

from crawler.report import queries
from crawler.report.diagnosis import OnlyPage, diagnose
from crawler.report.folder import one_moment
from crawler.report.patience import Patience

# More groups than this are in the database, not in the summary.
_GROUPS = 20
_NAMED_HOSTS = 5
_Read = Callable[[sqlite3.Cursor], dict[str, Any]]

LIMITS = ("page limit", "depth limit", "size limit", "time limit")
"""Reasons to finish that the user has set."""


@dataclass(frozen=True, slots=True)
class SkippedGroup:
    """URLs that were not asked for, for one reason and by one rule."""

    reason: str
    detail: str
    urls: int


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """URLs without a usable answer, for one kind of error."""

    kind: str
    urls: int


@dataclass(frozen=True, slots=True)
class ClosedHost:
    """A host that was given up, and why."""

    host: str
    why: str


@dataclass(frozen=True, slots=True)
class FailedSeed:
    """A seed, or what a seed redirects to, that gave no page: `status` is 0 when there was no answer, `why` is in words."""

    url: str
    status: int
    why: str


@dataclass(frozen=True, slots=True)
class FailedSitemap:
    """A sitemap that was not read, or not to its end, and why."""

    url: str
    why: str


@dataclass(frozen=True, slots=True)
class Summary:
    """All numbers of one crawl, each the result of a query in `crawler.report.queries`.

    Counts are of the whole folder; `run_pages`, `duration` (seconds), `started`, `ended` (UTC, RFC 3339) and `finish_reason`
    of the last run. `finish_reason` and `ended` are None while the run is open, and after a kill. `pages` = `ok` + `redirects`
    + `broken` (a final 4xx or 5xx) + `errors` (no usable answer); `requisites`, what
    pages are made of, are counted apart. `queued` is what is left to ask for, `given_up` what
    failed with its host before it was asked for, `failed_sitemaps` (100 at most) may list more than was read. Times to the first
    byte are milliseconds by nearest rank, None without any answer. `broken_links` counts targets that a page links to,
    `broken_links_shared` those that more than one does. `script_only` pages look as if JavaScript built them.
    Fields from `failed_seeds` on are also None when there was no time to find out.
    """

    run: int
    started: str | None
    ended: str | None
    finish_reason: str | None
    duration: float
    pages: int
    run_pages: int
    ok: int
    redirects: int
    broken: int
    errors: int
    requisites: int
    probes: int
    bytes: int
    min_depth: int | None
    max_depth: int | None
    files: int
    queued: int
    error_kinds: tuple[ErrorGroup, ...]
    closed_hosts: int
    closed_host_examples: tuple[ClosedHost, ...]
    given_up: int
    failed_sitemaps: tuple[FailedSitemap, ...]
    failed_seeds: tuple[FailedSeed, ...] | None
    only_page: OnlyPage | None
    skipped: int | None
    skipped_reasons: dict[str, int] | None
    skipped_groups: tuple[SkippedGroup, ...] | None
    ttfb_median_ms: float | None
    ttfb_p95_ms: float | None
    ttfb_max_ms: float | None
    broken_links: int | None
    broken_links_shared: int | None
    shared_title_pages: int | None
    shared_titles: int | None
    script_only: int | None
    script_only_examples: tuple[str, ...] | None

    @property
    def rate(self) -> float:
        """Pages per second of the last run."""
        return self.run_pages / self.duration if self.duration > 0 else 0.0

    @property
    def complete(self) -> bool:
        """Whether every URL in scope was asked for."""
        return self.finish_reason == "queue empty" and not self.queued and not self.given_up

    def to_json(self) -> dict[str, Any]:
        """The fields, with `rate` and `complete`, as JSON values."""
        return asdict(self) | {"rate": round(self.rate, 3), "complete": self.complete}


def summarize(
    connection: sqlite3.Connection, patience: float | None = None, clock: Callable[[], float] = monotonic, *, findings: bool = True
) -> Summary:
    """The summary of the crawl behind the connection, all of one moment. Reads only; may run beside a crawl.

    Takes about a second at 100,000 pages. Without `findings` what the tables of a report find anew is left out, and what is not known
    `patience` seconds after the start always is: the counts are there, the findings need time on a large crawl (a paused one has to end
    at once).
    """
    waiting = Patience(connection, patience, clock)
    with one_moment(connection):
        cursor = connection.cursor()
        cursor.row_factory = sqlite3.Row
        known = _counts(cursor)
        with waiting:
            for names, read in _PARTS + (_FINDINGS if findings else ()):
                known |= waiting.read(partial(read, cursor)) or dict.fromkeys(names)
    return Summary(**(_UNKNOWN | known))


def _counts(cursor: sqlite3.Cursor) -> dict[str, Any]:
    last_run = _last_run(cursor)
    return {
        **last_run,
        **_row(cursor, queries.PAGES),
        **_row(cursor, queries.QUEUED),
        **_closed_hosts(cursor),
        "failed_sitemaps": tuple(
            FailedSitemap(url, in_words(reason, detail) if reason else detail)
            for url, reason, detail in cursor.execute(queries.FAILED_SITEMAPS)
        ),
        "error_kinds": tuple(ErrorGroup(**dict(row)) for row in cursor.execute(queries.ERROR_KINDS)),
        "only_page": diagnose(cursor) if last_run["finish_reason"] == "queue empty" else None,
    }


def _row(cursor: sqlite3.Cursor, query: str) -> dict[str, Any]:
    return dict(cursor.execute(query).fetchone())


def _last_run(cursor: sqlite3.Cursor) -> dict[str, Any]:
    row = cursor.execute(queries.LAST_RUN).fetchone()
    if row is None:
        return {"run": 0, "started": None, "ended": None, "finish_reason": None, "duration": 0.0}
    # A clock that was set back makes no negative times.
    return dict(row) | {"duration": max(0.0, round(row["duration"] or 0.0, 3))}


def _skipped(cursor: sqlite3.Cursor) -> dict[str, Any]:
    reasons: dict[str, int] = {}
    groups: list[SkippedGroup] = []
    for reason, detail, urls in cursor.execute(queries.SKIPPED):
        reasons[reason] = reasons.get(reason, 0) + urls
        if len(groups) < _GROUPS:
            groups.append(SkippedGroup(reason, detail or "", urls))
    ordered = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
    return {"skipped": sum(reasons.values()), "skipped_reasons": ordered, "skipped_groups": tuple(groups)}


def _script_only(cursor: sqlite3.Cursor) -> dict[str, Any]:
    rows = cursor.execute(queries.SCRIPT_ONLY).fetchall()
    return {"script_only": rows[0]["script_only"] if rows else 0, "script_only_examples": tuple(row["url"] for row in rows)}


def _closed_hosts(cursor: sqlite3.Cursor) -> dict[str, Any]:
    hosts = [ClosedHost(**dict(row)) for row in cursor.execute(queries.CLOSED_HOSTS)]
    given_up = cursor.execute(queries.GIVEN_UP).fetchone()[0] if hosts else 0
    return {"closed_hosts": len(hosts), "closed_host_examples": tuple(hosts[:_NAMED_HOSTS]), "given_up": given_up}


def _failed_seeds(cursor: sqlite3.Cursor) -> dict[str, Any]:
    return {"failed_seeds": tuple(_failed_seed(row) for row in cursor.execute(queries.FAILED_SEEDS))}


def _failed_seed(row: sqlite3.Row) -> FailedSeed:
    if row["state"] == "skipped":
        why = in_words(row["reason"], row["detail"])
    elif row["error"]:
        why = in_words(row["error"], row["error_detail"])
    else:
        # A URL that failed with its host was never asked for and has no row among the pages.
        why = f"HTTP {row['status']}" if row["status"] else in_words(row["reason"], row["detail"])
    return FailedSeed(row["url"], row["status"] or 0, why)


def in_words(reason: str | None, detail: str | None) -> str:
    """A reason or error kind with its detail, as one says it. What failed with its host has the kind in its detail, too."""
    detail = (detail or "").removeprefix(f"{reason}: ")
    name = {"robots": "robots.txt", "too_long": "too long", None: "no answer"}.get(reason, reason)
    return f"{name} {detail}" if detail and reason == "robots" else f"{name}: {detail}" if detail else str(name)


# What takes longer the larger a crawl is, the most wanted first.
_PARTS: tuple[tuple[tuple[str, ...], _Read], ...] = (
    (("failed_seeds",), _failed_seeds),
    (("skipped", "skipped_reasons", "skipped_groups"), _skipped),
    (("ttfb_median_ms", "ttfb_p95_ms", "ttfb_max_ms"), partial(_row, query=queries.TIME_TO_FIRST_BYTE)),
)
_FINDINGS: tuple[tuple[tuple[str, ...], _Read], ...] = (
    (("broken_links", "broken_links_shared"), partial(_row, query=queries.BROKEN_LINKS)),
    (("shared_title_pages", "shared_titles"), partial(_row, query=queries.DUPLICATE_TITLES)),
    (("script_only", "script_only_examples"), _script_only),
)
_UNKNOWN: dict[str, Any] = dict.fromkeys(name for names, _ in _FINDINGS for name in names)
