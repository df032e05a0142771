"""The pool of kept-alive connections: aiohttp's, with less trust in those at the other end."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from aiohttp import ClientPayloadError, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from crawler.fetch.guard import CONNECTING, Connecting


class Pool(TCPConnector):
    """Gives out idle connections that are clean: one on which something came unasked would pass that off as the answer to the
    next request. A request gets one at most: when that was closed just as it was used again, the others are as old."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory: Any = partial(_Protocol, loop=self._loop)

    async def _get(self, key: ConnectionKey, traces: list[Any]) -> Connection | None:
        request = CONNECTING.get(None)
        while request is None or not request.kept:
            connection = await super()._get(key, traces)
            if connection is None:
                return None
            assert connection.protocol is not None
            if connection.protocol.should_close:
                connection.close()
            else:
                if request is not None:
                    request.kept = True
                    _send(request, connection)
                return connection
        return None

    async def _create_connection(self, req: Any, traces: list[Any], timeout: Any) -> ResponseHandler:
        protocol = await super()._create_connection(req, traces, timeout)
        if (request := CONNECTING.get(None)) is not None:
            _send(request, protocol)
        return protocol

    def drop_idle(self) -> None:
        """Closes the connections that nobody uses now, to make room for others."""
        for idle in self._conns.values():
            for protocol, _ in idle:
                protocol.close()


def _send(request: Connecting, connection: Connection | ResponseHandler) -> None:
    """Says that a request is sent over a connection, which is closed when it may not be. It is written before anything else is waited for,
    but uvloop keeps what is written until it has been round: on a busy machine that is later."""
    try:
        request.sends()
    except BaseException:
        connection.close()
        raise
    asyncio.get_running_loop().call_soon(request.sent)


class _Protocol(ResponseHandler):
    """Tells whoever waits for a body when its chunks have become nonsense: aiohttp lets the wait go on in vain. And spares a whole body
    what comes after it: aiohttp would tell its reader, who may not have come to its end, of the next answer's trouble."""

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._payload is not None and self._payload.is_eof():
            self._payload = None
        super().connection_lost(exc)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        body = self._payload
        super().set_exception(exc, *cause)
        if isinstance(exc, HttpProcessingError) and body is not None and not body.is_eof():
            self._payload = None  # else the end of the connection, which follows, would be taken for the trouble
            body.set_exception(ClientPayloadError(exc.message))
