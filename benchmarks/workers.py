"""Measures how a crawl on many hosts gets faster with workers that share it.

    with-redis python benchmarks/workers.py --frontier "$REDIS_URL" --workers 1 4

A site on loopback has `--hosts` addresses with `--pages` small pages each, which answer after `--latency` seconds; every host has a delay
of `--delay` seconds. Workers, each a process of its own with `--concurrency` requests at once, crawl it until all of them are at
work, `--settle` seconds more in which they share the hosts, and `--seconds` that are measured. Prints the pages a second of these, the most
that the delay allows, and the CPU that a page took of the workers, the site and Redis. The first number of workers is what the others
are compared with.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import redis

_WORKER = re.compile(rb"worker-\d+")


class Web:
    """A site in a thread, as light as can be: what it takes is not there for the workers. `asked` counts pages, `workers` are those that
    have asked for one."""

    def __init__(self, hosts: int, pages: int, latency: float) -> None:
        self.addresses = [f"127.0.{1 + number // 200}.{1 + number % 200}" for number in range(hosts)]
        self.pages = pages
        self.latency = latency
        self.port = 0
        self.asked = 0
        self.workers: set[bytes] = set()

    async def serve(self, ready: Callable[[], object], stopped: asyncio.Event) -> None:
        """Answers until `stopped`."""
        loop = asyncio.get_running_loop()
        first = await loop.create_server(lambda: _Connection(self), self.addresses[0], 0, backlog=1024)
        self.port = first.sockets[0].getsockname()[1]
        others = await loop.create_server(lambda: _Connection(self), self.addresses[1:], self.port, backlog=1024)
        ready()
        await stopped.wait()
        for server in (first, others):
            server.close()

    def answer(self, head: bytes) -> bytes:
        """The first page links to the first page of each host, each page to the next twenty of its host."""
        path = head.split(b" ", 2)[1]
        if path == b"/robots.txt":
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        if path == b"/start":
            links = [f"http://{address}:{self.port}/0" for address in self.addresses]
        else:
            self.asked += 1
            self.workers.update(_WORKER.findall(head))
            number = int(path[1:])
            links = [f"/{child}" for child in range(20 * number + 1, 20 * number + 21) if child < self.pages]
        body = "".join(f"<a href={link}>{link}</a>" for link in links).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class _Connection(asyncio.Protocol):
    """Answers one request after the other."""

    def __init__(self, web: Web) -> None:
        self.web = web

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self.web.latency, self.transport.write, self.web.answer(data))


@contextmanager
def serving(made: Web) -> Iterator[None]:
    """The site, as long as the block runs."""
    loop, stopped = asyncio.new_event_loop(), asyncio.Event()
    up: list[bool] = []
    thread = Thread(target=lambda: loop.run_until_complete(made.serve(lambda: up.append(True), stopped)), daemon=True)
    thread.start()
    _wait(lambda: bool(up))
    yield
    loop.call_soon_threadsafe(stopped.set)
    thread.join()


def _wait(is_there: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not is_there():
        if time.monotonic() > until:
            raise SystemExit("the workers did not come to work")
        time.sleep(0.05)


def crawl(given: argparse.Namespace, workers: int, folder: Path) -> tuple[float, list[float]]:
    """Pages a second while all workers are at work, and milliseconds of CPU a page: of the workers, the site, Redis."""
    made = Web(given.hosts, given.pages, given.latency)
    with serving(made), redis.Redis.from_url(given.frontier) as server:
        common = ["--frontier", given.frontier, "--name", f"workers-{time.time_ns()}", "-q", "-c", str(given.concurrency)]
        flags = ["--scope", "any", "--allow-private", "--sitemap", "off", "--delay", str(given.delay)]

        def start(number: int, *words: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "crawler", *words, "-o", str(folder / str(number)), "-U", f"worker-{number}", *common]
            return subprocess.Popen(command, stderr=subprocess.DEVNULL)

        def cpu() -> list[float]:
            known = server.info("cpu")
            return [sum(map(_cpu_of, running)), time.process_time(), known["used_cpu_user"] + known["used_cpu_sys"]]

        running = [start(0, "crawl", f"http://{made.addresses[0]}:{made.port}/start", *flags)]
        _wait(lambda: made.asked > 0)  # by then the crawl is there to be joined
        running += [start(number, "worker") for number in range(1, workers)]
        _wait(lambda: len(made.workers) == workers)
        time.sleep(given.settle)
        begun, before, spent = time.monotonic(), made.asked, cpu()
        time.sleep(given.seconds)
        asked, seconds = made.asked - before, time.monotonic() - begun
        costs = [(after - then) / max(asked, 1) * 1e3 for after, then in zip(cpu(), spent, strict=True)]
        if made.asked >= given.hosts * given.pages:
            raise SystemExit("the crawl was over before its time: give it more --pages")
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    return asked / seconds, costs


def _cpu_of(process: subprocess.Popen[bytes]) -> float:
    """Seconds of CPU that a process has taken (Linux)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Crawls with each number of workers and prints a line for each."""
    parser = argparse.ArgumentParser(description="Measures workers that share a crawl.")
    parser.add_argument("--frontier", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--pages", type=int, default=500, help="of each host")
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--concurrency", type=int, default=32, help="requests at once of each worker")
    parser.add_argument("--settle", type=float, default=15.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    print(f"{given.hosts} hosts, delay {given.delay} s: at most {given.hosts / given.delay:.0f} pages a second")
    first = 0.0
    for workers in given.workers:
        with tempfile.TemporaryDirectory() as folder:
            rate, costs = crawl(given, workers, Path(folder))
        first = first or rate
        took = "workers {:.2f}, site {:.2f}, Redis {:.2f} ms of CPU a page".format(*costs)
        print(f"{workers} workers: {rate:.0f} pages/s, {rate / first:.2f} x; {took}; load {os.getloadavg()[0]:.0f}", flush=True)


if __name__ == "__main__":
    main()
