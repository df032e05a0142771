"""A web of many hosts, and workers that share its crawl through a Redis of their own; each of them may be killed."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from pathlib import Path

from redis_server import RedisServer
from running import rows
from victims import Victim, Victims

from crawler.engine.commit import AT_RISK
from crawler.testing import Answer, Hit, Site, SiteRequest, answer

CONCURRENCY = 8
COST = CONCURRENCY + AT_RISK
"""Pages that a kill can cost: in flight, or not yet committed."""

NewSite = Callable[..., Site]


class Archipelago:
    """Hosts on loopback with some pages each, all of them linked; `strike` is called when the n-th page is asked for after `arm`."""

    def __init__(self, hosts: int, pages: int, new_site: NewSite) -> None:
        self.asked: Counter[str] = Counter()
        self._left = 0
        self._strike: Callable[[], object] = lambda: None
        self._lock = threading.Lock()
        addresses = [f"127.0.{1 + number // 200}.{1 + number % 200}" for number in range(hosts)]
        self.site = new_site(address=addresses, otherwise=self._page, latency=0.002)
        self.urls = [self.site.url(f"/{page}", address) for page in range(pages) for address in addresses]
        self._number = {url: number for number, url in enumerate(self.urls)}
        self.digests = {url: hashlib.sha256(self._body(number)).hexdigest() for number, url in enumerate(self.urls)}

    def arm(self, moment: int, strike: Callable[[], object]) -> None:
        """What happens when so many more pages have been asked for."""
        with self._lock:
            self._left, self._strike = moment, strike

    def wait(self, moment: int, fleet: Fleet) -> bool:
        """Waits until so many more pages have been asked for; False when all workers have ended before."""
        struck = threading.Event()
        self.arm(moment, struck.set)
        while not struck.wait(0.02):
            if fleet.is_over:
                return False
        return True

    @property
    def robots(self) -> int:
        """How often a robots.txt was asked for."""
        return sum(hit.path == "/robots.txt" for hit in self.site.log)

    def gaps(self) -> Iterator[tuple[float, str, str]]:
        """Seconds between two requests at one host, and who made them."""
        last: dict[str, Hit] = {}
        for hit in sorted(self.site.log, key=lambda hit: hit.time):
            if hit.host in last:
                yield hit.time - last[hit.host].time, _told(last[hit.host]), _told(hit)
            last[hit.host] = hit

    def _body(self, number: int) -> bytes:
        targets = [self.urls[target] for target in (2 * number + 1, 2 * number + 2, number // 2) if target < len(self.urls)]
        return f"<title>{number}</title>{''.join(f'<a href={url}>{url}</a>' for url in targets)}".encode() + b"%d " % number * 20

    def _page(self, request: SiteRequest) -> bytes | Answer:
        url = f"http://{request.host}{request.target}"
        if url not in self._number:
            return answer(404)
        self.asked[url] += 1
        with self._lock:
            self._left -= 1
            is_now = self._left == 0
        if is_now:
            self._strike()
        return self._body(self._number[url])


class Fleet:
    """Workers with a folder each, on one frontier that survives being killed; `spare` ones may join later. They lease hosts for `ttl`
    seconds, and wait for `patience` seconds for a frontier that is away."""

    def __init__(self, seed: str, folder: Path, stack: ExitStack, delay: float, workers: int = 1, spare: int = 0, **options: float) -> None:
        (folder / "redis").mkdir()
        self.server = RedisServer(folder / "redis", append=True)
        stack.callback(self.server.stop)
        self.folders: list[Path] = []
        self.workers: list[Victim] = []
        self._folder, self._stack, self._options = folder, stack, options
        self._starters: list[Victims] = []
        self._shared = ["--frontier", self.server.url, "--name", "web", "-q", "-c", CONCURRENCY]
        for _ in range(workers + spare):
            self._open()
        flags = ("--scope", "any", "--allow-private", "--sitemap", "off", "--delay", delay)
        first = self._starters[0].start("crawl", seed, *self._words(0), *flags, **options)
        while not self._is_created() and not first.has_ended(0.01):
            pass
        self.workers.append(first)
        self.join(workers - 1)

    def _is_created(self) -> bool:
        import redis

        with closing(redis.Redis.from_url(self.server.url)) as client:
            return bool(client.exists("crawler:{web:0}:meta"))

    def _open(self) -> None:
        number = len(self.folders)
        self.folders.append(self._folder / f"shard-{number}")
        self._starters.append(self._stack.enter_context(Victims(self._folder / f"said-{number}.log")))

    def join(self, count: int = 1) -> None:
        """So many workers more, of the spare ones."""
        for _ in range(count):
            self.workers.append(self._start(len(self.workers)))

    def _start(self, number: int) -> Victim:
        return self._starters[number].start("worker", *self._words(number), **self._options)

    def _words(self, number: int) -> list[object]:
        return ["-o", self.folders[number], "-U", f"worker-{number}", *self._shared]

    def back(self, number: int) -> int:
        """Waits for a worker and sends it back into its folder; how it had ended."""
        code = self.workers[number].wait()
        self.workers[number] = self._start(number)
        return code

    def codes(self, patience: float) -> set[int | None]:
        """How the workers have ended; None: one of them did not in time."""
        return {worker.wait() if worker.has_ended(patience) else None for worker in self.workers}

    def holders(self) -> set[int]:
        """The numbers of the workers that hold hosts."""
        import redis

        prefix = "crawler:{web:0}:"
        names = {f"{worker}/0".encode(): number for number, folder in enumerate(self.folders) for worker in _name(folder)}
        with closing(redis.Redis.from_url(self.server.url)) as client:
            found = {client.hget(f"{prefix}h:{host.decode()}", "holder") for host in client.zrange(f"{prefix}held", 0, -1)}
        return {names[holder] for holder in found if holder in names}

    @property
    def said(self) -> str:
        return "".join(starter.said for starter in self._starters)

    @property
    def is_over(self) -> bool:
        """Whether all workers have ended."""
        return all(worker.has_ended() for worker in self.workers)

    def stored(self) -> list[tuple[str, str]]:
        """The good pages of all folders: URL and digest."""
        return [row for folder in self.folders for row in rows(folder, "SELECT url, sha256 FROM pages WHERE outcome = 'ok'")]

    def overlaps(self) -> list[tuple[str, int]]:
        """Hosts that two workers held at once, with the later token: the pages of one lease are in one folder, and were all fetched before
        the first of the next one."""
        query = """SELECT h.host, f.token, p.fetched_at FROM pages p JOIN _frontier f USING (id) JOIN hosts h ON h.host_id = f.host_id
                   WHERE f.token > 0 AND f.state = 'done'"""
        leases: dict[str, dict[int, list[tuple[float, int]]]] = defaultdict(lambda: defaultdict(list))
        for number, folder in enumerate(self.folders):
            for host, token, at in rows(folder, query):
                leases[host][token].append((datetime.fromisoformat(at).timestamp(), number))
        found = []
        for host, by_token in leases.items():
            last, end = None, 0.0
            for token, fetched in sorted(by_token.items()):
                owners = {owner for _, owner in fetched}
                if len(owners) > 1 or (owners != last and min(fetched)[0] < end):
                    found.append((host, token))
                last, end = owners, max(fetched)[0]
        return found


def _told(hit: Hit) -> str:
    return f"{hit.path} by {hit.headers.get('user-agent')} over connection {hit.connection}"


def _name(folder: Path) -> list[str]:
    """How the frontier calls a worker."""
    if (folder / "crawl.db").exists():
        with suppress(sqlite3.OperationalError):  # it has just been made
            return [str(name) for (name,) in rows(folder, "SELECT value FROM meta WHERE key = 'worker'")]
    return []
