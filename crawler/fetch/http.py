"""The asynchronous fetcher: one aiohttp session, kept-alive connections, one timeout per request, no answer taken on trust."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, StreamReader
from yarl import URL

from crawler.core.retry import is_out_of_files
from crawler.fetch import descriptors
from crawler.fetch.answer import Answer, method_of
from crawler.fetch.body import BodyReader
from crawler.fetch.client_failures import LOST, ConnectionDropped, explain_client
from crawler.fetch.cookies import open_jar, origin_of
from crawler.fetch.guard import CONNECTING, Connecting, Guard
from crawler.fetch.headers import RequestHeaders
from crawler.fetch.kept_alive import KeptAlive, KeptResponse
from crawler.fetch.options import MAX_HEADERS, MAX_LINE, FetchOptions
from crawler.fetch.pool import Pool
from crawler.fetch.proxies import Proxies
from crawler.fetch.rate import RateLimit
from crawler.fetch.resolver import Resolver
from crawler.fetch.spool import SpoolFile
from crawler.fetch.tls import tls_context
from crawler.model import Body, Request, Response

_MOST_SITES = 10_000


@dataclass(frozen=True, slots=True)
class _Site:
    """What is the same for all URLs with one beginning. `place` is the host with its port, `userinfo` the `user:password` in them."""

    origin: str
    host: str
    place: str
    proxy: str | None
    is_secure: bool
    userinfo: str | None


class HttpFetcher:
    """Fetches over HTTP/1.1, any number of requests at a time.

        async with HttpFetcher(options, spool) as fetcher:
            response = await fetcher.fetch(request)

    `spool` is the folder for large bodies; without one all are kept in memory. Redirects are answers like any other.
    UsageError when the options cannot be used.
    """

    def __init__(self, options: FetchOptions, spool: Path | None = None) -> None:
        self._options = options
        self._spool = spool
        self._memory = None if spool is None else options.spool_threshold
        self._guard = Guard(options.allowed_private, options.allow_private)
        self._jar = open_jar(options)
        self._headers = RequestHeaders(options, self._jar)
        self._proxies = Proxies(options)
        if options.ca_certificate is not None:
            _ = self._tls  # an unusable file is to be known at once
        self._rate = RateLimit(options.limit_rate) if options.limit_rate is not None else None
        self._session: aiohttp.ClientSession | None = None
        self._sites: dict[str, _Site] = {}

    async def __aenter__(self) -> Self:
        if self._spool is not None:
            self._spool.mkdir(parents=True, exist_ok=True)
        self._resolver = Resolver(most=min(16, descriptors.limit() // 16))  # each may have some files open
        self._pool = Pool(
            limit=0,  # the engine bounds itself
            ttl_dns_cache=300,
            resolver=self._resolver,
            socket_factory=self._guard.socket,
        )
        self._kept_alive = KeptAlive(self._pool, self._headers.common)
        self._session = aiohttp.ClientSession(
            connector=self._pool,
            headers=self._headers.common,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._options.longest_connect),
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            middlewares=(_ask_again_only_on_a_used_connection,),
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()
            await self._resolver.close()  # the connector closes only a resolver that it made itself
        if self._jar is not None and self._options.keeps_cookies and self._options.cookies_kept is not None:
            await asyncio.to_thread(self._jar.save, self._options.cookies_kept)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return tls_context(self._options)  # takes some 20 ms, which a crawl without https need not spend

    async def fetch(self, request: Request, leaves: Callable[[bool], object] | None = None) -> Response:
        """The answer to a GET of this URL, or a HEAD of a probe. Whatever goes wrong is `response.error`; only CancelledError is raised.
        `leaves` is called when the request is sent, over a connection that is open by then."""
        answer = Answer(request, self._options)
        try:
            async with asyncio.timeout(self._options.timeout) as limit:
                await self._exchange(request, answer, limit, leaves)
        except Exception as error:
            failure = explain_client(error, answer)
            if is_out_of_files(failure):
                self._pool.drop_idle()
            answer.failed(failure)
        return answer.response()

    async def _exchange(self, request: Request, answer: Answer, limit: asyncio.Timeout, leaves: Callable[[bool], object] | None) -> None:
        response = await self._ask(request, leaves)
        try:
            answer.headers_arrived(
                response.status, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
            )
            if self._jar is not None and answer.cookies:
                url = URL(request.url, encoded=True)
                self._jar.keep(origin_of(url.scheme, url.raw_host or "", url.port), url.raw_path, answer.cookies)
            if answer.is_enough:
                return _leave(response, method_of(request))
            reader = answer.body_reader(self._memory)
            answer.body = await self._read(response, reader, answer, limit)
        except BaseException:
            response.close()  # after a whole body there is nothing to close: its connection is back in the pool
            raise

    async def _ask(self, request: Request, leaves: Callable[[bool], object] | None) -> ClientResponse | KeptResponse:
        """Sends the request and waits for the headers."""
        assert self._session is not None, "the fetcher works under `async with` only"
        site = self._site_of(request.url)
        self._guard.check_literal(site.host, site.place)
        CONNECTING.set(Connecting(site.host, site.place, site.proxy is not None, leaves=leaves))
        tls = self._tls if site.is_secure else True
        headers = None
        if self._headers.by_origin or request.headers or site.userinfo is not None:
            path = URL(request.url, encoded=True).raw_path
            headers = self._headers.added(request, site.origin, path, site.userinfo or "")
        method = method_of(request)
        if site.proxy is None and site.userinfo is None and method == "GET":
            every = None if not headers else self._headers.all(headers).items()
            if (kept := await self._kept_alive.ask(request.url, tls, every)) is not None:
                return kept
        url = URL(request.url, encoded=True)
        url = url.with_user(None) if site.userinfo is not None else url
        if request.url.endswith("?") and not url.raw_query_string:
            url = url.with_path(f"{url.raw_path}?", encoded=True)  # yarl forgets an empty query, which is part of a URL all the same
        return await self._session.request(method, url, headers=headers, allow_redirects=False, proxy=site.proxy, ssl=tls)

    def _site_of(self, address: str) -> _Site:
        """What all URLs have in common that begin as this one: taking each of them apart would be a tenth of asking for it."""
        beginning = address[: address.index("/", 8)]
        site = self._sites.get(beginning)
        if site is None:
            url = URL(address, encoded=True)
            host = url.raw_host or ""
            proxy = self._proxies.find(url.scheme, host, url.port) if self._proxies else None
            origin = origin_of(url.scheme, host, url.port)
            site = _Site(
                origin,
                host,
                origin.partition("://")[2],
                proxy,
                is_secure=url.scheme == "https" or (proxy is not None and proxy.startswith("https:")),
                userinfo=None if url.raw_user is None else f"{url.raw_user}:{url.raw_password or ''}",
            )
            if len(self._sites) >= _MOST_SITES:
                self._sites.clear()
            self._sites[beginning] = site
        return site

    async def _read(self, response: ClientResponse | KeptResponse, body: BodyReader, answer: Answer, limit: asyncio.Timeout) -> Body:
        content, connection, spool = response.content, response.connection, None
        protocol = connection.protocol if connection is not None else None
        try:
            while chunk := await self._next(content, answer, limit):
                if self._rate is not None:
                    await _hold_up(self._rate.take(len(chunk)), answer, limit)
                for number, piece in enumerate(body.decode(chunk)):
                    full = body.add(piece)
                    if number:
                        await asyncio.sleep(0)  # one chunk that holds so much is work: others first
                    if full:
                        assert self._spool is not None
                        limit.reschedule(None)  # the disk's time is not the server's
                        spool = spool or await SpoolFile.create(self._spool)
                        await spool.write(body.drain())
            # Then aiohttp calls whole what has come, but its protocol knows better.
            if answer.ends_with_connection and protocol is not None and isinstance(protocol.exception(), OSError):
                raise ConnectionDropped
            body.finish()
            if spool is None:
                return body.result()
            await spool.write(body.drain())
            await spool.close()
            return body.result(spool.path)
        except BaseException:
            if spool is not None:
                await spool.discard()
            raise

    async def _next(self, content: StreamReader, answer: Answer, limit: asyncio.Timeout) -> bytes:
        """What has arrived since the last call, or the next that arrives in time; b"" at the end."""
        chunk = content.read_nowait()
        if chunk or content.at_eof():
            return chunk
        limit.reschedule(asyncio.get_running_loop().time() + answer.left())
        return await content.readany()


async def _hold_up(seconds: float, answer: Answer, limit: asyncio.Timeout) -> None:
    """Waits, which is nobody's fault."""
    limit.reschedule(None)
    await asyncio.sleep(seconds)
    answer.held_up(seconds)


def _leave(response: ClientResponse | KeptResponse, method: str) -> None:
    """Gives up the body of an answer; the connection of one that has none is kept."""
    if method == "HEAD" and isinstance(response, ClientResponse):
        response.release()
    else:
        response.close()


async def _ask_again_only_on_a_used_connection(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """aiohttp asks again at once after every lost connection. That is right when an idle one was closed just as it was used
    again (RFC 9110, 9.2.2), but a fresh one means that the server did get the request."""
    try:
        return await handler(request)
    except LOST as error:
        if CONNECTING.get().sockets and not isinstance(error, aiohttp.ClientConnectorError):
            raise ConnectionDropped from error
        raise
