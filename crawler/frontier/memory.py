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
from crawler.frontier.rows import REQUISITES, is_raised, rank_of
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
    is_higher,
)


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


@dataclass(slots=True)
class _Host:
    state: HostState = field(default_factory=HostState)
    token: int = 0
    leased_until: float | None = None


class MemoryFrontier:
    """Implements `crawler.ports.Frontier` in memory; `clock` gives monotonic seconds, `delay_of(host)` the least delay of a host.
    Not for two threads at once.

    `entries` and `refused` (by id), `quarantined` (hosts with patterns) and `released` (patterns) may be looked at.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        delay_of: Callable[[str], float] = lambda host: 0.0,
    ) -> None:
        self.entries: dict[int, Entry] = {}
        self.refused: dict[int, Refusal] = {}
        self.quarantined: set[tuple[str, str]] = set()
        self.released: set[str] = set()
        self._hosts: dict[str, _Host] = {}
        self._limits = limits or Limits()
        self._clock = clock
        self._delay_of = delay_of
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

    def lease(self, hosts: int, per_host: int, ttl: float) -> Leases:
        """See `Frontier.lease`."""
        now = self._clock()
        self.reclaim()
        due = sorted((at, name) for name in self._hosts if (at := self.due_at(name)) is not None)
        leases: list[Lease] = []
        for at, name in due:
            if at <= now and len(leases) < hosts and (lease := self.lease_host(name, per_host, ttl)) is not None:
                leases.append(lease)
        return Leases(tuple(leases), self.next_due())

    def next_due(self) -> float | None:
        """When the next free host may be asked; None when nothing waits for a time, or nothing more may be granted."""
        due = [at for name in self._hosts if (at := self.due_at(name)) is not None]
        return min(due, default=None)

    def due_at(self, name: str) -> float | None:
        """When a host may be asked; None when somebody holds it or nothing open is queued for it."""
        host, queue = self._hosts[name], self._queue(name)
        if host.leased_until is not None or host.state.closed or not queue:
            return None
        return max(host.state.next_at, min(entry.not_before for entry in queue))

    def lease_host(self, name: str, per_host: int, ttl: float) -> Lease | None:
        """A lease of this host, which must be free; None when nothing of it may be granted now."""
        host, now = self._hosts[name], self._clock()
        requests = self._take_head(name, per_host, now)
        if not requests:
            return None
        host.token += 1
        host.leased_until = now + ttl
        return Lease(name, host.token, now + ttl, requests, host.state)

    def _take_head(self, name: str, per_host: int, now: float) -> tuple[Request, ...]:
        ready = [entry for entry in self._queue(name) if entry.not_before <= now]
        head = ready[: min(per_host, self._room())] if self._room() else ready[:per_host]
        for entry in head:
            entry.state = "leased"
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
            self._hosts[lease.host].leased_until = now + ttl
            requests = self._take_head(lease.host, per_host, now)
            kept.append(replace(lease, deadline=now + ttl, requests=requests))
            at = min((entry.not_before for entry in self._queue(lease.host)), default=now)
            if not requests and per_host and at > now:
                due.append(at)
        return Leases(tuple(kept), min(due, default=None))

    def held(self, leases: Sequence[Lease]) -> list[Lease]:
        """See `Frontier.held`."""
        return [lease for lease in leases if self._is_held(lease)]

    def _is_held(self, lease: Lease) -> bool:
        host = self._hosts.get(lease.host)
        return host is not None and host.leased_until is not None and host.token == lease.token

    # -- what comes back -------------------------------------------------------------------------------------------------

    def done(self, lease: Lease, outcomes: Sequence[Outcome], state: HostState) -> bool:
        """See `Frontier.done`."""
        if not self._is_held(lease):
            return False
        for outcome in outcomes:
            entry = self.entries.get(outcome.request.id)
            if entry is not None and entry.state == "leased" and entry.request.host == lease.host:
                self._settle(entry, outcome)
        self._keep_state(lease.host, state)
        return True

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
            case Fetched(_, ok, size):
                self._size += size
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
            self._free(lease.host)
            self._keep_state(lease.host, replace(state, next_at=max(state.next_at, self._clock())))

    def reclaim(self) -> None:
        """Ends the leases whose time is over; their holders may have asked just now, so the host rests for its delay."""
        now = self._clock()
        for name, host in self._hosts.items():
            if host.leased_until is not None and host.leased_until < now:
                self._free(name)
                rest = max(host.state.delay, self._delay_of(name))
                self._keep_state(name, replace(host.state, next_at=max(host.state.next_at, now + rest)))

    def _free(self, name: str) -> None:
        host = self._hosts[name]
        host.token += 1
        host.leased_until = None
        for entry in self.entries.values():
            if entry.request.host == name and entry.state == "leased":
                entry.state = "queued"

    # -- what is known ---------------------------------------------------------------------------------------------------

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
