"""A frontier and the plain one in memory, told the same in whatever order: what tests of both kinds of frontier are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from frontiers import Clock, check_counts, request, rows_of
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crawler.frontier.memory import MemoryFrontier
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

TTL = 60.0
LEAST_DELAY = {"a.test": 0.0, "b.test": 3.0, "c.test:8080": 0.0}
ROBOTS = (RobotsFacts("https://a.test", 200, b"Disallow: \xe9", 1.0),)

seconds = st.sampled_from([0.0, 0.1, 1.0, 5.0, 29.0, 61.0, 400.0])
recent = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 5, 9, 17])
holders = st.integers(0, 2)
requests = st.builds(
    lambda host, path, depth, role: request(f"https://{host}/{path}", depth, role),
    st.sampled_from(tuple(LEAST_DELAY)),
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
several_ends = st.lists(st.integers(0, 8), min_size=4, max_size=4)


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


class Twins(RuleBasedStateMachine):
    """Two frontiers that are told the same; every answer and every row is compared. A subclass makes them: `frontier`, with all that
    it stands on (`opened`), and `model`.

    `pairs` are the leases as one gave them, each with the other's of the same moment: the numbers of tokens are a frontier's own.
    """

    frontier: Any
    model: MemoryFrontier

    @initialize(limits=limits, known=st.lists(requests, min_size=15, max_size=30))
    def open(self, limits: Limits, known: list[Request]) -> None:
        self.clock = Clock()
        self.limits = limits
        self.pairs: list[tuple[Lease, Lease]] = []
        self.make()
        self.frontier = self.opened()
        self.add(known)

    def make(self) -> None:
        """Makes the model, and what the frontier stands on."""
        raise NotImplementedError

    def opened(self) -> Any:
        """The frontier as a process begins with it, that knows nothing but what others have kept."""
        raise NotImplementedError

    def admitted(self, batch: list[Request]) -> list[Request]:
        """Those of some requests that this kind of frontier can be told."""
        return batch

    def worker(self, number: int) -> int:
        """The holder that one of three workers is."""
        return number

    def twin(self, lease: Lease, per_host: int, holder: int) -> Lease | None:
        """The model's lease of the same host."""
        return self.model.lease_host(lease.host, per_host, TTL, holder)

    @rule(batch=st.lists(requests, min_size=1, max_size=8))
    def add(self, batch: list[Request]) -> None:
        batch = self.admitted(batch)
        assert self.frontier.add(batch) == self.model.add(batch)

    @rule(batch=st.lists(requests, max_size=3), reason=st.sampled_from(["scope", "trap", "nofollow"]))
    def refuse(self, batch: list[Request], reason: str) -> None:
        refusals = [Refusal(each.url, each.id, reason, "rule", None, each.depth) for each in batch]  # type: ignore[arg-type]
        self.frontier.refuse(refusals)
        self.model.refuse(refusals)

    @rule(hosts=st.sampled_from([3, 2, 1, 0]), per_host=st.integers(1, 4), holder=holders)
    def lease(self, hosts: int, per_host: int, holder: int = 0) -> None:
        """Which of the hosts that are due comes first is the frontier's choice; all else follows."""
        holder = self.worker(holder)
        given = self.frontier.lease(hosts, per_host, TTL, holder)
        self.model.reclaim()
        for lease in given.leases:
            due = self.model.due_at(lease.host)
            assert self.model.is_shared(lease.host, holder) if due is None else due <= self.clock.now
            twin = self.twin(lease, per_host, holder)
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

    @rule(which=st.lists(recent, min_size=1, max_size=3), per_host=st.integers(0, 4))
    def extend(self, which: list[int], per_host: int) -> None:
        pairs = {(lease.host, lease.token): (lease, twin) for number in which for lease, twin in self.pair(number)}.values()
        given = self.frontier.extend([lease for lease, _ in pairs], per_host, TTL)
        self.before_extending(given.leases)
        expected = self.model.extend([twin for _, twin in pairs], per_host, TTL)
        assert given.next_due == expected.next_due
        assert without_tokens(given.leases) == without_tokens(expected.leases)
        self.pairs += zip(given.leases, expected.leases, strict=True)

    def before_extending(self, given: tuple[Lease, ...]) -> None:
        """What the model is to know of the leases that the frontier has extended."""

    @rule(
        which=recent,
        ends=st.lists(st.integers(0, 8), min_size=1, max_size=5),
        after=seconds,
        closing=closings,
        spare=st.lists(requests, max_size=1),
    )
    def done(self, which: int, ends: list[int], after: float, closing: tuple[str, str | None], spare: list[Request]) -> None:
        for lease, twin in self.pair(which):
            said = zip((*lease.requests, *spare), ends, strict=False)
            outcomes = [outcome_of(each, end, self.clock.now, after) for each, end in said]
            state = self.state(after, *closing)
            assert self.frontier.done(lease, outcomes, state) == self.model.done(twin, outcomes, state)

    @rule(which=recent, after=seconds, closing=closings)
    def release(self, which: int, after: float, closing: tuple[str, str | None]) -> None:
        for lease, twin in self.pair(which):
            state = self.state(after, *closing)
            self.frontier.release(lease, state)
            self.model.release(twin, state)

    @rule(per_host=st.integers(1, 4), ends=several_ends, passed=seconds, is_released=st.booleans())
    def serve(self, per_host: int, ends: list[int], passed: float, is_released: bool) -> None:
        """A worker's turn: lease, ask, acknowledge, top up, give back."""
        before = len(self.pairs)
        self.lease(2, per_host)
        self.clock.advance(passed)
        for number in range(before, len(self.pairs)):
            self.done(len(self.pairs) - 1 - number, ends, passed, ("", None), [])
            self.extend([len(self.pairs) - 1 - number], per_host)
            if is_released:
                self.release(len(self.pairs) - 1 - number, 0.0, ("", None))

    @rule(holder=holders)
    def die(self, holder: int) -> None:
        self.frontier.evict(self.worker(holder))
        self.model.evict(self.worker(holder))

    @rule(passed=seconds)
    def pass_time(self, passed: float) -> None:
        self.clock.advance(passed)

    @rule()
    def begin_anew(self) -> None:
        """Another process, which finds what was kept."""
        self.frontier = self.opened()

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "pairs"):
            assert rows_of(self.frontier) == rows_of(self.model)
            assert self.frontier.stats() == self.model.stats()
            assert self.frontier.finished() == self.model.finished()
            held = self.frontier.held([lease for lease, _ in self.pairs])
            assert without_tokens(held) == without_tokens(self.model.held([twin for _, twin in self.pairs]))
            check_counts(self.frontier)

    def pair(self, number: int) -> list[tuple[Lease, Lease]]:
        """One of the leases given so far, the latest for 0; none when there was none yet."""
        return [self.pairs[-1 - number % len(self.pairs)]] if self.pairs else []

    def state(self, after: float, closed: str, kind: str | None) -> HostState:
        robots = ROBOTS[: int(after) % 2]
        return HostState(self.clock.now + after, after / 10, 2.5, int(after), after != 1, closed, kind, robots, 0.1, after, after)  # type: ignore[arg-type]


def without_tokens(leases: Any) -> list[Lease]:
    """Leases as far as two frontiers have to give the same."""
    return [replace(each, token=0) for each in leases]
