"""The fetcher of the synchronous mode: urllib3, one kept-alive connection per host, one request at a time.

It sends the same requests as the asynchronous one and reports the same answers and errors.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import SplitResult, urlsplit

from urllib3.connection import HTTPConnection

from crawler.fetch.answer import Answer, method_of
from crawler.fetch.body import BodyReader
from crawler.fetch.cookies import open_jar, origin_of
from crawler.fetch.failures import explain, tls_cause
from crawler.fetch.guard import CONNECTING, Connecting, Guard
from crawler.fetch.headers import RequestHeaders
from crawler.fetch.options import FetchOptions
from crawler.fetch.proxies import Proxies
from crawler.fetch.rate import RateLimit
from crawler.fetch.spool import new_path
from crawler.fetch.tls import tls_context
from crawler.fetch.wire import Connections, Head, Key, proxy_headers
from crawler.model import Body, PageError, Request, Response

_READ = 64 * 1024


class BlockingFetcher:
    """Fetches over HTTP/1.1, one request at a time, from one thread.

        with BlockingFetcher(options, spool) as fetcher:
            response = fetcher.fetch(request)

    The arguments are those of `HttpFetcher`, and so are the answers. After `end` (as `perf_counter` counts) nothing is waited for.
    """

    end = float("inf")

    def __init__(self, options: FetchOptions, spool: Path | None = None) -> None:
        self._options = options
        self._spool = spool
        self._memory = None if spool is None else options.spool_threshold
        self._guard = Guard(options.allowed_private, options.allow_private)
        self._jar = open_jar(options)
        self._headers = RequestHeaders(options, self._jar)
        self._proxies = Proxies(options)
        self._rate = RateLimit(options.limit_rate) if options.limit_rate is not None else None
        self._connections = Connections(self._guard, options.longest_connect, lambda: self._tls)
        if options.ca_certificate is not None:
            _ = self._tls  # an unusable file is to be known at once

    def __enter__(self) -> Self:
        if self._spool is not None:
            self._spool.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connections.close()
        if self._jar is not None and self._options.cookies_kept is not None:
            self._jar.save(self._options.cookies_kept)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return tls_context(self._options)  # takes some 20 ms, which a crawl without https need not spend

    def fetch(self, request: Request, leaves: Callable[[bool], object] | None = None) -> Response:
        """The answer to a GET of this URL, or a HEAD of a probe. Whatever goes wrong is `response.error`. `leaves` is called when the
        request is sent, over a connection that is open by then."""
        answer = Answer(request, self._options, self.end)
        try:
            self._exchange(request, urlsplit(request.url), answer, leaves)
        except Exception as error:
            answer.failed(_explain(error, answer))
        return answer.response()

    def _exchange(self, request: Request, url: SplitResult, answer: Answer, leaves: Callable[[bool], object] | None) -> None:
        host = url.hostname or ""
        proxy = self._proxies.find(url.scheme, host, url.port) if self._proxies else None
        place = _origin(url).partition("://")[2]
        self._guard.check_literal(host, place)
        CONNECTING.set(Connecting(host, place, proxy is not None, leaves=leaves))
        key = (url.scheme, host, url.port, proxy)
        method = method_of(request)
        connection, head = self._ask(key, self._request(request, url, proxy), answer, method)
        try:
            answer.headers_arrived(head.status, head.pairs)
            if self._jar is not None and answer.cookies:
                self._jar.keep(_origin(url), url.path, answer.cookies)
            if not answer.is_enough:
                answer.body = self._read(head, answer.body_reader(self._memory), answer)
            elif method == "HEAD":
                head.next(1)  # finds its end, so that the connection can be kept
            else:
                head.will_close = True  # its headers are all there is to know
        except BaseException:
            connection.close()
            raise
        finally:
            head.close()
        if head.will_close:
            connection.close()
        else:
            self._connections.keep(key, connection)

    def _ask(self, key: Key, sent: bytes, answer: Answer, method: str) -> tuple[HTTPConnection, Head]:
        """Sends the request and waits for the headers."""
        kept = self._connections.take(key)
        if kept is not None:
            try:
                return kept, self._converse(kept, sent, answer, method)
            except ConnectionError:
                pass  # an idle connection was closed just as it was used again: ask once more (RFC 9110, 9.2.2)
        answer.connecting(True)
        connection = self._connections.open(key, answer.left)
        answer.connecting(False)
        return connection, self._converse(connection, sent, answer, method)

    def _converse(self, connection: HTTPConnection, sent: bytes, answer: Answer, method: str) -> Head:
        sock = connection.sock
        assert sock is not None
        try:
            CONNECTING.get().sends()
            sock.settimeout(max(answer.left(), 0.001))
            sock.sendall(sent)
            CONNECTING.get().sent()
            head = Head(sock, answer.left, method)
            head.begin()
            return head
        except BaseException:
            connection.close()
            raise

    def _request(self, request: Request, url: SplitResult, proxy: str | None) -> bytes:
        """The bytes of the request. Its target is the URL's path and query as they are, or the whole URL for a proxy."""
        headers = dict(self._headers.common)
        userinfo, _, place = url.netloc.rpartition("@")
        if self._headers.by_origin or request.headers or userinfo:
            headers = self._headers.all(self._headers.added(request, _origin(url), url.path, userinfo))
        # urlsplit forgets an empty query, which is part of a URL all the same.
        target = f"{url.path or '/'}?{url.query}" if url.query or request.url.endswith("?") else url.path or "/"
        if proxy is not None and url.scheme == "http":
            target = f"http://{place}{target}"
            headers.update(proxy_headers(proxy))
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        host = "" if any(name.lower() == "host" for name in headers) else f"Host: {place}\r\n"
        return f"{method_of(request)} {target} HTTP/1.1\r\n{host}{lines}\r\n".encode()

    def _read(self, head: Head, body: BodyReader, answer: Answer) -> Body:
        file: BinaryIO | None = None
        path: Path | None = None
        try:
            while chunk := head.next(_READ):
                if self._rate is not None:
                    self._hold_up(self._rate.take(len(chunk)), answer)
                for piece in body.decode(chunk):
                    if body.add(piece):
                        assert self._spool is not None
                        if file is None:
                            path = new_path(self._spool)
                            file = path.open("xb")
                        file.write(body.drain())
            body.finish()
            if file is not None:
                file.write(body.drain())
                file.close()
            return body.result(path)
        except BaseException:
            if file is not None and path is not None:
                file.close()
                path.unlink(missing_ok=True)
            raise

    def _hold_up(self, seconds: float, answer: Answer) -> None:
        """Waits, which is nobody's fault, but not beyond `end`."""
        time.sleep(max(0.0, min(seconds, self.end - time.perf_counter())))
        answer.held_up(seconds)


def _explain(error: Exception, answer: Answer) -> PageError:
    """The kind and a sentence for whatever a blocking fetch has raised."""
    connecting = CONNECTING.get(None)
    root = tls_cause(error) or error
    if connecting is not None and not connecting.sockets:
        if connecting.refusal:
            return PageError("blocked", connecting.refusal)
        if isinstance(root, TimeoutError) and answer.waiting_for == "connection":
            return answer.not_found()
    if isinstance(root, TimeoutError):
        return answer.timed_out()
    if isinstance(root, ConnectionError | http.client.IncompleteRead) and not isinstance(root, ConnectionRefusedError):
        return answer.cut_off()
    return explain(root)


def _origin(url: SplitResult) -> str:
    return origin_of(url.scheme, url.hostname or "", url.port)
