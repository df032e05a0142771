"""Connections of the blocking fetcher: urllib3 makes them (TLS, proxies, tunnels), http.client reads the answers.

http.client is more lenient than aiohttp's parser; where a lenient reading could pass off a broken answer as a whole one, `Head`
is as strict as that parser is.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.util import Url, make_headers

from crawler.fetch import descriptors
from crawler.fetch.failures import FetchFailure, explain, one_line
from crawler.fetch.guard import CONNECTING, AddressRefused, Guard
from crawler.fetch.headers import is_header
from crawler.fetch.options import MAX_HEADERS, MAX_LINE
from crawler.fetch.resolver import look_up

Key = tuple[str, str, int | None, str | None]
"""Where a connection leads: scheme, host and port of the target, and the proxy that it goes through."""

_MOST = 64  # so many connections are kept alive
_HEX = re.compile(rb"[0-9A-Fa-f]{1,16}")
_BROKEN_CHUNKS = "this is no valid HTTP: the chunks of the body are broken"
_LENGTH = re.compile(r"[0-9]{1,19}")
_SPACE = " \t"


class Connections:
    """One kept-alive connection for each of the hosts asked last."""

    def __init__(self, guard: Guard, connect_timeout: float, tls: Callable[[], ssl.SSLContext]) -> None:
        self._guard = guard
        self._connect_timeout = connect_timeout
        self._tls = tls
        self._kept: dict[Key, HTTPConnection] = {}
        self._most = min(_MOST, descriptors.limit() // 4)

    def take(self, key: Key) -> HTTPConnection | None:
        """The connection that was kept for this target, if it is still open. It is the caller's until `keep`."""
        connection = self._kept.pop(key, None)
        if connection is not None and not connection.is_connected:
            connection.close()
            return None
        return connection

    def keep(self, key: Key, connection: HTTPConnection) -> None:
        """Keeps a connection whose answer has been read to its end; the one not used for the longest time may have to go."""
        self._kept[key] = connection
        if len(self._kept) > self._most:
            self._kept.pop(next(iter(self._kept))).close()

    def close(self) -> None:
        """Closes all that are kept."""
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()

    def open(self, key: Key, left: Callable[[], float]) -> HTTPConnection:
        """A new connection, within the seconds that are `left`. Raises what the socket and ssl modules do, and FetchFailure when a
        proxy is to blame."""
        scheme, host, port, proxy = key
        self._left = left
        if proxy is None:
            connection = self._direct(scheme, host, port)
            connection.connect()
            return connection
        connection = self._through(proxy, scheme, host, port)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if "Tunnel connection failed" in str(error):
                raise FetchFailure("refused", f"the proxy does not let the request through: {one_line(str(error))}") from error
            if connection.has_connected_to_proxy:
                raise
            cause = explain(error)
            raise FetchFailure(cause.kind, f"the proxy cannot be reached: {cause.detail}") from error
        return connection

    def _direct(self, scheme: str, host: str, port: int | None, **more: Any) -> HTTPConnection:
        if scheme == "https":
            return _Secure(host, port or 443, dial=self._dial, ssl_context=self._tls(), **more)
        return _Plain(host, port or 80, dial=self._dial, **more)

    def _through(self, proxy: str, scheme: str, host: str, port: int | None) -> HTTPConnection:
        """A connection to a proxy: for http it is told each URL, for https it opens a tunnel."""
        parts = urlsplit(proxy)
        place = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        if scheme == "http":
            return self._direct(parts.scheme, *place)
        context = self._tls()
        connection = self._direct(
            "https", *place, proxy=Url(parts.scheme, None, *place), proxy_config=ProxyConfig(context, False, None, None)
        )
        connection.set_tunnel(host, port or 443, headers=proxy_headers(proxy), scheme=parts.scheme)
        return connection

    def _dial(self, host: str, port: int) -> socket.socket:
        """A socket to the first address of a host that answers and is allowed. Raises OSError as the socket module does."""
        failure = OSError(f"{host} has no address")
        for info in look_up(host, port, self._left()):
            made = None
            try:
                made = self._guard.socket(info)
                made.settimeout(max(0.001, min(self._connect_timeout, self._left())))
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.connect(info[4])
                return made
            except OSError as error:
                if made is not None:
                    made.close()
                if not isinstance(error, AddressRefused) or not CONNECTING.get().sockets:
                    failure = error
        raise failure


def proxy_headers(proxy: str) -> dict[str, str]:
    """What a proxy wants to be told: the credentials in its URL."""
    credentials = urlsplit(proxy).netloc.rpartition("@")[0]
    return make_headers(proxy_basic_auth=credentials) if credentials else {}


class _Dialled:
    """Mixed into urllib3's connections: the socket comes from `dial`, which looks at its address."""

    def __init__(self, *arguments: Any, dial: Callable[[str, int], socket.socket], **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        return self._dial(self._dns_host, self.port)  # type: ignore[attr-defined]


class _Plain(_Dialled, HTTPConnection):
    pass


class _Secure(_Dialled, HTTPSConnection):
    pass


class _TimedSocket(io.RawIOBase):
    """Reads from a socket, each time for no longer than `patience()` seconds: a server that drips does not keep us for ever."""

    def __init__(self, sock: socket.socket, patience: Callable[[], float]) -> None:
        self._sock = sock
        self._patience = patience
        self.ended = False
        self.enough = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.enough:
            return None
        left = self._patience()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        count = self._sock.recv_into(buffer)
        self.ended = count == 0
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """The one thing that http.client's response wants of its socket."""
        return io.BufferedReader(self, MAX_LINE)


def _read_lines(file: Any) -> list[tuple[str, str]]:
    """The lines of a header, or of a trailer, to the empty one or to the end of the connection. Raises FetchFailure (`protocol`) for
    what is none (RFC 9112, 5) or too many."""
    lines: list[tuple[str, str]] = []
    for _ in range(MAX_HEADERS + 1):
        line = file.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise http.client.LineTooLong("header line")
        if line in (b"\r\n", b"\n") or not line.endswith(b"\n"):
            return lines
        text = line[:-1].removesuffix(b"\r").decode("latin-1")
        folded = bool(lines) and text.startswith((" ", "\t"))
        name, colon, value = (lines[-1][0], ":", f"{lines[-1][1]} {text.strip(_SPACE)}") if folded else text.partition(":")
        if not colon or not is_header(name, value):
            raise FetchFailure("protocol", "this is no valid HTTP: a line of the header is no header")
        if folded:
            lines.pop()
        lines.append((name, value.strip(_SPACE)))
    raise FetchFailure("protocol", f"the header has more than {MAX_HEADERS} lines")


class Head(http.client.HTTPResponse):
    """Status line, header and framing of an answer; its `read1` gives the body, as it came.

    `pairs` are the header lines: in order, with case and duplicates. Raises FetchFailure (`protocol`) for what http.client would
    overlook, TimeoutError when `patience` ran out.
    """

    pairs: list[tuple[str, str]]

    def __init__(self, sock: socket.socket, patience: Callable[[], float], method: str = "GET") -> None:
        self._source = _TimedSocket(sock, patience)
        self._beyond = b""
        self._has_body = method != "HEAD"
        super().__init__(self._source, method=method)  # type: ignore[arg-type]

    def begin(self) -> None:
        version, self.status, self.reason = self._read_status()
        if not version.startswith("HTTP/1.") and version != "HTTP/0.9":
            raise http.client.UnknownProtocol(version)
        self.code, self.version = self.status, 10 if version in ("HTTP/1.0", "HTTP/0.9") else 11
        self.pairs = _read_lines(self.fp)
        if self._source.ended:
            raise http.client.RemoteDisconnected("the connection ended in the middle of the header")
        self.headers = self.msg = http.client.HTTPMessage()
        for name, value in self.pairs:
            self.msg[name] = value
        self._find_end()

    def _find_end(self) -> None:
        """Where the body will end (RFC 9112, 6.3)."""
        lengths, codings = self.msg.get_all("content-length", []), self.msg.get_all("transfer-encoding", [])
        if len(lengths) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths):
            raise FetchFailure("protocol", "this is no valid HTTP: the Content-Length is no number")
        if lengths and codings:
            raise FetchFailure("protocol", "this is no valid HTTP: Content-Length and Transfer-Encoding contradict each other")
        self.chunked: bool = [coding.lower() for coding in codings] == ["chunked"]
        self.chunk_left = None
        self.length = int(lengths[0]) if lengths else None
        if self.status in (204, 304) or not self._has_body:
            self.length, self.chunked = 0, False
        ends_itself = self.chunked or self.length is not None
        self.will_close: bool = self._check_close() or not ends_itself  # type: ignore[attr-defined]

    def next(self, size: int) -> bytes:
        """Up to `size` bytes of the body; b"" at its end. Raises IncompleteRead when the connection ends first."""
        chunk = self.read1(size)
        # http.client forgives a chunked body that lacks its last line.
        if not chunk and (self.length or (self.chunked and self._source.ended)):
            raise http.client.IncompleteRead(b"", self.length)
        if not chunk:
            self._look_beyond()
        return chunk

    def _look_beyond(self) -> None:
        """Looks at what came with the answer and does not belong to it: a body longer than promised is not whole when it is cut. An
        empty line is forgiven (RFC 9112, 2.2), and another answer is nobody's."""
        if self.fp is not None:
            self._close_conn()
        self.will_close = self.will_close or bool(self._beyond)
        if self._beyond.strip(b"\r\n") and not self._beyond.startswith(b"HTTP/"):
            raise FetchFailure("protocol", "this is no valid HTTP: the body is longer than its header says")

    def _close_conn(self) -> None:
        self._source.enough = True
        self._beyond = self.fp.peek()
        super()._close_conn()  # type: ignore[misc]

    def _read_status(self) -> tuple[str, int, str]:
        # Interim answers (RFC 9110, 15.2) are passed over, and so are empty lines in front of an answer, as browsers and aiohttp do.
        while True:
            while self.fp.peek(1)[:1] in (b"\r", b"\n"):
                self.fp.read(1)
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status == 101 or not 100 <= status < 200:
                return ("HTTP/1.1" if version == "HTTP/2.0" else version), status, reason  # some servers misname what they speak
            _read_lines(self.fp)

    def _get_chunk_left(self) -> int | None:
        # http.client passes over the end of a chunk unseen.
        if self.chunk_left == 0:
            if self.fp.readline(3) not in (b"\r\n", b"\n"):
                raise http.client.IncompleteRead(b"") if self._source.ended else FetchFailure("protocol", _BROKEN_CHUNKS)
            self.chunk_left = None
        return super()._get_chunk_left()  # type: ignore[misc,no-any-return]

    def _read_and_discard_trailer(self) -> None:
        _read_lines(self.fp)

    def _read_next_chunk_size(self) -> int:
        # http.client takes "-1", "0x1f" and "1_0" for sizes, and calls all others a body that ended early.
        line = self.fp.readline(MAX_LINE + 1)
        size = line.partition(b";")[0].rstrip()
        if len(line) > MAX_LINE or (line.endswith(b"\n") and not (line.endswith(b"\r\n") and _HEX.fullmatch(size))):
            raise FetchFailure("protocol", _BROKEN_CHUNKS)
        return int(size, 16)  # ValueError, for the end of the connection, becomes IncompleteRead
