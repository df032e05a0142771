"""The frontier in SQLite against the plain one in memory: whatever is asked, in whatever order, both say the same."""

from __future__ import annotations

from frontiers import Clock, check_counts, request, rows_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crawler.frontier.memory import MemoryFrontier
from crawler.frontier.sharing import Sharing
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import (
    Failed,
    Fetched,
    HostState,
    Lease,
    Limits,
    NotModified,
    Outcome,
    PageError,
    Redirected,
    Refusal,
    Request,
    Retry,
    RobotsFacts,
    Skipped,
)
from crawler.store.database import Database

TTL = 60.0
LEAST_DELAY = {"a.test": 0.0, "b.test": 3.0, "c.test:8080": 0.0}
SHARES = {"a.test": (2, 2), "b.test": (3,), "c.test:8080": (1, 1, 1)}
SHARING = Sharing(SHARES.__getitem__, needs_robots=False)
HOSTS = tuple(LEAST_DELAY)
ROBOTS = (RobotsFacts("https://a.test", 200, b"Disallow: \xe9", 1.0),)

seconds = st.sampled_from([0.0, 0.1, 1.0, 5.0, 29.0, 61.0, 400.0])
recent = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 5, 9, 17])
requests = st.builds(
    lambda host, path, depth, role: request(f"https://{host}/{path}", depth, role),
    st.sampled_from(HOSTS),
    st.integers(0, 7),
    st.integers(0, 3),
    st.sampled_from(["page", "page", "sitemap", "probe", "requisite"]),
)
limits = st.builds(
    Limits,
    max_pages=st.sampled_from([None, None, 1, 4]),
    max_depth=st.sampled_from([None, None, 0, 1, 2]),
    max_size=st.sampled_from([None, None, 500]),
)
closings = st.sampled_from([("", None), ("", None), ("", None), ("", None), ("dns: gone", "dns")])


def outcome_of(request: Request, end: int, now: float, after: float) -> Outcome:
    """One of the ways in which a URL may end."""
    ends: list[Outcome] = [
        Fetched(request, ok=True, size=200),
        Fetched(request, ok=True, size=200),
        Fetched(request, ok=False),
        Redirected(request),
        NotModified(request),
        Skipped(request, "robots", "line 1"),
        Failed(request, PageError("reset", "by peer")),
        Retry(request, now + after, "status 500"),
        Retry(request, now, "refused", counted=False),
    ]
    return ends[end]


class Frontiers(RuleBasedStateMachine):
    """Two frontiers that are told the same; every answer and every row is compared."""

    @initialize(limits=limits, known=st.lists(requests, min_size=15, max_size=30))
    def open(self, limits: Limits, known: list[Request]) -> None:
        self.clock = Clock()
        self.limits = limits
        self.database = Database(None)
        self.frontier = SqliteFrontier(self.database, limits, self.clock, LEAST_DELAY.__getitem__, SHARING)
        self.model = MemoryFrontier(limits, self.clock, LEAST_DELAY.__getitem__, SHARING)
        self.leases: list[Lease] = []
        self.add(known)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()

    @rule(batch=st.lists(requests, min_size=1, max_size=8))
    def add(self, batch: list[Request]) -> None:
        assert self.frontier.add(batch) == self.model.add(batch)

    @rule(batch=st.lists(requests, max_size=3), reason=st.sampled_from(["scope", "trap", "nofollow"]))
    def refuse(self, batch: list[Request], reason: str) -> None:
        refusals = [Refusal(each.url, each.id, reason, "rule", None, each.depth) for each in batch]  # type: ignore[arg-type]
        self.frontier.refuse(refusals)
        self.model.refuse(refusals)

    @rule(hosts=st.sampled_from([3, 2, 1, 0]), per_host=st.integers(1, 4), holder=st.integers(0, 2))
    def lease(self, hosts: int, per_host: int, holder: int = 0) -> None:
        """Which of the hosts that are due comes first is the frontier's choice; all else follows."""
        given = self.frontier.lease(hosts, per_host, TTL, holder)
        self.model.reclaim()
        for lease in given.leases:
            due = self.model.due_at(lease.host)
            assert self.model.is_shared(lease.host, holder) if due is None else due <= self.clock.now
            assert lease == self.model.lease_host(lease.host, per_host, TTL, holder)
            self.leases.append(lease)
        expected = self.model.next_due()
        if len(given.leases) < hosts:
            assert expected is None or expected > self.clock.now, "a host that was due was not given out"
            assert given.next_due is None or given.next_due > self.clock.now, "asking again at once would bring nothing"
        assert (given.next_due is None) <= (expected is None)
        if given.next_due is not None and expected is not None:
            assert given.next_due <= max(expected, self.clock.now), "asking then would be late"

    @rule(which=st.lists(recent, min_size=1, max_size=3), per_host=st.integers(0, 4))
    def extend(self, which: list[int], per_host: int) -> None:
        leases = list({(lease.host, lease.token): lease for number in which for lease in self._lease(number)}.values())
        given = self.frontier.extend(leases, per_host, TTL)
        assert given == self.model.extend(leases, per_host, TTL)
        self.leases += given.leases

    @rule(
        which=recent,
        ends=st.lists(st.integers(0, 8), min_size=1, max_size=5),
        after=seconds,
        closing=closings,
        spare=st.lists(requests, max_size=1),
    )
    def done(self, which: int, ends: list[int], after: float, closing: tuple[str, str | None], spare: list[Request]) -> None:
        for lease in self._lease(which):
            said = zip((*lease.requests, *spare), ends, strict=False)
            outcomes = [outcome_of(each, end, self.clock.now, after) for each, end in said]
            state = self._state(after, *closing)
            assert self.frontier.done(lease, outcomes, state) == self.model.done(lease, outcomes, state)

    @rule(which=recent, after=seconds, closing=closings)
    def release(self, which: int, after: float, closing: tuple[str, str | None]) -> None:
        for lease in self._lease(which):
            state = self._state(after, *closing)
            self.frontier.release(lease, state)
            self.model.release(lease, state)

    @rule(per_host=st.integers(1, 4), ends=st.lists(st.integers(0, 8), min_size=4, max_size=4), passed=seconds, is_released=st.booleans())
    def serve(self, per_host: int, ends: list[int], passed: float, is_released: bool) -> None:
        """A worker's turn: lease, ask, acknowledge, top up, give back."""
        before = len(self.leases)
        self.lease(2, per_host)
        self.clock.advance(passed)
        for lease in self.leases[before:]:
            self.done(len(self.leases) - 1 - self.leases.index(lease), ends, passed, ("", None), [])
            self.extend([len(self.leases) - 1 - self.leases.index(lease)], per_host)
            if is_released:
                self.release(len(self.leases) - 1 - self.leases.index(lease), 0.0, ("", None))

    @rule(per_host=st.integers(1, 4), ends=st.lists(st.integers(0, 8), min_size=4, max_size=4), after=seconds)
    def share(self, per_host: int, ends: list[int], after: float) -> None:
        """One worker after the other comes to the hosts that are well; then one of them says how it is."""
        for holder in range(3):
            before = len(self.leases)
            self.lease(3, per_host, holder)
            for number in range(before, len(self.leases)):
                self.done(len(self.leases) - 1 - number, ends[:1], 0.0, ("", None), [])
        self.done(1, ends, after, ("", None), [])

    @rule(holder=st.integers(0, 2))
    def die(self, holder: int) -> None:
        self.frontier.evict(holder)
        self.model.evict(holder)

    @rule(passed=seconds)
    def pass_time(self, passed: float) -> None:
        self.clock.advance(passed)

    @rule()
    def begin_anew(self) -> None:
        """Another process that finds the same database: nothing is known but what is in there."""
        self.frontier = SqliteFrontier(self.database, self.limits, self.clock, LEAST_DELAY.__getitem__, SHARING)

    @rule(batch=st.lists(requests, max_size=3), which=recent)
    def roll_back(self, batch: list[Request], which: int) -> None:
        """What happens inside of a transaction that fails has not happened."""
        try:
            with self.database.transaction():
                self.frontier.add(batch)
                for lease in self._lease(which):
                    self.frontier.done(lease, [Fetched(each, ok=True, size=99) for each in lease.requests], HostState(closed="x"))
                    self.frontier.release(lease, HostState())
                self.frontier.lease(2, 2, TTL)
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "model"):
            assert rows_of(self.frontier) == rows_of(self.model)
            assert self.frontier.stats() == self.model.stats()
            assert self.frontier.finished() == self.model.finished()
            assert self.frontier.held(self.leases) == self.model.held(self.leases)
            check_counts(self.frontier)

    def _lease(self, number: int) -> list[Lease]:
        """One of the leases given so far, the latest for 0; none when there was none yet."""
        return [self.leases[-1 - number % len(self.leases)]] if self.leases else []

    def _state(self, after: float, closed: str, kind: str | None) -> HostState:
        return HostState(
            self.clock.now + after, after / 10, 2.5, int(after), after != 1, closed, kind, ROBOTS[: int(after) % 2], 0.1, after, after
        )  # type: ignore[arg-type]


Frontiers.TestCase.settings = settings(max_examples=60, stateful_step_count=50)
test_both_frontiers_say_the_same = Frontiers.TestCase
