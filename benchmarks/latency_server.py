"""A server whose answers take time, and nearly no CPU: it tells how close a crawler comes to the best possible schedule.

    python benchmarks/latency_server.py --pages 5000 --delay 50ms
    python benchmarks/latency_server.py --pages 40 --addresses 200 --delay 20ms
    python benchmarks/latency_server.py --pages 5000 --delay heavy

It serves pages of 4 KB with 20 links on 127.0.0.1 (and so many addresses after it), prints its port on the first line and ends when
its standard input closes. `GET /__log` answers one row for each request since the last `/__log`, as JSON: address, path, and the
monotonic seconds at which the request had come and at which the last byte of its answer was handed over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
import time
from ipaddress import IPv4Address

from crawler.bench.pages import KINDS, Shape, generate
from crawler.configuration.values import read_duration

HEAVY = "heavy"
_LEAST, _MOST, _SLOPE = 0.020, 2.0, 1.2
_HEAD = b"HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n"


def delay_of(path: str, delay: str) -> float:
    """Seconds before the answer to a path: the same for all of them, or 20 to 2,000 ms with a heavy tail (Pareto, slope 1.2: half of
    them take less than 36 ms, one in a hundred more than 0.9 s), the same for a path every time."""
    if delay != HEAVY:
        return read_duration(delay)
    return min(_MOST, _LEAST * random.Random(path).random() ** (-1 / _SLOPE))


class Site:
    """Answers made once with their delays, and the log."""

    def __init__(self, pages: int, delay: str) -> None:
        kind = KINDS["small"]
        self.answers = {
            path: (_HEAD % (b"200 OK", len(body)) + body, delay_of(path, delay))
            for path, body in generate(Shape(pages, kind.links, kind.size))
        }
        self.missing = (_HEAD % (b"404 Not Found", 0), delay_of("/robots.txt", delay))
        self.log: list[tuple[str, str, float, float]] = []

    def take_log(self) -> bytes:
        """The log as an answer; begins a new one."""
        body = json.dumps(self.log).encode()
        self.log = []
        return _HEAD % (b"200 OK", len(body)) + body


class Connection(asyncio.Protocol):
    """One client, which asks one thing at a time and sends no bodies."""

    def __init__(self, site: Site, loop: asyncio.AbstractEventLoop) -> None:
        self._site = site
        self._loop = loop
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport
        self._address = transport.get_extra_info("sockname")[0]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._buffer.endswith(b"\r\n\r\n"):
            return
        came = time.monotonic()
        path = self._buffer.split(b" ", 2)[1].decode("latin-1")
        self._buffer = b""
        if path == "/__log":
            self._write(self._site.take_log())
            return
        answer, delay = self._site.answers.get(path, self._site.missing)
        if delay:
            self._loop.call_at(self._loop.time() + delay, self._answer, path, came, answer)
        else:
            self._answer(path, came, answer)

    def _answer(self, path: str, came: float, answer: bytes) -> None:
        self._write(answer)
        self._site.log.append((self._address, path, came, time.monotonic()))

    def _write(self, answer: bytes) -> None:
        self._transport.write(answer)  # type: ignore[attr-defined]


async def serve(site: Site, addresses: int, port: int) -> None:
    """Serves until standard input ends."""
    loop = asyncio.get_running_loop()
    servers = []
    for number in range(addresses):
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((str(IPv4Address("127.0.0.1") + number), port))
        port = bound.getsockname()[1]
        servers.append(await loop.create_server(lambda: Connection(site, loop), sock=bound, backlog=4096))
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    for server in servers:
        server.close()


def main() -> None:
    """Reads the arguments and serves."""
    parser = argparse.ArgumentParser(description="A server whose answers take time.")
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed on the first line")
    parser.add_argument("--pages", type=int, default=5000)
    parser.add_argument("--addresses", type=int, default=1, help="127.0.0.1 and so many minus one after it, all with the same pages")
    parser.add_argument("--delay", default="50ms", help=f"before each answer, e.g. 50ms; {HEAVY}: 20 to 2,000 ms, mostly short")
    given = parser.parse_args()
    site = Site(given.pages, given.delay)
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(site, given.addresses, given.port))
    else:
        uvloop.run(serve(site, given.addresses, given.port))


if __name__ == "__main__":
    main()
