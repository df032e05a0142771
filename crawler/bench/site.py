"""A generated site in a process of its own: cheap enough that a crawler is what a benchmark measures, and it counts what it is asked.

`python -m crawler.bench.site --pages 500 --latency 50ms` prints its port on the first line and ends when its stdin closes.
`/__stats` answers the counts since the last `/__reset` as JSON; neither counts itself.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from socket import socket
from types import TracebackType
from typing import Any

from crawler.bench.pages import KINDS, Shape, Trouble, generate, planted
from crawler.configuration.values import read_duration, read_size
from crawler.testing import Answer, SiteRequest, answer
from crawler.testing.server import Server

SLOW = 0.5
"""Seconds that a slow page takes beyond the latency."""

_HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class SiteStats:
    """What a bench site was asked: requests, distinct paths, those asked for more than once with their counts, the most requests in
    flight together, connections opened, the monotonic seconds of the first and the last request (None: there was none), and the
    seconds of CPU that the site's process has taken since it began."""

    requests: int
    paths: int
    repeated: dict[str, int]
    in_flight_peak: int
    connections: int
    first: float | None
    last: float | None
    cpu: float


class _CountingSite:
    """Answers prepared once, and counters."""

    def __init__(self, shape: Shape, latency: float) -> None:
        self.server = Server(self.respond, self.record, latency)
        troubles = planted(shape)
        self._missing = _answer_to("missing", b"")
        self._answers = {path: _answer_to(troubles.get(path), body) for path, body in generate(shape)}
        self._counts: dict[str, int] = {}
        self._first: float | None = None
        self._last: float | None = None

    def respond(self, request: SiteRequest) -> Answer:
        if request.target.startswith("/__"):
            # What the measuring program asks is answered at once, whatever the latency.
            return answer(200, json.dumps(self._stats(request.target)), {"Content-Type": "application/json"}, -self.server.latency)
        return self._answers.get(request.target, self._missing)

    def record(self, request: SiteRequest, given: Answer) -> None:
        if request.target.startswith("/__"):
            return
        self._counts[request.target] = self._counts.get(request.target, 0) + 1
        self._last = time.monotonic()
        if self._first is None:
            self._first = self._last

    def _stats(self, target: str) -> dict[str, Any]:
        stats = {
            "requests": sum(self._counts.values()),
            "paths": len(self._counts),
            "repeated": {path: count for path, count in self._counts.items() if count > 1},
            "in_flight_peak": self.server.in_flight_peak if self._counts else 0,
            "connections": self.server.connections,
            "first": self._first,
            "last": self._last,
            "cpu": time.process_time(),
        }
        if target == "/__reset":
            self._forget()
        return stats

    def _forget(self) -> None:
        self._counts.clear()
        self._first = self._last = None
        self.server.in_flight_peak = 0


def _answer_to(trouble: Trouble | None, body: bytes) -> Answer:
    match trouble:
        case "missing":
            return answer(404, "<title>Not found</title>", _HTML)
        case "failing":
            # Tried again at once: what is compared is work, not the time that a crawler waits between two tries.
            return answer(500, "<title>Broken</title>", _HTML | {"Retry-After": "0"})
        case "slow":
            return answer(200, body, _HTML, SLOW)
    return answer(200, body, _HTML)


class BenchSite:
    """The site as a context manager: `with BenchSite(Shape(), latency=0.05) as site` starts the process and ends it.

    `url` is its root. Raises RuntimeError when the process does not start.
    """

    def __init__(self, shape: Shape, latency: float = 0.0) -> None:
        self.shape = shape
        self.latency = latency
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the first page, from which all are reachable."""
        return f"http://127.0.0.1:{self.port}/"

    def stats(self) -> SiteStats:
        """What was asked since the start or the last reset."""
        return SiteStats(**self._ask("/__stats"))

    def reset(self) -> SiteStats:
        """The same, and begins to count anew (connections are counted on)."""
        return SiteStats(**self._ask("/__reset"))

    def __enter__(self) -> BenchSite:
        shape = self.shape
        options: dict[str, object] = {"pages": shape.pages, "links": shape.links, "size": shape.size, "missing": shape.missing}
        options |= {"layout": shape.layout, "errors": shape.planted, "latency": self.latency}
        command = [sys.executable, "-m", "crawler.bench.site", *(f"--{name}={value}" for name, value in options.items())]
        # In a session of its own, so that Ctrl-C reaches only who ends it.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            self.__exit__(None, None, None)
            raise RuntimeError("the bench site did not start")
        self.port = int(line)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            # Closes stdin, which ends the process, and waits.
            self._process.communicate()
            self._process = None

    def _ask(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return json.load(connection.getresponse())
        finally:
            connection.close()


async def _serve(site: _CountingSite, port: int) -> None:
    bound = socket()
    bound.bind(("127.0.0.1", port))
    await site.server.listen([bound])
    print(bound.getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    await site.server.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m crawler.bench.site", description="A generated site on 127.0.0.1 that counts requests.")
    default = KINDS["standard"]
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed on the first line")
    parser.add_argument("--pages", type=int, default=default.pages)
    parser.add_argument("--links", type=int, default=default.links, help="hrefs on every page")
    parser.add_argument("--size", type=read_size, default=default.size, help="bytes of every page, e.g. 30KB")
    parser.add_argument("--missing", type=int, default=0, help="so many further URLs are linked and answer 404")
    parser.add_argument("--errors", type=int, default=0, help="so many of the pages answer 404, 500 or half a second late, in turn")
    parser.add_argument("--layout", choices=["sections", "folders", "flat"], default="sections")
    parser.add_argument("--latency", type=read_duration, default=0.0, help="before every answer, e.g. 50ms")
    return parser.parse_args()


def main() -> None:
    """Serves until stdin ends."""
    given = _arguments()
    site = _CountingSite(Shape(given.pages, given.links, given.size, given.missing, given.layout, given.errors), given.latency)
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(site, given.port))
    else:
        uvloop.run(_serve(site, given.port))


if __name__ == "__main__":
    main()
