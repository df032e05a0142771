"""Counts of a running crawl, for a screen."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from crawler.model import Page, Record, Stats
from crawler.progress import HostProgress, Progress

WINDOW = 10.0
"""Seconds over which the rate is measured."""


class Tally:
    """Counts stored pages, and those of other roles apart. Starts from what the folder holds already: `before` are the rows of pages
    by (status, outcome), then `apart` all others by role, and the bytes of both."""

    def __init__(
        self, started: float, before: Mapping[tuple[int, str], int] | None = None, apart: Mapping[str, int] | None = None, size: int = 0
    ) -> None:
        self._started = started
        self._apart: Counter[str] = Counter(apart or {})
        self._counts = dict.fromkeys(("ok", "redirects", "client_errors", "server_errors", "failed"), 0)
        for (status, outcome), count in (before or {}).items():
            self._counts[_class_of(status, outcome)] += count
        self._before = sum(self._counts.values())
        self._size = size
        self._recent: deque[tuple[float, int]] = deque()

    def count(self, records: Sequence[Record], now: float) -> None:
        """Takes note of what a commit stored."""
        pages = [record.page for record in records if record.page.role != "sitemap"]
        for page in pages:
            if page.role != "page":
                self._apart[page.role] += 1
            else:
                self._counts[_class_of_page(page)] += 1
            self._size += page.content.size
        self._recent.append((now, sum(page.role == "page" for page in pages)))

    def progress(
        self,
        now: float,
        stats: Stats,
        flying: Sequence[tuple[str, float]],
        hosts: tuple[tuple[HostProgress, ...], int],
    ) -> Progress:
        """The counts with what the others know."""
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()
        pages = sum(self._counts.values())
        span = min(WINDOW, now - self._started)
        return Progress(
            elapsed=now - self._started,
            pages=pages,
            run_pages=pages - self._before,
            requisites=self._apart["requisite"],
            probes=self._apart["probe"],
            queued=stats.queued + max(0, stats.leased - len(flying)),
            in_flight=len(flying),
            size=self._size,
            rate=sum(count for _, count in self._recent) / span if span > 0 else 0.0,
            slowest=max(flying, key=lambda one: one[1], default=None),
            hosts=hosts[0],
            more_hosts=hosts[1],
            **self._counts,
        )


def _class_of_page(page: Page) -> str:
    return _class_of(page.status, page.outcome)


def _class_of(status: int, outcome: str) -> str:
    if outcome in ("ok", "not_modified"):
        return "ok"
    if outcome == "redirect":
        return "redirects"
    if outcome == "http_error":
        return "server_errors" if status >= 500 else "client_errors"
    return "failed"
