"""Single pages and batches outside a crawl: fetched with the pace and the retries of a crawl, kept nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from crawler.core import retry
from crawler.core.politeness import Pace, Politeness
from crawler.core.scope import Scope
from crawler.core.seen import SeenFilter
from crawler.core.urls import normalize_seed
from crawler.engine.bounds import seed_request
from crawler.engine.reader import Reader
from crawler.engine.reading import LINKS_ALONE, Wanted, retry_after
from crawler.engine.steps import in_turn
from crawler.engine.visit import Visitor
from crawler.errors import UsageError
from crawler.model import Failed, Page, PageError, Request, Response
from crawler.ports import Fetcher


class _Gate:
    """Lets the requests of one host start one after the other, each when the host's pace allows."""

    def __init__(self, rules: Politeness) -> None:
        self.pace = Pace(rules)
        self.order = asyncio.Lock()
        self.changed = asyncio.Event()


class Courier:
    """Fetches URLs that somebody names one by one. Politeness holds (gap, window, Retry-After, retries); robots.txt is not
    asked, as it speaks to crawlers that follow links. Up to `max_redirects` redirects are followed.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        rules: Callable[[str], Politeness],
        clock: Callable[[], float],
        *,
        concurrency: int = 32,
        max_redirects: int = 10,
        wanted: Wanted = LINKS_ALONE,
    ) -> None:
        self._fetcher = fetcher
        self._rules = rules
        self._clock = clock
        self._slots = asyncio.Semaphore(concurrency)
        self._max_redirects = max_redirects
        self._reader = Reader(wanted)
        self._gates: dict[str, _Gate] = {}
        self._tasks: set[asyncio.Task[Page]] = set()
        self._last: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()  # what came of the attempt before
        self._visitor = Visitor(Scope([], "any", allow_private=True), SeenFilter(2), SeenFilter(2), sitemaps=False)

    async def fetch(self, url: str) -> Page:
        """The page behind a URL, redirects followed; its errors are in `page.error`. Raises UsageError when it is no URL."""
        request = seed_request(normalize_seed(url))
        while True:
            page = await self._fetch_one(request)
            if page.outcome != "redirect" or page.redirect_to is None:
                return page
            hop = seed_request(page.redirect_to)
            request = replace(hop, parent=request.url, chain=(*request.chain, request.id))
            if len(request.chain) > self._max_redirects or request.id in request.chain:
                return replace(page, outcome="error", error=PageError("redirect_loop", f"back to {request.url}"))

    async def fetch_all(self, urls: Iterable[str], timeout: float | None = None) -> list[Page]:
        """The pages of a batch, in the order of the URLs. After `timeout` seconds what is unfinished is cancelled and stands in
        its place as an error `timeout`, which says what came of the attempt before."""
        wanted = list(urls)
        tasks = [self._begin(url) for url in wanted]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=timeout)
        finally:
            answers = await _ended(tasks)
        ends = zip(wanted, tasks, answers, strict=True)
        return [self._in_its_place(url, answer, timeout, self._last.get(task, "")) for url, task, answer in ends]

    async def as_completed(self, urls: Iterable[str]) -> AsyncIterator[Page]:
        """The pages of a batch, first come, first served. Leaving the loop cancels the rest."""
        tasks = [self._begin(url) for url in urls]
        try:
            for next_one in asyncio.as_completed(tasks):
                yield await next_one
        finally:
            await _ended(tasks)

    async def close(self) -> None:
        """Ends what nobody waits for: a loop that was left early is closed by Python, but only later."""
        await _ended(list(self._tasks))
        self._reader.close()

    def _begin(self, url: str) -> asyncio.Task[Page]:
        task = asyncio.create_task(self._fetch_anything(url), name=f"crawler-fetch {url}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _fetch_anything(self, url: str) -> Page:
        """The page behind a URL, or an error that says that it is none."""
        try:
            return await self.fetch(url)
        except UsageError as error:
            return Page(str(url), 0, outcome="error", error=PageError("protocol", error.what))

    def _in_its_place(self, url: str, answer: Page | BaseException, timeout: float | None, last: str) -> Page:
        if isinstance(answer, Page):
            return answer
        if isinstance(answer, asyncio.CancelledError):
            request = seed_request(normalize_seed(url))
            detail = f"unfinished after {timeout:g} s" if timeout is not None else "cancelled"
            error = PageError("timeout", f"{detail}; last: {last}" if last else detail)
            return Page(request.url, request.id, outcome="error", error=error)
        raise answer

    async def _fetch_one(self, request: Request) -> Page:
        gate = self._gates.get(request.host) or self._gates.setdefault(request.host, _Gate(self._rules(request.host)))
        while True:
            started = await self._turn(gate)
            try:
                response = await self._ask(gate, request, started)
                wait = self._judge(gate, request, response, started)
                if (task := asyncio.current_task()) is not None:
                    self._last[task] = "" if wait is None else str(response.error or f"HTTP {response.status}")
                if wait is None:
                    return await self._page(request, response)
            finally:
                self._slots.release()
            await asyncio.sleep(wait)
            request = replace(request, attempts=request.attempts + 1)

    async def _turn(self, gate: _Gate) -> float:
        """Waits until the host's pace lets a request start, then for a slot, which it takes; returns the time at which it did.
        In this order, so that URLs that wait for their host keep no slot from those of other hosts."""
        async with gate.order:
            while True:
                while (wait := self._pause(gate)) is None or wait > 0:
                    gate.changed.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait):
                            await gate.changed.wait()
                await self._slots.acquire()
                if self._pause(gate) == 0:
                    now = self._clock()
                    gate.pace.started(now)
                    return now
                self._slots.release()

    def _pause(self, gate: _Gate) -> float | None:
        """Seconds until a request may start; None until an answer arrives."""
        at = self._clock() if gate.pace.closed else gate.pace.ready_at()
        return None if at is None else max(0.0, at - self._clock())

    async def _ask(self, gate: _Gate, request: Request, started: float) -> Response:
        def leaves(is_sent: bool) -> None:
            if is_sent and gate.pace.leaves(self._clock(), started):
                gate.changed.set()

        try:
            return await self._fetcher.fetch(request, leaves)
        except asyncio.CancelledError:
            gate.pace.cancelled(started)
            raise
        finally:
            gate.changed.set()

    def _judge(self, gate: _Gate, request: Request, response: Response, started: float) -> float | None:
        """Tells the pace what came; returns the seconds after which to ask again, None when the answer stands."""
        now, first = self._clock(), not request.attempts
        rule = retry.of_status(response.status) if response.error is None else retry.of_error(response.error)
        asked = retry_after(response) if response.error is None else None
        if response.error is not None:
            gate.pace.failed(now, started, response.error, request.id, first=first)
        else:
            gate.pace.answered(now, started, response.status, response.ttfb or 0.0, asked, first=first, salt=request.id)
        # Nobody else asks for these URLs again: here what is not counted elsewhere is.
        most = retry.tries(rule, gate.pace.rules.retries)
        if request.attempts >= most or gate.pace.closed:
            return None
        return min(asked, retry.LONGEST_RETRY_AFTER) if asked is not None else retry.backoff(request.attempts + 1, request.id)

    async def _page(self, request: Request, response: Response) -> Page:
        verdict = Failed(request, response.error) if response.error is not None else None
        needed = self._reader.effort(request, response)
        if needed == "apart":
            async with self._reader.turn:
                reading = await self._reader.read_apart(request, response)
        else:
            reading = await self._reader.read(request, response, needed)
        if isinstance(reading, Exception):
            visit = self._visitor.broken(request, response, reading, datetime.now(UTC))
        else:
            visit = await in_turn(self._visitor.steps(request, response, reading, verdict, datetime.now(UTC)))
        assert visit.record is not None
        return visit.record.page


async def _ended(tasks: Sequence[asyncio.Task[Page]]) -> list[Page | BaseException]:
    """What came of the tasks; those that are not done are cancelled."""
    for task in tasks:
        task.cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)
