"""Fixtures of the fetchers' tests: a server that answers in raw bytes, both ways to fetch, certificates, aioresponses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import aioresponses.core
import pytest
from aiohttp import ClientResponse, StreamReader
from aiohttp.client_proto import ResponseHandler
from aioresponses import aioresponses as Mocked
from fetching import FetchAll, fetch_all
from raw_server import RawServer

from crawler.model import Response

__all__ = ["fetch_all"]


@pytest.fixture
def server() -> Iterator[RawServer]:
    """A server on 127.0.0.1 that answers in raw bytes."""
    running = RawServer()
    yield running
    running.stop()


@pytest.fixture
def new_server() -> Iterator[Callable[..., RawServer]]:
    """Starts further servers, with the arguments of RawServer."""
    running: list[RawServer] = []

    def start(*arguments: Any) -> RawServer:
        running.append(RawServer(*arguments))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def fetch(fetch_all: FetchAll) -> Callable[..., Response]:
    """Each way to fetch one URL."""
    return lambda url, spool=None, **options: fetch_all([url], spool, **options)[0]


# aioresponses 0.7.9 was written for an aiohttp before 3.14.


class _Writer:
    output_size = 0


class _Response(ClientResponse):
    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **{"stream_writer": _Writer()} | keywords)


class _Parser:
    def feed_data(self, data: bytes) -> tuple[tuple[()], bool, bytes]:
        return (), False, b""


def _stream_reader(loop: Any = None) -> StreamReader:
    protocol = ResponseHandler(loop=loop)
    protocol._parser = _Parser()  # type: ignore[assignment]
    return StreamReader(protocol, limit=2**16, loop=loop)


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mocked]:
    """aioresponses: answers that no server would give. `mocked.get(url, body=..., exception=...)`."""
    monkeypatch.setattr(aioresponses.core, "ClientResponse", _Response)
    monkeypatch.setattr(aioresponses.core, "stream_reader_factory", _stream_reader)
    with Mocked() as running:
        yield running
