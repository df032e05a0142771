"""urllib3's connections, made to keep our promises: guarded addresses, deadlines that hold, answers that are not taken on trust.

http.client is more lenient than aiohttp's parser; where a lenient reading could pass off a broken answer as a whole one, the
subclasses below are as strict as that parser is.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from crawler.fetch.failures import FetchFailure
from crawler.fetch.guard import CONNECTING, AddressRefused, Guard
from crawler.fetch.options import MAX_LINE

_HEX = re.compile(rb"[0-9A-Fa-f]{1,16}")
_FOLD = re.compile(r"\r?\n[ \t]+")


class Wire:
    """What the connections of one fetcher share. It works on one request at a time.

    `target` is the path and query to ask for, `url` the whole URL (which a proxy is told). `patience` tells how many seconds
    the next read may take, and `connecting` is called with True before and with False after a connection is made.
    `head` is the parsed answer.
    """

    def __init__(self, guard: Guard, connect_timeout: float) -> None:
        self.guard = guard
        self.connect_timeout = connect_timeout
        self.target = "/"
        self.url = ""
        self.patience: Callable[[], float] = lambda: connect_timeout
        self.connecting: Callable[[bool], None] = lambda begins: None
        self.head: http.client.HTTPResponse | None = None

    def connect(self, host: str, port: int) -> socket.socket:
        """A socket to the first address of `host` that answers and is allowed. Raises OSError as the socket module does."""
        failure: OSError = OSError(f"{host} has no address")
        for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            made = None
            try:
                made = self.guard.socket(info)
                made.settimeout(self.connect_timeout)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.connect(info[4])
                return made
            except OSError as error:
                if made is not None:
                    made.close()
                if not isinstance(error, AddressRefused) or not CONNECTING.get().sockets:
                    failure = error
        raise failure

    def headers(self) -> list[tuple[str, str]]:
        """The header of the answer: in order, with case and duplicates."""
        assert self.head is not None
        return [(name, _FOLD.sub(" ", value).strip()) for name, value in self.head.msg.items()]


class _TimedSocket(io.RawIOBase):
    """Reads from a socket, each time for no longer than the wire's patience: a server that drips does not keep us for ever."""

    def __init__(self, sock: socket.socket, wire: Wire) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._wire = wire
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._wire.patience()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        count = self._raw.readinto(buffer)
        self.ended = count == 0
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _FileMaker:
    """The one thing that http.client's response wants of its socket."""

    def __init__(self, source: _TimedSocket) -> None:
        self._source = source

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._source, MAX_LINE)


class _Head(http.client.HTTPResponse):
    """Status line, header and framing of an answer. Raises FetchFailure (`protocol`) for what http.client would overlook."""

    def __init__(self, wire: Wire, sock: socket.socket, *arguments: Any, **keywords: Any) -> None:
        self._source = _TimedSocket(sock, wire)
        super().__init__(_FileMaker(self._source), *arguments, **keywords)  # type: ignore[arg-type]
        self._wire = wire

    def begin(self) -> None:
        super().begin()
        self._wire.head = self
        if self._source.ended:
            raise http.client.RemoteDisconnected("the connection ended")  # in the middle of the header
        if self.msg.defects:
            raise FetchFailure("protocol", "this is no valid HTTP: a line of the header is no header")
        lengths = set(self.msg.get_all("content-length", ()))
        if lengths and (len(lengths) > 1 or not all(length.strip().isdecimal() for length in lengths)):
            raise FetchFailure("protocol", "this is no valid HTTP: the Content-Length is no number")
        if lengths and "transfer-encoding" in self.msg:
            raise FetchFailure("protocol", "this is no valid HTTP: Content-Length and Transfer-Encoding contradict each other")

    def _read_status(self) -> tuple[str, int, str]:
        # http.client passes over 100 Continue, but not over 103 Early Hints (RFC 8297).
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 101 < status < 200:
                return ("HTTP/1.1" if version == "HTTP/2.0" else version), status, reason  # some servers misname what they speak
            http.client.parse_headers(self.fp)

    def _read_next_chunk_size(self) -> int:
        # http.client takes "-1", "0x1f" and "1_0" for sizes, and calls all others a body that ended early.
        line = self.fp.readline(MAX_LINE + 1)
        size = line.partition(b";")[0].strip()
        if line.endswith(b"\n") and not _HEX.fullmatch(size):
            raise FetchFailure("protocol", "this is no valid HTTP: the chunks of the body are broken")
        return int(size, 16)  # ValueError, for the end of the connection, becomes IncompleteRead


class _Wired:
    """Mixed into urllib3's connections."""

    wire: Wire

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        vars(self)["response_class"] = partial(_Head, self.wire)  # what http.client makes of a socket with an answer

    def _new_conn(self) -> socket.socket:
        return self.wire.connect(self._dns_host, self.port)  # type: ignore[attr-defined]

    def connect(self) -> None:
        self.wire.connecting(True)
        super().connect()  # type: ignore[misc]
        self.wire.connecting(False)

    def request(self, method: str, url: str, *arguments: Any, **keywords: Any) -> None:
        # What urllib3 hands over is requoted; the URL is canonical already.
        super().request(method, self.wire.target if url.startswith("/") else self.wire.url, *arguments, **keywords)  # type: ignore[misc]


def pool_classes(shared: Wire) -> dict[str, type[HTTPConnectionPool]]:
    """Connection pools by scheme whose connections go through `shared`."""

    class Plain(_Wired, HTTPConnection):
        wire = shared

    class Secure(_Wired, HTTPSConnection):
        wire = shared

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

        def _validate_conn(self, conn: Any) -> None:
            # Without urllib3's warning for every connection that is not verified: the user said so.
            if conn.is_closed:
                conn.connect()

    return {"http": PlainPool, "https": SecurePool}
