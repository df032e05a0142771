"""The frontier in SQLite against the plain one in memory: whatever is asked, in whatever order, both say the same."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from twins import LEAST_DELAY, TTL, Twins, recent, requests, seconds, several_ends

from crawler.frontier.memory import MemoryFrontier
from crawler.frontier.sharing import Sharing
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Fetched, HostState, Request
from crawler.store.database import Database

SHARES = {"a.test": (2, 2), "b.test": (3,), "c.test:8080": (1, 1, 1)}
SHARING = Sharing(SHARES.__getitem__, needs_robots=False)


class Frontiers(Twins):
    """In SQLite hosts have slots, and several calls may be one transaction."""

    def make(self) -> None:
        self.database = Database(None)
        self.model = MemoryFrontier(self.limits, self.clock, LEAST_DELAY.__getitem__, SHARING)

    def opened(self) -> SqliteFrontier:
        return SqliteFrontier(self.database, self.limits, self.clock, LEAST_DELAY.__getitem__, SHARING)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()

    @rule(per_host=st.integers(1, 4), ends=several_ends, after=seconds)
    def share(self, per_host: int, ends: list[int], after: float) -> None:
        """One worker after the other comes to the hosts that are well; then one of them says how it is."""
        for holder in range(3):
            before = len(self.pairs)
            self.lease(3, per_host, holder)
            for number in range(before, len(self.pairs)):
                self.done(len(self.pairs) - 1 - number, ends[:1], 0.0, ("", None), [])
        self.done(1, ends, after, ("", None), [])

    @rule(batch=st.lists(requests, max_size=3), which=recent)
    def roll_back(self, batch: list[Request], which: int) -> None:
        """What happens inside of a transaction that fails has not happened."""
        try:
            with self.database.transaction():
                self.frontier.add(batch)
                for lease, _ in self.pair(which):
                    self.frontier.done(lease, [Fetched(each, ok=True, size=99) for each in lease.requests], HostState(closed="x"))
                    self.frontier.release(lease, HostState())
                self.frontier.lease(2, 2, TTL)
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass

    @invariant()
    def tokens_agree(self) -> None:
        """Here they are counted as in the model."""
        if hasattr(self, "pairs"):
            assert [lease.token for lease, _ in self.pairs[-3:]] == [twin.token for _, twin in self.pairs[-3:]]


Frontiers.TestCase.settings = settings(max_examples=60, stateful_step_count=50)
test_both_frontiers_say_the_same = Frontiers.TestCase
