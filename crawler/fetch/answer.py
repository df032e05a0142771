"""An answer in the making, the same for both fetchers: what has arrived, how long it took, and what is being waited for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import perf_counter

from crawler.fetch.body import BodyReader, too_big
from crawler.fetch.failures import FetchFailure
from crawler.fetch.options import LOWEST_RATE, FetchOptions
from crawler.model import Body, PageError, Response

_NOTHING = Body()


class Answer:
    """Collects one answer. `waiting_for` tells what a timeout would mean."""

    __slots__ = ("_headers", "_options", "_started", "body", "error", "status", "ttfb", "url", "waiting_for")

    def __init__(self, url: str, options: FetchOptions) -> None:
        self.url = url
        self.status = 0
        self.body = _NOTHING
        self.error: PageError | None = None
        self.ttfb: float | None = None
        self.waiting_for = "headers"
        self._headers: tuple[tuple[str, str], ...] = ()
        self._options = options
        self._started = perf_counter()

    def age(self) -> float:
        """Seconds since the request began."""
        return perf_counter() - self._started

    def headers_arrived(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Keeps status and headers, in their order. Raises FetchFailure for a status that is no answer to a GET."""
        self.ttfb = self.age()
        self.status = status
        self._headers = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])
        if status == 101:
            raise FetchFailure("protocol", "the server switched protocols without being asked to")

    def body_reader(self, length: int | None, codings: Sequence[str] | None, memory: int | None) -> BodyReader:
        """The reader for a body of this length and these codings. Raises FetchFailure when it is not worth beginning."""
        if length is not None and length > self._options.max_body:
            raise too_big(self._options.max_body)
        return BodyReader(",".join(codings) if codings else "", self._options.max_body, memory)

    def patience(self, received: int) -> float:
        """Seconds that the next read may take: the pause between two reads, or less when the body is too slow on the whole."""
        pause = self._options.read_timeout
        left = self._options.timeout + received / LOWEST_RATE - self.age()
        self.waiting_for = "data" if pause <= left else "rate"
        return min(pause, max(left, 0.0))

    def not_connected(self) -> PageError:
        """The error for a connection that could not be made in time."""
        return PageError("timeout", f"no connection within {self._options.connect_timeout:g} s")

    def timed_out(self) -> PageError:
        """The error for a wait that was in vain."""
        match self.waiting_for:
            case "headers":
                return PageError("timeout", f"no headers within {self._options.timeout:g} s")
            case "data":
                return PageError("timeout", f"no data for {self._options.read_timeout:g} s")
            case "valid chunks":
                return PageError("protocol", "this is no valid HTTP: the chunks of the body are broken")
        return PageError("timeout", f"the body came at less than {LOWEST_RATE // 1024} KB/s")

    def failed(self, error: PageError) -> None:
        """Ends the answer with an error; what has come of the body is dropped."""
        self.error = error
        self.body = _NOTHING

    def response(self) -> Response:
        """The answer as the crawl knows it."""
        return Response(self.url, self.status, self._headers, self.body, self.error, self.ttfb, self.age())
