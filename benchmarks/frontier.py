"""Measures the frontier alone: a million URLs in, all of them leased and acknowledged, and what that takes.

    python benchmarks/frontier.py --urls 1000000 --hosts 100

URLs come in commits of `--batch`, as a crawl finds them; then hosts are leased with the head of their queues, acknowledged and
leased again, until nothing is left. Prints microseconds of CPU a URL, the size of the database and the resident memory.

    with-redis python benchmarks/frontier.py --frontier "$REDIS_URL" --urls 1000000 --hosts 100 --batch 100

measures the frontier of many machines instead: microseconds of the server's CPU a URL, and its memory for what it has seen (`MEMORY
USAGE` of every set of ids) and for what waits.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from crawler.bench.measure import peak_memory
from crawler.configuration.values import read_size
from crawler.core.urls import fingerprint, host_key
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Fetched, Limits, Request
from crawler.ports import Frontier
from crawler.store.database import Database

_MB = 1024 * 1024


def requests(count: int, hosts: int, run: int = 1) -> Iterator[Request]:
    """So many different URLs of usual length, the hosts in turn, `run` URLs of each."""
    for number in range(count):
        url = f"https://host-{number // run % hosts:05}.example/section-{number // 5000:04}/article-{number:08}.html"
        yield Request(url, fingerprint(url), host_key(url), depth=1 + number // 10_000, parent="https://host-00000.example/")


def fill(frontier: Frontier, count: int, hosts: int, batch: int, run: int = 1) -> int:
    """Adds the URLs; returns how many were new. Making them is part of it, as it is of a crawl."""
    waiting: list[Request] = []
    added = 0
    for request in requests(count, hosts, run):
        waiting.append(request)
        if len(waiting) == batch:
            added += frontier.add(waiting)
            waiting.clear()
    return added + frontier.add(waiting)


def drain(frontier: Frontier, hosts: int, per_host: int) -> int:
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
    parser.add_argument("--frontier", help="redis://… instead of a database on disk")
    parser.add_argument("--pages", type=int, default=1, help="URLs of one host that follow each other, as those of a page do")
    parser.add_argument("--most-memory", type=read_size, help="exit with 1 when more was resident, e.g. 200MB")
    return parser.parse_args()


def measure_shared(given: argparse.Namespace) -> int:
    """The same on a shared frontier: what it costs its server. 1 when URLs were lost."""
    from crawler.frontier.redis import RedisFrontier, prefix_of
    from crawler.frontier.shared.connection import Servers
    from crawler.frontier.shared.journal import Journal

    name = f"benchmark-{time.time_ns()}"
    with closing(Servers(given.frontier)) as servers, closing(Database(None)) as database:

        def cpu() -> float:
            known = servers.command(0, "INFO", "cpu")
            return float(known["used_cpu_user"]) + float(known["used_cpu_sys"])

        def memory() -> int:
            return int(servers.command(0, "INFO", "memory")["used_memory"])

        frontier = RedisFrontier(servers, name, 1, Journal(database), Limits())
        sets, empty = f"{prefix_of(name, 0)}p*", memory()
        in_cpu, added = _cost(cpu, lambda: fill(frontier, given.urls, given.hosts, given.batch, given.pages))
        full = memory()
        seen = sum(int(servers.command(0, "MEMORY", "USAGE", key, "SAMPLES", 0)) for key in servers.command(0, "KEYS", _escaped(sets)))
        again_cpu, twice = _cost(cpu, lambda: fill(frontier, given.urls, given.hosts, given.batch, given.pages))
        out_cpu, out = _cost(cpu, lambda: drain(frontier, 64, given.per_host))
        reason, left = frontier.finished(), memory() - empty
        for key in servers.command(0, "KEYS", _escaped(prefix_of(name, 0)) + "*"):
            servers.command(0, "UNLINK", key)
    length = sum(len(request.url) for request in requests(1000, given.hosts)) / 1000
    print(
        f"{given.urls:,} URLs of {length:.0f} characters, {given.hosts:,} hosts, {given.batch} in a call, {given.pages} of a host in a row"
    )
    print(f"in      {in_cpu / given.urls * 1e6:.1f} us of the server's CPU a new URL")
    print(f"again   {again_cpu / given.urls * 1e6:.1f} us of the server's CPU a known one")
    print(f"out     {out_cpu / given.urls * 1e6:.1f} us of the server's CPU a URL, leased and acknowledged")
    print(f"seen    {seen / given.urls:.1f} bytes a URL (MEMORY USAGE)")
    print(f"pending {(full - empty - seen) / given.urls:.1f} bytes a URL beside that; {left / given.urls:.1f} in all when nothing waits")
    print(f"out of it came {out:,}: {reason}")
    return 0 if (added, twice, out) == (given.urls, 0, given.urls) else 1


def _escaped(prefix: str) -> str:
    return prefix.replace("[", "\\[")


def _cost(cpu: Callable[[], float], work: Callable[[], int]) -> tuple[float, int]:
    """Seconds of CPU that some work costs, and what it answered."""
    before = cpu()
    answer = work()
    return cpu() - before, answer


def main() -> int:
    """Fills, drains, prints; 1 when URLs were lost or memory was exceeded."""
    given = _arguments()
    if given.frontier is not None:
        return measure_shared(given)
    with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
        database = Database(Path(folder) / "crawl.db")
        frontier = SqliteFrontier(database, Limits(), time.monotonic)
        begun = time.process_time()
        added = fill(frontier, given.urls, given.hosts, given.batch, given.pages)
        assert added == given.urls, f"{added} of {given.urls} URLs were new"
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
