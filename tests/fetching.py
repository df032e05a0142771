"""Every way to fetch: a law of fetching holds on all of them or on none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from crawler.fetch.blocking import BlockingFetcher
from crawler.fetch.http import HttpFetcher
from crawler.fetch.options import FetchOptions
from crawler.model import Request, Response

KEPT_ALIVE = "/kept-alive"
"""A path that servers of tests answer and do not count: after it the connection is a used one."""

FetchAll = Callable[..., list[Response]]
Leaves = Callable[[bool], object] | None


def request(url: str, *headers: tuple[str, str]) -> Request:
    """A request with nothing special about it."""
    return Request(url, 1, "host", headers=headers)


def resolved(addresses: Sequence[str], port: Any) -> list[tuple[Any, ...]]:
    """What `socket.getaddrinfo` says of a name that has these addresses."""
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
        if ":" in address
        else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
        for address in addresses
    ]


def fetch_asynchronously(
    urls: Sequence[str | Request], spool: Path | None = None, leaves: Leaves = None, *, loop_factory: Any = None, **options: Any
) -> list[Response]:
    """Fetches one URL after the other with one HttpFetcher."""

    async def story() -> list[Response]:
        async with HttpFetcher(_options(options), spool) as fetcher:
            return [await fetcher.fetch(url if isinstance(url, Request) else request(url), leaves) for url in urls]

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(story())


def fetch_on_uvloop(urls: Sequence[str | Request], spool: Path | None = None, leaves: Leaves = None, **options: Any) -> list[Response]:
    """The same on uvloop, where sockets and timers are not asyncio's own."""
    uvloop = pytest.importorskip("uvloop")
    return fetch_asynchronously(urls, spool, leaves, loop_factory=uvloop.new_event_loop, **options)


def fetch_on_used_connections(
    urls: Sequence[str | Request], spool: Path | None = None, leaves: Leaves = None, **options: Any
) -> list[Response]:
    """The same over connections that have been used before, where no aiohttp session is in between."""

    async def story() -> list[Response]:
        async with HttpFetcher(_options(options), spool) as fetcher:
            answers = []
            for asked in (url if isinstance(url, Request) else request(url) for url in urls):
                await fetcher.fetch(request(urljoin(asked.url, KEPT_ALIVE)))
                answers.append(await fetcher.fetch(asked, leaves))
            return answers

    return asyncio.run(story())


def fetch_blocking(urls: Sequence[str | Request], spool: Path | None = None, leaves: Leaves = None, **options: Any) -> list[Response]:
    """Fetches one URL after the other with one BlockingFetcher."""
    with BlockingFetcher(_options(options), spool) as fetcher:
        return [fetcher.fetch(url if isinstance(url, Request) else request(url), leaves) for url in urls]


def _options(options: dict[str, Any]) -> FetchOptions:
    defaults = {"timeout": 2.0, "connect_timeout": 2.0, "read_timeout": 2.0, "allow_private": True, "trust_env": False}
    return FetchOptions(**defaults | options)


WAYS: dict[str, FetchAll] = {
    "asynchronous": fetch_asynchronously,
    "uvloop": fetch_on_uvloop,
    "used": fetch_on_used_connections,
    "blocking": fetch_blocking,
}


@pytest.fixture(params=WAYS)
def fetch_all(request: pytest.FixtureRequest) -> FetchAll:
    """Each way to fetch some URLs in turn."""
    return WAYS[request.param]
