"""What went wrong, in aiohttp's words."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp.http_exceptions import ContentLengthError, HttpProcessingError

from crawler.fetch.answer import Answer
from crawler.fetch.failures import explain, one_line, tls_cause
from crawler.fetch.guard import CONNECTING
from crawler.model import PageError

# What aiohttp raises when a connection is gone before the headers have come; the second one has no number and is no ClientOSError.
LOST = (aiohttp.ClientOSError, aiohttp.ClientConnectionResetError, aiohttp.ServerDisconnectedError)


class ConnectionDropped(Exception):
    """The connection was lost: before the headers came, or in a body that ends with its connection."""


def explain_client(error: Exception, answer: Answer) -> PageError:
    """The kind and a sentence for whatever a fetch through aiohttp has raised."""
    connecting = CONNECTING.get(None)
    if connecting is not None and not connecting.sockets:
        if connecting.refusal:
            return PageError("blocked", connecting.refusal)
        if type(error) is TimeoutError and not connecting.kept:
            return answer.not_found()
    for kind, sentence in _TABLE:
        if isinstance(error, kind):
            return sentence(error, answer)
    return explain(error)


def _not_connected(answer: Answer) -> PageError:
    answer.connecting(True)
    return answer.timed_out()


def _connector(error: Any, answer: Answer) -> PageError:
    cause = error.os_error
    if isinstance(cause, ConnectionResetError) and cause.errno is None:  # asyncio's word for an end in the middle of the handshake
        cause = ssl.SSLEOFError()
    return explain(cause)


def _proxy(error: Any, answer: Answer) -> PageError:
    cause = explain(error.os_error)
    return PageError(cause.kind, f"the proxy cannot be reached: {cause.detail}")


def _tunnel(error: Any, answer: Answer) -> PageError:
    return PageError("refused", f"the proxy does not let the request through: {error.status} {one_line(error.message)}")


def _certificate(error: Any, answer: Answer) -> PageError:
    return explain(error.certificate_error)


def _operating_system(error: OSError, answer: Answer) -> PageError:
    secure = tls_cause(error)
    # OSError makes the right subclass of a number, which aiohttp's own class hides.
    return explain(secure if secure is not None else OSError(*error.args))


def _dropped(error: Exception, answer: Answer) -> PageError:
    secure = tls_cause(error)
    return answer.cut_off() if secure is None else explain(secure)


def _payload(error: Exception, answer: Answer) -> PageError:
    cause = error.__cause__
    if isinstance(cause, ContentLengthError | OSError) or "Not enough data" in str(cause):
        return _dropped(error, answer)
    return PageError("protocol", f"this is no valid HTTP: {one_line(str(cause or error))}")


def _message(error: Any, answer: Answer) -> PageError:
    return PageError("protocol", f"this is no valid HTTP: {one_line(error.message)}")


# Looked up from top to bottom: a class stands before its bases.
_TABLE: tuple[tuple[type[BaseException], Callable[[Any, Answer], PageError]], ...] = (
    (aiohttp.ConnectionTimeoutError, lambda error, answer: _not_connected(answer)),
    (TimeoutError, lambda error, answer: answer.timed_out()),
    (aiohttp.ClientConnectorCertificateError, _certificate),
    (aiohttp.ClientProxyConnectionError, _proxy),
    (aiohttp.ClientConnectorError, _connector),
    (aiohttp.ClientHttpProxyError, _tunnel),
    (aiohttp.ServerDisconnectedError, _dropped),
    (ConnectionDropped, _dropped),
    (aiohttp.ClientConnectionResetError, _dropped),
    (aiohttp.ClientOSError, _operating_system),
    (aiohttp.ClientPayloadError, _payload),
    (aiohttp.ClientResponseError, _message),
    (HttpProcessingError, _message),
    (aiohttp.InvalidURL, lambda error, answer: PageError("protocol", "this URL cannot be asked for over HTTP")),
)
