"""A crawl of one host in virtual time: the workbench itself, and the least that has to be around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from random import Random

from benches import page

from crawler.core.politeness import Politeness
from crawler.core.turns import Idle, Need, Wait
from crawler.core.workbench import Workbench
from crawler.model import Failed, HostState, Lease, Leases, PageError, Request, Retry, RobotsFacts, Skipped

HOST = "a.test"
TTL = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its status, the seconds that Retry-After asks for, and after how many it comes (None: the latency of the crawl)."""

    status: int = 200
    retry_after: float | None = None
    latency: float | None = None


Server = Callable[[float, Request], Said | PageError]
"""What a server answers to a request that arrives at a time."""


@dataclass
class VirtualCrawl:
    """Crawls `pages` pages of a host. `log` holds every request: when it started, for what, and what came.

    What the frontier would do is done here: `queue` gives URLs in their order, those to be tried again when their time has come;
    a closed host fails all of them. Timers are late by up to `lag` seconds. What takes longer than `timeout` is a timeout. At each of
    the times `stops` the crawl is stopped, what is in flight cut off, and another one goes on from what the frontier knows.
    """

    server: Server
    pages: int
    rules: Politeness = field(default_factory=Politeness)
    latency: float = 0.02
    lag: float = 0.0
    robots: bool = False
    timeout: float = float("inf")
    stops: Sequence[float] = ()
    now: float = 0.0
    log: list[tuple[float, Request, Said | PageError]] = field(default_factory=list)
    ok: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def run(self, until: float = float("inf")) -> VirtualCrawl:
        """Runs until nothing is left to do, or until a time."""
        self._queue = [(0.0, number, page(f"/{number}")) for number in range(self.pages)]
        self._flying: list[tuple[float, int, Request, float, Said | PageError]] = []
        self._roll = Random(1)
        self._held: dict[int, Request] = {}
        self._turn, self._token, self._state = count(self.pages), 0, HostState()
        self._open()
        left = sorted(self.stops)
        while self.now < until:
            if left and self.now >= left[0]:
                left.pop(0)
                self._stop()
            match self._bench.next(self.now):
                case Request() as request:
                    self._start(request)
                case Failed() as given_up:
                    self._end(given_up.request, given_up)
                case Skipped():
                    raise AssertionError("nothing is refused here")
                case Need() as need:
                    self._meet(need)
                case Wait(at):
                    self._advance(at)
                case Idle():
                    if not self._advance(float("inf")):
                        return self
        return self

    def _open(self) -> None:
        self._bench = Workbench(lambda host: self.rules, "asyncrawl" if self.robots else None, ttl=TTL)

    def _stop(self) -> None:
        for _, state in self._bench.release_all():
            self._give_back(state)
        self._flying.clear()
        self._open()

    def _give_back(self, state: HostState) -> None:
        self._state, self._token = state, -self._token
        for request in self._held.values():
            heappush(self._queue, (self.now, next(self._turn), request))
        self._held.clear()

    def _advance(self, at: float) -> bool:
        """Time passes until `at` or the next answer; False when there is nothing to wait for."""
        if self._flying and self._flying[0][0] <= at:
            self.now, _, request, started, said = heappop(self._flying)
            self._land(request, started, said)
            return True
        assert at > self.now, "the workbench spins"
        if at == float("inf"):
            return False
        self.now = at + self.lag * self._roll.random()
        return True

    def _start(self, request: Request) -> None:
        said = self.server(self.now + self.latency / 2, request)
        latency = said.latency if isinstance(said, Said) and said.latency is not None else self.latency
        if latency > self.timeout:
            latency, said = self.timeout, PageError("timeout", f"no headers within {self.timeout} s")
        self.log.append((self.now, request, said))
        heappush(self._flying, (self.now + latency, next(self._turn), request, self.now, said))

    def _land(self, request: Request, started: float, said: Said | PageError) -> None:
        if request.role == "robots":
            status, error = (said.status, f"robots.txt answered {said.status}") if isinstance(said, Said) else (0, str(said))
            facts = RobotsFacts("https://a.test", status, b"" if status == 200 else None, self.now, error)
            self._bench.robots(request, self.now, facts, self.now - started, said.retry_after if isinstance(said, Said) else None)
        elif isinstance(said, PageError):
            self._end(request, self._bench.failed(request, self.now, said))
        else:
            verdict = self._bench.answered(request, self.now, said.status, self.now - started, said.retry_after)
            self._end(request, verdict or (None if said.status == 200 else Failed(request, PageError("internal", f"status {said.status}"))))

    def _end(self, request: Request, outcome: Retry | Failed | None) -> None:
        del self._held[request.id]
        if isinstance(outcome, Retry):
            again = replace(request, attempts=request.attempts + outcome.counted)
            heappush(self._queue, (outcome.at, next(self._turn), again))
            self._bench.added([HOST])
        elif outcome is None:
            self.ok.append(request.url)
        else:
            self.failed[request.url] = str(outcome.error)
        self._bench.acknowledged(self._lease, 1)

    def _meet(self, need: Need) -> None:
        """One trip to the frontier."""
        for _, state in need.release:
            self._give_back(state)  # what the workbench dropped when the host was closed
            if state.closed:
                self.failed |= {request.url: state.closed for _, _, request in self._queue}
                self._queue.clear()
        kept = [self._leased(need.per_host if lease in need.extend else 0) for lease in need.renew + need.extend]
        leased = []
        if need.hosts and self._token <= 0 and self._queue and not self._state.closed and self._due() <= self.now:
            self._token = 1 - self._token
            leased.append(self._leased(need.per_host))
        later = self._due() if self._queue else 0.0
        due = later if later > self.now else None
        self._bench.take(need, Leases(tuple(kept), due), Leases(tuple(leased), due), self.now)

    def _due(self) -> float:
        return max(self._state.next_at, self._queue[0][0])

    def _leased(self, most: int) -> Lease:
        requests: list[Request] = []
        while self._queue and self._queue[0][0] <= self.now and len(requests) < most:
            requests.append(heappop(self._queue)[2])
        self._held |= {request.id: request for request in requests}
        self._lease = Lease(HOST, self._token, self.now + TTL, tuple(requests), self._state)
        return self._lease
