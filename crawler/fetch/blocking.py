"""The fetcher of the synchronous mode: urllib3, one kept-alive connection per host, one request at a time.

It sends the same requests as the asynchronous one and reports the same answers and errors.
"""

from __future__ import annotations

import http.client
import ssl
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, ProxyError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout, make_headers

from crawler.fetch.answer import Answer
from crawler.fetch.body import BodyReader
from crawler.fetch.cookies import CookieJar, origin_of
from crawler.fetch.failures import explain, one_line
from crawler.fetch.guard import CONNECTING, Connecting, Guard
from crawler.fetch.headers import RequestHeaders
from crawler.fetch.options import FetchOptions
from crawler.fetch.proxies import Proxies
from crawler.fetch.spool import new_path
from crawler.fetch.tls import tls_context
from crawler.fetch.wire import Wire, pool_classes
from crawler.model import Body, PageError, Request, Response

_HOSTS = 64  # so many connections are kept alive
_READ = 64 * 1024
_AS_IT_COMES: dict[str, Any] = {"retries": False, "preload_content": False, "decode_content": False}


class BlockingFetcher:
    """Fetches over HTTP/1.1, one request at a time, from one thread.

        with BlockingFetcher(options, spool) as fetcher:
            response = fetcher.fetch(request)

    The arguments are those of `HttpFetcher`, and so are the answers.
    """

    def __init__(self, options: FetchOptions, spool: Path | None = None) -> None:
        self._options = options
        self._spool = spool
        self._memory = None if spool is None else options.spool_threshold
        self._guard = Guard(options.allowed_private, options.allow_private)
        self._jar = CookieJar(options.cookies_file) if options.cookies or options.cookies_file else None
        self._headers = RequestHeaders(options, self._jar)
        self._proxies = Proxies(options)
        if options.ca_certificate is not None:
            _ = self._tls  # an unusable file is to be known at once
        self._wire = Wire(self._guard, options.connect_timeout)
        self._managers: dict[tuple[str | None, bool], urllib3.PoolManager] = {}

    def __enter__(self) -> Self:
        if self._spool is not None:
            self._spool.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for manager in self._managers.values():
            manager.clear()
        self._managers.clear()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return tls_context(self._options)  # takes some 20 ms, which a crawl without https need not spend

    def fetch(self, request: Request) -> Response:
        """The answer to a GET of this URL. Whatever goes wrong is `response.error`."""
        answer = Answer(request.url, self._options)
        try:
            self._exchange(request, answer)
        except Exception as error:
            answer.failed(_explain(error, answer))
        return answer.response()

    def _exchange(self, request: Request, answer: Answer) -> None:
        url = urlsplit(request.url)
        response = self._ask(request, url, answer)
        try:
            answer.headers_arrived(response.status, self._wire.headers())
            if self._jar is not None and answer.cookies:
                self._jar.keep(_origin(url), url.path, answer.cookies)
            reader = answer.body_reader(self._memory)
            self._wire.patience = lambda: answer.patience(reader.received)
            answer.body = self._read(response, reader)
        finally:
            response.close()  # nothing to do after a whole body: its connection is back in the pool

    def _ask(self, request: Request, url: SplitResult, answer: Answer) -> BaseHTTPResponse:
        """Sends the request and waits for the headers."""
        host = url.hostname or ""
        proxy = self._proxies.find(url.scheme, host, url.port) if self._proxies else None
        self._guard.check_literal(host)
        added: dict[str, str] = {}
        userinfo, _, place = url.netloc.rpartition("@")
        if self._headers.by_origin or request.headers or userinfo:
            added = self._headers.added(request, _origin(url), url.path, userinfo)
        wire = self._wire
        wire.target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        wire.url = f"{url.scheme}://{place}{wire.target}"
        wire.patience = answer.patience_for_headers
        wire.connecting = answer.connecting
        headers = self._headers.all(added)
        manager = self._manager(proxy, url.scheme == "https")
        for last in (False, True):
            CONNECTING.set(attempt := Connecting(host, proxy is not None))
            try:
                return manager.urlopen("GET", wire.url, headers=headers, redirect=False, **_AS_IT_COMES)
            except ProtocolError:
                # An idle connection was closed just as it was used again (RFC 9110, 9.2.2).
                if last or attempt.sockets:
                    raise
        raise AssertionError

    def _manager(self, proxy: str | None, secure: bool) -> urllib3.PoolManager:
        manager = self._managers.get((proxy, secure))
        if manager is not None:
            return manager
        timeout = Timeout(connect=self._options.connect_timeout, read=self._options.timeout)
        context = self._tls if secure or (proxy is not None and proxy.startswith("https:")) else None
        if proxy is None:
            manager = urllib3.PoolManager(_HOSTS, maxsize=1, timeout=timeout, ssl_context=context)
        else:
            manager = _proxy_manager(proxy, timeout, context)
        manager.pool_classes_by_scheme = pool_classes(self._wire)
        self._managers[proxy, secure] = manager
        return manager

    def _read(self, response: BaseHTTPResponse, body: BodyReader) -> Body:
        file: BinaryIO | None = None
        path: Path | None = None
        try:
            while chunk := response.read1(_READ, decode_content=False):
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


def _explain(error: Exception, answer: Answer) -> PageError:
    """The kind and a sentence for whatever a fetch through urllib3 has raised."""
    connecting = CONNECTING.get(None)
    if connecting is not None and connecting.refusal and not connecting.sockets:
        return PageError("blocked", connecting.refusal)
    at_proxy = isinstance(error, ProxyError)
    root = _root(error)
    if at_proxy and "Tunnel connection failed" in str(root):
        return PageError("refused", f"the proxy does not let the request through: {one_line(str(root))}")
    if isinstance(root, TimeoutError):
        return answer.timed_out()
    if isinstance(root, ConnectionError | http.client.IncompleteRead) and not isinstance(root, ConnectionRefusedError):
        return answer.cut_off()
    if isinstance(root, HTTPError):
        return PageError("protocol", f"this is no valid HTTP: {one_line(str(root))}")
    cause = explain(root)
    return PageError(cause.kind, f"the proxy cannot be reached: {cause.detail}") if at_proxy else cause


def _root(error: BaseException) -> BaseException:
    """The exception that urllib3 has wrapped, perhaps more than once."""
    while isinstance(error, HTTPError):
        inner = error.__cause__ or next((part for part in error.args if isinstance(part, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def _origin(url: SplitResult) -> str:
    return origin_of(url.scheme, url.hostname or "", url.port)


def _proxy_manager(proxy: str, timeout: Timeout, context: ssl.SSLContext | None) -> urllib3.ProxyManager:
    parts = urlsplit(proxy)
    credentials = parts.netloc.rpartition("@")[0]
    return urllib3.ProxyManager(
        proxy,
        _HOSTS,
        maxsize=1,
        timeout=timeout,
        ssl_context=context,
        proxy_ssl_context=context,
        proxy_headers=make_headers(proxy_basic_auth=credentials) if credentials else None,
    )
