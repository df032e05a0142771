"""Measures how a crawl on many hosts gets faster with workers that share it.

    with-redis python benchmarks/workers.py --frontier "$REDIS_URL" --workers 1 4

A site on loopback has `--hosts` addresses with `--pages` small pages each, which answer after `--latency` seconds; every host has a delay
of `--delay` seconds. Workers, each a process of its own with `--concurrency` requests at once, crawl it until all of them are at
work and `--seconds` more. Prints the pages a second of these last seconds, and the most that the delay allows. The first number of workers
is what the others are compared with.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from crawler.testing import Site, SiteRequest, site


def web(hosts: int, pages: int, latency: float) -> Site:
    """The first page links to the first page of each host, each page to the next two of its host."""
    addresses = [f"127.0.{1 + number // 200}.{1 + number % 200}" for number in range(hosts)]

    def page(request: SiteRequest) -> str:
        if request.path == "/start":
            links = [made.url("/0", address) for address in addresses]
        else:
            number = int(request.path[1:]) if request.path[1:].isdigit() else pages
            links = [f"/{child}" for child in (2 * number + 1, 2 * number + 2) if child < pages]
        return "".join(f"<a href={link}>{link}</a>" for link in links)

    made = site(address=addresses, otherwise=page, latency=latency)
    return made


def crawl(given: argparse.Namespace, workers: int, folder: Path) -> float:
    """Pages a second while all workers are at work."""
    with web(given.hosts, given.pages, given.latency) as made:
        common = ["--frontier", given.frontier, "--name", f"workers-{time.time_ns()}", "-q", "-c", str(given.concurrency)]
        flags = ["--scope", "any", "--allow-private", "--sitemap", "off", "--delay", str(given.delay)]

        def start(number: int, *words: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "crawler", *words, "-o", str(folder / str(number)), "-U", f"worker-{number}", *common]
            return subprocess.Popen(command, stderr=subprocess.DEVNULL)

        running = [start(0, "crawl", made.url("/start"), *flags)]
        made.wait_for("/start", timeout=120)  # by then the crawl is there to be joined
        running += [start(number, "worker") for number in range(1, workers)]
        seen = 0
        while len({hit.headers["user-agent"] for hit in made.log}) < workers:
            seen += 1
            made.wait_for(count=seen, timeout=120)
        begun, before = time.monotonic(), made.count()
        time.sleep(given.seconds)
        asked, seconds = made.count() - before, time.monotonic() - begun
        if asked + before >= given.hosts * given.pages:
            raise SystemExit("the crawl was over before its time: give it more --pages")
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    return asked / seconds


def main() -> None:
    """Crawls with each number of workers and prints a line for each."""
    parser = argparse.ArgumentParser(description="Measures workers that share a crawl.")
    parser.add_argument("--frontier", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--pages", type=int, default=50, help="of each host")
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--concurrency", type=int, default=8, help="requests at once of each worker")
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    print(f"{given.hosts} hosts, delay {given.delay} s: at most {given.hosts / given.delay:.0f} pages a second")
    first = 0.0
    for workers in given.workers:
        with tempfile.TemporaryDirectory() as folder:
            rate = crawl(given, workers, Path(folder))
        first = first or rate
        print(f"{workers} workers: {rate:.0f} pages/s, {rate / first:.2f} x, load {os.getloadavg()[0]:.0f}", flush=True)


if __name__ == "__main__":
    main()
