"""Fetchers that answer from a dictionary: no socket, no clock."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from crawler.model import Body, PageError, Request, Response
from crawler.testing.answers import Answer, as_answer

FakeValue = str | bytes | Answer | Response | PageError | Callable[[Request], "str | bytes | Answer | Response | PageError"]
"""What a fake fetcher answers: HTML, bytes, an `answer()`, a whole response, an error, or a function that gives one of these."""


class _Book:
    """The pages by URL, and what was asked."""

    def __init__(self, pages: Mapping[str, FakeValue], latency: float = 0.0) -> None:
        self.pages: dict[str, FakeValue] = dict(pages)
        self.latency = latency
        self.requests: list[Request] = []
        self.in_flight_peak = 0
        self._in_flight = 0

    @property
    def urls(self) -> list[str]:
        """The URLs that were asked for, in order and with repetitions."""
        return [request.url for request in self.requests]

    def count(self, url: str) -> int:
        """How often a URL was asked for."""
        return self.urls.count(url)

    def _begin(self, request: Request) -> Response:
        self.requests.append(request)
        self._in_flight += 1
        self.in_flight_peak = max(self.in_flight_peak, self._in_flight)
        value = self.pages.get(request.url, Answer(404))
        if callable(value):
            value = value(request)
        made = as_response(request.url, value)
        return replace(made, ttfb=self.latency, elapsed=self.latency) if made.ttfb is None else made


class FakeFetcher(_Book):
    """A `Fetcher` that answers from a dictionary of URLs; what is not in it is a 404.

    `requests`, `urls` and `count(url)` tell what was asked. `latency` (seconds) is what the responses claim; no time passes
    unless `sleep` is given, which is awaited with it (`asyncio.sleep`, or a virtual clock's own).
    """

    def __init__(
        self, pages: Mapping[str, FakeValue], latency: float = 0.0, sleep: Callable[[float], Awaitable[object]] | None = None
    ) -> None:
        super().__init__(pages, latency)
        self._sleep = sleep

    async def fetch(self, request: Request, leaves: Callable[[bool], object] | None = None) -> Response:
        """The page of this URL. Gives other tasks a turn, as a real fetch does."""
        if leaves is not None:
            leaves(False)
            leaves(True)
        try:
            response = self._begin(request)
            await (self._sleep(self.latency) if self._sleep is not None else asyncio.sleep(0))
            return response
        finally:
            self._in_flight -= 1


class FakeBlockingFetcher(_Book):
    """The same for the synchronous mode; `sleep`, if given, is called with the latency."""

    def __init__(self, pages: Mapping[str, FakeValue], latency: float = 0.0, sleep: Callable[[float], object] | None = None) -> None:
        super().__init__(pages, latency)
        self._sleep = sleep

    def fetch(self, request: Request, leaves: Callable[[bool], object] | None = None) -> Response:
        """The page of this URL."""
        if leaves is not None:
            leaves(False)
            leaves(True)
        try:
            response = self._begin(request)
            if self._sleep is not None:
                self._sleep(self.latency)
            return response
        finally:
            self._in_flight -= 1


def as_response(url: str, value: str | bytes | Answer | Response | PageError) -> Response:
    """The value as the response of a fetcher, with size and digest of its body."""
    if isinstance(value, Response):
        return value
    if isinstance(value, PageError):
        return Response(url, error=value)
    made = as_answer(url, value)
    body = Body(len(made.body), made.body, sha256=hashlib.sha256(made.body).hexdigest())
    return Response(url, made.status, made.headers, body)
