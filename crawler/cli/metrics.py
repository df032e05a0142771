"""`--metrics ADDR`: numbers of a running crawl for Prometheus, and whether it gets on, over HTTP.

| metric | |
|---|---|
| `crawler_pages_total{status, outcome, role}` | stored in this run, by status (0: no answer), outcome and role |
| `crawler_errors_total{kind}` | no usable answer, by kind |
| `crawler_body_bytes_total` | decoded bodies of this run |
| `crawler_fetch_seconds` | histogram: from the start of a request to the last byte |
| `crawler_queued_urls`, `crawler_in_flight_requests`, `crawler_hosts` | now: URLs that wait, requests on their way, hosts in hand |
| `crawler_due_hosts` | of a shared crawl: hosts that nobody holds and that may be asked now |
| `crawler_leases_lost_total` | hosts that another worker took over |
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from threading import Thread
from typing import TYPE_CHECKING, Self, get_args

from crawler.errors import UsageError
from crawler.model import ErrorKind, Record
from crawler.progress import Progress

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

STUCK = 30.0
"""Seconds without a sign of life after which `/healthz` says 503."""

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """What is counted. Told what is stored and how far the crawl is, by the thread of the crawl; read by those that serve it.

    Raises UsageError when prometheus-client is not installed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError as error:
            raise UsageError("--metrics needs prometheus-client", str(error), "pip install 'asyncrawl[metrics]'") from error
        self.registry: CollectorRegistry = CollectorRegistry()
        self._pages = Counter("crawler_pages", "URLs that were stored in this run.", ("status", "outcome", "role"), registry=self.registry)
        self._errors = Counter("crawler_errors", "URLs without a usable answer.", ("kind",), registry=self.registry)
        self._bytes = Counter("crawler_body_bytes", "Bytes of decoded bodies of this run.", registry=self.registry)
        what = "From the start of a request to the last byte."
        self._seconds = Histogram("crawler_fetch_seconds", what, buckets=_BUCKETS, registry=self.registry)
        self._queued = Gauge("crawler_queued_urls", "URLs that wait.", registry=self.registry)
        self._in_flight = Gauge("crawler_in_flight_requests", "Requests on their way.", registry=self.registry)
        self._hosts = Gauge("crawler_hosts", "Hosts in hand.", registry=self.registry)
        self._due = Gauge("crawler_due_hosts", "Hosts of a shared crawl that nobody holds and that may be asked.", registry=self.registry)
        self._lost = Counter("crawler_leases_lost", "Hosts that another worker took over.", registry=self.registry)
        for kind in get_args(ErrorKind):
            self._errors.labels(kind)
        self._lost_before = 0
        self._clock = clock
        self._alive_at = clock()

    def count(self, records: Sequence[Record]) -> None:
        """Takes note of what a commit stored."""
        for record in records:
            page = record.page
            if page.role == "sitemap":
                continue
            self._pages.labels(str(page.status), page.outcome, page.role).inc()
            self._bytes.inc(page.content.size if page.outcome != "not_modified" else 0)
            if page.ttfb is not None:
                self._seconds.observe(page.elapsed)
            if page.error is not None:
                self._errors.labels(page.error.kind).inc()

    def progress(self, progress: Progress, leases_lost: int, due_hosts: int) -> None:
        """Takes how far the crawl is, and a sign of life with it."""
        self._alive_at = self._clock()
        self._queued.set(progress.queued)
        self._in_flight.set(progress.in_flight)
        self._hosts.set(len(progress.hosts) + progress.more_hosts)
        self._due.set(due_hosts)
        self._lost.inc(leases_lost - self._lost_before)
        self._lost_before = leases_lost

    @property
    def quiet_for(self) -> float:
        """Seconds since the last sign of life."""
        return self._clock() - self._alive_at


class MetricsServer:
    """Serves `/metrics` and `/healthz` on `host:port` under `with`; port 0 takes a free one. Raises UsageError when it cannot listen.

    `stuck` is after how many seconds without a sign of life the crawl counts as stuck.
    """

    def __init__(self, address: str, stuck: float = STUCK) -> None:
        self.metrics = Metrics()
        host, _, port = address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        server = _server_class(host)
        try:
            self._server = server((host, int(port)), _handler(self.metrics, stuck))
        except OSError as error:
            raise UsageError(f"cannot listen on {address}", str(error.strerror or error), "--metrics 0 takes a free port") from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_address[1]}/metrics"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        thread = Thread(target=self._server.serve_forever, args=(0.1,), name="crawler-metrics", daemon=True)
        thread.start()
        self._stack.callback(self._server.server_close)
        self._stack.callback(thread.join)
        self._stack.callback(self._server.shutdown)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in host else AF_INET
        daemon_threads = True

    return Server


def _handler(metrics: Metrics, stuck: float) -> type[BaseHTTPRequestHandler]:
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0
        server_version = "asyncrawl"

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
                case "/healthz" if metrics.quiet_for > stuck:
                    self._answer(503, "text/plain", f"no sign of life for {metrics.quiet_for:.0f} s\n".encode())
                case "/healthz":
                    self._answer(200, "text/plain", b"ok\n")
                case _:
                    self._answer(404, "text/plain", b"there are /metrics and /healthz\n")

        do_HEAD = do_GET

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Standard error belongs to the crawl."""

    return Handler
