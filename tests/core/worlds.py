"""Many hosts crawled in virtual time by a bounded number of workers: the workbench itself, and the least that has to be around it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from benches import page

from crawler.core.politeness import Politeness
from crawler.core.turns import Idle, Need, Wait
from crawler.core.workbench import Workbench
from crawler.model import HostState, Lease, Leases, PageError, Request, RobotsFacts

TTL = 60.0


@dataclass
class World:
    """Hosts with pages without end, crawled until a time. `latency(host, now)` is how long an answer takes; after `timeout` seconds
    nobody waits for it any more. `states` are known of hosts from before; `starts` holds when each was asked."""

    hosts: Sequence[str]
    latency: Callable[[str, float], float]
    workers: int = 32
    rules: Politeness = field(default_factory=Politeness)
    timeout: float = 30.0
    max_hosts: int = 256
    per_host: int = 128
    states: Mapping[str, HostState] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def run(self, until: float) -> World:
        """Crawls for so long."""
        self._now, self._turn = 0.0, count()
        self._free = deque((host, self.states.get(host, HostState())) for host in self.hosts)
        self._bench = Workbench(lambda host: self.rules, "asyncrawl", max_hosts=self.max_hosts, per_host=self.per_host, ttl=TTL)
        self._flying: list[tuple[float, int, Request, float]] = []
        while self._now < until:
            busy = len(self._flying) >= self.workers
            match Idle() if busy else self._bench.next(self._now):
                case Request() as request:
                    self.starts[request.host].append(self._now)
                    latency = min(self.latency(request.host, self._now), self.timeout)
                    heappush(self._flying, (self._now + latency, next(self._turn), request, self._now))
                case Need() as need:
                    self._meet(need)
                case Wait(at):
                    self._advance(at)
                case _:
                    self._advance(float("inf"))
        return self

    def rate(self, hosts: Sequence[str], since: float, until: float) -> float:
        """Requests a second to all of these hosts."""
        return sum(since <= at < until for host in hosts for at in self.starts[host]) / (until - since)

    def _advance(self, at: float) -> None:
        if not self._flying or self._flying[0][0] > at:
            assert self._now < at < float("inf"), "the workbench spins"
            self._now = at
            return
        self._now, _, request, started = heappop(self._flying)
        lease = self._bench.lease_of(request)
        assert lease is not None
        if request.role == "robots":
            facts = RobotsFacts(request.url.removesuffix("/robots.txt"), 200, b"", self._now)
            self._bench.robots(request, self._now, facts, self._now - started)
        elif self._now - started >= self.timeout:
            self._bench.failed(request, self._now, PageError("timeout", "no headers"))
            self._bench.acknowledged(lease, 1)
        else:
            self._bench.answered(request, self._now, 200, self._now - started)
            self._bench.acknowledged(lease, 1)

    def _meet(self, need: Need) -> None:
        self._free.extend((lease.host, state) for lease, state in need.release)
        kept = [
            self._lease(lease.host, lease.token, lease.state, need.per_host * (lease in need.extend)) for lease in need.renew + need.extend
        ]
        given = []
        for _ in range(min(need.hosts, len(self._free))):
            host, state = self._free.popleft()
            given.append(self._lease(host, next(self._turn), state, need.per_host))
        self._bench.take(need, Leases(tuple(kept)), Leases(tuple(given), self._now if self._free else None), self._now)

    def _lease(self, host: str, token: int, state: HostState, most: int) -> Lease:
        requests = tuple(page(f"https://{host}/{next(self._turn)}") for _ in range(most))
        return Lease(host, token, self._now + TTL, requests, state)
