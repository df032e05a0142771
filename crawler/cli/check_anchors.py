"""Anchors on pages that a check asks about and does not follow: once all is crawled, each of those pages is read, and none of its links."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from crawler.cli.messages import say
from crawler.cli.signals import SIGNALS, Signals
from crawler.model import FinishReason
from crawler.report.check import elsewhere

if TYPE_CHECKING:
    from crawler.assembly import Assembly
    from crawler.core.fragments import Anchors
    from crawler.engine.courier import Courier
    from crawler.engine.probing import Spare

LARGEST = 4 * 1024 * 1024
"""Bytes of such a page: what is larger is not read."""


class AnchorsElsewhere:
    """The anchors that are linked on pages of others. `spare` says of an anchor, as a URL, why it need not be looked for.

    After `read`, `unread` counts those that could not be told, and `good` has those that are there, as URLs.
    """

    def __init__(self, opened: Assembly, anchors: Anchors, spare: Spare | None) -> None:
        self._opened = opened
        self._anchors = anchors
        self._pages, self._ends = elsewhere(opened.database.connection)
        self._wanted: dict[int, int] = {}
        for page, fragment in anchors.unseen(self._ends):
            if page in self._pages and (spare is None or spare(f"{self._pages[page]}#{fragment}") is None):
                self._wanted[page] = self._wanted.get(page, 0) + 1

    @property
    def unread(self) -> int:
        """How many anchors are wanted still."""
        return sum(self._wanted.values())

    def good(self) -> dict[str, int]:
        """Those that were found, each with the status of its page."""
        return {f"{self._pages[page]}#{fragment}": 200 for page, fragment in self._anchors.good_elsewhere(self._ends)}

    def read(self, signals: Signals, seconds: float | None) -> FinishReason | None:
        """Reads those pages as politely as they were asked about, for so many seconds at most (None: as long as it takes). Why it
        ended before all were read; None when they were."""
        from crawler.app import run_in_loop

        if not self._wanted:
            return None
        signals.remember()
        return run_in_loop(self._read_all(signals, seconds))

    async def _read_all(self, signals: Signals, seconds: float | None) -> FinishReason | None:
        loop, reading = asyncio.get_running_loop(), asyncio.create_task(self._fetch_all())
        reasons: list[FinishReason] = []

        def stop(reason: FinishReason) -> None:
            reasons.append(reason)
            reading.cancel()

        if not self._opened.settings.quiet:
            say(f"Reading {len(self._wanted):,} page{'s' * (len(self._wanted) != 1)} of others for the anchors that are linked there")
        signals.obeyed_in(loop, lambda number: stop(SIGNALS[number]))
        if seconds is not None:
            loop.call_later(max(0.0, seconds), stop, "time limit")
        try:
            with suppress(asyncio.CancelledError):
                await reading
        finally:
            signals.obey = None
            signals.wake = None
        return reasons[0] if reasons else None

    async def _fetch_all(self) -> None:
        from crawler.engine.courier import Courier
        from crawler.fetch.http import HttpFetcher

        settings = self._opened.settings
        options = self._opened.fetch_options()
        async with HttpFetcher(replace(options, max_body=min(options.max_body, LARGEST))) as fetcher:
            courier = Courier(
                fetcher, self._opened.rules, time.monotonic, concurrency=settings.concurrency, max_redirects=settings.max_redirects
            )
            try:
                async with asyncio.TaskGroup() as group:
                    for page in tuple(self._wanted):
                        group.create_task(self._fetch(courier, page))
            finally:
                await courier.close()

    async def _fetch(self, courier: Courier, page: int) -> None:
        if self._anchors.see_elsewhere(page, await courier.fetch(self._pages[page])):
            del self._wanted[page]
