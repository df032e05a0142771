"""What a loopback site is asked and what it answers: values, and the helpers that build them."""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from http import HTTPStatus
from typing import Literal

Fault = Literal["reset", "close", "refuse", "hang", "truncate", "stall", "garbage", "endless"]
"""How an answer goes wrong.

`reset`: the connection is reset instead of an answer. `close`: it is closed without one. `refuse`: the same, and from then
on new connections are refused until `Site.listen()`. `hang`: nothing is ever sent. `truncate`: headers that promise the
whole body, half of it, then the end. `stall`: the same half, then silence. `garbage`: bytes that are no HTTP. `endless`: the
body again and again, chunked, as long as somebody reads.
"""

_TYPES = {
    "txt": "text/plain", "xml": "application/xml", "css": "text/css", "js": "text/javascript", "json": "application/json",
    "png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "svg": "image/svg+xml", "ico": "image/x-icon",
    "pdf": "application/pdf", "gz": "application/gzip", "zip": "application/zip", "woff2": "font/woff2", "md": "text/markdown",
}  # fmt: skip


@dataclass(slots=True)
class SiteRequest:
    """One request as it arrived. `target` is the path with its query, `head` the raw head without the blank line; `arrived` is when
    (monotonic seconds): as the system saw it where it says so (Linux), however late it was read."""

    method: str
    target: str
    head: bytes
    body: bytes = b""
    connection: int = 0
    arrived: float = 0.0

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark, or ""."""
        return self.target.partition("?")[2]

    @property
    def headers(self) -> dict[str, str]:
        """The headers, names in lower case; of a repeated one the last."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def host(self) -> str:
        """The Host header."""
        return self.headers.get("host", "")


class Gate:
    """Holds answers back until it is opened, so that a test decides when a page arrives instead of waiting for time to pass."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[AbstractEventLoop, Callable[[], None]]] = []
        self.is_open = False

    def open(self) -> None:
        """Lets everything through that waits, and all that comes later. From any thread."""
        with self._lock:
            self.is_open = True
            waiting, self._waiting = self._waiting, []
        for loop, proceed in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(proceed)

    def pass_through(self, loop: AbstractEventLoop, proceed: Callable[[], None]) -> None:
        """Calls `proceed` on the loop once the gate is open."""
        with self._lock:
            if not self.is_open:
                self._waiting.append((loop, proceed))
                return
        proceed()


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, ready to be sent any number of times. Built by `answer()`; `delay` in seconds, `rate` in bytes per second."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    fault: Fault | None = None
    chunked: bool = False
    rate: float = 0.0
    gate: Gate | None = None
    after: Callable[[], object] | None = None
    raw: bytes | None = None
    charset: str = ""

    @cached_property
    def has_body(self) -> bool:
        """Whether a body may follow the head (RFC 9110, 6.4.1)."""
        return self.status >= 200 and self.status not in (204, 304)

    @cached_property
    def head(self) -> bytes:
        """Status line and headers, with the blank line. A Content-Length among the headers is sent as it stands."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Whatever"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in self.headers)]
        if self.chunked or self.fault == "endless":
            lines.append("Transfer-Encoding: chunked")
        elif self.has_body and not any(name.lower() == "content-length" for name, _ in self.headers):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @cached_property
    def payload(self) -> bytes:
        """The body as it travels."""
        if not self.has_body:
            return b""
        if not self.chunked:
            return self.body
        chunk = b"%x\r\n%b\r\n" % (len(self.body), self.body) if self.body else b""
        return chunk + b"0\r\n\r\n"

    @cached_property
    def whole(self) -> bytes:
        """Head and body in one piece."""
        return self.head + self.payload

    @cached_property
    def closes(self) -> bool:
        """Whether the connection ends with this answer."""
        return any(name.lower() == "connection" and value.lower() == "close" for name, value in self.headers)


PageValue = str | bytes | Answer | Callable[[SiteRequest], "str | bytes | Answer"]
"""What a page of a site may be: HTML text, bytes, an answer, or a function that gives one of these for a request."""


def answer(
    status: int = 200,
    body: str | bytes = "",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    delay: float = 0.0,
    links: Sequence[str] = (),
    after: Callable[[], object] | None = None,
    *,
    fault: Fault | None = None,
    gate: Gate | None = None,
    chunked: bool = False,
    rate: float = 0.0,
    raw: bytes | None = None,
) -> Answer:
    """An answer with everything that can be said about it.

    `delay`: seconds before it is sent, `gate`: what it waits for, `links`: hrefs put below the body, `after`: called on the
    site's thread once it is sent, `rate`: bytes of the body per second, `raw`: these very bytes instead, then the end of
    the connection. Headers may repeat when given as pairs; Content-Length is added unless given.
    """
    data = body.encode() if isinstance(body, str) else body
    data += b"".join(f'<p><a href="{escape(href)}">{escape(href)}</a></p>\n'.encode() for href in links)
    pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers)
    return Answer(status, data, pairs, delay, fault, chunked, rate, gate, after, raw, "utf-8" if isinstance(body, str) else "")


def redirect(location: str, status: int = 302) -> Answer:
    """A redirect to `location`, which is sent as it stands."""
    return answer(status, "", {"Location": location})


def in_turn(*values: PageValue) -> Callable[[SiteRequest], str | bytes | Answer]:
    """A page that answers with the first value first, then the second, and with the last from then on."""
    left = list(values)

    def next_value(request: SiteRequest) -> str | bytes | Answer:
        value = left.pop(0) if len(left) > 1 else left[0]
        return value(request) if callable(value) else value

    return next_value


def as_answer(path: str, value: str | bytes | Answer) -> Answer:
    """The value as an answer with a Content-Type: the one it has, or by the path's extension, or HTML."""
    made = answer(body=value) if isinstance(value, str | bytes) else value
    if not made.has_body or any(name.lower() == "content-type" for name, _ in made.headers):
        return made
    extension = path.partition("?")[0].rpartition("/")[2].rpartition(".")[2]
    kind = _TYPES.get(extension, "text/html")
    charset = f"; charset={made.charset}" if made.charset and kind.startswith("text/") else ""
    return replace(made, headers=(*made.headers, ("Content-Type", kind + charset)))
