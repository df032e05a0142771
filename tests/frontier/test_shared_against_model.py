"""The shared frontier against the plain one in memory: whatever is asked, in whatever order, both say the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from frontiers import SharedCrawl
from hypothesis import settings
from twins import LEAST_DELAY, Twins

from crawler.frontier.memory import MemoryFrontier
from crawler.model import Lease, Request
from crawler.store.database import Database

if TYPE_CHECKING:
    from crawler.frontier.redis import RedisFrontier


class Follower(MemoryFrontier):
    """The model, which takes the URLs of a host that the other one took: which of those of one rank come first is the frontier's choice."""

    taken: Mapping[str, tuple[Request, ...]]

    def _take_head(self, name: str, slot: int, per_host: int, now: float) -> tuple[Request, ...]:
        ready = [entry for entry in self._queue(name) if entry.not_before <= now]
        head = ready[: min(per_host, self._room())] if self._room() else ready[:per_host]
        chosen = [self.entries[request.id] for request in self.taken[name]]
        assert [entry.rank for entry in chosen] == [entry.rank for entry in head]
        assert all(entry in ready for entry in chosen)
        for entry in chosen:
            entry.state, entry.slot = "leased", slot
        return tuple(replace(entry.request) for entry in chosen)


class SharedFrontiers(Twins):
    """On a server a host has one slot, and which of its URLs come first is open."""

    model: Follower

    def make(self) -> None:
        self.crawl = SharedCrawl()
        self.database = Database(None)
        self.model = Follower(self.limits, self.clock, LEAST_DELAY.__getitem__)

    def opened(self) -> RedisFrontier:
        return self.crawl.frontier(self.database, self.limits, self.clock, LEAST_DELAY.__getitem__)

    def teardown(self) -> None:
        if hasattr(self, "crawl"):
            self.crawl.close()
            self.database.close()

    def admitted(self, batch: list[Request]) -> list[Request]:
        """Links that are asked once come with the pages of their depth there, and not before them."""
        batch = [each for each in batch if each.role != "probe"]
        if self.limits.max_depth is None:  # then nobody looks whether a URL is nearer than it was found first
            batch = [replace(each, depth=each.id % 4) for each in batch]
        return batch

    def worker(self, number: int) -> int:
        """One alone: several would be given their shares of the hosts, of which the model knows nothing."""
        return 0

    def twin(self, lease: Lease, per_host: int, holder: int) -> Lease | None:
        self.model.taken = {lease.host: lease.requests}
        return super().twin(lease, per_host, holder)

    def before_extending(self, given: tuple[Lease, ...]) -> None:
        self.model.taken = {lease.host: lease.requests for lease in given}


SharedFrontiers.TestCase.settings = settings(max_examples=15, stateful_step_count=30)
test_the_shared_frontier_says_the_same = SharedFrontiers.TestCase
