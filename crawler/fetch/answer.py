"""An answer in the making, the same for both fetchers: what has arrived, how long it took, and what is being waited for."""

from __future__ import annotations

from itertools import chain
from time import perf_counter

from crawler.core.following import REDIRECT_STATUS
from crawler.core.media_types import media_type
from crawler.core.retry import NO_CONNECTION
from crawler.core.robots_lines import ROBOTS_MAX_SIZE
from crawler.core.sitemaps import MAX_SITEMAP_SIZE
from crawler.fetch.body import BodyReader, too_big
from crawler.fetch.failures import FetchFailure
from crawler.fetch.options import LOWEST_RATE, MAX_HEADER_SIZE, FetchOptions
from crawler.model import Body, PageError, Request, Response, Role

_NOTHING = Body()
# More than robots.txt are read for, by as much as may come in one piece.
ROBOTS_BEGINNING = 2 * ROBOTS_MAX_SIZE
_READ_HERE = frozenset({"content-encoding", "content-length", "content-type", "location", "set-cookie", "transfer-encoding"})


def _limit(role: Role, max_body: int) -> int:
    """How large a decoded body may be. A sitemap may be as large as its protocol allows, whatever is said of pages."""
    if role == "robots":
        return ROBOTS_BEGINNING
    return max(max_body, MAX_SITEMAP_SIZE) if role == "sitemap" else max_body


def method_of(request: Request) -> str:
    """How a URL is asked for: a probe with HEAD first."""
    return "HEAD" if request.role == "probe" and not request.attempts else "GET"


class Answer:
    """Collects one answer. `waiting_for` tells what a timeout would mean; after `end` (as `perf_counter` counts) nothing is waited for.

    Of a robots.txt the beginning is enough: what lies beyond is left, and no error (RFC 9309, 2.5). Of a redirect the headers are:
    whatever is wrong with its body is no error, and nothing of it is kept.
    """

    __slots__ = (
        "_asked",
        "_beginning",
        "_end",
        "_headers",
        "_known",
        "_limit",
        "_moved",
        "_options",
        "_reader",
        "_role",
        "_started",
        "body",
        "error",
        "status",
        "ttfb",
        "url",
        "waiting_for",
    )

    def __init__(self, request: Request, options: FetchOptions, end: float = float("inf")) -> None:
        self.url = request.url
        self._asked = request.headers
        self._role = request.role
        self._beginning = request.role == "robots"
        self._moved = False
        self._limit = _limit(request.role, options.max_body)
        self.status = 0
        self.body = _NOTHING
        self.error: PageError | None = None
        self.ttfb: float | None = None
        self.waiting_for = "headers"
        self._headers: tuple[tuple[str, str], ...] = ()
        self._known: dict[str, list[str]] = {}
        self._options = options
        self._reader: BodyReader | None = None
        self._started = perf_counter()
        self._end = end

    def age(self) -> float:
        """Seconds since the request began."""
        return perf_counter() - self._started

    def headers_arrived(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Keeps status and headers, in their order. Raises FetchFailure (`protocol`) for what is no answer to a GET."""
        self.ttfb = self.age()
        self.status = status
        self._headers = tuple(headers)
        size = 0
        for name, value in headers:
            size += len(name) + len(value)
            key = name.lower()
            if key.endswith((" ", "\t")):  # RFC 9112, 5.1; llhttp lets it pass after some names
                raise FetchFailure("protocol", "this is no valid HTTP: there is a space between the name of a header and its colon")
            if key in _READ_HERE:
                self._known.setdefault(key, []).append(value)
        if size > MAX_HEADER_SIZE:
            self._headers = ()
            raise FetchFailure("protocol", f"the header is larger than {MAX_HEADER_SIZE // 1024} KB")
        if status == 101:
            raise FetchFailure("protocol", "the server switched protocols without being asked to")
        if status == 206 and not self._asked_for_a_part:
            raise FetchFailure("protocol", "the server sent a part of the body (206) without being asked to")
        transfer = self._known.get("transfer-encoding")
        if transfer and [coding.strip().lower() for coding in transfer] not in (["chunked"], ["identity"]):
            raise FetchFailure("protocol", f"Transfer-Encoding {', '.join(transfer)} was not asked for")
        self._moved = status in REDIRECT_STATUS and "location" in self._known

    @property
    def _asked_for_a_part(self) -> bool:
        """Whether somebody's headers asked for a range (RFC 9110, 14.2)."""
        return any(name.lower() == "range" for name, _ in chain(self._asked, self._options.headers, *self._options.host_headers.values()))

    @property
    def cookies(self) -> list[str]:
        """The Set-Cookie lines."""
        return self._known.get("set-cookie", [])

    @property
    def ends_with_connection(self) -> bool:
        """Whether only the end of the connection tells where the body ends."""
        return "content-length" not in self._known and "transfer-encoding" not in self._known

    @property
    def is_enough(self) -> bool:
        """Whether the headers are all that is wanted: those of a probe, or of an answer whose type is not read."""
        if self._role == "probe":
            return True
        if self._role not in ("page", "requisite") or not 200 <= self.status < 300:
            return False
        return not self._options.types.admits(media_type(self._known.get("content-type", ("",))[0]))

    def body_reader(self, memory: int | None) -> BodyReader:
        """The reader for the body, to hold about `memory` bytes at most. Raises FetchFailure (`too_big`, `decode`) when it is not
        worth beginning."""
        limit = self._limit
        length = self._known.get("content-length", ("",))[0]
        if not self._beginning and length.isdecimal() and int(length) > limit and self.status not in (204, 304):
            raise too_big(limit)
        self._reader = BodyReader(",".join(self._known.get("content-encoding", ())), limit, None if self._beginning else memory)
        return self._reader

    def connecting(self, begins: bool) -> None:
        """Says that a connection is being made, or that it is there."""
        self.waiting_for = "connection" if begins else "headers"

    def left(self) -> float:
        """Seconds that the next read may take: what is left for the headers; in the body the pause between two reads, or less when
        it is too slow on the whole."""
        left = self._options.timeout - self.age()
        allowed = self._end - perf_counter()
        if self._reader is None:
            return min(left, allowed)
        left += self._reader.received / LOWEST_RATE
        pause = self._options.read_timeout
        self.waiting_for = "data" if pause <= left else "rate"
        return min(pause, left, allowed)

    def held_up(self, seconds: float) -> None:
        """Says that it was ourselves who waited: that time is not the server's."""
        self._started += seconds

    def timed_out(self) -> PageError:
        """The error for a wait that was in vain."""
        match self.waiting_for:
            case "connection":
                return PageError("timeout", f"{NO_CONNECTION} within {self._options.longest_connect:g} s")
            case "headers":
                return PageError("timeout", f"no headers within {self._options.timeout:g} s")
            case "data":
                return PageError("timeout", f"no data for {self._options.read_timeout:g} s")
        return PageError("timeout", f"the body came at less than {LOWEST_RATE // 1024} KB/s")

    def not_found(self) -> PageError:
        """The error for a name that was looked up in vain."""
        return PageError("dns", f"the name server did not answer within {self._options.timeout:g} s")

    def cut_off(self) -> PageError:
        """The error for a connection that was lost."""
        if self.status:
            return PageError("truncated", "the connection ended before the body did")
        return PageError("reset", "the server closed the connection before it answered")

    def failed(self, error: PageError) -> None:
        """Ends the answer with an error; what has come of the body is dropped."""
        if self._beginning and error.kind == "too_big" and self._reader is not None:
            self.body = self._reader.rest()
            return
        self.error = None if self._moved else error
        self.body = _NOTHING

    def response(self) -> Response:
        """The answer as the crawl knows it."""
        return Response(self.url, self.status, self._headers, self.body, self.error, self.ttfb, self.age())
