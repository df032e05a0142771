"""Single pages and batches outside a crawl: fetched with the pace and the retries of a crawl, kept nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from crawler.core import retry
from crawler.core.politeness import Pace, Politeness
from crawler.core.scope import Scope
from crawler.core.seen import SeenFilter
from crawler.core.urls import normalize_seed
from crawler.engine.reading import LARGE_BODY, read, retry_after
from crawler.engine.visit import Visitor, seed_request
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
        extract: Mapping[str, str] | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._rules = rules
        self._clock = clock
        self._slots = asyncio.Semaphore(concurrency)
        self._max_redirects = max_redirects
        self._extract = extract
        self._gates: dict[str, _Gate] = {}
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
        its place as an error `timeout`."""
        wanted = list(urls)
        tasks = [asyncio.create_task(self.fetch(url)) for url in wanted]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=timeout)
        finally:
            for task in tasks:
                task.cancel()  # does nothing to those that are done
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        return [self._answer(url, answer, timeout) for url, answer in zip(wanted, answers, strict=True)]

    async def as_completed(self, urls: Iterable[str]) -> AsyncIterator[Page]:
        """The pages of a batch, first come, first served. Leaving the loop cancels the rest."""
        pending = {asyncio.create_task(self.fetch(url)) for url in urls}
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _answer(self, url: str, answer: Page | BaseException, timeout: float | None) -> Page:
        if isinstance(answer, Page):
            return answer
        if isinstance(answer, UsageError):
            return Page(url, 0, outcome="error", error=PageError("protocol", answer.what))
        if isinstance(answer, asyncio.CancelledError):
            request = seed_request(normalize_seed(url))
            error = PageError("timeout", f"unfinished after {timeout:g} s" if timeout is not None else "cancelled")
            return Page(request.url, request.id, outcome="error", error=error)
        raise answer

    async def _fetch_one(self, request: Request) -> Page:
        gate = self._gates.get(request.host) or self._gates.setdefault(request.host, _Gate(self._rules(request.host)))
        while True:
            async with self._slots:
                started = await self._turn(gate)
                response = await self._ask(gate, request)
                wait = self._judge(gate, request, response, started)
                if wait is None:
                    return await self._page(request, response)
            await asyncio.sleep(wait)
            request = replace(request, attempts=request.attempts + 1)

    async def _turn(self, gate: _Gate) -> float:
        """Waits until the host's pace lets a request start; returns the time at which it did."""
        async with gate.order:
            while True:
                now = self._clock()
                at = gate.pace.ready_at()
                if gate.pace.closed or (at is not None and at <= now):
                    gate.pace.started(now)
                    return now
                gate.changed.clear()
                try:
                    async with asyncio.timeout(None if at is None else at - now):
                        await gate.changed.wait()
                except TimeoutError:
                    continue

    async def _ask(self, gate: _Gate, request: Request) -> Response:
        try:
            return await self._fetcher.fetch(request)
        except asyncio.CancelledError:
            gate.pace.cancelled()
            raise
        finally:
            gate.changed.set()

    def _judge(self, gate: _Gate, request: Request, response: Response, started: float) -> float | None:
        """Tells the pace what came; returns the seconds after which to ask again, None when the answer stands."""
        now, again = self._clock(), request.attempts < gate.pace.rules.retries
        if response.error is not None:
            gate.pace.failed(now, started, response.error, request.id)
            may_pass = response.error.kind in retry.RETRIED_KINDS or retry.is_host_failure(response.error)
            return retry.backoff(request.attempts + 1, request.id) if again and may_pass and not gate.pace.closed else None
        asked = retry_after(response)
        gate.pace.answered(now, started, response.status, response.ttfb or 0.0, asked)
        if again and retry.is_retried_status(response.status):
            return min(asked, retry.LONGEST_RETRY_AFTER) if asked is not None else retry.backoff(request.attempts + 1, request.id)
        return None

    async def _page(self, request: Request, response: Response) -> Page:
        verdict = Failed(request, response.error) if response.error is not None else None
        if response.body.size > LARGE_BODY:
            reading = await asyncio.to_thread(read, request, response, self._extract)
        else:
            reading = read(request, response, self._extract)
        visit = self._visitor.visit(request, response, reading, verdict, datetime.now(UTC))
        assert visit.record is not None
        return visit.record.page
