"""Fixtures of the fetchers' tests: a server that answers in raw bytes, both ways to fetch, certificates, aioresponses."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import aioresponses.core
import pytest
from aiohttp import ClientResponse, StreamReader
from aiohttp.client_proto import ResponseHandler
from aioresponses import aioresponses as Mocked
from raw_server import RawServer, request

from crawler.fetch.blocking import BlockingFetcher
from crawler.fetch.http import HttpFetcher
from crawler.fetch.options import FetchOptions
from crawler.model import Request, Response


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


Fetch = Callable[..., list[Response]]


def fetch_asynchronously(
    urls: Sequence[str | Request], spool: Path | None = None, *, loop_factory: Any = None, **options: Any
) -> list[Response]:
    """Fetches one URL after the other with one HttpFetcher."""

    async def story() -> list[Response]:
        async with HttpFetcher(_options(options), spool) as fetcher:
            return [await fetcher.fetch(url if isinstance(url, Request) else request(url)) for url in urls]

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(story())


def fetch_on_uvloop(urls: Sequence[str | Request], spool: Path | None = None, **options: Any) -> list[Response]:
    """The same on uvloop, where sockets and timers are not asyncio's own."""
    uvloop = pytest.importorskip("uvloop")
    return fetch_asynchronously(urls, spool, loop_factory=uvloop.new_event_loop, **options)


def fetch_blocking(urls: Sequence[str | Request], spool: Path | None = None, **options: Any) -> list[Response]:
    """Fetches one URL after the other with one BlockingFetcher."""
    with BlockingFetcher(_options(options), spool) as fetcher:
        return [fetcher.fetch(url if isinstance(url, Request) else request(url)) for url in urls]


def _options(options: dict[str, Any]) -> FetchOptions:
    defaults = {"timeout": 2.0, "connect_timeout": 2.0, "read_timeout": 2.0, "allow_private": True, "trust_env": False}
    return FetchOptions(**defaults | options)


@pytest.fixture(params=[fetch_asynchronously, fetch_on_uvloop, fetch_blocking], ids=["asynchronous", "uvloop", "blocking"])
def fetch_all(request: pytest.FixtureRequest) -> Fetch:
    """Each way to fetch some URLs in turn: a law holds for all or for none."""
    way: Fetch = request.param
    return way


@pytest.fixture
def fetch(fetch_all: Fetch) -> Callable[..., Response]:
    """Each way to fetch one URL."""
    return lambda url, spool=None, **options: fetch_all([url], spool, **options)[0]


_CA = """
[ca]
default_ca = d
[d]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = p
copy_extensions = copy
[p]
commonName = supplied
[req]
distinguished_name = n
prompt = no
[n]
CN = localhost
"""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes self-signed certificates with their key in one file: `certificates("DNS:localhost", "20200101", "20200102")`."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make certificates with")

    def make(names: str, begins: str = "20200101", ends: str = "20991231") -> Path:
        folder = tmp_path_factory.mktemp("ca")
        (folder / "ca.cnf").write_text(_CA)
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01")
        key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out request.pem"
        sign = f"-batch -selfsign -keyfile key.pem -in request.pem -out cert.pem -notext -startdate {begins}000000Z -enddate {ends}000000Z"
        for line in (f"req -config ca.cnf -new {key} -addext subjectAltName={names}", f"ca -config ca.cnf {sign}"):
            subprocess.run([openssl, *line.split()], cwd=folder, check=True, capture_output=True)
        both = folder / "both.pem"
        both.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
        return both

    return make


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
