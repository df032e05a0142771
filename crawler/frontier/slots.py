"""Who holds which hosts, or slots of them: the leases of the frontier in crawl.db."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from crawler.frontier import rows
from crawler.frontier.closed import kind_of
from crawler.frontier.sharing import Sharing, whole
from crawler.model import HostState, Lease, RobotsFacts
from crawler.store.database import Database

_CHECK = "SELECT l.host_id, l.slot, l.leaves FROM hosts h JOIN _leases l USING (host_id) WHERE h.host = ? AND l.token = ?"


LoadRobots = Callable[[str], tuple[RobotsFacts, ...]]


class Slot(NamedTuple):
    """A slot that is held; with `leaves` its holder is to give it back."""

    host_id: int
    number: int
    leaves: bool


class Slots:
    """Part of the frontier in crawl.db: `_leases`, and in `hosts` when the last of them ends, which makes the host free."""

    def __init__(self, database: Database, sharing: Sharing) -> None:
        self._execute = database.connection.execute
        self._sharing = sharing

    def check(self, lease: Lease) -> Slot | None:
        """The slot of a lease while its token is good."""
        row = self._execute(_CHECK, (lease.host, lease.token)).fetchone()
        return None if row is None else Slot(row[0], row[1], bool(row[2]))

    def share(self, host: str, number: int) -> int:
        """How many requests at once belong to a slot."""
        return self._sharing.shares(host)[number]

    def is_shared(self, host: str) -> bool:
        """Whether a host may have several slots."""
        return len(self._sharing.shares(host)) > 1

    def further(self, now: float, holder: int, load: LoadRobots) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Hosts that others hold and that have a slot for this holder: each row as of `rows.DUE`, and the number of the slot. `load`
        reads the robots.txt of a row."""
        if self._sharing.shares is whole:
            return
        for row in self._execute(rows.SHARED, (now, holder)).fetchall():
            host_id, host, robots, *state = row
            shares = self._sharing.shares(host)
            taken = {number for (number,) in self._execute("SELECT slot FROM _leases WHERE host_id = ?", (host_id,))}
            free = next((number for number in range(len(shares)) if number not in taken), None)
            if free is not None and self._sharing.opens(rows.state_of(state, load(robots)), shares[0], now):
                yield row, free

    def take(self, host_id: int, number: int, holder: int, until: float) -> int:
        """Opens a slot, and returns its token."""
        query = "UPDATE hosts SET token = token + 1, leased_until = ? WHERE host_id = ? RETURNING token"
        token = int(self._execute(query, (until, host_id)).fetchone()[0])
        self._execute("INSERT INTO _leases VALUES (?, ?, ?, ?, ?, 0)", (host_id, number, token, holder, until))
        return token

    def renew(self, slot: Slot, until: float) -> None:
        """Sets another deadline."""
        self._execute("UPDATE _leases SET until = ? WHERE host_id = ? AND slot = ?", (until, slot.host_id, slot.number))
        self._execute("UPDATE hosts SET leased_until = ? WHERE host_id = ?", (until, slot.host_id))

    def end(self, host_id: int, number: int) -> None:
        """Ends a lease; its host is free when that was the last one."""
        self._execute("DELETE FROM _leases WHERE host_id = ? AND slot = ?", (host_id, number))
        query = "UPDATE hosts SET leased_until = NULL WHERE host_id = ? AND NOT EXISTS (SELECT 1 FROM _leases WHERE host_id = ?)"
        self._execute(query, (host_id, host_id))

    def warn(self, slot: Slot) -> None:
        """The holders of all other slots of the host are to leave."""
        self._execute("UPDATE _leases SET leaves = 1 WHERE host_id = ? AND slot <> ?", (slot.host_id, slot.number))

    def over(self, now: float) -> list[tuple[int, str, int]]:
        """The leases whose time is over: host, its name, slot."""
        query = "SELECT host_id, host, slot FROM _leases JOIN hosts USING (host_id) WHERE until < ?"
        return self._execute(query, (now,)).fetchall()

    def of(self, holder: int) -> list[tuple[int, str, int]]:
        """The same for all leases of a holder."""
        query = "SELECT host_id, host, slot FROM _leases JOIN hosts USING (host_id) WHERE holder = ?"
        return self._execute(query, (holder,)).fetchall()

    def state(self, host_id: int, load: LoadRobots) -> HostState:
        """What is kept of a host."""
        closed, robots, *state = self._execute(rows.KNOWN, (host_id,)).fetchone()
        return replace(rows.state_of(state, load(robots)), closed=closed, closed_kind=kind_of(closed))


def in_hand(database: Database, holder: int) -> frozenset[int]:
    """The ids of the URLs that a holder has."""
    query = "SELECT id FROM _frontier f JOIN _leases l USING (host_id, slot) WHERE f.state = 'leased' AND l.holder = ?"
    return frozenset(identity for (identity,) in database.connection.execute(query, (holder,)))
