"""What the frontier in crawl.db costs does not grow with what waits in it: counted in steps of SQLite's machine, which no other load
touches, and which are the same for a table of a hundred rows and of a million that is entered by a key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from frontiers import Clock, request

from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Fetched, Limits
from crawler.store.database import Database

TTL = 60.0
PER_HOST = 8


def steps(limits: Limits, hosts: int, queued: int) -> dict[str, int]:
    """The steps of each call on a frontier with so many URLs on each of so many hosts."""
    taken: dict[str, int] = {}
    with closing(Database(None)) as database:

        @contextmanager
        def counted(name: str) -> Iterator[None]:
            taken[name] = 0

            def step() -> None:
                taken[name] += 1

            database.connection.set_progress_handler(step, 1)
            yield
            database.connection.set_progress_handler(None, 0)

        frontier = SqliteFrontier(database, limits, Clock())
        known = [request(f"https://{host}.test/{number}", 1 + number % 2) for number in range(queued) for host in range(hosts)]
        frontier.add(known)
        with counted("add"):
            frontier.add([known[0], request("https://0.test/new", 2), request("https://new.test/")])
        # Not counted: whatever host has nothing at the open depth is passed over once, until the next one opens.
        [lease] = frontier.lease(1, PER_HOST, TTL).leases
        with counted("lease"):
            frontier.lease(1, PER_HOST, TTL)
        with counted("done"):
            frontier.done(lease, [Fetched(each, ok=True, size=1) for each in lease.requests], lease.state)
        with counted("extend"):
            frontier.extend([lease], PER_HOST, TTL)
        with counted("release"):
            frontier.release(lease, lease.state)
        with counted("finished"):
            assert frontier.finished() is None
    return taken


@pytest.mark.parametrize("limits", [Limits(), Limits(max_pages=12), Limits(max_depth=1), Limits(max_size=1)], ids=repr)
def test_no_call_costs_more_when_more_waits(limits: Limits) -> None:
    """Adding, leasing, acknowledging, topping up and giving back take as many steps with ten thousand URLs in the queue as with a
    hundred, on one host or on many, also when a limit is reached."""
    few = steps(limits, 2, 50)

    assert few["lease"] > 50
    assert steps(limits, 2, 5_000) == few
    assert steps(limits, 200, 50) == few
