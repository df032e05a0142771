"""The frontier in crawl.db: every URL on disk from the first one.

A URL is one row of `_frontier`, appended in the order of discovery; its id is in one compact unique index. `_queue` and
`_leased` are partial indexes, so a finished URL costs nothing in either. `_totals` and `_ranks` hold what would have to be
counted otherwise; they change in the same transaction as the rows they count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from crawler.core.retry import LONGEST_RETRY_AFTER
from crawler.core.urls import fingerprint
from crawler.frontier import rows
from crawler.frontier.bulletin import Bulletin
from crawler.frontier.closed import ClosedHosts
from crawler.frontier.counts import Counts
from crawler.frontier.grants import NEVER, Grants
from crawler.frontier.quarantine import Quarantine
from crawler.frontier.sharing import Sharing, is_well, told_by_holder, told_by_leaver
from crawler.frontier.slots import Slot, Slots
from crawler.model import (
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
    RobotsFacts,
    Role,
    Skipped,
    SkipReason,
    Stats,
)
from crawler.news import News
from crawler.store.database import Database

_NOTHING: Mapping[str, int] = {}
_HostRow = tuple[Any, ...]
_NewRow = tuple[int, str, int, Role, int, bytes | None, int | None, int, int]


class SqliteFrontier:
    """Implements `crawler.ports.Frontier` on a `Database`; `clock` gives monotonic seconds, `delay_of(host)` the least delay of a
    host, which holds also after a holder that died before it could say when it asked last; `sharing` says which hosts are shared.

    Every method is one transaction, or part of the one that is open.
    """

    def __init__(
        self,
        database: Database,
        limits: Limits,
        clock: Callable[[], float],
        delay_of: Callable[[str], float] = lambda host: 0.0,
        sharing: Sharing | None = None,
    ) -> None:
        self._database = database
        self._execute = database.connection.execute
        self._limits = limits
        self._clock = clock
        self._delay_of = delay_of
        self._counts = Counts(database)
        self._grants = Grants(database, limits, self._counts)
        self._sharing = sharing or Sharing()
        self._closed = ClosedHosts(database, self._counts)
        self._slots = Slots(database, self._sharing)
        self.quarantine = Quarantine(database, self._counts)
        self._bulletin = Bulletin(database)
        self._totals, self._ranks = self._counts.totals, self._counts.ranks
        self._transaction = self._counts.transaction
        self._robots: dict[int, tuple[RobotsFacts, ...]] = {}
        self.conditions: Callable[[Sequence[Request]], tuple[Request, ...]] = tuple
        """What is done to requests before they are given out: an update makes them conditional."""

    # -- what goes in ----------------------------------------------------------------------------------------------------

    def add(self, requests: Sequence[Request]) -> int:
        """See `Frontier.add`."""
        new: Counter[int] = Counter()
        raised = 0
        with self._transaction():
            hosts: dict[str, int] = {}
            for request in requests:
                host_id = hosts.get(request.host) or hosts.setdefault(request.host, self._host_id(request.host))
                rank = rows.rank_of(request)
                chain = rows.chain_column(request.chain)
                parent = fingerprint(request.parent) if request.parent else None
                row = (request.id, request.url, host_id, request.role, request.depth, chain, parent, rank, request.attempts)
                if self._execute(rows.ADD, row).rowcount:
                    new[host_id] += 1
                    self._ranks[rank] += 1
                elif (grown := self._raise_role(host_id, row)) is not None:
                    new[host_id] += grown
                    raised += 1 - grown
            self._totals["queued"] += new.total()
            for host_id, count in new.items():
                self._closed.grow_queue(host_id, count)
        return new.total() + raised

    def _raise_role(self, host_id: int, row: _NewRow) -> int | None:
        """Raises the role of a known URL, or brings one that waits nearer, and says by how much its host's queue grows; None when
        there is nothing to do. One that is leased stays so until its outcome is known."""
        identity, _, _, role, depth, chain, parent, rank, _ = row
        state, before, old_rank = self._execute("SELECT state, role, rank FROM _frontier WHERE id = ?", (identity,)).fetchone()
        if not rows.is_raised(role, rank, before, old_rank, state):
            return None
        self._execute(rows.RAISE, (role, depth, chain, parent, rank, identity))
        self._ranks[rank] += 1
        if state in ("queued", "leased"):
            self._ranks[old_rank] -= 1
            self._totals["granted"] += state == "leased" and role == "page"
            return 0
        self._totals[state] -= 1
        if state != "skipped":
            self._execute(f"UPDATE hosts SET {state} = {state} - 1 WHERE host_id = ?", (host_id,))
        return 1

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """See `Frontier.refuse`."""
        rows = [(r.id, r.url, r.reason, r.detail, r.depth, fingerprint(r.parent) if r.parent else None) for r in refusals]
        with self._transaction():
            self._database.connection.executemany("INSERT OR IGNORE INTO _refused VALUES (?, ?, ?, ?, ?, ?)", rows)

    def refusals(self, reason: SkipReason) -> Iterator[Refusal]:
        """See `Frontier.refusals`."""
        for url, identity, detail, parent, depth in self._execute(rows.REFUSALS, (reason,)):
            yield Refusal(url, identity, reason, detail, parent, depth)

    def withdraw(self, host: str, pattern: str) -> int:
        """See `Frontier.withdraw`."""
        with self._transaction():
            return self.quarantine.withdraw(host, pattern)

    def readmit(self, pattern: str) -> bool:
        """See `Frontier.readmit`."""
        with self._transaction():
            if not self.quarantine.readmit(pattern):
                return False
            refused = self.quarantine.refused(pattern)
            while some := list(islice(refused, 1000)):
                self.add(some)
        return True

    def _host_id(self, host: str) -> int:
        row = self._execute("SELECT host_id FROM hosts WHERE host = ?", (host,)).fetchone()
        if row is None:
            row = self._execute("INSERT INTO hosts (host) VALUES (?) RETURNING host_id", (host,)).fetchone()
        return int(row[0])

    # -- leases ----------------------------------------------------------------------------------------------------------

    def lease(self, hosts: int, per_host: int, ttl: float, holder: int = 0) -> Leases:
        """See `Frontier.lease`."""
        now = self._clock()
        leases: list[Lease] = []
        with self._transaction():
            self._reclaim(self._slots.over(now))
            self._grants.open_depth()
            while due_hosts := self._due_hosts(now, hosts - len(leases)):
                leases += [lease for row in due_hosts if (lease := self._lease_host(row, 0, per_host, now, ttl, holder))]
            if len(leases) < hosts and self._grants.is_open():
                further = islice(self._slots.further(now, holder, rows.load_robots), hosts - len(leases))
                leases += [lease for row, slot in further if (lease := self._lease_host(row, slot, per_host, now, ttl, holder))]
            return Leases(tuple(leases), self._grants.next_host())

    def _due_hosts(self, now: float, most: int) -> list[_HostRow]:
        """Hosts that are due and free and have something that may be granted."""
        if self._grants.is_open():
            return self._execute(rows.DUE, (now, most)).fetchall()
        return self._execute(rows.DUE_REQUISITES, (now, now, most)).fetchall() if self._grants.has_requisites() else []

    def _lease_host(self, row: _HostRow, slot: int, per_host: int, now: float, ttl: float, holder: int) -> Lease | None:
        host_id, host, robots, *state = row
        requests = self._take_head(host_id, host, slot, per_host, now)
        if not requests:
            if self._grants.is_open():
                due = self._next_due(host_id)
                self._execute("UPDATE hosts SET due_at = ? WHERE host_id = ?", (NEVER if due is None else due, host_id))
            return None
        token = self._slots.take(host_id, slot, holder, now + ttl)
        facts = self._robots[host_id] = rows.load_robots(robots)
        return Lease(host, token, now + ttl, requests, rows.state_of(state, facts), self._slots.share(host, slot))

    def _take_head(self, host_id: int, host: str, slot: int, per_host: int, now: float) -> tuple[Request, ...]:
        """Marks up to `per_host` URLs of a host as leased and returns them, those of the lowest rank first."""
        room, rank = self._grants.head(per_host)
        if not room:
            return ()
        head = self._execute(rows.HEAD, (host_id, rank, now, room)).fetchall()
        if not head:
            return ()
        taken = [(slot, row[0]) for row in head]
        self._database.connection.executemany("UPDATE _frontier SET state = 'leased', slot = ? WHERE seq = ?", taken)
        self._execute("UPDATE hosts SET queued = queued - ? WHERE host_id = ?", (len(head), host_id))
        self._totals["queued"] -= len(head)
        self._totals["leased"] += len(head)
        self._totals["granted"] += sum(row[3] == "page" for row in head)
        return self.conditions([rows.request_of(host, *row[1:]) for row in head])

    def _next_due(self, host_id: int) -> float | None:
        query = "SELECT min(not_before) FROM _frontier WHERE host_id = ? AND state = 'queued' AND rank <= ?"
        due = self._execute(query, (host_id, self._grants.head(1)[1])).fetchone()[0]
        return None if due is None else float(due)

    def extend(self, leases: Sequence[Lease], per_host: int, ttl: float) -> Leases:
        """See `Frontier.extend`."""
        now = self._clock()
        kept: list[Lease] = []
        due: float | None = None
        with self._transaction():
            for lease in leases:
                slot = self._slots.check(lease)
                if slot is None:
                    continue
                self._slots.renew(slot, now + ttl)
                most = 0 if slot.leaves else per_host
                requests = self._take_head(slot.host_id, lease.host, slot.number, most, now)
                kept.append(replace(lease, deadline=now + ttl, requests=requests, leaves=slot.leaves))
                at = None if requests or not most else self._next_due(slot.host_id)
                if at is not None and at > now:
                    due = at if due is None else min(due, at)
        return Leases(tuple(kept), due)

    def held(self, leases: Sequence[Lease]) -> list[Lease]:
        """See `Frontier.held`."""
        slots = [(lease, self._slots.check(lease)) for lease in leases]
        return [replace(lease, leaves=slot.leaves) for lease, slot in slots if slot is not None]

    # -- what comes back -------------------------------------------------------------------------------------------------

    def done(self, lease: Lease, outcomes: Sequence[Outcome], state: HostState) -> bool:
        """See `Frontier.done`."""
        with self._transaction():
            slot = self._slots.check(lease)
            if slot is None:
                return False
            moved = Counter(filter(None, (self._settle(slot.host_id, outcome) for outcome in outcomes)))
            self._hear(lease.host, slot, state, moved)
        return True

    def _hear(self, host: str, slot: Slot, state: HostState, moved: Mapping[str, int] = _NOTHING) -> None:
        """Keeps what the holder of one slot says of its host."""
        if self._slots.is_shared(host):
            is_same = self._robots.get(slot.host_id) is state.robots  # what need not be read is not
            known = self._slots.state(slot.host_id, (lambda text: state.robots) if is_same else rows.load_robots)
            state = told_by_leaver(known, state) if slot.leaves else told_by_holder(known, state, True)
            if not slot.leaves and not is_well(state, self._slots.share(host, 0), self._clock()):
                self._slots.warn(slot)
        self._keep_state(slot.host_id, state, moved)

    def _settle(self, host_id: int, outcome: Outcome) -> str | None:
        """Moves one leased URL to the state its outcome asks for and returns that. What is not leased (any more) stays as it is."""
        row: tuple[object, ...]
        match outcome:
            case Retry(request, at, why, counted):
                row = ("queued", None, why, int(counted), at)
            case Skipped(request, reason, detail):
                row = ("skipped", reason, detail, 0, 0)
            case Failed(request, error):
                row = ("failed", error.kind, error.detail, 1, 0)
            case Fetched(request, instead=instead):
                row = ("done", None, instead or None, 1, 0)
            case _:
                request = outcome.request
                row = ("done", None, None, 1, 0)
        settled = self._execute(rows.SETTLE, (*row, request.id, host_id)).fetchone()
        if settled is None:
            return None
        role, rank = settled
        state = str(row[0])
        if is_raised := rows.is_higher(role, request.role):  # while it was asked for in a lower one
            self._execute(rows.AGAIN, (request.id,))
            state = "queued"
        self._totals[state] += 1
        self._totals["leased"] -= 1
        self._totals["granted"] -= role == "page"
        if state != "queued":
            self._ranks[rank] -= 1
        if isinstance(outcome, Fetched):
            self._totals["size"] += outcome.size
            self._totals["ok_pages"] += outcome.ok and role == "page" and not is_raised
        elif isinstance(outcome, NotModified):
            self._totals["size"] += self._execute(rows.SIZE, (request.id,)).fetchone()[0]
            self._totals["ok_pages"] += role == "page" and not is_raised
        return state

    def _keep_state(self, host_id: int, state: HostState, moved: Mapping[str, int] = _NOTHING) -> None:
        """Writes what is known of a host, and how many of its URLs have moved to which state."""
        counts = (moved.get("done", 0), moved.get("failed", 0), moved.get("queued", 0), "queued" in moved)
        self._execute(rows.KEEP, (*rows.state_columns(state), *counts, host_id))
        if self._robots.get(host_id) is not state.robots:
            self._execute("UPDATE hosts SET robots = ? WHERE host_id = ?", (rows.dump_robots(state.robots), host_id))
            self._robots[host_id] = state.robots
        if state.closed:
            self._closed.fail_queue(host_id, state.closed, state.closed_kind)

    def release(self, lease: Lease, state: HostState) -> None:
        """See `Frontier.release`."""
        with self._transaction():
            slot = self._slots.check(lease)
            if slot is None:
                return
            # Hosts that are due together take turns: the one served last comes last.
            at = max(state.next_at, self._clock())
            self._hear(lease.host, slot, replace(state, next_at=at))
            self._free(slot.host_id, slot.number)
            self._robots.pop(slot.host_id, None)

    def evict(self, holder: int) -> None:
        """See `Frontier.evict`."""
        with self._transaction():
            self._reclaim(self._slots.of(holder))

    def _reclaim(self, leases: Sequence[tuple[int, str, int]]) -> None:
        """Ends leases, each given by host, its name and slot."""
        for host_id, host, slot in leases:
            self._free(host_id, slot)
            self._execute(rows.REST, (self._clock(), self._delay_of(host), host_id))

    def _free(self, host_id: int, slot: int) -> None:
        """Ends the lease of a slot; its unacknowledged URLs are queued again, where they were, untried."""
        which = "host_id = ? AND state = 'leased' AND slot = ?"
        granted = self._execute(f"SELECT count(*) FROM _frontier WHERE {which} AND role = 'page'", (host_id, slot)).fetchone()[0]
        self._totals["granted"] -= granted
        back = self._execute(f"UPDATE _frontier SET state = 'queued' WHERE {which}", (host_id, slot)).rowcount
        self._totals["leased"] -= back
        self._totals["queued"] += back
        self._slots.end(host_id, slot)
        self._closed.grow_queue(host_id, back)

    def void_leases(self, same_clock: bool) -> None:
        """For the sole holder of a folder, at its start: ends all leases at once. When the clock is another one (the machine was
        started anew), every due time begins again and robots.txt is read again, as their ages are unknown."""
        now = self._clock()
        with self._transaction():
            self._reclaim(self._slots.over(NEVER))
            if not same_clock:
                self._execute("UPDATE hosts SET next_at = ? + delay, due_at = 0, robots = '', rate_since = NULL", (now,))
                self._execute("UPDATE _frontier SET not_before = 0 WHERE state = 'queued' AND not_before > 0")
            self._execute("UPDATE hosts SET next_at = min(next_at, ?), due_at = 0 WHERE queued > 0", (now + LONGEST_RETRY_AFTER,))

    def reopen_hosts(self) -> int:
        """For a new run: hosts that were given up get another chance, and what failed with them is queued again. Returns how many
        URLs that are."""
        with self._transaction():
            return self._closed.reopen(self._clock())

    # -- what is known ---------------------------------------------------------------------------------------------------

    def widen(self, url: str) -> None:
        """See `Frontier.widen`."""
        with self._transaction():
            self._bulletin.widen(url)

    def news(self) -> News:
        """See `Frontier.news`."""
        return self._bulletin.read()

    def stats(self) -> Stats:
        """See `Frontier.stats`."""
        totals = self._counts.read()
        return Stats(
            totals["queued"], totals["leased"], totals["done"], totals["failed"], totals["skipped"], totals["ok_pages"], totals["size"]
        )

    def finished(self) -> FinishReason | None:
        """See `Frontier.finished`."""
        stats = self.stats()
        if stats.leased:
            return None
        if not stats.queued:
            return "queue empty"
        if self._grants.has_requisites():
            return None
        if self._limits.max_pages is not None and stats.ok_pages >= self._limits.max_pages:
            return "page limit"
        if self._limits.max_size is not None and stats.size >= self._limits.max_size:
            return "size limit"
        lowest = self._grants.lowest_rank()
        return "depth limit" if lowest is not None and lowest > self._grants.deepest else None

    def close(self) -> None:
        """The database belongs to the folder: nothing to close."""
