"""The shared frontier against the plain one in memory, in the interleavings of `test_against_model`: both say the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from frontiers import Clock, SharedCrawl, check_counts, rows_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from test_against_model import LEAST_DELAY, ROBOTS, TTL, closings, limits, outcome_of, recent, seconds
from test_against_model import requests as all_requests

from crawler.frontier.memory import MemoryFrontier
from crawler.model import HostState, Lease, Limits, Refusal, Request
from crawler.store.database import Database

# Links that are asked once come with the pages of their depth there, and not before them.
requests = all_requests.filter(lambda request: request.role != "probe")

if TYPE_CHECKING:
    from crawler.frontier.redis import RedisFrontier

Pair = tuple[Lease, Lease]
"""A lease as the shared frontier gave it, and the model's of the same moment: their tokens are numbers of their own."""


class Follower(MemoryFrontier):
    """The model, which takes the URLs of a host that the other one took: which of those of one rank come first is the frontier's choice."""

    taken: tuple[Request, ...] = ()

    def _take_head(self, name: str, slot: int, per_host: int, now: float) -> tuple[Request, ...]:
        ready = [entry for entry in self._queue(name) if entry.not_before <= now]
        head = ready[: min(per_host, self._room())] if self._room() else ready[:per_host]
        chosen = [self.entries[request.id] for request in self.taken]
        assert [entry.rank for entry in chosen] == [entry.rank for entry in head]
        assert all(entry in ready for entry in chosen)
        for entry in chosen:
            entry.state, entry.slot = "leased", slot
        return tuple(replace(entry.request) for entry in chosen)


class SharedFrontiers(RuleBasedStateMachine):
    """Two frontiers that are told the same; every answer and every row is compared."""

    @initialize(limits=limits, known=st.lists(requests, min_size=15, max_size=30))
    def open(self, limits: Limits, known: list[Request]) -> None:
        self.clock = Clock()
        self.limits = limits
        self.crawl = SharedCrawl()
        self.database = Database(None)
        self.frontier = self._opened()
        self.model = Follower(limits, self.clock, LEAST_DELAY.__getitem__)
        self.pairs: list[Pair] = []
        self.add(known)

    def _opened(self) -> RedisFrontier:
        return self.crawl.frontier(self.database, self.limits, self.clock, LEAST_DELAY.__getitem__)

    def teardown(self) -> None:
        if hasattr(self, "crawl"):
            self.crawl.close()
            self.database.close()

    @rule(batch=st.lists(requests, min_size=1, max_size=8))
    def add(self, batch: list[Request]) -> None:
        if self.limits.max_depth is None:  # then nobody looks whether a URL is nearer than it was found first
            batch = [replace(each, depth=each.id % 4) for each in batch]
        assert self.frontier.add(batch) == self.model.add(batch)

    @rule(batch=st.lists(requests, max_size=3), reason=st.sampled_from(["scope", "trap", "nofollow"]))
    def refuse(self, batch: list[Request], reason: str) -> None:
        refusals = [Refusal(each.url, each.id, reason, "rule", None, each.depth) for each in batch]  # type: ignore[arg-type]
        self.frontier.refuse(refusals)
        self.model.refuse(refusals)

    @rule(hosts=st.sampled_from([3, 2, 1, 0]), per_host=st.integers(1, 4))
    def lease(self, hosts: int, per_host: int) -> None:
        given = self.frontier.lease(hosts, per_host, TTL)
        self.model.reclaim()
        for lease in given.leases:
            due = self.model.due_at(lease.host)
            assert due is not None
            assert due <= self.clock.now
            self.model.taken = lease.requests
            twin = self.model.lease_host(lease.host, per_host, TTL)
            assert twin is not None
            assert lease == replace(twin, token=lease.token)
            self.pairs.append((lease, twin))
        expected = self.model.next_due()
        if len(given.leases) < hosts:
            assert expected is None or expected > self.clock.now, "a host that was due was not given out"
            assert given.next_due is None or given.next_due > self.clock.now, "asking again at once would bring nothing"
        assert (given.next_due is None) <= (expected is None)
        if given.next_due is not None and expected is not None:
            assert given.next_due <= max(expected, self.clock.now), "asking then would be late"

    @rule(which=recent, per_host=st.integers(0, 4))
    def extend(self, which: int, per_host: int) -> None:
        for lease, twin in self._pair(which):
            given = self.frontier.extend([lease], per_host, TTL)
            self.model.taken = given.leases[0].requests if given.leases else ()
            expected = self.model.extend([twin], per_host, TTL)
            assert given.next_due == expected.next_due
            assert [replace(each, token=0) for each in given.leases] == [replace(each, token=0) for each in expected.leases]
            self.pairs += zip(given.leases, expected.leases, strict=True)

    @rule(
        which=recent,
        ends=st.lists(st.integers(0, 8), min_size=1, max_size=5),
        after=seconds,
        closing=closings,
        spare=st.lists(requests, max_size=1),
    )
    def done(self, which: int, ends: list[int], after: float, closing: tuple[str, str | None], spare: list[Request]) -> None:
        for lease, twin in self._pair(which):
            said = zip((*lease.requests, *spare), ends, strict=False)
            outcomes = [outcome_of(each, end, self.clock.now, after) for each, end in said]
            state = self._state(after, *closing)
            assert self.frontier.done(lease, outcomes, state) == self.model.done(twin, outcomes, state)

    @rule(which=recent, after=seconds, closing=closings)
    def release(self, which: int, after: float, closing: tuple[str, str | None]) -> None:
        for lease, twin in self._pair(which):
            state = self._state(after, *closing)
            self.frontier.release(lease, state)
            self.model.release(twin, state)

    @rule(per_host=st.integers(1, 4), ends=st.lists(st.integers(0, 8), min_size=4, max_size=4), passed=seconds, is_released=st.booleans())
    def serve(self, per_host: int, ends: list[int], passed: float, is_released: bool) -> None:
        """A worker's turn: lease, ask, acknowledge, top up, give back."""
        before = len(self.pairs)
        self.lease(2, per_host)
        self.clock.advance(passed)
        for number in range(before, len(self.pairs)):
            self.done(len(self.pairs) - 1 - number, ends, passed, ("", None), [])
            self.extend(len(self.pairs) - 1 - number, per_host)
            if is_released:
                self.release(len(self.pairs) - 1 - number, 0.0, ("", None))

    @rule(passed=seconds)
    def pass_time(self, passed: float) -> None:
        self.clock.advance(passed)

    @rule()
    def begin_anew(self) -> None:
        """Another worker, who knows nothing but what is at the server and in the journal."""
        self.frontier = self._opened()

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "model"):
            assert rows_of(self.frontier) == rows_of(self.model)
            assert self.frontier.stats() == self.model.stats()
            assert self.frontier.finished() == self.model.finished()
            held = self.frontier.held([lease for lease, _ in self.pairs])
            assert [lease for lease, twin in self.pairs if self.model.held([twin])] == held
            check_counts(self.frontier)

    def _pair(self, number: int) -> list[Pair]:
        """One of the leases given so far, the latest for 0; none when there was none yet."""
        return [self.pairs[-1 - number % len(self.pairs)]] if self.pairs else []

    def _state(self, after: float, closed: str, kind: str | None) -> HostState:
        robots = ROBOTS[: int(after) % 2]
        return HostState(self.clock.now + after, after / 10, 2.5, int(after), after > 1, closed, kind, robots, 0.1, after, after)  # type: ignore[arg-type]


SharedFrontiers.TestCase.settings = settings(max_examples=8, stateful_step_count=30)
test_the_shared_frontier_says_the_same = SharedFrontiers.TestCase
