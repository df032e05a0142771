"""Asking again over a connection that is open already.

For every request aiohttp's session builds a request, a writer and a response, which takes as long as downloading a page. Nothing of
that is needed where the session has opened a connection before: the request is written to it, and aiohttp's own protocol reads the
answer. Whatever is new or unusual (another origin, a proxy, credentials in the URL) goes through the session.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ssl import SSLContext

from aiohttp import ServerDisconnectedError, StreamReader, TCPConnector
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from yarl import URL

from crawler.fetch.client_failures import LOST
from crawler.fetch.headers import Headers
from crawler.fetch.options import MAX_HEADERS, MAX_LINE

_MOST_ORIGINS = 10_000


@dataclass(slots=True)
class KeptResponse:
    """The head of an answer and its body to come: what is used here of aiohttp's ClientResponse, by the same names.

    With the last byte of the body the connection goes back to the pool; `close` ends it before that.
    """

    status: int
    raw_headers: tuple[tuple[bytes, bytes], ...]
    content: StreamReader
    connection: Connection

    def close(self) -> None:
        """Gives up the rest of the answer, and the connection with it."""
        self.connection.close()


@dataclass(slots=True)
class _Origin:
    key: ConnectionKey
    host: str
    head: bytes


class KeptAlive:
    """The kept-alive connections in the pool of a connector; `common` is sent with every request."""

    def __init__(self, connector: TCPConnector, common: Headers) -> None:
        self._connector = connector
        self._common = common
        self._origins: dict[str, _Origin] = {}

    async def ask(self, url: str, tls: SSLContext | bool, headers: Iterable[tuple[str, str]] | None = None) -> KeptResponse | None:
        """The answer to a GET, as soon as its headers are there. `url` is canonical; `headers`, if any, stand for the common ones.

        None when no connection to the origin is idle, or the server closed it before it answered: then a fresh one has to be
        asked, as it may have been closed just before (RFC 9110, 9.2.2). Raises what aiohttp's protocol does.
        """
        start = url.index("/", 8)
        place = url[:start]
        origin = self._origins.get(place) or self._origin(place, tls)
        # The session takes its connections from the same place, only by a longer way.
        connection = await self._connector._get(origin.key, [])
        if connection is None:
            return None
        head = origin.head if headers is None else _head(origin.host, headers)
        try:
            return await _exchange(connection, b"GET " + url[start:].encode() + head)
        except LOST:
            connection.close()
            return None
        except BaseException:
            connection.close()
            raise

    def _origin(self, place: str, tls: SSLContext | bool) -> _Origin:
        url = URL(place, encoded=True)
        key = ConnectionKey(url.raw_host or "", url.port, url.scheme == "https", tls, None, None, None)
        host = url.host_port_subcomponent or ""
        if len(self._origins) >= _MOST_ORIGINS:
            self._origins.clear()
        origin = self._origins[place] = _Origin(key, host, _head(host, self._common))
        return origin


def _head(host: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """What follows the target of a request. A Host among the headers replaces the URL's own."""
    named = {"host": f"Host: {host}\r\n"} | {name.lower(): f"{name}: {value}\r\n" for name, value in headers}
    return (" HTTP/1.1\r\n" + "".join(named.values()) + "\r\n").encode()


async def _exchange(connection: Connection, request: bytes) -> KeptResponse:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None:
        raise ServerDisconnectedError
    # As the session asks for it: a body without a length ends with its connection, and nobody decodes it.
    protocol.set_response_params(
        read_until_eof=True, auto_decompress=False, max_line_size=MAX_LINE, max_field_size=MAX_LINE, max_headers=MAX_HEADERS
    )
    transport.write(request)
    message, content = await protocol.read()
    while 100 <= message.code < 200 and message.code != 101:  # interim answers (RFC 9110, 15.2)
        message, content = await protocol.read()
    content.on_eof(connection.release)
    return KeptResponse(message.code, message.raw_headers, content, connection)
