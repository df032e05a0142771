"""A small HTTP/1.1 server for loopback: keep-alive, pipelining, HEAD, and every way to break a promise.

It knows nothing of pages: it asks `respond` for an answer and tells `record` what was asked. One event loop, no threads.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from typing import cast

from crawler.testing.answers import Answer, SiteRequest

HEAD_LIMIT = 65_536
_PIECE_SECONDS = 0.05
_TICK = 0.01  # the system counts in steps, the longest of which are as long
_BAD_REQUEST = Answer(400, b"", (("Connection", "close"),))
_TOO_LARGE = Answer(431, b"", (("Connection", "close"),))


class Server:
    """Answers on sockets it is given. `latency` seconds are added to every answer."""

    def __init__(
        self,
        respond: Callable[[SiteRequest], Answer],
        record: Callable[[SiteRequest, Answer], None] | None = None,
        latency: float = 0.0,
        on_refuse: Callable[[], None] | None = None,
    ) -> None:
        self.respond = respond
        self.record = record
        self.latency = latency
        self.on_refuse = on_refuse
        self.connections = 0
        self.in_flight = 0
        self.in_flight_peak = 0
        self._live: set[Connection] = set()
        self._listeners: list[asyncio.Server] = []
        self._emptied: asyncio.Event | None = None

    async def listen(self, sockets: list[socket.socket], tls: ssl.SSLContext | None = None) -> None:
        """Accepts connections on the bound sockets."""
        loop = asyncio.get_running_loop()
        for bound in sockets:
            self._listeners.append(await loop.create_server(lambda: Connection(self), sock=bound, ssl=tls, backlog=4096))

    def refuse(self) -> None:
        """Stops listening; connections that are open stay."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    async def close(self) -> None:
        """Stops listening and drops every connection."""
        self.refuse()
        for connection in self._live:
            connection.transport.abort()
        if self._live:
            self._emptied = asyncio.Event()
            await self._emptied.wait()

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._live)

    def opened(self, connection: Connection) -> int:
        """Counts a new connection and returns its number, from 1."""
        self._live.add(connection)
        self.connections += 1
        return self.connections

    def closed(self, connection: Connection) -> None:
        """Forgets a connection."""
        self._live.discard(connection)
        if self._emptied is not None and not self._live:
            self._emptied.set()


class Connection(asyncio.Protocol):
    """One client. Requests are answered in their order, one after the other (RFC 9112, 9.3.2)."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self.server = server
        self.number = 0
        self._buffer = b""
        self._busy = False
        self._writable = True
        self._filler = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.number = self.server.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.closed(self)
        if self._busy:
            self.server.in_flight -= 1

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._busy:
            self._read()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._filler:
            self._pour()

    def _read(self) -> None:
        while self._buffer and not self._busy and not self.transport.is_closing():
            try:
                parsed = parse_request(self._buffer, self.number)
            except ValueError:
                self._buffer = b""
                self.transport.write(_BAD_REQUEST.whole)
                self.transport.close()
                return
            if parsed is None:
                if len(self._buffer) > HEAD_LIMIT and b"\r\n\r\n" not in self._buffer:
                    self.transport.write(_TOO_LARGE.whole)
                    self.transport.close()
                return
            request, length = parsed
            self._buffer = self._buffer[length:]
            self._begin(request)

    def _begin(self, request: SiteRequest) -> None:
        server = self.server
        request.arrived = arrival(self.transport)
        self._busy = True
        server.in_flight += 1
        server.in_flight_peak = max(server.in_flight_peak, server.in_flight)
        answer = server.respond(request)
        if server.record is not None:
            server.record(request, answer)
        if answer.gate is None:
            self._wait(request, answer)
        else:
            answer.gate.pass_through(asyncio.get_running_loop(), lambda: self._admit(request, answer))

    def _admit(self, request: SiteRequest, answer: Answer) -> None:
        self._wait(request, answer)
        if not self._busy:
            self._read()

    def _wait(self, request: SiteRequest, answer: Answer) -> None:
        delay = answer.delay + self.server.latency
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._send_later, request, answer)
        else:
            self._send(request, answer)

    def _send_later(self, request: SiteRequest, answer: Answer) -> None:
        self._send(request, answer)
        if not self._busy:
            self._read()

    def _send(self, request: SiteRequest, answer: Answer) -> None:
        if self.transport.is_closing():
            return
        if answer.raw is not None:
            self._finish(request, answer, answer.raw)
        elif answer.fault is not None:
            self._break(answer)
        elif request.method == "HEAD":
            self._finish(request, answer, answer.head)
        elif answer.rate > 0:
            self.transport.write(answer.head)
            self._drip(request, answer, answer.payload)
        else:
            self._finish(request, answer, answer.whole)

    def _finish(self, request: SiteRequest, answer: Answer, last: bytes) -> None:
        """Sends the last bytes. They count as arrived before they leave: whoever reads them finds the request gone from `in_flight`."""
        self._busy = False
        self.server.in_flight -= 1
        self.transport.write(last)
        if answer.closes or answer.raw is not None or wants_close(request):
            self.transport.close()
        if answer.after is not None:
            answer.after()

    def _drip(self, request: SiteRequest, answer: Answer, left: bytes) -> None:
        if self.transport.is_closing():
            return
        piece = max(1, int(answer.rate * _PIECE_SECONDS))
        if len(left) > piece:
            self.transport.write(left[:piece])
            asyncio.get_running_loop().call_later(piece / answer.rate, self._drip, request, answer, left[piece:])
        else:
            self._finish(request, answer, left)
            self._read()

    def _break(self, answer: Answer) -> None:
        """Fails as the answer says. The request stays in flight until the connection is gone."""
        half = answer.payload[: len(answer.payload) // 2]
        match answer.fault:
            case "reset":
                self._reset()
            case "refuse":
                if self.server.on_refuse is not None:
                    self.server.on_refuse()
                self.transport.close()
            case "truncate":
                self.transport.write(answer.head + half)
                self.transport.close()
            case "stall":
                self.transport.write(answer.head + half)
            case "garbage":
                self.transport.write(b"\x00\x16\x03 this is no HTTP\r\n\r\n")
                self.transport.close()
            case "endless":
                body = (answer.body or b"<p>and so on</p>\n") * 64
                self._filler = b"%x\r\n%b\r\n" % (len(body), body)
                self.transport.write(answer.head)
                self._pour()
            case "close":
                self.transport.close()
        if answer.after is not None:
            answer.after()

    def _reset(self) -> None:
        bound = self.transport.get_extra_info("socket")
        # Lingering for zero seconds makes close() send RST instead of FIN.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _pour(self) -> None:
        if self._writable and not self.transport.is_closing():
            self.transport.write(self._filler)
            asyncio.get_running_loop().call_soon(self._pour)


def arrival(transport: asyncio.Transport) -> float:
    """When the last bytes of a connection arrived, in monotonic seconds, to some milliseconds: a server that is busy reads them later
    (Linux: tcp(7), tcpi_last_data_recv)."""
    now = time.monotonic()
    bound = transport.get_extra_info("socket")
    if not hasattr(socket, "TCP_INFO") or bound is None:
        return now
    try:
        ago = int.from_bytes(bound.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 56)[52:], sys.byteorder) / 1000
        return now - max(0.0, ago - _TICK)
    except OSError:
        return now


def parse_request(buffer: bytes, connection: int = 0) -> tuple[SiteRequest, int] | None:
    """The first request in the buffer and its length in bytes; None while it is not whole. Raises ValueError when it is none."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = buffer[:end]
    method, target, _ = head.split(b" ", 2)
    end += 4
    body = b""
    # Looking for the words first spares nearly every request the parsing of its headers.
    lowered = head.lower()
    if b"\ntransfer-encoding:" in lowered:
        raise ValueError("chunked requests are not understood")
    if b"\ncontent-length:" in lowered:
        length = int(lowered.partition(b"\ncontent-length:")[2].partition(b"\r\n")[0])
        if len(buffer) < end + length:
            return None
        body = buffer[end : end + length]
        end += length
    return SiteRequest(method.decode("latin-1"), target.decode("latin-1"), head, body, connection), end


def wants_close(request: SiteRequest) -> bool:
    """Whether the client wants the connection to end with this answer (RFC 9112, 9.3)."""
    head = request.head
    if b" HTTP/1.0" not in head and b"lose" not in head:
        return False
    option = request.headers.get("connection", "").lower()
    return "close" in option or (head.partition(b"\r\n")[0].endswith(b" HTTP/1.0") and "keep-alive" not in option)
