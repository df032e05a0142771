"""Sites on loopback, each on a thread of its own, so that blocking code, coroutines and other processes can ask them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from crawler.testing.answers import Answer, Fault, PageValue, SiteRequest, answer, as_answer
from crawler.testing.oracle import reachable
from crawler.testing.server import Server


@dataclass(frozen=True, slots=True)
class Hit:
    """One request that arrived: when (monotonic seconds), for which Host header, and what was answered.

    `path` has the query with it; `status` is 0 when no status line is sent; `connection` counts from 1; header names are in lower case.
    """

    time: float
    host: str
    method: str
    path: str
    status: int
    connection: int
    headers: Mapping[str, str]


class Site:
    """A site while it runs: its address, its pages, and all that it was asked. Made by `site()`."""

    def __init__(
        self,
        pages: Mapping[str, PageValue],
        address: str | Sequence[str],
        port: int,
        latency: float,
        otherwise: PageValue,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.addresses = [address] if isinstance(address, str) else list(address)
        self.host = self.addresses[0]
        self.port = port
        self.pages: dict[str, PageValue] = {}
        for path, value in pages.items():
            self.page(path, value)
        self.log: list[Hit] = []
        self._otherwise = otherwise
        self._tls = tls
        self._arrived = threading.Condition()
        self._server = Server(self._respond, self._record, latency, self._refuse)
        self._kept: list[socket.socket] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._stopping: asyncio.Event | None = None

    def __repr__(self) -> str:
        return f"<site {self.url()} pages={len(self.pages)} hits={len(self.log)} in flight={self.in_flight}>"

    def url(self, path: str = "/", address: str | None = None) -> str:
        """The URL of a path; with several addresses, at one of them."""
        host = address or self.host
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}{path}"

    def page(
        self,
        path: str,
        value: PageValue | None = None,
        *,
        links: Sequence[str] = (),
        status: int = 200,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        delay: float = 0.0,
        fault: Fault | None = None,
    ) -> None:
        """Adds a page or replaces it, also while the site runs. The keywords are those of `answer()` and go with text and bytes."""
        if value is None or isinstance(value, str | bytes):
            value = answer(status, value or "", headers, delay, links, fault=fault)
        if isinstance(value, Answer):
            value = as_answer(path, value)
        self.pages[path] = value

    def remove(self, path: str) -> None:
        """Takes a page away: from now on it is a 404."""
        self.pages.pop(path, None)

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, with their queries, in order and with repetitions. robots.txt is among them."""
        return [hit.path for hit in self.log]

    def count(self, path: str | None = None) -> int:
        """How often a path was asked for; without one, how many requests there were."""
        return len(self.log) if path is None else sum(hit.path == path for hit in self.log)

    @property
    def in_flight(self) -> int:
        """Requests that have no complete answer yet."""
        return self._server.in_flight

    @property
    def in_flight_peak(self) -> int:
        """The most requests that were ever in flight together."""
        return self._server.in_flight_peak

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        return self._server.connections

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return self._server.open_connections

    def reachable(self, start: str = "/") -> set[str]:
        """The URLs that following links from `start` leads to on this site, those that answer 404 included."""
        return {self.url(path) for path in reachable(self.pages, start)}

    def wait_for(self, path: str | None = None, count: int = 1, timeout: float = 10.0) -> None:
        """Blocks until a path was asked for so many times. Raises TimeoutError after `timeout` seconds."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: self.count(path) >= count, timeout):
                raise TimeoutError(f"{path or 'the site'} was asked for {self.count(path)} times, not {count}")

    async def asked(self, path: str | None = None, count: int = 1, timeout: float = 10.0) -> None:
        """`wait_for` for coroutines."""
        await asyncio.to_thread(self.wait_for, path, count, timeout)

    def refuse(self) -> None:
        """From now on new connections are refused; the port stays ours."""
        self._call(self._refuse)

    def listen(self) -> None:
        """Accepts connections again after `refuse()` or the fault `refuse`."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def start(self) -> Site:
        """Binds and serves until `stop()`. Raises OSError when the port is taken."""
        self._kept = self._bind()
        self._ready.clear()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), name=f"site {self.url()}", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        """Drops every connection and frees the port. May be called again."""
        if self._thread is not None and self._stopping is not None:
            self._call(self._stopping.set)
            self._thread.join()
            self._thread = None
            for bound in self._kept:
                bound.close()

    def __enter__(self) -> Site:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    async def __aenter__(self) -> Site:
        return self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _call(self, function: Callable[[], object]) -> None:
        done = threading.Event()
        assert self._loop is not None

        def run() -> None:
            function()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait()

    def _bind(self) -> list[socket.socket]:
        bound: list[socket.socket] = []
        for address in self.addresses:
            one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            bound.append(one)
            try:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((address, self.port))
            except OSError:
                for each in bound:
                    each.close()
                raise
            self.port = one.getsockname()[1]
        return bound

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        await self._listen()
        self._ready.set()
        await self._stopping.wait()
        await self._server.close()

    async def _listen(self) -> None:
        sockets, self._kept = self._kept, []
        await self._server.listen(sockets, self._tls)

    def _refuse(self) -> None:
        if not self._kept:
            self._server.refuse()
            # Bound but not listening: nobody else can take the port, and the kernel refuses whoever knocks.
            self._kept = self._bind()

    def _respond(self, request: SiteRequest) -> Answer:
        value = self.pages.get(request.target)
        if value is None:
            value = self.pages.get(request.path, self._otherwise)
        try:
            return as_answer(request.path, value(request) if callable(value) else value)
        except Exception as error:
            return as_answer(request.path, answer(500, f"the page raised {error!r}", {"Content-Type": "text/plain"}))

    def _record(self, request: SiteRequest, given: Answer) -> None:
        silent = given.raw is not None or given.fault in ("reset", "close", "refuse", "hang", "garbage")
        headers = request.headers
        status = 0 if silent else given.status
        hit = Hit(request.arrived, headers.get("host", ""), request.method, request.target, status, request.connection, headers)
        with self._arrived:
            self.log.append(hit)
            self._arrived.notify_all()


NOT_FOUND = answer(404, "<!doctype html><title>Not found</title><p>There is no such page.</p>")


def site(
    pages: Mapping[str, PageValue] | None = None,
    *,
    address: str | Sequence[str] = "127.0.0.1",
    port: int = 0,
    latency: float = 0.0,
    otherwise: PageValue = NOT_FOUND,
    tls: ssl.SSLContext | None = None,
) -> Site:
    """A site on loopback, for `with` and `async with` alike.

    `pages` maps a path (with or without its query) to HTML, bytes, an `answer()` or a function of the request; everything
    else, robots.txt too, is answered with `otherwise` (404). `latency` seconds precede every answer. Other addresses of
    127.0.0.0/8 make other hosts; a list of them makes one site with many. Port 0 takes a free one. Raises ValueError for an
    address that is not loopback.
    """
    made = Site(pages or {}, address, port, latency, otherwise, tls)
    for each in made.addresses:
        if not ipaddress.ip_address(each).is_loopback:
            raise ValueError(f"{each} is not a loopback address")
    return made
