"""What `crawler.testing` promises to those who write tests with it."""

from __future__ import annotations

import asyncio
import http.client
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable

import pytest

from crawler.model import PageError, Request, Response
from crawler.testing import (
    Answer,
    FakeBlockingFetcher,
    FakeFetcher,
    Fault,
    Gate,
    PageValue,
    Site,
    SiteRequest,
    answer,
    in_turn,
    reachable,
    redirect,
)
from crawler.testing import site as start_site

NewSite = Callable[..., Site]


def get(web: Site, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(web.host, web.port, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(), {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


def exchange(web: Site, sent: bytes) -> bytes:
    """What comes back for these bytes until the site closes the connection."""
    with socket.create_connection((web.host, web.port), timeout=5) as connection:
        connection.sendall(sent)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


def received_until_silence(connection: socket.socket) -> bytes:
    """What comes before the socket's timeout strikes; the connection must still be open then."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except TimeoutError:
        return received
    raise AssertionError("the site closed the connection")


# Serving


def test_a_site_is_declared_inside_the_test_and_serves_blocking_code() -> None:
    """`with site({...})` answers what was declared and 404 for all else."""
    with start_site({"/": "<a href=/b>", "/b": b"bytes"}) as web:
        assert get(web)[:2] == (200, b"<a href=/b>")
        assert get(web, "/b")[1] == b"bytes"
        assert get(web, "/robots.txt")[0] == 404


async def test_a_site_serves_coroutines() -> None:
    """`async with site({...})` is the same, and serves while the test's own loop runs."""
    async with start_site({"/": "hello"}) as web:
        reader, writer = await asyncio.open_connection(web.host, web.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nhello")
        writer.close()
        await writer.wait_closed()


def test_a_site_serves_other_processes(site: Site) -> None:
    """A subprocess can ask it while the test waits for the subprocess."""
    site.page("/", "from afar")
    code = f"import urllib.request; print(urllib.request.urlopen({site.url()!r}).read().decode())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "from afar\n"


def test_after_the_block_nothing_listens() -> None:
    """Leaving the block frees the port and ends the thread."""
    with start_site() as web:
        threads = threading.active_count()
    assert threading.active_count() == threads - 1
    with pytest.raises(ConnectionRefusedError):
        get(web)


def test_the_log_tells_what_was_asked(site: Site) -> None:
    """Every request leaves a hit with its time, Host, method, path, status, connection and headers."""
    site.page("/a", "x")
    get(site, "/a?q=1", **{"X-Who": "me"})
    get(site, "/gone", method="HEAD")
    first, second = site.log
    assert (first.method, first.path, first.status, first.connection) == ("GET", "/a?q=1", 200, 1)
    assert (second.method, second.path, second.status, second.connection) == ("HEAD", "/gone", 404, 2)
    assert first.host == f"{site.host}:{site.port}"
    assert first.headers["x-who"] == "me"
    assert first.time <= second.time
    assert site.paths == ["/a?q=1", "/gone"]
    assert (site.count("/gone"), site.count("/never"), site.count()) == (1, 0, 2)


def test_pages_come_and_go_while_the_site_runs(site: Site) -> None:
    """`page()` adds and replaces, `remove()` makes a 404."""
    site.page("/a", links=["/b?x=1&y=2"])
    assert b'<a href="/b?x=1&amp;y=2">' in get(site, "/a")[1]
    site.page("/a", "new", status=410, headers={"X-A": "1"})
    status, body, headers = get(site, "/a")
    assert (status, body, headers["x-a"]) == (410, b"new", "1")
    site.remove("/a")
    assert get(site, "/a")[0] == 404


def test_a_page_may_be_a_function_of_the_request(site: Site) -> None:
    """The function gets method, target, headers and body; when it raises, the answer is a 500 that says so."""

    def echo(request: SiteRequest) -> Answer:
        return answer(201, f"{request.method} {request.path} {request.query} {request.headers['x-a']}")

    def broken(request: SiteRequest) -> str:
        raise KeyError("oops")

    site.page("/echo", echo)
    site.page("/broken", broken)
    assert get(site, "/echo?a=b", **{"X-A": "1"})[:2] == (201, b"GET /echo a=b 1")
    status, body, _ = get(site, "/broken")
    assert status == 500
    assert b"oops" in body


def test_a_query_of_its_own_goes_before_the_path(site: Site) -> None:
    """A page declared with a query answers that query, the one without all others."""
    site.page("/p", "any")
    site.page("/p?page=2", "second")
    assert [get(site, path)[1] for path in ("/p", "/p?page=1", "/p?page=2")] == [b"any", b"any", b"second"]


def test_answers_in_turn_end_with_the_last(site: Site) -> None:
    """A page that recovers: first 503, then fine for ever."""
    site.page("/", in_turn(answer(503), "fine"))
    assert [get(site)[0] for _ in range(3)] == [503, 200, 200]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("/", "x", "text/html; charset=utf-8"),
        ("/", b"x", "text/html"),
        ("/robots.txt", "x", "text/plain; charset=utf-8"),
        ("/sitemap.xml", "x", "application/xml"),
        ("/a.png?v=1", b"x", "image/png"),
        ("/", answer(headers={"content-type": "a/b"}), "a/b"),
    ],
)
def test_the_content_type_is_declared_or_by_extension_or_html(site: Site, path: str, value: str, expected: str) -> None:
    """Text is UTF-8, bytes name no charset, so that a test of encodings has the last word."""
    site.page(path, value)
    assert get(site, path)[2]["content-type"] == expected


def test_headers_may_repeat_and_a_given_length_stands(site: Site) -> None:
    """Pairs keep their order and repetitions; Content-Length is not corrected."""
    site.page("/", answer(body="four", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Length", "2")]))
    received = exchange(site, b"GET / HTTP/1.0\r\n\r\n")
    assert received.count(b"Set-Cookie") == 2
    assert b"Content-Length: 2\r\n" in received
    assert b"Content-Length: 4" not in received


def test_a_redirect_sends_its_location_as_it_stands(site: Site) -> None:
    """`redirect()` is a 302 unless told otherwise."""
    site.page("/old", redirect("/new?a b", 301))
    status, _, headers = get(site, "/old")
    assert (status, headers["location"]) == (301, "/new?a b")


def test_after_runs_once_the_answer_is_sent(site: Site) -> None:
    """`after=` lets a test change the site at a known moment."""
    site.page("/", answer(body="first", after=lambda: site.page("/", "second")))
    assert [get(site)[1] for _ in range(2)] == [b"first", b"second"]


# HTTP/1.1


def test_one_connection_carries_many_requests(site: Site) -> None:
    """Connections are kept alive, also over HEAD, 204 and 304, which have no body (RFC 9110, 6.4.1)."""
    site.page("/", "x" * 100)
    site.page("/204", answer(204, "never sent"))
    site.page("/304", answer(304, "never sent"))
    connection = http.client.HTTPConnection(site.host, site.port, timeout=5)
    lengths = []
    for method, path in (("HEAD", "/"), ("GET", "/204"), ("GET", "/304"), ("GET", "/")):
        connection.request(method, path)
        lengths.append(len(connection.getresponse().read()))
    connection.close()
    assert lengths == [0, 0, 0, 100]
    assert site.connections == 1
    assert {hit.connection for hit in site.log} == {1}


def test_head_promises_the_length_of_get(site: Site) -> None:
    """HEAD has the headers of GET (RFC 9110, 9.3.2)."""
    site.page("/", "x" * 100)
    assert get(site, method="HEAD")[2] == get(site)[2]


def test_pipelined_requests_are_answered_in_their_order(site: Site) -> None:
    """A slow first answer holds back the quick second one (RFC 9112, 9.3.2)."""
    site.page("/slow", answer(body="slow", delay=0.02))
    site.page("/quick", "quick")
    received = exchange(site, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /quick HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert 0 < received.index(b"slow") < received.index(b"quick")


def test_a_request_may_arrive_in_pieces_and_bring_a_body(site: Site) -> None:
    """A head cut anywhere is waited for; a body by its Content-Length."""
    site.page("/", lambda request: request.body)
    connection = http.client.HTTPConnection(site.host, site.port, timeout=5)
    connection.request("POST", "/", body=b"a=b" * 50_000)
    assert connection.getresponse().read() == b"a=b" * 50_000
    connection.close()


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"GET /" + b"x" * 70_000])
def test_what_is_no_request_gets_an_error_and_an_end(site: Site, sent: bytes) -> None:
    """Malformed and oversized requests are answered with 400 or 431, never with silence."""
    assert exchange(site, sent)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431")


def test_chunked_answers_are_whole(site: Site) -> None:
    """`chunked=True` sends the same body without a Content-Length."""
    site.page("/", answer(body="four", chunked=True))
    _, body, headers = get(site)
    assert body == b"four"
    assert "content-length" not in headers


def test_rate_slows_a_body_and_changes_nothing_else(site: Site) -> None:
    """A body in pieces is the same body, and the connection goes on."""
    site.page("/", answer(body="0123456789" * 10, rate=2000))
    received = exchange(site, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + b"GET /no HTTP/1.0\r\n\r\n")
    assert received.count(b"0123456789" * 10) == 2
    assert b" 404 " in received


# Breaking promises


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("reset", ConnectionResetError),
        ("close", http.client.RemoteDisconnected),
        ("refuse", http.client.RemoteDisconnected),
        ("truncate", http.client.IncompleteRead),
        ("garbage", http.client.BadStatusLine),
    ],
)
def test_a_fault_does_what_it_says(site: Site, fault: Fault, expected: type[Exception]) -> None:
    """Each kind of failure is the one that a client would name so."""
    site.page("/", "x" * 100, fault=fault)
    with pytest.raises(expected):
        get(site)
    assert site.log[0].status == (200 if fault == "truncate" else 0)


def test_half_a_body_is_kept_apart_from_silence(site: Site) -> None:
    """`truncate` sends half and ends, chunked too."""
    site.page("/", answer(body="x" * 100, fault="truncate", chunked=True))
    with pytest.raises(http.client.IncompleteRead):
        get(site)


@pytest.mark.parametrize(("fault", "received"), [("hang", 0), ("stall", 50)])
def test_silence_lasts_until_the_client_leaves(site: Site, fault: Fault, received: int) -> None:
    """`hang` sends nothing at all, `stall` stops in the middle; both stay in flight until the client is gone."""
    site.page("/", "x" * 100, fault=fault)
    with socket.create_connection((site.host, site.port), timeout=0.05) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        body = received_until_silence(connection).partition(b"\r\n\r\n")[2]
        assert (len(body), site.in_flight) == (received, 1)


def test_an_endless_body_ends_when_the_client_leaves(site: Site) -> None:
    """`endless` sends for as long as somebody reads, and no longer."""
    site.page("/", "more ", fault="endless")
    with socket.create_connection((site.host, site.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        received = 0
        while received < 1_000_000:
            received += len(connection.recv(65536))
    assert get(site, "/other")[0] == 404


def test_raw_bytes_are_sent_as_they_are(site: Site) -> None:
    """`raw=` is for answers that no server would give."""
    site.page("/", answer(raw=b"HTTP/1.1 200\nX\n\nabc"))
    assert exchange(site, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b"HTTP/1.1 200\nX\n\nabc"


def test_a_site_that_refuses_can_come_back_on_its_port(site: Site) -> None:
    """`refuse()` means connection refused, `listen()` ends it."""
    site.page("/", "here")
    site.refuse()
    with pytest.raises(ConnectionRefusedError):
        get(site)
    site.listen()
    assert get(site)[1] == b"here"


def test_the_fault_refuse_takes_the_site_down(site: Site) -> None:
    """After it, new connections are refused."""
    site.page("/", fault="refuse")
    with pytest.raises(http.client.RemoteDisconnected):
        get(site)
    with pytest.raises(ConnectionRefusedError):
        get(site)


def test_a_site_can_be_stopped_and_started_again() -> None:
    """The port and the log stay."""
    web = start_site({"/": "x"}).start()
    get(web)
    web.stop()
    web.stop()
    web.start()
    assert get(web)[0] == 200
    web.stop()
    assert web.count("/") == 2


# Time and concurrency


def test_a_gate_holds_answers_until_it_is_opened(site: Site) -> None:
    """With a gate a test decides when an answer arrives; what waits together counts as in flight together."""
    gate = Gate()
    site.page("/", answer(body="at last", gate=gate))
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(get(site)[1])) for _ in range(3)]
    for thread in threads:
        thread.start()
    site.wait_for("/", count=3)
    assert (site.in_flight, results) == (3, [])
    gate.open()
    for thread in threads:
        thread.join()
    assert results == [b"at last"] * 3
    assert (site.in_flight, site.in_flight_peak) == (0, 3)
    assert get(site)[1] == b"at last"


def test_latency_precedes_every_answer(new_site: NewSite) -> None:
    """`latency=` is for the whole site, `delay=` for one answer."""
    sent: list[float] = []
    web = new_site({"/": answer(after=lambda: sent.append(time.monotonic()))}, latency=0.03)
    get(web)
    get(web, "/other")
    assert sent[0] - web.log[0].time >= 0.029
    assert web.log[1].time >= sent[0]


def test_waiting_for_a_request_that_never_comes_is_an_error(site: Site) -> None:
    """`wait_for` names what it waited for."""
    with pytest.raises(TimeoutError, match="/never was asked for 0 times, not 1"):
        site.wait_for("/never", timeout=0.01)


async def test_coroutines_can_wait_for_a_request(site: Site) -> None:
    """`asked()` returns once the path was asked for."""
    waiting = asyncio.create_task(site.asked("/x"))
    await asyncio.to_thread(get, site, "/x")
    await waiting


# Many hosts


def test_sites_of_other_addresses_are_other_hosts(new_site: NewSite) -> None:
    """Several sites run in one process, on addresses of their own."""
    sites = [new_site({"/": address}, address=address) for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3")]
    assert [get(web)[1].decode() for web in sites] == [web.host for web in sites]


def test_one_site_may_have_many_addresses(new_site: NewSite) -> None:
    """A list of addresses makes one site that answers on all, on one port."""
    web = new_site({"/": lambda request: request.host}, address=["127.0.0.1", "127.0.0.5"])
    bodies = [urllib.request.urlopen(web.url("/", address)).read().decode() for address in web.addresses]
    assert bodies == [f"127.0.0.1:{web.port}", f"127.0.0.5:{web.port}"]


def test_only_loopback_is_served() -> None:
    """No test opens a door to the outside."""
    with pytest.raises(ValueError, match="not a loopback address"):
        start_site(address="0.0.0.0")


# The oracle


def test_reachable_follows_links_and_redirects() -> None:
    """Links in any quoting, relative ones, redirects and links to nowhere count; other hosts, mail and what nobody links do not."""
    pages: dict[str, PageValue] = {
        "/": """<a href=/a><A class=x HREF='sub/'><area href="/q?a=1&amp;b=2#part"><a href="http://else.example/">""",
        "/sub/": answer(links=["../up", "deep", "mailto:me@site.example", "#here"]),
        "/a": redirect("/moved"),
        "/moved": lambda request: "<a href=/>",
        "/orphan": "<a href=/>",
    }
    assert reachable(pages) == {"/", "/a", "/sub/", "/q?a=1&b=2", "/up", "/sub/deep", "/moved"}
    assert reachable(pages, "/orphan") == {"/orphan", *reachable(pages)}


def test_reachable_speaks_urls_when_asked_with_one() -> None:
    """The pages of a fake fetcher, of several hosts, are judged alike."""
    pages: dict[str, PageValue] = {"http://a.test/": "<a href='http://b.test'><a href='http://c.test/'>", "http://b.test/": "<a href=x>"}
    assert reachable(pages, "http://a.test/") == {"http://a.test/", "http://b.test/", "http://b.test/x"}


def test_a_site_knows_its_reachable_urls(site: Site) -> None:
    """`site.reachable()` gives them as URLs of the running site."""
    site.page("/", links=["/a"])
    assert site.reachable() == {site.url("/"), site.url("/a")}


# Fakes


def ask(url: str) -> Request:
    return Request(url, id=1, host="a.test")


async def test_a_fake_fetcher_answers_from_its_pages() -> None:
    """HTML, answers, responses, errors and functions are pages; what is not there is a 404; all requests are kept."""
    whole = Response("http://a.test/whole", 200, ttfb=1.0, elapsed=2.0)
    fetcher = FakeFetcher(
        {
            "http://a.test/": "<p>",
            "http://a.test/r": redirect("/x"),
            "http://a.test/whole": whole,
            "http://a.test/e": PageError("dns", "no such host"),
            "http://a.test/f": lambda request: answer(500 + request.attempts),
        },
        latency=0.25,
    )
    page = await fetcher.fetch(ask("http://a.test/"))
    assert (page.status, page.body.read(), page.body.size, page.elapsed, page.ttfb) == (200, b"<p>", 3, 0.25, 0.25)
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert (await fetcher.fetch(ask("http://a.test/r"))).header("location") == "/x"
    assert await fetcher.fetch(ask("http://a.test/whole")) is whole
    assert (await fetcher.fetch(ask("http://a.test/e"))).error == PageError("dns", "no such host")
    assert (await fetcher.fetch(ask("http://a.test/f"))).status == 500
    assert (await fetcher.fetch(ask("http://a.test/none"))).status == 404
    assert fetcher.count("http://a.test/") == 1
    assert len(fetcher.requests) == 6


async def test_a_fake_fetcher_knows_how_many_were_in_flight() -> None:
    """Fetches overlap, and `sleep` is given the latency instead of any time passing."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    fetcher = FakeFetcher({}, latency=3600.0, sleep=sleep)
    await asyncio.gather(*(fetcher.fetch(ask(f"http://a.test/{number}")) for number in range(5)))
    assert fetcher.in_flight_peak == 5
    assert slept == [3600.0] * 5


def test_a_fake_blocking_fetcher_is_the_same_without_await() -> None:
    """The synchronous twin gives equal responses and calls `sleep` with the latency."""
    slept: list[float] = []
    fetcher = FakeBlockingFetcher({"http://a.test/": "x"}, latency=1.5, sleep=slept.append)
    response = fetcher.fetch(ask("http://a.test/"))
    assert (response.body.read(), response.elapsed, slept, fetcher.urls) == (b"x", 1.5, [1.5], ["http://a.test/"])
