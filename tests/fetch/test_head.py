"""A probe: HEAD at the first try, GET at the next, and of neither answer the body."""

from __future__ import annotations

import gzip

import pytest
from fetching import FetchAll
from raw_server import RawServer, hang, http

from crawler.model import Request

pytestmark = pytest.mark.filterwarnings("error")

HEADS = (
    b"Content-Length: 99999999999\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\nContent-Length: 12\r\n",
    b"Content-Length: 5\r\nContent-Type: text/html\r\n", b"",
)  # fmt: skip


def probe(url: str, attempts: int = 0) -> Request:
    return Request(url, 1, "host", "probe", attempts=attempts)


@pytest.mark.parametrize("head", HEADS)
def test_a_head_has_no_body_whatever_it_says_of_one(server: RawServer, fetch_all: FetchAll, head: bytes) -> None:
    """Its length, coding and framing are those that a GET would have: nothing is waited for, nothing is too large or cut off, and the
    connection carries the next request."""
    url = server.answer(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
    again = server.answer(http(b"page"), path="/page")

    first, second, page = fetch_all([probe(url), probe(url), again])

    for response in (first, second):
        assert (response.status, response.error, response.body.size) == (200, None, 0)
    assert page.body.data == b"page"
    asked = [line for line in (head.split(b"\r\n")[0] for head in server.heads) if b"kept-alive" not in line]
    assert asked == [b"HEAD / HTTP/1.1", b"HEAD / HTTP/1.1", b"GET /page HTTP/1.1"]
    assert server.connections == 1 or not head  # without a length, some take the end of the connection for it


def test_of_a_get_the_headers_are_enough(server: RawServer, fetch_all: FetchAll) -> None:
    """A body that never ends, or cannot be decoded, is not looked at."""
    endless = server.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegins", hang)
    broken = server.answer(http(gzip.compress(b"x")[:9], "Content-Encoding: gzip"), path="/broken")
    gone = server.answer(http(b"not here", status="404 Not Found"), path="/gone")

    answers = fetch_all([probe(url, attempts=1) for url in (endless, broken, gone)])

    assert [(response.status, response.error, response.body.size) for response in answers] == [
        (200, None, 0),
        (200, None, 0),
        (404, None, 0),
    ]
    assert all(asked.startswith(b"GET ") for asked in server.heads)


def test_a_head_that_is_answered_with_a_body_spoils_nothing(server: RawServer, fetch_all: FetchAll) -> None:
    """A server that sends one all the same: whatever is asked next is answered as it is. What came may be called no HTTP, for which a
    probe is asked again with GET."""
    rude = server.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
    page = server.answer(http(b"page"), path="/page")

    first, second = fetch_all([probe(rude), probe(page, attempts=1)])

    assert first.status == 200 or (first.error is not None and first.error.kind == "protocol")
    assert (second.status, second.error) == (200, None)
