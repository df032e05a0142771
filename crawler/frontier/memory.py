"""The frontier in dictionaries: for tests, and the plainest account of what a frontier does.

Nothing is indexed and nothing is counted in advance, so every call looks at every URL: right for thousands of them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from crawler.core.shapes import covers
from crawler.core.urls import host_key
from crawler.frontier.rows import REQUISITES, is_higher, is_raised, rank_of
from crawler.frontier.sharing import Sharing, is_well, told_by_holder, told_by_leaver
from crawler.model import (
    ErrorKind,
    Failed,
    Fetched,
    FinishReason,
    HostState,
    Lease,
    Leases,
    Limits,
    NotModified,
    Outcome,
    Refusal,
    Request,
    Retry,
    Skipped,
    SkipReason,
    State,
    Stats,
)
from crawler.news import NO_NEWS, News


@dataclass(slots=True)
class Entry:
    """What is known of one admitted URL. `rank` is its place in the queue of its host."""

    request: Request
    rank: int
    order: int
    state: State = "queued"
    not_before: float = 0.0
    reason: str | None = None
    detail: str | None = None
    slot: int = 0


@dataclass(slots=True)
class _Slot:
    token: int
    holder: int
    until: float
    leaves: bool = False


@dataclass(slots=True)
class _Host:
    state: HostState = field(default_factory=HostState)
    token: int = 0
    slots: dict[int, _Slot] = field(default_factory=dict)


class MemoryFrontier:
    """Implements `crawler.ports.Frontier` in memory; `clock` gives monotonic seconds, `delay_of(host)` the least delay of a host,
    `sharing` says which are shared. Not for two threads at once.

    `entries` and `refused` (by id), `quarantined` (hosts with patterns) and `released` (patterns) may be looked at.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        delay_of: Callable[[str], float] = lambda host: 0.0,
        sharing: Sharing | None = None,
    ) -> None:
        self.entries: dict[int, Entry] = {}
        self.refused: dict[int, Refusal] = {}
        self.quarantined: set[tuple[str, str]] = set()
        self.released: set[str] = set()
        self._hosts: dict[str, _Host] = {}
        self._limits = limits or Limits()
        self._clock = clock
        self._delay_of = delay_of
        self._sharing = sharing or Sharing()
        self._news = NO_NEWS
        self._ok_pages = 0
        self._size = 0

    def __repr__(self) -> str:
        return f"<MemoryFrontier {self.stats()}>"

    # -- what goes in ----------------------------------------------------------------------------------------------------

    def add(self, requests: Sequence[Request]) -> int:
        """See `Frontier.add`."""
        added = [request.id for request in requests if self._add(replace(request, headers=()))]
        for identity in added:
            entry = self.entries[identity]
            host = self._hosts[entry.request.host]
            if host.state.closed and entry.state == "queued":
                _fail_with_host(entry, host.state)
        return len(added)

    def _add(self, request: Request) -> bool:
        self._hosts.setdefault(request.host, _Host())
        rank = rank_of(request)
        entry = self.entries.get(request.id)
        if entry is None:
            entry = self.entries[request.id] = Entry(request, rank, len(self.entries))
        elif is_raised(request.role, rank, entry.request.role, entry.rank, entry.state):
            entry.request, entry.rank, entry.reason, entry.detail = replace(request, attempts=0), rank, None, None
            entry.state = "leased" if entry.state == "leased" else "queued"
        else:
            return False
        return True

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """See `Frontier.refuse`."""
        for refusal in refusals:
            self.refused.setdefault(refusal.id, refusal)

    def refusals(self, reason: SkipReason) -> Iterator[Refusal]:
        """See `Frontier.refusals`."""
        yield from [each for each in self.refused.values() if each.reason == reason and each.id not in self.entries]

    def withdraw(self, host: str, pattern: str) -> int:
        """See `Frontier.withdraw`."""
        if pattern in self.released:
            return 0
        self.quarantined.add((host, pattern))
        caught = [
            entry
            for entry in self.entries.values()
            if entry.request.host == host
            and (entry.state, entry.request.role) == ("queued", "page")
            and entry.request.depth > 0
            and covers(pattern, entry.request.url)
        ]
        for entry in caught:
            entry.state, entry.reason, entry.detail = "skipped", "trap", pattern
        return len(caught)

    def readmit(self, pattern: str) -> bool:
        """See `Frontier.readmit`."""
        if pattern in self.released:
            return True
        kept = {pair for pair in self.quarantined if pair[1] != pattern}
        if len(kept) == len(self.quarantined):
            return False
        self.quarantined = kept
        self.released.add(pattern)
        for entry in self.entries.values():
            if entry.reason == "trap" and (entry.detail == pattern or covers(pattern, entry.request.url)):
                entry.state, entry.reason, entry.detail, entry.not_before = "queued", None, None, 0.0
        refused = [each for each in self.refusals("trap") if each.detail == pattern or covers(pattern, each.url)]
        self.add([Request(each.url, each.id, host_key(each.url), depth=each.depth, parent=each.parent) for each in refused])
        return True

    # -- leases ----------------------------------------------------------------------------------------------------------

    def lease(self, hosts: int, per_host: int, ttl: float, holder: int = 0) -> Leases:
        """See `Frontier.lease`."""
        now = self._clock()
        self.reclaim()
        due = sorted((at, name) for name in self._hosts if (at := self.due_at(name)) is not None)
        leases: list[Lease] = []
        for at, name in due:
            if at <= now and len(leases) < hosts and (lease := self.lease_host(name, per_host, ttl, holder)) is not None:
                leases.append(lease)
        for name in self._hosts:
            if len(leases) < hosts and self.is_shared(name, holder) and (lease := self.lease_host(name, per_host, ttl, holder)):
                leases.append(lease)
        return Leases(tuple(leases), self.next_due())

    def is_shared(self, name: str, holder: int) -> bool:
        """Whether this holder may have another slot of a host that is held."""
        host, shares = self._hosts[name], self._sharing.shares(name)
        if not host.slots or any(slot.holder == holder or slot.leaves for slot in host.slots.values()):
            return False
        return len(host.slots) < len(shares) and self._sharing.opens(host.state, shares[0], self._clock())

    def next_due(self) -> float | None:
        """When the next free host may be asked; None when nothing waits for a time, or nothing more may be granted."""
        due = [at for name in self._hosts if (at := self.due_at(name)) is not None]
        return min(due, default=None)

    def due_at(self, name: str) -> float | None:
        """When a host may be asked; None when somebody holds it or nothing open is queued for it."""
        host, queue = self._hosts[name], self._queue(name)
        if host.slots or host.state.closed or not queue:
            return None
        return max(host.state.next_at, min(entry.not_before for entry in queue))

    def lease_host(self, name: str, per_host: int, ttl: float, holder: int = 0) -> Lease | None:
        """A lease of this host, which must have a free slot; None when nothing of it may be granted now."""
        host, now, shares = self._hosts[name], self._clock(), self._sharing.shares(name)
        slot = min(set(range(len(shares))) - set(host.slots))
        requests = self._take_head(name, slot, per_host, now)
        if not requests:
            return None
        host.token += 1
        host.slots[slot] = _Slot(host.token, holder, now + ttl)
        return Lease(name, host.token, now + ttl, requests, host.state, shares[slot])

    def _take_head(self, name: str, slot: int, per_host: int, now: float) -> tuple[Request, ...]:
        ready = [entry for entry in self._queue(name) if entry.not_before <= now]
        head = ready[: min(per_host, self._room())] if self._room() else ready[:per_host]
        for entry in head:
            entry.state, entry.slot = "leased", slot
        return tuple(replace(entry.request) for entry in head)

    def _queue(self, name: str) -> list[Entry]:
        """The open part of a host's queue: the lowest rank first, then in the order of discovery. Requisites belong to pages that were
        granted: no limit but that of the size holds them back."""
        if self._is_full():
            return []
        limit = self._rank_limit() if self._room() else REQUISITES
        queue = [entry for entry in self.entries.values() if entry.request.host == name and entry.state == "queued" and entry.rank <= limit]
        return sorted(queue, key=lambda entry: (entry.rank, entry.order))

    def _rank_limit(self) -> int:
        """With a depth limit only the lowest rank that is not finished is open."""
        if self._limits.max_depth is None:
            return 1 << 40
        pending = [entry.rank for entry in self.entries.values() if entry.state in ("queued", "leased") and entry.rank > REQUISITES]
        return min(min(pending, default=0), 1 + self._limits.max_depth)

    def _room(self) -> int:
        """How many pages may be granted now."""
        if self._is_full():
            return 0
        if self._limits.max_pages is None:
            return 1 << 40
        granted = sum(entry.state == "leased" and entry.request.role == "page" for entry in self.entries.values())
        return max(0, self._limits.max_pages - self._ok_pages - granted)

    def _is_full(self) -> bool:
        return self._limits.max_size is not None and self._size >= self._limits.max_size

    def extend(self, leases: Sequence[Lease], per_host: int, ttl: float) -> Leases:
        """See `Frontier.extend`."""
        now = self._clock()
        kept: list[Lease] = []
        due: list[float] = []
        for lease in self.held(leases):
            number, slot = self._slot(lease)
            slot.until = now + ttl
            requests = self._take_head(lease.host, number, 0 if slot.leaves else per_host, now)
            kept.append(replace(lease, deadline=now + ttl, requests=requests))
            at = min((entry.not_before for entry in self._queue(lease.host)), default=now)
            if not requests and per_host and not slot.leaves and at > now:
                due.append(at)
        return Leases(tuple(kept), min(due, default=None))

    def held(self, leases: Sequence[Lease]) -> list[Lease]:
        """See `Frontier.held`."""
        return [replace(lease, leaves=self._slot(lease)[1].leaves) for lease in leases if self._is_held(lease)]

    def _is_held(self, lease: Lease) -> bool:
        host = self._hosts.get(lease.host)
        return host is not None and lease.token in [slot.token for slot in host.slots.values()]

    def _slot(self, lease: Lease) -> tuple[int, _Slot]:
        """The slot of a lease that is held, with its number."""
        slots = self._hosts[lease.host].slots
        return next((number, slot) for number, slot in slots.items() if slot.token == lease.token)

    # -- what comes back -------------------------------------------------------------------------------------------------

    def done(self, lease: Lease, outcomes: Sequence[Outcome], state: HostState) -> bool:
        """See `Frontier.done`."""
        if not self._is_held(lease):
            return False
        for outcome in outcomes:
            entry = self.entries.get(outcome.request.id)
            if entry is not None and entry.state == "leased" and entry.request.host == lease.host:
                self._settle(entry, outcome)
        self._hear(lease, state)
        return True

    def _hear(self, lease: Lease, state: HostState) -> None:
        """Keeps what the holder of one slot says of its host."""
        host, (_, slot), shares = self._hosts[lease.host], self._slot(lease), self._sharing.shares(lease.host)
        state = told_by_leaver(host.state, state) if slot.leaves else told_by_holder(host.state, state, len(shares) > 1)
        if not slot.leaves and not is_well(state, shares[0], self._clock()):
            for other in host.slots.values():
                other.leaves = other is not slot
        self._keep_state(lease.host, state)

    def _settle(self, entry: Entry, outcome: Outcome) -> None:
        tried, is_raised = 1, is_higher(entry.request.role, outcome.request.role)
        entry.state, entry.reason, entry.detail, entry.not_before = "done", None, None, 0.0
        match outcome:
            case Retry(_, at, why, counted):
                entry.state, entry.detail, entry.not_before, tried = "queued", why, at, int(counted)
            case Skipped(_, reason, detail):
                entry.state, entry.reason, entry.detail, tried = "skipped", reason, detail, 0
            case Failed(_, error):
                entry.state, entry.reason, entry.detail = "failed", error.kind, error.detail
            case NotModified():
                self._ok_pages += entry.request.role == "page" and not is_raised
            case Fetched(_, ok, size, instead):
                entry.detail, self._size = instead or None, self._size + size
                self._ok_pages += ok and entry.request.role == "page" and not is_raised
        entry.request = replace(entry.request, attempts=entry.request.attempts + tried)
        if is_raised:
            entry.state, entry.reason, entry.detail, entry.request = "queued", None, None, replace(entry.request, attempts=0)

    def _keep_state(self, name: str, state: HostState) -> None:
        self._hosts[name].state = state
        if state.closed:
            for entry in self.entries.values():
                if entry.request.host == name and entry.state == "queued":
                    _fail_with_host(entry, state)

    def release(self, lease: Lease, state: HostState) -> None:
        """See `Frontier.release`."""
        if self._is_held(lease):
            self._hear(lease, replace(state, next_at=max(state.next_at, self._clock())))
            self._free(lease.host, self._slot(lease)[0])

    def reclaim(self) -> None:
        """Ends the leases whose time is over."""
        now = self._clock()
        self._reclaim(lambda slot: slot.until < now)

    def evict(self, holder: int) -> None:
        """See `Frontier.evict`."""
        self._reclaim(lambda slot: slot.holder == holder)

    def _reclaim(self, is_over: Callable[[_Slot], bool]) -> None:
        """Ends leases; their holders may have asked just now, so the host rests for its delay, and have met trouble, so whoever holds it
        next begins with one request at a time."""
        for name, host in self._hosts.items():
            for number in [number for number, slot in host.slots.items() if is_over(slot)]:
                rest = self._clock() + max(host.state.delay, self._delay_of(name))
                host.state = replace(host.state, next_at=max(host.state.next_at, rest))
                if len(host.slots) == 1:
                    host.state = replace(host.state, concurrency=1.0, latency=0.0)
                self._free(name, number)

    def _free(self, name: str, slot: int) -> None:
        """Ends the lease of a slot; its unacknowledged URLs are queued again, untried."""
        host = self._hosts[name]
        del host.slots[slot]
        for entry in self.entries.values():
            if entry.request.host == name and entry.state == "leased" and entry.slot == slot:
                entry.state = "queued"
        self._keep_state(name, host.state)

    # -- what is known ---------------------------------------------------------------------------------------------------

    def widen(self, url: str) -> None:
        """See `Frontier.widen`."""
        if url not in self._news.widened:
            self._news = replace(self._news, widened=(*self._news.widened, url))

    def news(self) -> News:
        """See `Frontier.news`."""
        if (quarantined := tuple(sorted(self.quarantined))) != self._news.quarantined:
            self._news = replace(self._news, quarantined=quarantined)
        return self._news

    def stats(self) -> Stats:
        """See `Frontier.stats`."""
        count = Counter(entry.state for entry in self.entries.values())
        return Stats(
            count["queued"], count["leased"], count["done"], count["failed"], count["skipped"], self._ok_pages, self._size
        )  # fmt: skip

    def finished(self) -> FinishReason | None:
        """See `Frontier.finished`."""
        stats, limits = self.stats(), self._limits
        if stats.leased:
            return None
        if not stats.queued:
            return "queue empty"
        queued = [entry.rank for entry in self.entries.values() if entry.state == "queued"]
        if REQUISITES in queued and not self._is_full():
            return None
        if limits.max_pages is not None and stats.ok_pages >= limits.max_pages:
            return "page limit"
        if self._is_full():
            return "size limit"
        lowest = min(queued)
        return "depth limit" if limits.max_depth is not None and lowest > 1 + limits.max_depth else None

    def close(self) -> None:
        """Nothing was opened."""


def _fail_with_host(entry: Entry, state: HostState) -> None:
    kind: ErrorKind = state.closed_kind or "refused"
    entry.state, entry.reason, entry.detail = "failed", kind, state.closed
