"""Measures the frontier alone: a million URLs in, all of them leased and acknowledged, and what that takes.

    python benchmarks/frontier.py --urls 1000000 --hosts 100

URLs come in commits of `--batch`, as a crawl finds them; then hosts are leased with the head of their queues, acknowledged and
leased again, until nothing is left. Prints microseconds of CPU a URL, the size of the database and the resident memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from crawler.bench.measure import peak_memory
from crawler.configuration.values import read_size
from crawler.core.urls import fingerprint, host_key
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Fetched, Limits, Request
from crawler.store.database import Database

_MB = 1024 * 1024


def requests(count: int, hosts: int) -> Iterator[Request]:
    """So many different URLs of usual length, the hosts in turn."""
    for number in range(count):
        url = f"https://host-{number % hosts:05}.example/section-{number // 5000:04}/article-{number:08}.html"
        yield Request(url, fingerprint(url), host_key(url), depth=1 + number // 10_000, parent="https://host-00000.example/")


def fill(frontier: SqliteFrontier, count: int, hosts: int, batch: int) -> None:
    """Adds the URLs. Making them is part of it, as it is of a crawl."""
    waiting: list[Request] = []
    added = 0
    for request in requests(count, hosts):
        waiting.append(request)
        if len(waiting) == batch:
            added += frontier.add(waiting)
            waiting.clear()
    added += frontier.add(waiting)
    assert added == count, f"{added} of {count} URLs were new"


def drain(frontier: SqliteFrontier, hosts: int, per_host: int) -> int:
    """Leases, acknowledges and releases until nothing is queued; returns how many URLs came out."""
    out = 0
    while leases := frontier.lease(hosts, per_host, 60.0).leases:
        for lease in leases:
            frontier.done(lease, [Fetched(request, ok=True, size=30_000) for request in lease.requests], lease.state)
            frontier.release(lease, lease.state)
            out += len(lease.requests)
    return out


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures the frontier alone.")
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--batch", type=int, default=500, help="URLs in one commit")
    parser.add_argument("--per-host", type=int, default=128, help="URLs of a host in one lease")
    parser.add_argument("--scratch", type=Path, help="where the database goes (the system's folder for temporary files)")
    parser.add_argument("--most-memory", type=read_size, help="exit with 1 when more was resident, e.g. 200MB")
    return parser.parse_args()


def main() -> int:
    """Fills, drains, prints; 1 when URLs were lost or memory was exceeded."""
    given = _arguments()
    with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
        database = Database(Path(folder) / "crawl.db")
        frontier = SqliteFrontier(database, Limits(), time.monotonic)
        begun = time.process_time()
        fill(frontier, given.urls, given.hosts, given.batch)
        filled, peak_filled = time.process_time(), peak_memory() or 0
        out = drain(frontier, 64, given.per_host)
        drained, size = time.process_time(), (Path(folder) / "crawl.db").stat().st_size
        reason = frontier.finished()
        database.close()
    peak = peak_memory() or 0
    print(f"{given.urls:,} URLs of {given.hosts:,} hosts, {given.batch} in a commit, {given.per_host} in a lease")
    print(f"in    {(filled - begun) / given.urls * 1e6:.1f} us of CPU a URL, {peak_filled / _MB:.0f} MB resident")
    print(f"out   {(drained - filled) / given.urls * 1e6:.1f} us of CPU a URL, {peak / _MB:.0f} MB resident")
    print(f"disk  {size / _MB:.0f} MB, {size / given.urls:.0f} bytes a URL")
    print(f"out of it came {out:,}: {reason}")
    return 0 if out == given.urls and (given.most_memory is None or peak <= given.most_memory) else 1


if __name__ == "__main__":
    raise SystemExit(main())
