"""HttpFetcher by itself: answers and exceptions of aiohttp that need no server."""

from __future__ import annotations

import asyncio
import errno
import gc
import io
import os
import socket
import threading
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses as Mocked
from fetching import request
from raw_server import Connection, RawServer, Step, close, hang, http, reset

from crawler.fetch.http import HttpFetcher
from crawler.fetch.options import FetchOptions
from crawler.fetch.pool import Pool, _Protocol
from crawler.fetch.spool import SpoolFile

URL = "http://example.org/page"
MANY = 4


def ignore(result: object) -> None:
    """Does nothing with what a step has waited for."""


@pytest.fixture
async def fetcher() -> AsyncIterator[HttpFetcher]:
    async with HttpFetcher(FetchOptions(trust_env=False, max_body=1000)) as opened:
        yield opened


async def test_an_answer_has_status_headers_body_digest_and_times(mocked: Mocked, fetcher: HttpFetcher) -> None:
    """A whole answer comes back as a Response with everything in it."""
    mocked.get(URL, body=b"hello", headers={"X-One": "1"}, content_type="text/html")

    response = await fetcher.fetch(request(URL))

    assert (response.url, response.status, response.error) == (URL, 200, None)
    assert (response.header("content-type"), response.header("x-one")) == ("text/html", "1")
    assert (response.body.data, response.body.size, response.body.sha256) == (b"hello", 5, sha256(b"hello").hexdigest())
    assert response.ttfb is not None
    assert 0 <= response.ttfb <= response.elapsed


@pytest.mark.parametrize("status", [301, 404, 410, 500, 503])
async def test_other_statuses_are_answers_too(mocked: Mocked, fetcher: HttpFetcher, status: int) -> None:
    """A redirect is not followed, a 404 is no error, and their bodies are read."""
    mocked.get(URL, status=status, body=b"sorry", headers={"Location": "/elsewhere"})

    response = await fetcher.fetch(request(URL))

    assert (response.status, response.error, response.body.data) == (status, None, b"sorry")
    assert len(mocked.requests) == 1


KEY = aiohttp.client_reqrep.ConnectionKey("example.org", 80, False, True, None, None, None, None)


@pytest.mark.parametrize(
    ("exception", "kind", "words"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_NONAME, "unknown")), "dns", "not known"),
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_AGAIN, "later")), "dns", "name server"),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.ECONNREFUSED, "no")), "refused", "refused the connection"),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.EHOSTUNREACH, "No route")), "refused", "cannot be reached"),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.ENETUNREACH, "No net")), "refused", "cannot be reached"),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.EMFILE, "Too many open files")), "internal", "EMFILE"),
        (aiohttp.ClientProxyConnectionError(KEY, OSError(errno.ECONNREFUSED, "no")), "refused", "proxy"),
        (aiohttp.ClientConnectionResetError("Cannot write to closing transport"), "reset", "closed the connection"),
        (ConnectionResetError("Connection lost"), "reset", "cut the connection"),
        (aiohttp.ServerDisconnectedError(), "reset", "closed the connection"),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), "reset", "cut the connection"),
        (aiohttp.ClientOSError(errno.EPIPE, "pipe"), "reset", "cut the connection"),
        (aiohttp.ConnectionTimeoutError(), "timeout", "no connection within 10 s"),
        (TimeoutError(), "dns", "the name server did not answer within 30 s"),  # no socket was made until then
        (aiohttp.InvalidURL("x"), "protocol", "URL"),
        (UnicodeError("label too long"), "dns", "not valid"),
        (ZeroDivisionError("oops"), "internal", "ZeroDivisionError: oops"),
    ],
)
async def test_every_exception_becomes_an_error(mocked: Mocked, fetcher: HttpFetcher, exception: Exception, kind: str, words: str) -> None:
    """Whatever aiohttp raises is a kind of the closed set and a sentence, never an exception."""
    mocked.get(URL, exception=exception)

    response = await fetcher.fetch(request(URL))

    assert response.error is not None
    assert response.error.kind == kind
    assert words in response.error.detail
    assert (response.status, response.body.size) == (0, 0)


async def test_cancelling_a_fetch_cancels_it(server: RawServer) -> None:
    """CancelledError is the one exception that comes out, and the connection is closed with it."""
    url = server.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", hang)
    async with HttpFetcher(FetchOptions(allow_private=True)) as fetcher:
        task = asyncio.create_task(fetcher.fetch(request(url)))
        await asyncio.to_thread(server.asked.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("moment", ["open", "write"])
async def test_cancelling_leaves_no_file(server: RawServer, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large body that is not wanted any more leaves nothing in the spool folder, whenever that happens."""
    opened = asyncio.Event()
    create, write = SpoolFile.create, SpoolFile.write

    async def observed_create(folder: Path) -> SpoolFile:
        if moment == "open":
            opened.set()
        return await create(folder)

    async def observed_write(file: SpoolFile, data: bytes) -> None:
        await write(file, data)
        opened.set()

    monkeypatch.setattr(SpoolFile, "create", observed_create)
    monkeypatch.setattr(SpoolFile, "write", observed_write)
    url = server.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + bytes(100_000), hang)
    async with HttpFetcher(FetchOptions(allow_private=True, spool_threshold=1000), tmp_path) as fetcher:
        task = asyncio.create_task(fetcher.fetch(request(url)))
        await opened.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("moment", ["open", "close"])
async def test_cancelling_twice_leaves_no_file(tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is said that a file is not wanted any more, while a thread opens or closes it: it is closed and gone before
    the task that wanted it is."""
    begun, go_on = threading.Event(), threading.Event()

    def linger(at: str) -> None:
        if at == moment:
            begun.set()
            go_on.wait(5)

    class Lingering(io.BufferedWriter):
        def close(self) -> None:
            linger("close")
            super().close()

    def lingering_open(path: Path, mode: str, *rest: object, **options: object) -> Lingering:
        linger("open")
        return Lingering(io.FileIO(path, mode))

    async def make_and_discard() -> None:
        await (await SpoolFile.create(tmp_path)).discard()

    monkeypatch.setattr("aiofiles.threadpool.sync_open", lingering_open)
    task = asyncio.create_task(make_and_discard())
    await asyncio.to_thread(begun.wait, 5)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert os.listdir(tmp_path) == []
    assert [file for file in gc.get_objects() if isinstance(file, Lingering) and not file.closed] == []


async def test_many_at_a_time(server: RawServer) -> None:
    """Fetches run side by side, each with its own answer."""
    urls = [server.answer(http(f"page {number}".encode()), path=f"/{number}") for number in range(20)]
    async with HttpFetcher(FetchOptions(allow_private=True)) as fetcher:
        responses = await asyncio.gather(*(fetcher.fetch(request(url)) for url in urls))
    assert [response.body.data for response in responses] == [f"page {number}".encode() for number in range(20)]


@pytest.mark.parametrize("end", [close, reset])
async def test_a_server_that_was_restarted_costs_nobody_a_try(server: RawServer, end: Step) -> None:
    """When all idle connections end just as they are used again, each request is sent once more, and over a fresh one."""
    together, old = threading.Barrier(MANY), []

    def before_it(connection: Connection) -> None:
        old.append(connection)
        together.wait(5)

    def after_it(connection: Connection) -> None:
        if connection in old:
            end(connection)  # type: ignore[operator]

    first = server.answer(before_it, http(b"before"), path="/before")
    second = server.answer(after_it, http(b"after"), path="/after")
    async with HttpFetcher(FetchOptions(allow_private=True)) as fetcher:
        before = await asyncio.gather(*(fetcher.fetch(request(first)) for _ in range(MANY)))
        after = [await fetcher.fetch(request(second)) for _ in range(MANY)]

    assert [response.body.data for response in before] == [b"before"] * MANY
    assert [response.body.data for response in after] == [b"after"] * MANY


async def test_a_whole_body_stays_whole_whatever_comes_after_it(server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that has arrived but is not read to its end yet is not touched by the next answer on its connection, however broken."""
    is_writing, may_write, is_idle = threading.Event(), asyncio.Event(), asyncio.Event()
    write, release = SpoolFile.write, Pool._release

    async def slow_write(file: SpoolFile, data: bytes) -> None:
        is_writing.set()
        await may_write.wait()
        await write(file, data)

    def observed_release(pool: Pool, *arguments: Any, **keywords: Any) -> None:
        release(pool, *arguments, **keywords)
        is_idle.set()

    monkeypatch.setattr(SpoolFile, "write", slow_write)
    monkeypatch.setattr(Pool, "_release", observed_release)
    body = bytes(100_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    whole = server.answer(head + body[:50_000], lambda connection: ignore(is_writing.wait(5)), body[50_000:], path="/whole")
    flood = server.answer(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", close, path="/flood")
    async with HttpFetcher(FetchOptions(allow_private=True, spool_threshold=1000), tmp_path) as fetcher:
        first = asyncio.create_task(fetcher.fetch(request(whole)))
        await is_idle.wait()
        broken = await fetcher.fetch(request(flood))
        may_write.set()
        response = await first

    assert broken.error is not None
    assert server.connections == 1
    assert (response.error, response.body.read()) == (None, body)


@pytest.mark.parametrize("end", [close, reset])
@pytest.mark.parametrize("coding", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
async def test_a_body_that_ends_while_nobody_reads_is_cut(
    server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Step, coding: bytes
) -> None:
    """What is cut short while its beginning is still on its way to the disk is `truncated`, as when somebody waits for it."""
    is_writing, is_lost = threading.Event(), asyncio.Event()
    write, lost = SpoolFile.write, _Protocol.connection_lost

    async def slow_write(file: SpoolFile, data: bytes) -> None:
        is_writing.set()
        await is_lost.wait()
        await write(file, data)

    def observed_loss(protocol: _Protocol, exc: BaseException | None) -> None:
        lost(protocol, exc)
        is_lost.set()

    monkeypatch.setattr(SpoolFile, "write", slow_write)
    monkeypatch.setattr(_Protocol, "connection_lost", observed_loss)
    head = b"HTTP/1.1 200 OK\r\n" + coding + b"\r\n\r\n" + (b"" if b"Length" in coding else b"186A0\r\n")
    url = server.answer(head + bytes(50_000), lambda connection: ignore(is_writing.wait(5)), end)
    async with HttpFetcher(FetchOptions(allow_private=True, spool_threshold=1000), tmp_path) as fetcher:
        response = await fetcher.fetch(request(url))

    assert response.error is not None
    assert response.error.kind == "truncated"


async def test_the_peers_outage_is_told_from_ours(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """When this process has no file left for a socket, the detail begins with EMFILE: the site is not to blame."""

    def no_socket(*arguments: object, **keywords: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    url = server.answer(http(b""))
    async with HttpFetcher(FetchOptions(allow_private=True)) as fetcher:
        monkeypatch.setattr("crawler.fetch.guard.socket.socket", no_socket)
        response = await fetcher.fetch(request(url))

    assert response.error is not None
    assert (response.error.kind, response.error.detail[:6]) == ("internal", "EMFILE")


async def test_closing_leaves_nothing_behind(server: RawServer) -> None:
    """After `async with` there is no thread, task or socket of the fetcher left."""
    url = server.answer(http(b"hello"), host="localhost")
    tasks = asyncio.all_tasks()
    async with HttpFetcher(FetchOptions(allow_private=True)) as fetcher:
        assert (await fetcher.fetch(request(url))).error is None
        assert any(thread.name == "resolver" for thread in threading.enumerate())
    for thread in threading.enumerate():
        if thread.name == "resolver":
            thread.join(1)
            assert not thread.is_alive()
    assert asyncio.all_tasks() == tasks
