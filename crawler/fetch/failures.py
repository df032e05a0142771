"""What went wrong, in words of the closed set: exceptions of the standard library and of the sockets become a `PageError`.

Each fetcher adds the exceptions of its own library and hands the rest to `explain`.
"""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any

from crawler.model import ErrorKind, PageError
from crawler.text import printable


class FetchFailure(Exception):
    """An answer that cannot be used, already named."""

    def __init__(self, kind: ErrorKind, detail: str = "") -> None:
        super().__init__(detail or kind)
        self.error = PageError(kind, printable(detail))  # it may quote what the server said


_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES, errno.EPERM})
_CUT_OFF = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.ESHUTDOWN})

# X509_V_ERR_* of OpenSSL, as ssl.SSLCertVerificationError.verify_code gives them.
_CERTIFICATE = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the certificate chain ends in a self-signed certificate that is not trusted",
    20: "the certificate's issuer is not known",
    21: "the certificate's issuer is not known: the server does not send its chain",
    23: "the certificate was revoked",
    62: "the certificate is for another host",
    64: "the certificate is for another address",
}
_HANDSHAKE = {
    "UNSUPPORTED_PROTOCOL": "the server speaks only an old TLS version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server speaks only an old TLS version",
    "NO_PROTOCOLS_AVAILABLE": "no TLS version in common with the server",
    "VERSION_TOO_LOW": "the server speaks only an old TLS version",
    "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED": "the server's signature is made in a way too old to be safe",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "the server speaks only an old TLS version",
    "DH_KEY_TOO_SMALL": "the server's key is too short to be safe",
    "WRONG_VERSION_NUMBER": "the server does not speak TLS on this port",
    "HTTP_REQUEST": "the server does not speak TLS on this port",
    "RECORD_LAYER_FAILURE": "the server does not speak TLS on this port",
    "PACKET_LENGTH_TOO_LONG": "the server does not speak TLS on this port",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server refused the handshake: no cipher in common, or it wants a client certificate",
    "SSL/TLS_ALERT_HANDSHAKE_FAILURE": "the server refused the handshake: no cipher in common, or it wants a client certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants a client certificate",
    "TLSV1_UNRECOGNIZED_NAME": "the server does not know this host name",
    "TLSV1_ALERT_INTERNAL_ERROR": "the server gave up the handshake with an internal error",
    "UNEXPECTED_EOF_WHILE_READING": "the server closed the connection during the handshake",
}


def explain(error: BaseException) -> PageError:
    """The kind and a sentence for an exception of the standard library; `internal` for what nobody expected."""
    for kind, sentence in _TABLE:
        if isinstance(error, kind):
            return sentence(error)
    return PageError("internal", f"{type(error).__name__}: {one_line(str(error))}")


def one_line(text: str) -> str:
    """A message of somebody else, fit for a detail: one line, not too long, nothing in it that would act on a terminal."""
    return printable(" ".join(text.split()).removesuffix(" ^"))[:200]


def tls_cause(error: BaseException | None) -> ssl.SSLError | None:
    """The TLS error that an exception of a library was made from, if there is one."""
    seen = 0
    while error is not None and seen < 8:  # a chain of causes may be a circle
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
        seen += 1
    return None


def _tls(error: Any) -> PageError:
    if isinstance(error, ssl.SSLCertVerificationError):
        sentence = _CERTIFICATE.get(error.verify_code, f"the certificate cannot be trusted: {error.verify_message}")
        return PageError("tls", sentence)
    reason = _reason(error)
    return PageError("tls", _HANDSHAKE.get(reason.upper().replace(" ", "_"), f"the TLS handshake failed: {one_line(reason)}"))


def _reason(error: ssl.SSLError) -> str:
    """Why TLS failed: OpenSSL's name for it, or its words where this Python has no name for what its OpenSSL says, and for an end
    one name, however it was noticed."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "UNEXPECTED_EOF_WHILE_READING"
    reason: str | None = getattr(error, "reason", None)
    return reason or re.sub(r"^\[.*?\] | \(_ssl\.c:\d+\)$", "", str(error.args[-1] if error.args else error))


def _name(error: Any) -> PageError:
    if error.errno == socket.EAI_AGAIN:
        return PageError("dns", "the name server did not answer")
    if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)):
        return PageError("dns", "the host name is not known")
    return PageError("dns", f"the host name cannot be resolved: {error.strerror}")


def _system(error: Any) -> PageError:
    number, text = error.errno, error.strerror or str(error)
    if number in _OUT_OF_FILES:
        return PageError("internal", f"EMFILE: {text}; raise `ulimit -n` or lower the concurrency")
    if number in _UNREACHABLE:
        return PageError("refused", f"the host cannot be reached: {text}")
    # asyncio and aiohttp make errors of their own, without a number, for a connection that is gone already.
    if number in _CUT_OFF or (number is None and isinstance(error, ConnectionError)):
        return PageError("reset", "the server cut the connection before it answered")
    name = errno.errorcode.get(number, "") if number else ""
    return PageError("internal", f"{name or type(error).__name__}: {text}")


def _constant(kind: ErrorKind, detail: str) -> Callable[[Any], PageError]:
    return lambda error: PageError(kind, detail)


# Looked up from top to bottom: a class stands before its bases.
_TABLE: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[[Any], PageError]], ...] = (
    (FetchFailure, lambda error: error.error),
    (socket.gaierror, _name),
    (ssl.SSLError, _tls),
    (ConnectionRefusedError, _constant("refused", "the host refused the connection")),
    (http.client.RemoteDisconnected, _constant("reset", "the server closed the connection before it answered")),
    (TimeoutError, _constant("timeout", "the network gave up waiting")),
    (OSError, _system),
    (http.client.IncompleteRead, _constant("truncated", "the connection ended before the body did")),
    (http.client.BadStatusLine, lambda error: PageError("protocol", f"this is no HTTP status line: {error.line[:80]!r}")),
    (http.client.LineTooLong, _constant("protocol", "a line of the header is longer than 64 KB")),
    (http.client.HTTPException, lambda error: PageError("protocol", f"this is no valid HTTP: {one_line(str(error))}")),
    # The idna codec, for a label that is empty or longer than 63 letters.
    (UnicodeError, lambda error: PageError("dns", f"the host name is not valid: {one_line(str(error))}")),
)
