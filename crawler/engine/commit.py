"""Group commit: many visits, one transaction, in the one order that loses nothing.

Store, then add, then done, then show. What a crash leaves undone is fetched again; what is shown is stored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import replace
from itertools import islice

from crawler.core.robots import prepare_robots
from crawler.core.seen import SeenFilter, known_as
from crawler.core.turns import Need
from crawler.core.workbench import Workbench
from crawler.engine.batch import Batch, Committed, JudgeAgain, Listed, Visit, discard_record, fence_of, listings, size_of
from crawler.model import FinishReason, HostState, Lease, Leases, Outcome, Refusal, Request, Retry
from crawler.news import NO_NEWS, News
from crawler.ports import Frontier, Store, Transaction

AT_RISK = 64
"""Visits that are not committed, in all: those being written and those that wait. With what is in flight, all that a kill can cost."""

BATCH = AT_RISK // 2
"""Visits in one commit, at most: as many may wait while they are written."""

MUCH = 20_000
"""Links that may wait to be committed before another page of many is read."""

INTERVAL = 0.25
"""Seconds after which a visit is committed, at the latest."""


_OF_THE_LINK = frozenset({"requisite", "nofollow", "hook"})
"""Reasons that hang on the link, not on its URL: another page may link to the same URL as to a page."""


_HURRIED: frozenset[FinishReason | None] = frozenset({"time limit", "interrupted", "terminated", "no reader"})

_AT_ONCE = 1000  # refusals that are judged again together


class GroupCommit:
    """Collects visits and commits them, for the worker with the number `holder`. `write`, `ask`, `finished` and `give_back` block and
    belong to the writer's thread, one call at a time; all other methods to the thread of the workbench.

    `learn` is told what any worker has found out; it returns how refusals are judged from then on, if that has changed.
    """

    def __init__(
        self,
        workbench: Workbench,
        frontier: Frontier,
        store: Store,
        transaction: Transaction,
        seen: SeenFilter,
        refused: SeenFilter,
        max_size: int | None = None,
        holder: int = 0,
        learn: Callable[[News], JudgeAgain | None] = lambda news: None,
    ) -> None:
        self._workbench = workbench
        self._frontier = frontier
        self._store = store
        self._transaction = transaction
        self._seen = seen
        self._refused = refused
        self._max_size = max_size
        self._holder = holder
        self._learn = learn
        self._news = self._heard = NO_NEWS  # what the workbench's thread has learnt, and what the writer's has heard
        self._unlisted: set[Listed] = set()  # those that are collected and not committed
        self._visits: deque[tuple[Lease, Visit]] = deque()
        self._waiting = 0  # the weight of these visits
        self._writing = 0  # the weight of those that were cut and are not acknowledged
        self._links = 0  # of those that wait
        self._oldest = 0.0
        self._unstored = 0  # bytes of pages that are collected and not acknowledged
        with transaction():
            self.stats = frontier.stats()
        self._judge_again: JudgeAgain | None = None
        self._widened: JudgeAgain | None = None  # since the last commit

    def __len__(self) -> int:
        return len(self._visits)

    def collect(self, lease: Lease | None, visit: Visit, now: float) -> None:
        """Takes a visit for the next commit. Without a lease it belongs to a host that was lost: others fetch it again."""
        if lease is None:
            discard_record(visit.record)
            return
        if not self._visits:
            self._oldest = now
        self._visits.append((lease, visit))
        if visit.robots:
            self._unlisted.add((*fence_of(lease), visit.robots))
        self._waiting += visit.weight
        self._links += visit.links
        self._unstored += size_of(visit)

    @property
    def has_much(self) -> bool:
        """Whether no page of many links should be read before something is committed."""
        return self._links >= MUCH

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be asked for before something is committed."""
        return self._waiting + self._writing >= AT_RISK

    def has_room(self, flying: int) -> bool:
        """Whether anything more should be asked for before something is committed, and may bring a page that is kept: what is stored,
        collected and, by the mean of all answers so far, in flight is below the size limit. What is fetched beyond it is thrown
        away and fetched again by a later run."""
        if self.is_full or self._max_size is None:
            return not self.is_full
        answers = self.stats.done + self.stats.failed + len(self._visits)
        size = self.stats.size + self._unstored
        return flying <= 2 * answers and size + flying * size / max(1, answers) < self._max_size

    @property
    def is_at_limit(self) -> bool:
        """Whether what is stored has reached the size limit."""
        return self._max_size is not None and self.stats.size >= self._max_size

    def due_at(self) -> float:
        """When the next commit is due; infinite while there is nothing to commit."""
        if not self._visits:
            return float("inf")
        return float("-inf") if self._waiting >= BATCH else self._oldest + INTERVAL

    def cut(self) -> Batch:
        """Takes a batch out, for `write`: up to `BATCH` visits by weight, and one at least. Of a long one only URLs are taken; then it
        waits behind all others."""
        visits: list[tuple[Lease, Visit]] = []
        weight = 0
        if self._visits and self._visits[0][1].is_long:
            lease, visit = self._visits.popleft()
            early, rest = visit.parted()
            visits.append((lease, early))
            self._visits.append((lease, rest))
        while self._visits and not self._visits[0][1].is_long and (not visits or weight + self._visits[0][1].weight <= BATCH):
            visits.append(self._visits.popleft())
            weight += visits[-1][1].weight
            self._links -= visits[-1][1].links
        self._waiting -= weight
        self._writing += weight
        listed = listings(visits)
        return Batch(visits, {lease.host: self._kept(lease, self._workbench.state_of(lease), listed) for lease, _ in visits})

    def _kept(self, lease: Lease, state: HostState, listed: Set[Listed] = frozenset()) -> HostState:
        """What is kept of a host now: whoever knows a robots.txt does not ask for it again, so its sitemaps have to be certain."""
        unlisted = {origin for *fence, origin in self._unlisted - listed if tuple(fence) == fence_of(lease)}
        if not unlisted:
            return state
        return replace(state, robots=tuple(facts for facts in state.robots if facts.origin not in unlisted))

    def shorten(self, reason: FinishReason | None) -> None:
        """At the end of a run that has to end in time: forgets visits that would take many commits. Their URLs go back untried, with
        their leases; what they have brought so far stays."""
        if reason not in _HURRIED:
            return
        long = [visit for _, visit in self._visits if visit.is_long]
        self._visits = deque((lease, visit) for lease, visit in self._visits if not visit.is_long)
        for visit in long:
            discard_record(visit.record)
            self._waiting -= visit.weight
            self._links -= visit.links

    def write(self, batch: Batch) -> Committed:
        """Commits a batch. When it returns, all of it is certain; when it raises, none of it is."""
        # By token: one batch may hold visits of a lost lease and of the next one of the same host.
        leases = {fence_of(lease): lease for lease, _ in batch.visits}
        with self._transaction():
            # The fence first: a lost lease's bodies must not be renamed into place.
            held = {fence_of(lease): lease for lease in self._frontier.held(list(leases.values()))}
            visits = self._within_size([(lease, visit) for lease, visit in batch.visits if fence_of(lease) in held])
            records = self._store.write([visit.record for _, visit in visits if visit.record is not None])
            admitted = _once(request for _, visit in visits for request in visit.requests)
            refused = {refusal.id: refusal for _, visit in visits for refusal in visit.refusals}
            added = self._frontier.add(list(admitted.values())) if admitted else 0
            if refused:
                self._frontier.refuse(list(refused.values()))
            self._heard = self._frontier.news()
            again = self._add_refused([visit for _, visit in visits], refused.values())
            for lease, visit in visits:
                if visit.trap is not None:
                    self._frontier.withdraw(lease.host, visit.trap)
            outcomes: dict[str, list[Outcome]] = {lease.host: [] for lease in held.values()}
            for lease, visit in visits:
                if visit.outcome is not None:
                    outcomes[lease.host].append(visit.outcome)
            done = {fence for fence, lease in held.items() if self._frontier.done(lease, outcomes[lease.host], batch.states[lease.host])}
            stats = self._frontier.stats()
        if len(done) < len(held):  # where this is no single step; what was added may be lost as well, so that the filter must not know it
            admitted.clear()
        acknowledged = [(lease, len(outcomes[lease.host])) for fence, lease in held.items() if fence in done]
        lost = [lease for fence, lease in leases.items() if fence not in done]
        for lease, visit in batch.visits:
            if fence_of(lease) not in held:
                discard_record(visit.record)
        requeued = {host for host, ended in outcomes.items() if any(isinstance(outcome, Retry) for outcome in ended)}
        leaving = [lease for lease in held.values() if lease.leaves]
        return Committed(
            records,
            acknowledged,
            requeued | again,
            lost,
            admitted.values(),
            refused.values(),
            added,
            stats,
            listings(batch.visits),
            leaving,
        )

    def _add_refused(self, visits: Sequence[Visit], refused: Iterable[Refusal]) -> set[str]:
        """When the scope has been widened, adds what was refused for it before; returns the hosts of that. After that first time only
        what these visits refused is looked at: they may have been judged before and have waited for a hook since."""
        for visit in visits:
            if visit.judge_again is not None:
                self._widened = visit.judge_again
                if visit.record is not None and visit.record.page.redirect_to:
                    self._frontier.widen(visit.record.page.redirect_to)
        if self._widened is not None:
            self._judge_again, refused, self._widened = self._widened, self._frontier.refusals("scope"), None
        if self._judge_again is None:
            return set()
        hosts: set[str] = set()
        judged = map(self._judge_again, (refusal for refusal in refused if refusal.reason == "scope"))
        belonging = filter(None, judged)
        while requests := list(islice(belonging, _AT_ONCE)):
            self._frontier.add(requests)
            hosts.update(request.host for request in requests)
        return hosts

    def _within_size(self, visits: list[tuple[Lease, Visit]]) -> list[tuple[Lease, Visit]]:
        """Sends back, untried, the visits that come after the one which reached the size limit."""
        if self._max_size is None:
            return visits
        size, kept = self._frontier.stats().size, []
        for lease, visit in visits:
            if size >= self._max_size and visit.record is not None and visit.outcome is not None:
                discard_record(visit.record)
                visit = Visit(Retry(visit.outcome.request, 0.0, "size limit", counted=False))
            else:
                size += size_of(visit)
            kept.append((lease, visit))
        return kept

    def acknowledge(self, committed: Committed) -> None:
        """Tells the filters and the workbench what is certain now."""
        self._writing = 0
        self._unstored = sum(size_of(visit) for _, visit in self._visits) if self._max_size is not None else 0
        self.stats = committed.stats
        self._seen.update(known_as(request.role, request.id) for request in committed.admitted if request.role != "sitemap")
        self._refused.update(refusal.id for refusal in committed.refused if refusal.reason not in _OF_THE_LINK)
        self._hear()
        for lease in committed.lost:
            self._workbench.lost(lease)
        self._workbench.added(committed.requeued.union(request.host for request in committed.admitted if committed.added))
        self._unlisted -= committed.listed
        for lease, count in committed.acknowledged:
            self._workbench.acknowledged(lease, count)
        for lease in committed.leaving:
            self._workbench.leave(lease)

    def _hear(self) -> None:
        """Learns what others have found out, before anything is judged that this has to do with."""
        if self._heard is not self._news:
            self._news = self._heard
            self._widened = self._learn(self._news) or self._widened

    def take(self, need: Need, answer: tuple[Leases, Leases], now: float) -> None:
        """Gives the workbench what `ask` returned."""
        self._hear()
        self._workbench.take(need, *answer, now)

    def forget(self) -> None:
        """What was acknowledged may be lost: the filters know nothing any more. In any thread."""
        self._seen.clear()
        self._refused.clear()

    def ask(self, need: Need) -> tuple[Leases, Leases]:
        """One trip to the frontier: gives back, renews and tops up, then leases. For `take`."""
        with self._transaction():
            if self._widened is not None:
                self._add_refused((), ())
            for lease, state in need.release:
                self._frontier.release(lease, self._kept(lease, state))
            ttl = self._workbench.ttl
            renewed = self._frontier.extend(need.renew, 0, ttl) if need.renew else Leases()
            extended = self._frontier.extend(need.extend, need.per_host, ttl) if need.extend else Leases()
            leased = self._frontier.lease(need.hosts, need.per_host, ttl, self._holder) if need.hosts else Leases()
            self._heard = self._frontier.news()
        if self._workbench.agent is not None:  # in this thread, for nobody waits for it
            for lease in leased.leases:
                for facts in lease.state.robots:
                    prepare_robots(facts.text, self._workbench.agent)
        return replace(extended, leases=(*renewed.leases, *extended.leases)), leased

    def finished(self) -> FinishReason | None:
        """Why nothing is left to do; see `Frontier.finished`."""
        with self._transaction():  # only there the words of a database become those for a user
            return self._frontier.finished()

    def give_back(self, renewals: Iterable[tuple[Lease, HostState]]) -> None:
        """Releases leases at the end, and makes everything survive a loss of power."""
        with self._transaction():
            for lease, state in renewals:
                self._frontier.release(lease, self._kept(lease, state))
        self._store.flush()


def _once(found: Iterable[Request]) -> dict[int, Request]:
    """Each URL once, as the page that it is if it is also found as a sitemap (what it lists is read either way), at its least depth."""
    once: dict[int, Request] = {}
    for request in sorted(found, key=lambda request: request.role == "page"):
        before = once.get(request.id)
        if before is None or before.role != request.role or before.depth > request.depth:
            once[request.id] = request
    return once
