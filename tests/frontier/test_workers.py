"""Several workbenches on one frontier, in virtual time and in random interleavings: the laws of politeness and of "once" hold
whoever asks, dies, comes late or leaves."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from frontiers import Clock, check_counts, request, rows_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crawler.core.politeness import Politeness
from crawler.core.seen import SeenFilter
from crawler.core.turns import Idle, Need, Wait
from crawler.core.workbench import Workbench
from crawler.engine.batch import Visit
from crawler.engine.commit import GroupCommit
from crawler.frontier.sharing import Sharing
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import (
    Failed,
    Fetched,
    Lease,
    Leases,
    Limits,
    Outcome,
    Page,
    PageError,
    Record,
    Request,
    Retry,
    RobotsFacts,
    Skipped,
)
from crawler.store.database import Database
from crawler.store.memory import MemoryStore

TTL = 20.0
HOSTS = ("a.test", "b.test", "c.test")
PAGES = 9
AT_ONCE = 5

Answer = int | PageError
Move = tuple[str, int, int]
# What happens, to which worker, and to which of its flights; the more often it is named the more often it happens, and what
# comes first or last most often of all.
_WHAT = (
    "turn turn turn turn turn work hear write write land land land 0.1 0.5 4 turn turn turn turn turn die turn turn turn turn leave "
    "turn turn turn turn turn 9 25 land land land land land write write write write 0.1 0.1 0.5 1 1 work hear turn turn turn "
    "land land land land turn"
)
MOVES: st.SearchStrategy[Move] = st.tuples(st.sampled_from(_WHAT.split()), st.integers(0, 2), st.integers(0, AT_ONCE))


class Web:
    """Three hosts with a few pages each: who links to whom, and what is answered the first, second, third time."""

    def __init__(self, choice: random.Random) -> None:
        urls = [f"https://{host}/{number}" for host in HOSTS for number in range(PAGES)]
        self.links = {url: choice.sample(urls, choice.randint(0, 6)) for url in urls}
        self.seeds = choice.sample(urls, 3)
        self.rules = {
            host: Politeness(choice.choice([0.0, 0.0, 0.0, 1.0, 5.0]), choice.choice([1, 2, 4, 4]), adaptive=choice.random() < 0.5)
            for host in HOSTS
        }
        self.robots = {host: choice.choice([b"", b"", b"User-agent: *\nDisallow: /3\nDisallow: /4"]) for host in HOSTS}
        troubles: list[Answer] = [404, 500, 503, 429, PageError("reset"), PageError("refused"), PageError("tls"), PageError("timeout")]
        self.answers = {url: [choice.choice(troubles) for _ in range(choice.choice([0, 0, 0, 1, 1, 4]))] for url in urls}
        self.robots_answers = {host: [choice.choice([500, 0]) for _ in range(choice.choice([0, 0, 0, 1, 2]))] for host in HOSTS}

    def answer(self, url: str) -> Answer:
        left = self.answers[url]
        return left.pop(0) if left else 200


@dataclass
class Flight:
    """A request in the air."""

    request: Request
    lease: Lease | None
    started: float


@dataclass
class Worker:
    """A process: its workbench, its commits, its flights, and what the frontier has answered but nobody has looked at."""

    bench: Workbench
    commit: GroupCommit
    flights: list[Flight] = field(default_factory=list)
    asked: tuple[Need, tuple[Leases, Leases]] | None = None


class Workers(RuleBasedStateMachine):
    """Three workers, in any order of what they do."""

    @initialize(seed=st.integers(0, 2**16))
    def open(self, seed: int) -> None:
        self.web = Web(random.Random(seed))
        self.clock = Clock()
        self.database = Database(None)
        sharing = Sharing(self._shares)
        self.frontier = SqliteFrontier(self.database, Limits(), self.clock, lambda host: self.web.rules[host].delay, sharing)
        self.store = MemoryStore()
        self.frontier.add([request(url) for url in self.web.seeds])
        self.workers = [self._worker(number) for number in range(3)]
        self.starts: dict[str, list[float]] = defaultdict(list)
        self.known_robots: set[str] = set()
        self.final: set[str] = set()
        self.of_the_dead: set[tuple[str, int]] = set()  # leases that nobody can give back any more

    def _shares(self, host: str) -> tuple[int, ...]:
        rules = self.web.rules[host]
        return (rules.per_host,) if rules.delay or rules.per_host < 2 else (rules.per_host // 2,) * 2

    def _worker(self, number: int) -> Worker:
        bench = Workbench(self.web.rules.__getitem__, "asyncrawl", max_hosts=2, per_host=2, ttl=TTL)
        filters = SeenFilter(), SeenFilter()
        return Worker(bench, GroupCommit(bench, self.frontier, self.store, self.database.transaction, *filters, holder=number))

    # -- what may happen -------------------------------------------------------------------------------------------------

    @rule(moves=st.lists(MOVES, min_size=10, max_size=30))
    def happen(self, moves: list[Move]) -> None:
        """Some moves of the workers, and of time."""
        for what, who, which in moves:
            match what:
                case "turn":
                    self.hear(who)
                    self.work(who)
                case "work":
                    self.work(who)
                case "hear":
                    self.hear(who)
                case "land":
                    self.land(who, which)
                case "write":
                    self.write(who)
                case "die":
                    self.die(who, which)
                case "leave":
                    self.leave(who)
                case seconds:
                    self.pass_time(float(seconds))

    def work(self, who: int) -> None:
        """Does all that can be done now; what the frontier answers arrives later."""
        worker = self.workers[who]
        for _ in range(60):
            if len(worker.flights) >= AT_ONCE:
                return
            match worker.bench.next(self.clock.now):
                case Request() as request:
                    self._start(worker, request)
                case (Skipped() | Failed()) as outcome:
                    self._collect(worker, worker.bench.lease_of(outcome.request), Visit(outcome, _record(outcome)))
                case Need() as need:
                    worker.asked = need, worker.commit.ask(need)
                case Wait(until):
                    assert until > self.clock.now, "the time to wait for is over"
                    return
                case Idle():
                    return
        raise AssertionError(f"{worker.bench!r} spins")

    def hear(self, who: int) -> None:
        """The answer of the frontier arrives."""
        worker = self.workers[who]
        if worker.asked is not None:
            (need, answer), worker.asked = worker.asked, None
            worker.commit.take(need, answer, self.clock.now)

    def land(self, who: int, which: int) -> None:
        """One of the answers arrives."""
        worker = self.workers[who]
        if worker.flights:
            flight = worker.flights.pop(which % len(worker.flights))
            self._land(worker, flight)

    def write(self, who: int) -> None:
        """What was collected is committed."""
        worker = self.workers[who]
        if len(worker.commit):
            batch = worker.commit.cut()
            held = {(lease.host, lease.token) for lease in self.frontier.held([lease for lease, _ in batch.visits])}
            for lease, visit in batch.visits:
                if (lease.host, lease.token) in held and visit.outcome is not None and not isinstance(visit.outcome, Retry):
                    self.final.add(visit.outcome.request.url)
            worker.commit.acknowledge(worker.commit.write(batch))

    def pass_time(self, passed: float) -> None:
        self.clock.advance(passed)

    def die(self, who: int, which: int) -> None:
        """A worker is killed: nothing is given back; another one takes its place."""
        asked = self.workers[who].asked
        unheard = asked[1][1].leases if asked is not None else ()
        self.of_the_dead.update((lease.host, lease.token) for lease, _ in self.workers[who].bench.release_all())
        self.of_the_dead.update((lease.host, lease.token) for lease in unheard)
        if which % 2:  # somebody saw it
            self.frontier.evict(who)
        self.workers[who] = self._worker(who)

    def leave(self, who: int) -> None:
        """A worker stops in good order: cuts its flights off, commits, gives its leases back."""
        worker = self.workers[who]
        self.hear(who)
        for flight in worker.flights:
            worker.bench.cancelled(flight.request)
        worker.flights.clear()
        while len(worker.commit):
            self.write(who)
        worker.commit.give_back(worker.bench.release_all())
        self.workers[who] = self._worker(who)

    # -- what always holds -----------------------------------------------------------------------------------------------

    @invariant()
    def counts_are_right(self) -> None:
        if hasattr(self, "frontier"):
            check_counts(self.frontier)

    def _start(self, worker: Worker, request: Request) -> None:
        rules, now = self.web.rules[request.host], self.clock.now
        # Two starts at a host are its delay apart, whoever asks.
        assert now - self.starts[request.host][-1] >= rules.delay - 1e-9 if self.starts[request.host] else True
        self.starts[request.host].append(now)
        in_flight = [flight for flight in self._live_flights() if flight.request.host == request.host]
        # Never more in flight than allowed, and robots.txt alone.
        assert len(in_flight) < rules.per_host
        assert not in_flight or "robots" not in {request.role, *(flight.request.role for flight in in_flight)}
        if request.role != "robots":
            # robots.txt before all pages of its origin, and obeyed.
            assert request.host in self.known_robots
            assert not (self.web.robots[request.host] and request.url[-1] in "34")
            # Not again once it is stored, and not by two who both hold it.
            assert request.url not in self.final
            assert request.url not in [flight.request.url for flight in in_flight]
        worker.flights.append(Flight(request, worker.bench.lease_of(request), now))

    def _live_flights(self) -> list[Flight]:
        """Flights of leases that are still held; those of a lost lease are beyond anybody's reach."""
        flights = [flight for worker in self.workers for flight in worker.flights]
        return [flight for flight in flights if flight.lease is not None and self.frontier.held([flight.lease])]

    # -- answers ---------------------------------------------------------------------------------------------------------

    def _land(self, worker: Worker, flight: Flight) -> None:
        request, now = flight.request, self.clock.now
        if request.role == "robots":
            self._land_robots(worker, request)
            return
        answer = self.web.answer(request.url)
        verdict: Retry | Failed | None
        if isinstance(answer, PageError):
            verdict = worker.bench.failed(request, now, answer)
        else:
            verdict = worker.bench.answered(request, now, answer, now - flight.started, 2.0 if answer == 429 else None)
        outcome: Outcome = verdict if verdict is not None else Fetched(request, answer == 200)
        found = [_found(url, request) for url in self.web.links[request.url]] if answer == 200 else []
        self._collect(worker, flight.lease, Visit(outcome, None if isinstance(outcome, Retry) else _record(outcome), found))

    def _land_robots(self, worker: Worker, request: Request) -> None:
        left = self.web.robots_answers[request.host]
        place = f"https://{request.host}"
        if left:
            status = left.pop(0)
            facts = RobotsFacts(place, status, None, self.clock.now, "robots.txt answered 500" if status else "refused: down")
        else:
            facts = RobotsFacts(place, 200, self.web.robots[request.host], self.clock.now)
            self.known_robots.add(request.host)
        worker.bench.robots(request, self.clock.now, facts, 0.1)

    def _collect(self, worker: Worker, lease: Lease | None, visit: Visit) -> None:
        worker.commit.collect(lease, visit, self.clock.now)

    # -- the end ---------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Left alone, the workers bring the crawl to its end: all that is reachable is stored once, nothing stays leased."""
        if not hasattr(self, "workers"):
            return
        try:
            self._run_to_the_end()
            for who in range(3):
                self.leave(who)
            self._check_end()
        finally:
            self.database.close()

    def _run_to_the_end(self) -> None:
        for _ in range(2000):
            for who, worker in enumerate(self.workers):
                self.hear(who)
                self.work(who)
                while worker.flights:
                    self.land(who, 0)
                while len(worker.commit):
                    self.write(who)
            if self.frontier.finished() is not None:
                return
            for worker in self.workers:
                if not worker.bench.waiting:
                    worker.bench.wake()
            self.clock.advance(1.0)
        raise AssertionError(f"the crawl does not end: {self.frontier.stats()}, {[worker.bench for worker in self.workers]}")

    def _check_end(self) -> None:
        assert self.frontier.finished() == "queue empty"
        leased = self.database.connection.execute("SELECT host, l.token FROM _leases l JOIN hosts USING (host_id)").fetchall()
        assert set(leased) <= self.of_the_dead
        rows = rows_of(self.frontier)
        assert {row.state for row in rows.values()} <= {"done", "failed", "skipped"}
        stored = Counter(page.url for page in self.store.pages)
        assert not [url for url, count in stored.items() if count > 1]
        assert {page.url for page in self.store.pages if page.ok} <= {url for url, row in rows.items() if row.state == "done"}
        # What the stored pages link to is known, and nothing else is.
        found = {target for page in self.store.pages if page.ok for target in self.web.links[page.url]}
        assert set(rows) == found | set(self.web.seeds)


def _found(url: str, on: Request) -> Request:
    return request(url, on.depth + 1, parent=on.url)


def _record(outcome: Outcome) -> Record | None:
    if isinstance(outcome, Skipped):
        return None
    asked = outcome.request
    ok = isinstance(outcome, Fetched) and outcome.ok
    error = outcome.error if isinstance(outcome, Failed) else None
    return Record(Page(asked.url, asked.id, outcome="ok" if ok else "error" if error else "http_error", error=error))


Workers.TestCase.settings = settings(max_examples=40, stateful_step_count=15)
test_workers_share_a_crawl = Workers.TestCase
