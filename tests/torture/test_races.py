"""Whether a crawl in several partitions is finished, asked while workers find, fetch, give back and die between any two steps of the
question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any

from figures import Torture
from frontiers import Clock, SharedCrawl, new_name, request

from crawler.model import Fetched, Lease
from crawler.store.database import Database

if TYPE_CHECKING:
    from crawler.frontier.redis import RedisFrontier

TTL = 60.0


class Race:
    """A small web that three workers crawl in the order of a seed, and somebody who asks whether they are done."""

    def __init__(self, choice: Random, crawl: SharedCrawl, databases: list[Database]) -> None:
        self._choice, self._clock = choice, Clock()
        crawl.name = new_name()
        self._workers = [crawl.frontier(database, None, self._clock) for database in databases]
        self._observer = crawl.frontier(databases[0], None, self._clock)
        self._run: Callable[..., Any] = self._observer._run
        self._observer._run = self._interrupted  # type: ignore[method-assign]
        urls = [f"https://h{number % 5}.test/{number}" for number in range(12)]
        # Mostly a chain: there is little to do at any moment, so that the question comes close to the truth again and again.
        self._links = {
            url: [following, *choice.sample(urls, choice.choice((0, 0, 1)))]
            for url, following in zip(urls, urls[1:] + urls[:1], strict=True)
        }
        self._reachable = {urls[0]}
        for _ in urls:
            self._reachable |= {target for url in self._reachable for target in self._links[url]}
        self._done: set[str] = set()
        self._work: list[Iterator[None]] = [self._serve(worker) for worker in self._workers]
        self._workers[0].add([request(urls[0])])

    def _interrupted(self, partition: int, script: str, *arguments: Any) -> Any:
        """A step of the question, before which others do some of theirs."""
        for _ in range(self._choice.choice((0, 0, 4, 16))):
            self._step()
        return self._run(partition, script, *arguments)

    def _step(self) -> None:
        number = self._choice.randrange(len(self._work))
        if self._choice.random() < 0.01:
            self._work[number] = self._serve(self._workers[number])  # it dies, with all that it has
        elif self._choice.random() < 0.02:
            self._clock.advance(TTL / 2)
        else:
            next(self._work[number])

    def _serve(self, worker: RedisFrontier) -> Iterator[None]:
        """The life of a worker, in the steps that it says to the frontier."""
        while True:
            leases = worker.lease(2, 2, TTL).leases
            yield
            for lease in leases:
                yield from self._commit(worker, lease)

    def _commit(self, worker: RedisFrontier, lease: Lease) -> Iterator[None]:
        if not worker.held([lease]):
            return
        yield
        for target in {target for each in lease.requests for target in self._links[each.url]}:
            worker.add([request(target)])
            yield
        if worker.done(lease, [Fetched(each, ok=True) for each in lease.requests], lease.state):
            self._done |= {each.url for each in lease.requests}
        yield
        worker.release(lease, lease.state)
        yield

    def run(self) -> tuple[int, bool]:
        """Asks until the answer is yes. How many pages were missing then, and whether it comes within a lease time of the last page."""
        while self._observer.finished() is None:
            if self._reachable <= self._done and not self._in_time():
                return 0, False
        return len(self._reachable - self._done), True

    def _in_time(self) -> bool:
        """Whether the crawl is over when those who died have lost their leases, and the others have said what they had to say."""
        self._observer._run = self._run  # type: ignore[method-assign]
        self._clock.advance(TTL)
        for work in self._work:
            for _ in range(20):
                next(work)
        return self._observer.finished() == "queue empty"


def test_a_crawl_is_never_finished_too_early(torture: Torture) -> None:
    """Of each race: nobody is told that it is over while a page that can be reached is not fetched; and it is over as soon as a lease
    time has passed since the last one."""
    early: list[tuple[int, int]] = []
    late: list[int] = []
    with closing(SharedCrawl(partitions=3)) as crawl:
        databases = [Database(None) for _ in range(3)]
        for number in range(torture.draw(short=8, long=1000)):
            seed = torture.random.randrange(1_000_000_000)
            missing, is_in_time = Race(Random(seed), crawl, databases).run()
            early += [(seed, missing)] if missing else []
            late += [] if is_in_time else [seed]
            if number % 100 == 99:
                crawl.servers.command(0, "FLUSHALL")
        for database in databases:
            database.close()
    torture.nothing("crawls that were said to be finished before their last page", early)
    torture.nothing("crawls that were not finished a lease time after their last page", late)
