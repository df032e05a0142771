"""What both fetchers promise alike: truth about every answer, on real sockets."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fetching import request, resolved
from raw_server import CHUNKED, Connection, RawServer, Step, chunk, close, hang, http, pause, reset

from crawler.core.media_types import MediaTypes
from crawler.core.retry import TooLate
from crawler.model import Response

Fetch = Callable[..., Response]
FetchAll = Callable[..., list[Response]]

OK = b"HTTP/1.1 200 OK\r\n"
SHORT = {"timeout": 0.2, "read_timeout": 0.1, "connect_timeout": 0.2}


def outcome(response: Response) -> tuple[int, bytes | None, str]:
    return response.status, response.body.data, response.error.kind if response.error else "ok"


# Answers as they should be.


def test_a_page(server: RawServer, fetch: Fetch) -> None:
    """Status, headers, body, digest and times of an ordinary answer."""
    response = fetch(server.answer(http(b"hello", "Content-Type: text/html")))

    assert outcome(response) == (200, b"hello", "ok")
    assert response.headers == (("Content-Length", "5"), ("Content-Type", "text/html"))
    assert (response.body.size, response.body.sha256) == (5, sha256(b"hello").hexdigest())
    assert response.ttfb is not None
    assert 0 < response.ttfb <= response.elapsed < 2


def test_a_request_leaves_when_its_connection_is_open(server: RawServer, new_server: Callable[..., RawServer], fetch_all: FetchAll) -> None:
    """That is told right before and right after each request that is sent, over a connection that is new or was open: where nobody
    listens, or no TLS is agreed on, nothing is sent."""
    deaf = new_server()
    deaf.stop()
    urls = [server.answer(http(b"a")), server.answer(http(b"b"), path="/b"), server.url().replace("http:", "https:"), deaf.url()]
    left: list[tuple[str, bool]] = []
    responses = [fetch_all([url], leaves=lambda is_sent, url=url: left.append((url, is_sent)))[0] for url in urls]

    assert [outcome(response)[2] for response in responses][::3] == ["ok", "refused"]
    assert left == [(url, is_sent) for url in urls[:2] for is_sent in (False, True)]
    left.clear()
    fetch_all(urls[:2], leaves=lambda is_sent: left.append(("again", is_sent)))
    assert left == [("again", False), ("again", True)] * 2


def test_nothing_is_sent_that_may_not_leave(server: RawServer, fetch_all: FetchAll) -> None:
    """What `leaves` raises is the error of that request, of which no byte goes out, over a connection that is new or was open; the next
    one is not disturbed."""
    url = server.answer(http(b"a"))

    def too_late(is_sent: bool) -> None:
        raise TooLate("somebody else has the host")

    assert [outcome(fetch_all([url], leaves=too_late)[0])[2] for _ in range(2)] == ["internal", "internal"]
    assert (len(server.heads), outcome(fetch_all([url])[0])[2], len(server.heads)) == (0, "ok", 1)
    calls = count()
    said = fetch_all([url, url, url], leaves=lambda is_sent: too_late(is_sent) if next(calls) == 2 else None)
    assert [str(each.error or "ok") for each in said] == ["ok", "internal: TooLate: somebody else has the host", "ok"]
    assert len(server.heads) == 3


def test_headers_keep_order_case_and_duplicates(server: RawServer, fetch: Fetch) -> None:
    """Headers come as they were sent, in Latin-1, without the space around their values."""
    response = fetch(server.answer(OK + b"b-Two: 1\r\nSET-COOKIE: x=1\r\nb-Two:  caf\xe9 \r\nset-cookie: y=2\r\nContent-Length:0\r\n\r\n"))

    expected = [("b-Two", "1"), ("SET-COOKIE", "x=1"), ("b-Two", "café"), ("set-cookie", "y=2"), ("Content-Length", "0")]
    assert list(response.headers) == expected


@pytest.mark.parametrize(
    ("steps", "body"),
    [
        ((CHUNKED + chunk(b"hel") + chunk(b"lo") + chunk(b""),), b"hello"),
        ((CHUNKED + chunk(b"hel"), pause, b"2;name=value\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"), b"hello"),
        ((OK + b"\r\nhello", close), b"hello"),
        ((OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", close), b"hello"),
        ((b"HTTP/1.0 200 OK\r\n\r\nhello", close), b"hello"),
        ((b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",), b"hello"),
        ((b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",), b"hello"),
        ((b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + http(b"hello"),), b"hello"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", pause, http(b"hello")), b"hello"),
        ((http(b""),), b""),
        ((OK + b"Content-Length: 5\r\nX-Folded: one\r\n  two\r\n\r\nhello",), b"hello"),
        ((OK + b"".join(b"X-%d: y\r\n" % number for number in range(250)) + b"Content-Length: 5\r\n\r\nhello",), b"hello"),
        ((CHUNKED + b"5\r\nhello\n0\r\n\r\n",), b"hello"),
    ],
    ids=[
        "chunked",
        "chunked-late",
        "to-the-end",
        "closing",
        "http-1.0",
        "no-reason",
        "bare-lf",
        "103",
        "100",
        "empty",
        "folded",
        "long-header",
        "chunk-lf",
    ],
)
def test_every_framing(server: RawServer, fetch: Fetch, steps: tuple[Step, ...], body: bytes) -> None:
    """The body ends where its framing says (RFC 9112, 6.3)."""
    assert outcome(fetch(server.answer(*steps))) == (200, body, "ok")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_without_a_body(server: RawServer, fetch_all: FetchAll, status: str) -> None:
    """204 and 304 have no body, whatever their Content-Length says, and the connection goes on."""
    first = server.answer(f"HTTP/1.1 {status}\r\nContent-Length: 99999999999\r\n\r\n".encode(), path="/a")
    second = server.answer(http(b"next"), path="/b")

    one, two = fetch_all([first, second])

    assert outcome(one) == (int(status[:3]), b"", "ok")
    assert outcome(two) == (200, b"next", "ok")


@pytest.mark.parametrize("status", ["301 Moved", "404 Not Found", "503 Busy", "999 What"])
def test_other_statuses_are_answers(server: RawServer, fetch: Fetch, status: str) -> None:
    """A redirect is not followed; errors of HTTP are answers with a body."""
    response = fetch(server.answer(http(b"body", "Location: /b", status=status)))

    assert outcome(response) == (int(status[:3]), b"body", "ok")
    assert len(server.heads) == 1


MOVED = b"HTTP/1.1 301 Moved\r\nLocation: /b\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 100\r\n\r\nhalf",
        b"Content-Length: 999999999999\r\n\r\nx",
        b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
        b"Content-Encoding: nobody-knows\r\nContent-Length: 5\r\n\r\nplain",
        b"Transfer-Encoding: chunked\r\n\r\nff\r\nhalf",
    ],
    ids=["cut", "huge", "no-gzip", "unknown-coding", "half-a-chunk"],
)
def test_of_a_redirect_the_headers_are_enough(server: RawServer, fetch: Fetch, rest: bytes) -> None:
    """Whatever is wrong with the body of a redirect, it leads on, as in browsers; one that leads nowhere has its error."""
    response = fetch(server.answer(MOVED + rest, close))

    assert outcome(response) == (301, b"", "ok")
    assert response.header("location") == "/b"
    assert fetch(server.answer(MOVED.replace(b"Location", b"Elsewhere") + rest, close, path="/nowhere")).error is not None


PART = http(b"hello", "Content-Range: bytes 0-4/1000", status="206 Partial Content")


def test_a_part_that_nobody_asked_for(server: RawServer, fetch: Fetch) -> None:
    """A 206 without a Range in the request is no page: `protocol` (RFC 9110, 15.3.7)."""
    assert outcome(fetch(server.answer(PART))) == (206, b"", "protocol")


def test_a_part_that_was_asked_for(server: RawServer, fetch: Fetch) -> None:
    """Whoever sends a Range, for all or for one request, has the part."""
    url = server.answer(PART)

    assert outcome(fetch(url, headers=(("range", "bytes=0-4"),))) == (206, b"hello", "ok")
    assert outcome(fetch(request(url, ("Range", "bytes=0-4")))) == (206, b"hello", "ok")


# Connections.


def test_connections_are_kept(server: RawServer, fetch_all: FetchAll) -> None:
    """Requests to one host go over one connection."""
    url = server.answer(http(b"hello"))
    chunked = server.answer(CHUNKED + chunk(b"x") + chunk(b""), path="/chunked")

    responses = fetch_all([url, chunked] * 5)

    assert [response.error for response in responses] == [None] * 10
    assert (server.connections, len(server.heads)) == (1, 10)


@pytest.mark.parametrize("end", [close, reset])
def test_an_idle_connection_that_was_closed_does_no_harm(server: RawServer, fetch_all: FetchAll, end: Step) -> None:
    """When the server closes a kept connection just as it is used again, the request is sent once more (RFC 9110, 9.2.2)."""
    first = server.answer(http(b"one"), path="/1")
    second = server.url("/2")

    def once_closed(connection: Connection) -> None:
        if server.connections == 1:
            end(connection)  # type: ignore[operator]
        else:
            connection.sock.sendall(http(b"two"))

    server.answer(once_closed, path="/2")

    assert [outcome(response) for response in fetch_all([first, second])] == [(200, b"one", "ok"), (200, b"two", "ok")]
    assert server.connections == 2


@pytest.mark.parametrize("end", [close, reset])
def test_a_fresh_connection_that_is_dropped_is_not_tried_again(server: RawServer, fetch: Fetch, end: Step) -> None:
    """The server did get that request; whether and when to ask again is not the fetcher's to decide. Only after a used one, which
    may have been closed just before, a fresh one is asked."""
    response = fetch(server.answer(end))

    assert outcome(response) == (0, b"", "reset")
    assert len(server.heads) == server.connections <= 2


def test_after_a_failure_the_next_request_is_sound(server: RawServer, fetch_all: FetchAll) -> None:
    """What is left of a broken answer never becomes part of the next one."""
    broken = server.answer(OK + b"Content-Length: 50\r\n\r\nhalf", hang, path="/broken")
    whole = server.answer(http(b"whole"), path="/whole")

    responses = fetch_all([broken, whole, broken, whole], **SHORT)

    assert [outcome(response) for response in responses] == [(200, b"", "timeout"), (200, b"whole", "ok")] * 2


def test_an_answer_that_nobody_asked_for_is_nobodys(server: RawServer, new_server: Callable[..., RawServer], fetch_all: FetchAll) -> None:
    """What a server sends on an idle connection is not taken for the answer to the next request there."""
    sent = threading.Event()

    def unasked(connection: Connection) -> None:
        connection.sock.sendall(http(b"not yours"))
        sent.set()

    def meanwhile(connection: Connection) -> None:
        sent.wait(5)
        pause(connection)

    first = server.answer(http(b"one"), pause, unasked, path="/1")
    elsewhere = new_server().answer(meanwhile, http(b"elsewhere"))
    second = server.answer(http(b"two"), path="/2")

    assert [outcome(response)[1] for response in fetch_all([first, elsewhere, second])] == [b"one", b"elsewhere", b"two"]


def test_a_connection_refused(server: RawServer, fetch: Fetch) -> None:
    """Nobody listens: `refused`."""
    server.stop()

    response = fetch(server.url("/"))

    assert outcome(response) == (0, b"", "refused")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b.example", "x" * 64 + ".example"])
def test_a_name_that_does_not_exist(fetch: Fetch, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown or impossible name: `dns`."""
    import socket

    def unknown(name: str, *arguments: Any, **keywords: Any) -> Any:
        name.encode("idna")  # as getaddrinfo does
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert outcome(fetch(f"http://{host}/")) == (0, b"", "dns")


def test_a_name_server_that_is_silent(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody answers for costs the time that was set, and is trouble of the host: `dns`."""
    import socket

    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **keywords: [over.wait(20)][1:])
    begun = time.monotonic()
    try:
        response = fetch("http://silent.example/", timeout=0.1)
    finally:
        over.set()

    assert str(response.error) == "dns: the name server did not answer within 0.1 s"
    assert time.monotonic() - begun < 10


# Answers that are not whole.


HALF = gzip.compress(b"x" * 10_000)[:20]


@pytest.mark.parametrize(
    "steps",
    [
        (OK + b"Content-Length: 50\r\n\r\nhello", close),
        (OK + b"Content-Length: 50\r\n\r\n", pause, b"hello", pause, close),
        (OK + b"Content-Length: 50\r\n\r\nhello", pause, reset),
        (CHUNKED + chunk(b"hello"), close),
        (CHUNKED + b"5\r\nhel", pause, close),
        (CHUNKED + chunk(b"hello"), pause, reset),
        (CHUNKED + chunk(b"hello") + b"0\r\n", close),
        (OK + b"\r\nhello", pause, reset),
        (http(HALF, "Content-Encoding: gzip"),),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n") + chunk(HALF) + chunk(b""),),
        (http(zlib.compress(b"x" * 10_000)[:-4], "Content-Encoding: deflate"),),
        (http(gzip.compress(b"hello")[:-1], "Content-Encoding: x-gzip"),),
    ],
    ids=[
        "length", "length-late", "length-reset", "chunks", "chunk", "chunks-reset", "last-line", "to-the-end-reset",
        "gzip", "gzip-chunked", "deflate", "x-gzip",
    ],
)  # fmt: skip
def test_a_body_that_ends_early_is_never_called_whole(server: RawServer, fetch: Fetch, steps: tuple[Step, ...]) -> None:
    """Fewer bytes than were promised, or a coding without its end mark: `truncated`."""
    assert outcome(fetch(server.answer(*steps))) == (200, b"", "truncated")


@pytest.mark.parametrize(
    "steps",
    [
        (b"FOO BAR BAZ\r\n\r\n",),
        (b"\x15\x03\x01\x00\x02\x02\x0a", close),
        (b"HTTP/1.1 20x OK\r\n\r\n",),
        (OK + b"".join(b"X-%d: y\r\n" % number for number in range(5000)) + b"\r\n",),
        (OK + b"X: " + b"y" * 300_000 + b"\r\n\r\n",),
        (OK + b"no colon here\r\nContent-Length: 5\r\n\r\nhello",),
        (OK + b"a name: x\r\nContent-Length: 5\r\n\r\nhello",),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",),
        (OK + b"Content-Length : 5\r\n\r\nhello",),
        (OK + b"X(: y\r\nContent-Length: 5\r\n\r\nhello",),
        (OK + b"Content-Length: -5\r\n\r\nhello",),
        (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello",),
        (OK + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",),
        (OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: identity\r\n\r\nWorld"), close),
        (CHUNKED + b"zz\r\nhello\r\n",),
        (CHUNKED + chunk(b"hello"), pause, b"zz\r\nhello\r\n"),
        (CHUNKED + b"-1\r\nhello\r\n",),
        (CHUNKED + b"5\nhello\r\n0\r\n\r\n",),
        (CHUNKED + b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",),
        (CHUNKED + b"5\r\nhello\r\n0\r\nno colon here\r\n\r\n",),
        (CHUNKED + b"3\r\nabcXX5\r\nhello\r\n0\r\n\r\n",),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",),
    ],
    ids=[
        "status-line", "tls-alert", "status", "flood", "long-line", "no-colon", "name", "two-lengths",
        "space-before-colon", "letters-of-name", "negative-length", "endless-length", "length-and-identity",
        "length-and-chunks", "transfer-gzip", "transfer-twice", "chunk", "chunk-late",
        "negative-chunk", "chunk-lf", "trailers", "trailer", "end-of-chunk", "101",
    ],
)  # fmt: skip
def test_what_is_no_valid_http_is_not_guessed_at(server: RawServer, fetch: Fetch, steps: tuple[Step, ...]) -> None:
    """Nonsense in status line, header or framing: `protocol`, and nothing of it is taken for a page."""
    response = fetch(server.answer(*steps), read_timeout=0.2)

    assert (response.body.size, response.error and response.error.kind) == (0, "protocol")


def test_a_chunk_extension_never_becomes_the_body(server: RawServer, fetch: Fetch) -> None:
    """However long the line of a chunk's size is, what follows in it is no part of the body."""
    extension = b"a" * (64 * 1024 - 1) + b"12345"

    response = fetch(server.answer(CHUNKED + b"5;" + extension + b"\r\n0\r\n\r\n", pause, b"\r\n0\r\n\r\n"))

    assert outcome(response) in ((200, b"0\r\n\r\n", "ok"), (200, b"", "protocol"))


def test_answers_of_others(server: RawServer, fetch_all: FetchAll, corpora: Path) -> None:
    """llhttp's cases: each ends with an answer or an error from the network's side of the set; what is called whole is what llhttp
    reads, and what llhttp refuses is not (a lone LF for CRLF excepted, which RFC 9112, 2.2, lets us read)."""
    cases = json.loads((corpora / "http_responses.json").read_text())["data"]
    urls = [server.answer(case["bytes"]["latin1"].encode("latin-1"), close, path=f"/{number}") for number, case in enumerate(cases)]

    for case, response in zip(cases, fetch_all(urls), strict=True):
        assert response.error is None or response.error.kind in ("protocol", "truncated", "reset")
        strict = case["mode"] == "response"
        if strict and response.error is None and case["complete"] and response.status not in (204, 304):
            assert response.body.data == case["body"].encode("latin-1")
        if strict and response.error is None and response.status != 204:
            assert case["error"] in (None, "Missing expected CR after response line", "Invalid character in chunk extensions")


@pytest.mark.parametrize("steps", [(close,), (reset,), (OK + b"Content-Le", close), (OK + b"Content-Length: 0\r\n", close)])
def test_an_answer_that_ends_before_its_headers_do(server: RawServer, fetch: Fetch, steps: tuple[Step, ...]) -> None:
    """No whole header: `reset`, with status 0."""
    assert outcome(fetch(server.answer(*steps))) == (0, b"", "reset")


# Waiting.


def drip(*pieces: bytes) -> Step:
    def step(connection: Connection) -> None:
        for piece in pieces * 1000:
            connection.sock.sendall(piece)
            if connection.server.over.wait(0.02):
                return

    return step


@pytest.mark.parametrize(
    ("steps", "status", "words"),
    [
        ((hang,), 0, "no headers within 0.2 s"),
        ((OK, hang), 0, "no headers within 0.2 s"),
        ((b"HTTP/1.1 200 ", drip(b"O")), 0, "no headers within 0.2 s"),
        ((OK, drip(b"X: y\r\n")), 0, "no headers within 0.2 s"),
        ((OK + b"Content-Length: 50\r\n\r\nhello", hang), 200, "no data for 0.1 s"),
        ((CHUNKED + chunk(b"hello"), hang), 200, "no data for 0.1 s"),
        ((OK + b"Content-Length: 50000\r\n\r\n", drip(b"x")), 200, "less than 1 KB/s"),
        ((CHUNKED, drip(chunk(b"x"))), 200, "less than 1 KB/s"),
        ((CHUNKED + b"ffff\r\n", drip(b"x")), 200, "less than 1 KB/s"),
    ],
    ids=[
        "silence", "status-line-only", "dripping-line", "dripping-headers", "silence-in-body", "silence-in-chunks",
        "dripping-body", "dripping-chunks", "dripping-chunk",
    ],
)  # fmt: skip
def test_nobody_keeps_us_waiting(server: RawServer, fetch: Fetch, steps: tuple[Step, ...], status: int, words: str) -> None:
    """Headers have one deadline, each read of the body has one, and the body has a lowest speed: all end as `timeout`, in time."""
    patience = SHORT | {"read_timeout": 2.0} if "KB/s" in words else SHORT  # a drip may be late, with a machine that is busy
    began = time.monotonic()

    response = fetch(server.answer(*steps), **patience)

    assert outcome(response) == (status, b"", "timeout")
    assert response.error is not None
    assert words in response.error.detail
    assert time.monotonic() - began < 10  # they drip for twenty seconds, or say nothing until the end


@pytest.mark.parametrize(("timeout", "connect", "seconds"), [(2.0, 0.2, "0.2"), (0.2, 10.0, "0.18")])
def test_a_connection_that_is_not_accepted(fetch: Fetch, timeout: float, connect: float, seconds: str) -> None:
    """A host that does not answer a connection at all: `timeout`, and it says so, also when the headers are due before a connection
    would be."""
    import socket

    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(4)]  # what no accept() takes fills the queue; from then on SYNs are dropped
    for sock in waiting:
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
    try:
        response = fetch(f"http://127.0.0.1:{full.getsockname()[1]}/", timeout=timeout, connect_timeout=connect)
    finally:
        for sock in (full, *waiting):
            sock.close()

    assert outcome(response) == (0, b"", "timeout")
    assert response.error is not None
    assert response.error.detail == f"no connection within {seconds} s"


# Sizes.


@cache
def bomb(size: int) -> bytes:
    packed = zlib.compressobj(1, wbits=31)
    return b"".join([*(packed.compress(bytes(2**20)) for _ in range(size // 2**20)), packed.flush()])


@pytest.mark.parametrize("spooled", [False, True])
def test_a_bomb_is_defused(server: RawServer, fetch: Fetch, tmp_path: Path, spooled: bool) -> None:
    """64 MiB of zeros in 300 KB: `too_big`, and no file is left."""
    url = server.answer(http(bomb(64 * 2**20), "Content-Encoding: gzip"))

    response = fetch(url, tmp_path if spooled else None, max_body=2**20)

    assert outcome(response) == (200, b"", "too_big")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "steps",
    [
        (http(bytes(1001)),),
        (OK + b"Content-Length: 99999999999999\r\n\r\n", hang),
        (CHUNKED + chunk(bytes(1001)) + chunk(b""),),
        (OK + b"\r\n" + bytes(1001), close),
    ],
    ids=["length", "length-only", "chunked", "to-the-end"],
)
def test_the_limit_is_exact(server: RawServer, fetch: Fetch, steps: tuple[Step, ...]) -> None:
    """One byte beyond the limit is too much, and what is announced as too much is not waited for."""
    assert outcome(fetch(server.answer(*steps), max_body=1000)) == (200, b"", "too_big")


def test_exactly_the_limit_is_fine(server: RawServer, fetch: Fetch) -> None:
    """A body as large as the limit is a whole one, also when it was compressed."""
    for steps in ((http(bytes(1000)),), (http(gzip.compress(bytes(1000)), "Content-Encoding: gzip"),)):
        assert outcome(fetch(server.answer(*steps), max_body=1000)) == (200, bytes(1000), "ok")


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_large_bodies_go_to_a_file(server: RawServer, fetch: Fetch, tmp_path: Path, coding: str) -> None:
    """A body above the threshold is in a new file in the spool folder, decoded, with its size and digest."""
    body = b"".join(b"%08d" % number for number in range(200_000))
    sent = http(gzip.compress(body), "Content-Encoding: gzip") if coding else http(body)

    response = fetch(server.answer(sent), tmp_path / "new" / "spool", spool_threshold=100_000)

    assert response.error is None
    assert response.body.data is None
    assert response.body.path is not None
    assert response.body.path.read_bytes() == body
    assert response.body.read() == body
    assert (response.body.size, response.body.sha256) == (len(body), sha256(body).hexdigest())
    assert [response.body.path] == list((tmp_path / "new" / "spool").iterdir())


def test_small_bodies_stay_in_memory(server: RawServer, fetch: Fetch, tmp_path: Path) -> None:
    """Up to the threshold no file is made."""
    response = fetch(server.answer(http(bytes(1000))), tmp_path, spool_threshold=1000)

    assert (response.body.data, response.body.path) == (bytes(1000), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", [close, hang])
def test_a_large_body_that_breaks_off_leaves_no_file(server: RawServer, fetch: Fetch, tmp_path: Path, end: Step) -> None:
    """The file of a body that is not whole is removed."""
    response = fetch(server.answer(OK + b"Content-Length: 999999\r\n\r\n" + bytes(500_000), end), tmp_path, **SHORT)

    assert response.error is not None
    assert (response.body.size, response.body.path) == (0, None)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_with_its_name(server: RawServer, fetch: Fetch, tmp_path: Path) -> None:
    """What the disk refuses is `internal`; the detail begins with the name of the error."""
    spool = tmp_path / "spool"

    def lose_the_folder(connection: Connection) -> None:
        spool.rmdir()

    response = fetch(server.answer(lose_the_folder, http(bytes(500_000))), spool)

    assert response.error is not None
    assert (response.error.kind, response.error.detail[:6]) == ("internal", "ENOENT")


# What is sent.


def sent(server: RawServer, index: int = -1) -> dict[str, str]:
    lines = server.heads[index].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_the_request(server: RawServer, fetch: Fetch) -> None:
    """GET over HTTP/1.1 for exactly the path and query of the URL, with our name and what we can read."""
    path = "/a%20b/%e4|x;y=1?q=1&%5b=[2]&r=a+b"
    fetch(server.answer(http(b""), path=path), user_agent="tester/1 (+https://example.org)")

    assert server.heads[0].split(b"\r\n")[0] == f"GET {path} HTTP/1.1".encode()
    headers = sent(server)
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["user-agent"] == "tester/1 (+https://example.org)"
    assert headers["accept"].startswith("text/html,")
    assert headers["accept-encoding"].startswith("gzip, deflate")
    assert set(headers) <= {"host", "user-agent", "accept", "accept-encoding", "connection"}


@pytest.mark.parametrize("target", ["/p?", "/?", "/p", "/p??", "/p?a?", "/p?a", "//p?"])
def test_an_empty_query_is_asked_for(server: RawServer, fetch: Fetch, target: str) -> None:
    """`/p?` is another resource than `/p` (WHATWG URL, 4.5): the target is the URL's to the last character."""
    assert outcome(fetch(server.answer(http(b"here"), path=target))) == (200, b"here", "ok")

    assert {head.split()[1].decode() for head in server.heads} == {target}


def test_an_empty_query_is_told_a_proxy(server: RawServer, fetch: Fetch) -> None:
    """Through a proxy too."""
    server.answer(http(b"through"), path="http://site.example/p?")

    assert outcome(fetch("http://site.example/p?", proxy=f"http://127.0.0.1:{server.port}")) == (200, b"through", "ok")


def test_headers_of_the_user_and_of_the_request(server: RawServer, fetch: Fetch) -> None:
    """The options' headers replace the fetcher's own of the same name, and a request's replace both."""
    url = server.answer(http(b""))
    options = {"headers": (("ACCEPT", "text/plain"), ("X-One", "1"), ("x-two", "2"))}

    fetch(request(url, ("x-one", "one"), ("If-None-Match", '"tag"')), **options)

    headers = sent(server)
    assert (headers["accept"], headers["x-one"], headers["x-two"], headers["if-none-match"]) == ("text/plain", "one", "2", '"tag"')
    assert server.heads[0].lower().count(b"x-one:") == 1
    assert server.heads[0].lower().count(b"accept:") == 1


def test_credentials_go_to_their_origin_only(server: RawServer, new_server: Callable[[], RawServer], fetch_all: FetchAll) -> None:
    """Basic credentials, and Authorization or Cookie among the headers, are sent to the origins they are for and to no other."""
    other = new_server()
    urls = [server.answer(http(b"")), other.answer(http(b""))]
    origins = frozenset({f"http://127.0.0.1:{server.port}"})

    fetch_all(urls, auth=("user", "pass:word"), headers=(("Cookie", "secret=1"), ("X-Open", "1")), auth_origins=origins)

    assert (sent(server)["authorization"], sent(server)["cookie"]) == ("Basic dXNlcjpwYXNzOndvcmQ=", "secret=1")
    assert (sent(server)["x-open"], sent(other)["x-open"]) == ("1", "1")
    assert not {"authorization", "cookie"} & set(sent(other))


def test_credentials_in_a_url(server: RawServer, fetch: Fetch) -> None:
    """`user:password@` in a URL becomes Basic credentials of that request, and is not sent as part of the URL."""
    server.answer(http(b""))

    assert fetch(f"http://us%40er:pa%3Ass@127.0.0.1:{server.port}/").error is None

    assert sent(server)["authorization"] == "Basic dXNAZXI6cGE6c3M="
    assert sent(server)["host"] == f"127.0.0.1:{server.port}"


# Cookies.


def test_cookies_come_back_to_their_origin_only(server: RawServer, new_server: Callable[[], RawServer], fetch_all: FetchAll) -> None:
    """A cookie returns to the origin and path that set it, also when that is an address, and never to another port or host."""
    other = new_server()
    set_cookie = ("Set-Cookie: id=42; HttpOnly", "Set-Cookie: deep=1; Path=/deep", "Set-Cookie: far=1; Domain=example.org")
    first = server.answer(http(b"", *set_cookie))
    urls = [
        first,
        first,
        server.answer(http(b""), path="/deep/er"),
        other.answer(http(b"")),
        server.answer(http(b""), path="/x", host="localhost"),
    ]

    fetch_all(urls)

    assert "cookie" not in sent(server, 0)
    assert sent(server, 1)["cookie"] == "id=42"
    assert sent(server, 2)["cookie"] == "deep=1; id=42"
    assert "cookie" not in sent(other)
    assert "cookie" not in sent(server, 3)


def test_without_cookies(server: RawServer, fetch_all: FetchAll) -> None:
    """With the jar off nothing comes back."""
    url = server.answer(http(b"", "Set-Cookie: id=42"))

    fetch_all([url, url], cookies=False)

    assert "cookie" not in sent(server)


def test_cookies_from_a_file(server: RawServer, fetch_all: FetchAll, tmp_path: Path) -> None:
    """A Netscape cookie file is sent to the hosts it names."""
    file = tmp_path / "cookies.txt"
    lines = ["# Netscape HTTP Cookie File", "127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tid\tmine", ".example.org\tTRUE\t/\tFALSE\t0\tother\t1"]
    file.write_text("\n".join(lines) + "\n")

    fetch_all([server.answer(http(b""))], cookies_file=file)

    assert sent(server)["cookie"] == "id=mine"


def test_cookies_are_kept_from_one_run_to_the_next(server: RawServer, fetch: Fetch, tmp_path: Path) -> None:
    """With `cookies_kept` a second fetcher sends what the first one was given."""
    url = server.answer(http(b"", "Set-Cookie: id=42"))

    for _ in range(2):
        fetch(url, cookies_kept=tmp_path / "cookies.json")

    assert "cookie" not in sent(server, 0)
    assert sent(server, 1)["cookie"] == "id=42"


# Addresses.


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_private_addresses_are_refused(server: RawServer, fetch: Fetch, host: str) -> None:
    """An address that is not public is `blocked` before a byte leaves, as a literal and behind a name."""
    response = fetch(server.answer(http(b"secret"), host=host), allow_private=False)

    assert outcome(response) == (0, b"", "blocked")
    assert response.error is not None
    assert "loopback" in response.error.detail
    assert server.connections == 0


def test_a_seed_may_be_private(server: RawServer, fetch_all: FetchAll) -> None:
    """A host that was typed as a seed is asked wherever it is; another name for the same address, or another port, is not."""
    urls = [server.answer(http(b"mine"), host="localhost"), server.answer(http(b"mine"))]

    responses = fetch_all([*urls, urls[0]], allow_private=False, allowed_private=frozenset({f"localhost:{server.port}"}))

    assert [outcome(response)[2] for response in responses] == ["ok", "blocked", "ok"]


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"]])
def test_a_name_that_leads_inside(server: RawServer, fetch: Fetch, answers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A public name with private addresses is refused: what counts is where the socket goes."""
    resolve_to(monkeypatch, answers)

    response = fetch(f"http://public.example:{server.port}/", allow_private=False)

    assert outcome(response) == (0, b"", "blocked")
    assert server.connections == 0


def test_a_name_that_changes_its_mind(server: RawServer, fetch_all: FetchAll, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the check is on each connection's own address, so a second answer gains nothing."""
    url = server.answer(http(b"inside", "Connection: close"), close)
    asked = resolve_to(monkeypatch, ["198.51.100.1"], ["127.0.0.1"])

    responses = fetch_all([f"http://public.example:{server.port}/"] * 3, allow_private=False, **SHORT)

    assert url
    assert asked
    assert all(response.error is not None and response.error.kind in ("blocked", "timeout", "refused") for response in responses)
    assert server.connections == 0


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Makes every name resolve to the first list of addresses, then to the next; returns the names asked for."""
    import socket

    asked: list[str] = []

    def getaddrinfo(host: Any, port: int, *arguments: Any, **keywords: Any) -> list[Any]:
        addresses = answers[min(len(asked), len(answers) - 1)]
        asked.append(str(host))
        return resolved(addresses, port)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_names_are_looked_up_side_by_side(server: RawServer, fetch_all: FetchAll, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten names, ten lookups, each with its own answer."""
    asked = resolve_to(monkeypatch, ["127.0.0.1"])
    server.answer(http(b"here"))

    responses = fetch_all([f"http://host-{number}.example:{server.port}/" for number in range(10)])

    assert [outcome(response) for response in responses] == [(200, b"here", "ok")] * 10
    assert asked == [f"host-{number}.example" for number in range(10)]


# Proxies.


def test_a_proxy_is_told_the_whole_url(server: RawServer, fetch: Fetch) -> None:
    """With a proxy, the request goes there, whatever its address, and names the whole URL."""
    server.answer(http(b"through"), path="http://site.example/a?b=1")

    response = fetch("http://site.example/a?b=1", proxy=f"http://us:pw@127.0.0.1:{server.port}", allow_private=False)

    assert outcome(response) == (200, b"through", "ok")
    assert sent(server)["host"] == "site.example"
    assert sent(server)["proxy-authorization"] == "Basic dXM6cHc="


def test_a_tunnel_through_a_proxy(server: RawServer, fetch: Fetch, certificates: Callable[..., Path]) -> None:
    """For https the proxy opens a tunnel, and TLS is between us and the site: its name is checked, the proxy sees no request."""
    certificate = certificates("DNS:site.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def tunnel(connection: Connection) -> None:
        connection.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.sock = connection.server.track(context.wrap_socket(connection.sock, server_side=True))

    server.answer(tunnel, path="site.example:443")
    server.answer(http(b"through"), path="/a?b=1")
    proxy = f"http://us:pw@127.0.0.1:{server.port}"

    response = fetch("https://site.example/a?b=1", proxy=proxy, ca_certificate=certificate, allow_private=False)

    assert outcome(response) == (200, b"through", "ok")
    assert sent(server, 0)["proxy-authorization"] == "Basic dXM6cHc="
    assert sent(server, 1)["host"] == "site.example"
    assert "proxy-authorization" not in sent(server, 1)
    assert outcome(fetch("https://site.example/a?b=1", proxy=proxy)) == (0, b"", "tls")


def test_a_proxy_that_says_no(server: RawServer, fetch: Fetch) -> None:
    """A tunnel that the proxy does not open: `refused`, with what it said."""
    server.answer(http(b"", status="403 Forbidden"), path="site.example:443")

    response = fetch("https://site.example/", proxy=f"http://127.0.0.1:{server.port}")

    assert outcome(response) == (0, b"", "refused")
    assert response.error is not None
    assert "403" in response.error.detail


def test_a_proxy_that_is_not_there(server: RawServer, fetch: Fetch) -> None:
    """A proxy that cannot be reached is named as the culprit."""
    server.stop()

    response = fetch("http://site.example/", proxy=f"http://127.0.0.1:{server.port}")

    assert outcome(response) == (0, b"", "refused")
    assert response.error is not None
    assert "proxy" in response.error.detail


def test_proxies_of_the_environment(server: RawServer, fetch_all: FetchAll, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY counts, except for what NO_PROXY names; neither counts without `trust_env`."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.answer(http(b"proxy"), path="http://site.example/")
    direct = server.answer(http(b"direct"))

    responses = fetch_all(["http://site.example/", direct], trust_env=True)

    assert [response.body.data for response in responses] == [b"proxy", b"direct"]
    assert fetch_all([direct], trust_env=False)[0].body.data == b"direct"


def test_a_private_literal_is_refused_through_a_proxy_too(server: RawServer, fetch: Fetch) -> None:
    """A proxy inside a network must not be made to fetch its insides: what the URL itself says is still checked."""
    response = fetch("http://169.254.169.254/latest/", proxy=f"http://127.0.0.1:{server.port}", allow_private=False)

    assert outcome(response) == (0, b"", "blocked")
    assert server.connections == 0


# What is not wanted.


def test_of_a_type_that_is_refused_the_headers_are_enough(server: RawServer, fetch_all: FetchAll) -> None:
    """Its body is not waited for; pages that fail, and what has no type, are read all the same."""
    types = MediaTypes(accept=["text/html"])
    urls = [
        server.answer(http(b"page", "Content-Type: text/html; charset=utf-8"), path="/page"),
        server.answer(OK + b"Content-Type: image/png\r\nContent-Length: 100\r\n\r\nbegins", hang, path="/image"),
        server.answer(http(b"no type"), path="/none"),
        server.answer(http(b"gone", "Content-Type: image/png", status="404 Not Found"), path="/gone"),
    ]
    found = [outcome(response)[:2] for response in fetch_all(urls, types=types)]

    assert found == [(200, b"page"), (200, b""), (200, b"no type"), (404, b"gone")]


def test_bodies_are_read_no_faster_than_said(server: RawServer, fetch_all: FetchAll) -> None:
    """All together: three bodies of 5,000 bytes at 100,000 bytes a second take 0.15 s."""
    urls = [server.answer(http(bytes(5000)), path=f"/{number}") for number in range(3)]
    started = time.perf_counter()
    responses = fetch_all(urls, limit_rate=100_000)

    assert time.perf_counter() - started >= 0.15
    assert [response.body.size for response in responses] == [5000] * 3
