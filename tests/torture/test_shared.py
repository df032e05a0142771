"""Many workers on one frontier, and kill -9 for each of them and for the frontier itself: nothing is lost, nothing is fetched by two."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from figures import Torture
from redis_server import RedisServer, needs_redis
from running import Capture, rows, run, wrong_bodies
from victims import Victim, Victims

from crawler.engine.commit import AT_RISK
from crawler.testing import Answer, Site, SiteRequest, answer

CONCURRENCY = 8
COST = CONCURRENCY + AT_RISK
"""Pages that a kill can cost: in flight, or not yet committed."""

PATIENCE = 300.0
"""Seconds for the rest of a crawl after the last kill."""

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

    @property
    def robots(self) -> int:
        """How often a robots.txt was asked for."""
        return sum(hit.path == "/robots.txt" for hit in self.site.log)

    def gaps(self) -> Iterator[float]:
        """Seconds between two requests at one host."""
        last: dict[str, float] = {}
        for hit in sorted(self.site.log, key=lambda hit: hit.time):
            if hit.host in last:
                yield hit.time - last[hit.host]
            last[hit.host] = hit.time

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
    """Workers with a folder each, on one frontier that survives being killed."""

    def __init__(self, count: int, seed: str, folder: Path, stack: ExitStack, delay: float) -> None:
        (folder / "redis").mkdir()
        self.server = RedisServer(folder / "redis", append=True)
        stack.callback(self.server.stop)
        self.folders = [folder / f"shard-{number}" for number in range(count)]
        self._starters = [stack.enter_context(Victims(folder / f"said-{number}.log")) for number in range(count)]
        self._shared = ["--frontier", self.server.url, "--name", "web", "-q", "-c", CONCURRENCY]
        first = self._starters[0].start(
            *(
                "crawl",
                seed,
                "-o",
                self.folders[0],
                *self._shared,
                "--scope",
                "any",
                "--allow-private",
                "--sitemap",
                "off",
                "--delay",
                delay,
            )
        )
        while not self._is_created() and not first.has_ended(0.01):
            pass
        self.workers: list[Victim] = [first]
        for number in range(1, count):
            self.workers.append(self._join(number))

    def _is_created(self) -> bool:
        import redis

        with closing(redis.Redis.from_url(self.server.url)) as client:
            return bool(client.exists("crawler:{web:0}:meta"))

    def _join(self, number: int) -> Victim:
        return self._starters[number].start("worker", "-o", self.folders[number], *self._shared)

    def kill(self, number: int) -> None:
        """One worker; it joins again, in its folder."""
        self.workers[number].kill()

    def back(self, number: int) -> int:
        """Waits for a worker and sends it back; how it had ended."""
        code = self.workers[number].wait()
        self.workers[number] = self._join(number)
        return code

    @property
    def said(self) -> str:
        return "".join(starter.said for starter in self._starters)

    @property
    def is_over(self) -> bool:
        """Whether all workers have ended."""
        return all(worker.has_ended() for worker in self.workers)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_workers_and_the_frontier_are_killed(torture: Torture, new_site: NewSite, tmp_path: Path, stack: ExitStack, capfd: Capture) -> None:
    """Workers join and are killed at any request, and so is the Redis with its log, which starts again: every page ends in some folder,
    whole; what is fetched again is what was at risk; all workers end with 0."""
    needs_redis()
    hosts, pages, workers = (60, 60, torture.random.choice([4, 8])) if torture.is_long else (8, 10, 2)
    sea = Archipelago(hosts, pages, new_site)
    delay = 0.2 if torture.is_long else 0.0
    fleet = Fleet(workers, sea.urls[0], tmp_path, stack, delay)
    blows = ["worker"] * torture.draw(short=2, long=20) + ["redis"] * torture.draw(short=1, long=4)
    torture.random.shuffle(blows)
    struck = threading.Event()
    kills = 0
    for kind in blows:
        number = torture.random.randrange(workers)
        struck.clear()

        def strike(kind: str = kind, number: int = number) -> None:
            if kind == "redis":
                fleet.server.process.kill()
            else:
                fleet.kill(number)
            struck.set()

        sea.arm(torture.random.randint(1, len(sea.urls) // (2 * len(blows))), strike)
        while not struck.wait(0.02) and not fleet.is_over:
            pass
        if not struck.is_set():
            break
        kills += 1
        if kind == "redis":
            fleet.server.kill()
            fleet.server.start()
        else:
            fleet.back(number)

    codes = [worker.wait() if worker.has_ended(PATIENCE) else None for worker in fleet.workers]
    assert set(codes) == {0}, fleet.said
    stored = [row for folder in fleet.folders for row in rows(folder, "SELECT url, sha256, outcome FROM pages WHERE outcome = 'ok'")]
    torture.figure("pages of a shared crawl that no worker has", len(sea.digests.keys() - {url for url, *_ in stored}), at_most=0)
    wrong = [url for url, sha256, _ in stored if sea.digests.get(url) != sha256]
    torture.figure("pages of a shared crawl that are not what was served", len(wrong), at_most=0)
    assert run(capfd, "merge", tmp_path / "all", *fleet.folders).code == 0
    merged = rows(tmp_path / "all", "SELECT url, sha256 FROM pages WHERE outcome = 'ok'")
    torture.figure("pages that are twice in merged output, or not there", abs(len(merged) - len(sea.urls)), at_most=0)
    assert dict(merged) == sea.digests
    assert wrong_bodies(tmp_path / "all") == []
    again = sum(sea.asked.values()) - len(sea.asked)
    torture.figure("pages fetched again for each kill of a shared crawl", again / max(1, kills), at_most=workers * COST)
    torture.figure("robots.txt asked for again for each kill", (sea.robots - hosts) / max(1, kills), at_most=CONCURRENCY)
    if torture.is_long:  # by the clock of a site that has other work to do: what it was slow to take arrives closer to what comes next
        close = [gap for gap in sea.gaps() if gap < delay / 2]
        torture.figure("requests that arrive closer together than half of their delay, for each kill", len(close) / kills, at_most=0.1)
    torture.figure("kills of workers and of the frontier", kills, at_least=len(blows) // 2)
