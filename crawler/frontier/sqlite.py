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
from typing import Any, get_args

from crawler.core.retry import LONGEST_RETRY_AFTER
from crawler.core.urls import fingerprint
from crawler.frontier import rows
from crawler.frontier.counts import Counts
from crawler.frontier.grants import NEVER, Grants
from crawler.frontier.quarantine import Quarantine
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
    RobotsFacts,
    Role,
    Skipped,
    SkipReason,
    Stats,
    is_higher,
)
from crawler.store.database import Database

_WITH_HOST = ("dns", "refused", "reset", "timeout", "tls", "robots_unavailable")  # what a URL fails of together with its host
_NOTHING: Mapping[str, int] = {}
_HostRow = tuple[Any, ...]
_NewRow = tuple[int, str, int, Role, int, bytes | None, int | None, int, int]


class SqliteFrontier:
    """Implements `crawler.ports.Frontier` on a `Database`; `clock` gives monotonic seconds, `delay_of(host)` the least delay of a
    host, which holds also after a holder that died before it could say when it asked last.

    Every method is one transaction, or part of the one that is open.
    """

    def __init__(
        self, database: Database, limits: Limits, clock: Callable[[], float], delay_of: Callable[[str], float] = lambda host: 0.0
    ) -> None:
        self._database = database
        self._execute = database.connection.execute
        self._limits = limits
        self._clock = clock
        self._delay_of = delay_of
        self._counts = Counts(database)
        self._grants = Grants(database, limits, self._counts)
        self.quarantine = Quarantine(database, self._counts)
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
                self._grow_queue(host_id, count)
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

    def lease(self, hosts: int, per_host: int, ttl: float) -> Leases:
        """See `Frontier.lease`."""
        now = self._clock()
        leases: list[Lease] = []
        with self._transaction():
            self._reclaim(now)
            self._grants.open_depth()
            while due_hosts := self._due_hosts(now, hosts - len(leases)):
                leases += [lease for row in due_hosts if (lease := self._lease_host(row, per_host, now, ttl))]
            due = self._execute(rows.NEXT if (is_open := self._grants.is_open()) else rows.NEXT_REQUISITES).fetchone()[0]
            due = due if is_open or self._grants.has_requisites() else None
        return Leases(tuple(leases), due if due is not None and due < NEVER else None)

    def _due_hosts(self, now: float, most: int) -> list[_HostRow]:
        """Hosts that are due and free and have something that may be granted."""
        if self._grants.is_open():
            return self._execute(rows.DUE, (now, most)).fetchall()
        return self._execute(rows.DUE_REQUISITES, (now, most)).fetchall() if self._grants.has_requisites() else []

    def _lease_host(self, row: _HostRow, per_host: int, now: float, ttl: float) -> Lease | None:
        host_id, host, token, robots, *state = row
        requests = self._take_head(host_id, host, per_host, now)
        if not requests:
            if self._grants.is_open():
                due = self._next_due(host_id)
                self._execute("UPDATE hosts SET due_at = ? WHERE host_id = ?", (NEVER if due is None else due, host_id))
            return None
        self._execute("UPDATE hosts SET token = token + 1, leased_until = ? WHERE host_id = ?", (now + ttl, host_id))
        facts = self._robots[host_id] = rows.load_robots(robots)
        return Lease(host, token + 1, now + ttl, requests, rows.state_of(state, facts))

    def _take_head(self, host_id: int, host: str, per_host: int, now: float) -> tuple[Request, ...]:
        """Marks up to `per_host` URLs of a host as leased and returns them, those of the lowest rank first."""
        room, rank = self._grants.head(per_host)
        if not room:
            return ()
        head = self._execute(rows.HEAD, (host_id, rank, now, room)).fetchall()
        if not head:
            return ()
        self._database.connection.executemany("UPDATE _frontier SET state = 'leased' WHERE seq = ?", [(row[0],) for row in head])
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
                host_id = self._check(lease)
                if host_id is None:
                    continue
                self._execute("UPDATE hosts SET leased_until = ? WHERE host_id = ?", (now + ttl, host_id))
                requests = self._take_head(host_id, lease.host, per_host, now)
                kept.append(replace(lease, deadline=now + ttl, requests=requests))
                at = None if requests or not per_host else self._next_due(host_id)
                if at is not None and at > now:
                    due = at if due is None else min(due, at)
        return Leases(tuple(kept), due)

    def held(self, leases: Sequence[Lease]) -> list[Lease]:
        """See `Frontier.held`."""
        return [lease for lease in leases if self._check(lease) is not None]

    def _check(self, lease: Lease) -> int | None:
        """The number of the lease's host while its token is good."""
        query = "SELECT host_id FROM hosts WHERE host = ? AND token = ? AND leased_until IS NOT NULL"
        row = self._execute(query, (lease.host, lease.token)).fetchone()
        return None if row is None else int(row[0])

    # -- what comes back -------------------------------------------------------------------------------------------------

    def done(self, lease: Lease, outcomes: Sequence[Outcome], state: HostState) -> bool:
        """See `Frontier.done`."""
        with self._transaction():
            host_id = self._check(lease)
            if host_id is None:
                return False
            moved = Counter(filter(None, (self._settle(host_id, outcome) for outcome in outcomes)))
            self._keep_state(host_id, state, moved)
        return True

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
            case _:
                request = outcome.request
                row = ("done", None, None, 1, 0)
        settled = self._execute(rows.SETTLE, (*row, request.id, host_id)).fetchone()
        if settled is None:
            return None
        role, rank = settled
        state = str(row[0])
        if is_raised := is_higher(role, request.role):  # while it was asked for in a lower one
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
            self._fail_queue(host_id, state.closed, state.closed_kind)

    def _grow_queue(self, host_id: int, count: int) -> None:
        """Counts URLs that now wait for a host; for one that was given up they fail at once, as nobody would ever ask for them."""
        query = "UPDATE hosts SET queued = queued + ?, due_at = 0 WHERE host_id = ? RETURNING closed"
        closed = self._execute(query, (count, host_id)).fetchone()[0]
        if closed:
            kind = closed.partition(":")[0]
            self._fail_queue(host_id, closed, kind if kind in get_args(ErrorKind) else None)

    def _fail_queue(self, host_id: int, closed: str, kind: str | None) -> None:
        """A closed host: all that waits for it fails in one step, with the reason."""
        query = "SELECT rank, count(*) FROM _frontier WHERE host_id = ? AND state = 'queued' GROUP BY rank"
        pending = self._execute(query, (host_id,)).fetchall()
        count = sum(number for _, number in pending)
        if not count:
            return
        self._execute(
            "UPDATE _frontier SET state = 'failed', reason = ?, detail = ? WHERE host_id = ? AND state = 'queued'",
            (kind or "refused", closed, host_id),
        )
        self._execute("UPDATE hosts SET queued = 0, failed = failed + ? WHERE host_id = ?", (count, host_id))
        self._totals["queued"] -= count
        self._totals["failed"] += count
        self._ranks.subtract(dict(pending))

    def release(self, lease: Lease, state: HostState) -> None:
        """See `Frontier.release`."""
        with self._transaction():
            host_id = self._check(lease)
            if host_id is None:
                return
            # Hosts that are due together take turns: the one served last comes last.
            at = max(state.next_at, self._clock())
            self._keep_state(host_id, replace(state, next_at=at))
            self._free(host_id)
            self._robots.pop(host_id, None)

    def _reclaim(self, now: float) -> None:
        """Ends the leases whose time is over, all with an infinite `now`."""
        for host_id, host in self._execute("SELECT host_id, host FROM hosts WHERE leased_until < ?", (now,)).fetchall():
            self._free(host_id)
            # The holder may have asked just now.
            at = self._clock()
            self._execute(
                "UPDATE hosts SET next_at = max(next_at, ? + max(delay, ?)) WHERE host_id = ?", (at, self._delay_of(host), host_id)
            )

    def _free(self, host_id: int) -> None:
        """Ends a host's lease; its unacknowledged URLs are queued again, where they were, untried."""
        granted = self._execute("SELECT count(*) FROM _frontier WHERE host_id = ? AND state = 'leased' AND role = 'page'", (host_id,))
        self._totals["granted"] -= granted.fetchone()[0]
        back = self._execute("UPDATE _frontier SET state = 'queued' WHERE host_id = ? AND state = 'leased'", (host_id,)).rowcount
        self._totals["leased"] -= back
        self._totals["queued"] += back
        self._execute("UPDATE hosts SET token = token + 1, leased_until = NULL WHERE host_id = ?", (host_id,))
        self._grow_queue(host_id, back)

    def void_leases(self, same_clock: bool) -> None:
        """For the sole holder of a folder, at its start: ends all leases at once. When the clock is another one (the machine was
        started anew), every due time begins again and robots.txt is read again, as their ages are unknown."""
        now = self._clock()
        with self._transaction():
            self._reclaim(NEVER)
            if not same_clock:
                self._execute("UPDATE hosts SET next_at = ? + delay, due_at = 0, robots = '', rate_since = NULL", (now,))
                self._execute("UPDATE _frontier SET not_before = 0 WHERE state = 'queued' AND not_before > 0")
            self._execute("UPDATE hosts SET next_at = min(next_at, ?), due_at = 0 WHERE queued > 0", (now + LONGEST_RETRY_AFTER,))

    def reopen_hosts(self) -> int:
        """For a new run: hosts that were given up get another chance, and what failed with them is queued again. Returns how many
        URLs that are."""
        which = f"state = 'failed' AND reason IN {_WITH_HOST} AND host_id IN (SELECT host_id FROM hosts WHERE closed <> '')"
        with self._transaction():
            ranks = self._execute(f"SELECT host_id, rank, count(*) FROM _frontier WHERE {which} GROUP BY host_id, rank").fetchall()
            self._execute(
                f"UPDATE _frontier SET state = 'queued', reason = NULL, detail = NULL, attempts = 0, not_before = 0 WHERE {which}"
            )
            for host_id, rank, count in ranks:
                self._execute("UPDATE hosts SET queued = queued + ?, failed = failed - ? WHERE host_id = ?", (count, count, host_id))
                self._ranks[rank] += count
                self._totals["queued"] += count
                self._totals["failed"] -= count
            self._execute(
                "UPDATE hosts SET closed = '', failures = 0, refusals = 0, next_at = ?, due_at = 0 WHERE closed <> ''", (self._clock(),)
            )
        return sum(count for _, _, count in ranks)

    # -- what is known ---------------------------------------------------------------------------------------------------

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
