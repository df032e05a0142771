"""What a shared frontier promises beyond the contract: several partitions, several crawls, a server that is away or has forgotten."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from frontiers import START, Clock, SharedCrawl, check_counts, request, rows_of
from redis_server import RedisServer, needs_redis

from crawler.core.urls import fingerprint
from crawler.errors import FrontierError
from crawler.model import Fetched, HostState, Lease, Leases, Limits, Refusal
from crawler.store.database import Database

if TYPE_CHECKING:
    from crawler.frontier.redis import RedisFrontier
    from crawler.frontier.shared.connection import Servers

TTL = 60.0


@pytest.fixture
def three() -> Iterator[SharedCrawl]:
    """A crawl in three partitions."""
    crawl = SharedCrawl(partitions=3)
    yield crawl
    crawl.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own, whose log survives it."""
    needs_redis()
    server = RedisServer(tmp_path, append=True)
    yield server
    server.stop()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[RedisServer]:
    """The same, which acknowledges what is not on its disk yet: it may forget what it did last."""
    needs_redis()
    server = RedisServer(tmp_path, append=True, sync="everysec")
    yield server
    server.stop()


def opened(servers: Servers, database: Database, clock: Clock | None = None, worker: str = "one", delay: float = 0.0) -> RedisFrontier:
    from crawler.frontier.redis import RedisFrontier
    from crawler.frontier.shared.journal import Journal

    return RedisFrontier(servers, "web", 1, Journal(database), Limits(), clock, lambda host: delay, worker=worker)


def connected(server: RedisServer, patience: float = 30.0) -> Servers:
    from crawler.frontier.shared.connection import Servers

    return Servers(server.url, patience)


def settle(frontier: RedisFrontier, lease: Lease) -> bool:
    return frontier.done(lease, [Fetched(each, ok=True, size=1) for each in lease.requests], lease.state)


# Partitions


def test_hosts_of_all_partitions_are_given_out(three: SharedCrawl, database: Database) -> None:
    """One question for hosts goes to all partitions; what they count is counted together."""
    frontier = three.frontier(database, None, Clock())
    hosts = [f"h{number}.test" for number in range(30)]
    assert frontier.add([request(f"https://{host}/{page}") for host in hosts for page in range(3)]) == 90
    assert len({frontier._partition(host) for host in hosts}) == 3

    leases = frontier.lease(30, 2, TTL).leases
    assert sorted(lease.host for lease in leases) == sorted(hosts)
    assert (frontier.stats().queued, frontier.stats().leased) == (30, 60)
    assert frontier.held(leases) == list(leases)
    assert all(settle(frontier, lease) for lease in leases)
    check_counts(frontier)


def test_a_crawl_in_partitions_ends_when_all_is_done_and_not_before(three: SharedCrawl) -> None:
    """Whatever three workers do and whoever dies: `finished` says None while a page is not done, and says so within one lease time after
    that."""
    choice, clock = random.Random(5), Clock()
    urls = [f"https://h{choice.randrange(12)}.test/{number}" for number in range(150)]
    links = {url: choice.sample(urls, 3) for url in urls}
    databases = [Database(None) for _ in range(3)]
    frontiers = [three.frontier(database, None, clock) for database in databases]
    done: set[str] = set()
    asked: Counter[str] = Counter()
    hands: list[list[Lease]] = [[], [], []]
    frontiers[0].add([request(urls[0])])
    known = {urls[0]}
    for _ in range(150):
        who = choice.randrange(3)
        frontier = frontiers[who]
        match choice.choice(["lease", "lease", "done", "done", "done", "die", "time"]):
            case "lease":
                hands[who] += frontier.lease(3, 4, TTL).leases
            case "done" if hands[who]:
                lease = hands[who].pop(0)
                asked.update(each.url for each in lease.requests)
                found = {target for each in lease.requests for target in links[each.url]}
                if frontier.held([lease]):
                    frontier.add([request(url) for url in sorted(found)])
                    known |= found
                    if settle(frontier, lease):
                        done |= {each.url for each in lease.requests}
                    frontier.release(lease, lease.state)
            case "die" if choice.random() < 0.1:
                hands[who].clear()
            case "time":
                clock.advance(choice.choice([0.1, 1.0, 25.0]))
        assert (frontier.finished() is None) == bool(known - done), (known - done, frontier.stats())
        if known <= done:
            break
    while known - done:  # whoever died: after one lease time
        clock.advance(TTL + 1)
        for lease in frontiers[0].lease(50, 50, TTL).leases:
            found = {target for each in lease.requests for target in links[each.url]}
            frontiers[0].add([request(url) for url in sorted(found)])
            known |= found
            assert settle(frontiers[0], lease)
            done |= {each.url for each in lease.requests}
            frontiers[0].release(lease, lease.state)
    assert frontiers[1].finished() == "queue empty"
    for database in databases:
        database.close()


def test_workers_share_the_hosts_alike(three: SharedCrawl, database: Database) -> None:
    """One that joins when all hosts are held gets its part: whoever has more is to leave as many, and takes none of them again while
    the other one asks."""
    three.partitions = 1
    other, clock = Database(None), Clock()
    first, second = three.frontier(database, None, clock), three.frontier(other, None, clock)
    first.worker, second.worker = "first", "second"
    first.add([request(f"https://h{number}.test/{page}") for number in range(10) for page in range(3)])
    leases = first.lease(99, 1, TTL).leases
    assert len(leases) == 10
    assert second.lease(99, 1, TTL).leases == ()

    leaving = [lease for lease in first.held(leases) if lease.leaves]
    assert len(leaving) == 5
    assert {lease.leaves for lease in first.extend(leases, 1, TTL).leases if not lease.requests} == {True}
    for lease in leaving:
        first.release(lease, lease.state)
    assert first.lease(99, 1, TTL) == Leases((), None)
    assert len(second.lease(99, 1, TTL).leases) == 5
    second.close()
    assert not any(lease.leaves for lease in first.held(leases))
    for lease in [lease for lease in leases if lease not in leaving]:
        first.release(lease, lease.state)
    assert len(first.lease(99, 1, TTL).leases) == 5
    other.close()


# Bounds


def test_a_host_has_so_many_urls_waiting_and_no_more(three: SharedCrawl, database: Database) -> None:
    """What is found beyond the bound is not kept, which is counted by host; once there is room it may be found again."""
    frontier = three.frontier(database, None, Clock())
    frontier._most_waiting = 3
    assert frontier.add([request(f"/{page}") for page in range(5)] + [request("https://b.test/")]) == 4
    assert frontier.full() == {"a.test": 2}

    (lease,) = [lease for lease in frontier.lease(9, 2, TTL).leases if lease.host == "a.test"]
    assert frontier.add([request("/4"), request("/0")]) == 1
    settle(frontier, lease)
    check_counts(frontier)


def test_ids_are_packed_however_many_there_are(three: SharedCrawl, database: Database) -> None:
    """Every set of ids is one that Redis keeps as an array of integers, while they grow and are split; each id is known, no other is."""
    frontier = three.frontier(database, None, Clock())
    requests = [request(f"https://h{number % 3}.test/{number}") for number in range(6_000)]
    for start in range(0, 6_000, 2_000):
        frontier.add(requests[start : start + 2_000])

    assert frontier.add(requests) == 0
    assert frontier.add([request(f"https://h0.test/other{number}") for number in range(100)]) == 100
    keys = three.servers.command(0, "KEYS", "*:p[0-9]*:*")
    assert len(keys) > 20
    assert {three.servers.command(0, "OBJECT", "ENCODING", key) for key in keys} == {b"intset"}
    assert sum(three.servers.command(0, "SCARD", key) for key in keys) == 6_100


def test_a_removed_crawl_leaves_no_key(three: SharedCrawl, database: Database) -> None:
    """Whatever states its URLs were in; another crawl whose name begins alike is untouched."""
    from crawler.frontier.shared.charter import Charter, delete, found, names

    frontier, other = three.frontier(database, None, Clock()), f"{three.name}x"
    found(three.servers, three.name, Charter(3, {}, ""))
    found(three.servers, other, Charter(1, {}, ""))
    frontier.add([request(f"https://h{number}.test/{page}") for number in range(9) for page in range(9)])
    frontier.add([request("/map.xml", role="sitemap"), request("/a.css", role="requisite")])
    frontier.withdraw("h1.test", "/x")
    frontier.widen("https://b.test/")
    leases = frontier.lease(5, 3, TTL).leases
    frontier.done(leases[0], [], HostState(closed="dns: gone", closed_kind="dns"))

    delete(three.servers, three.name)
    assert names(three.servers) == [other]
    assert three.servers.command(0, "DBSIZE") == 1


# Servers


def test_a_worker_waits_for_a_server_that_is_away(server: RedisServer, database: Database) -> None:
    """It goes on where it was when the server is back: one that writes down what it acknowledges knows all leases, and no host rests."""
    servers = connected(server)
    frontier = opened(servers, database)
    frontier.add([request("/1"), request("/2"), request("https://b.test/")])
    (lease,) = frontier.lease(1, 1, TTL).leases
    lost: list[str] = []
    frontier.on_loss = lambda: lost.append("the filters")
    server.kill()
    servers._patience = 0.1
    with pytest.raises(FrontierError, match="cannot be reached") as raised:
        frontier.stats()
    assert raised.value.exit_code == 7

    servers.hurry.clear()
    server.start()
    assert settle(frontier, lease)
    assert lost == ["the filters"]
    assert len(frontier.lease(9, 9, TTL).leases) == 1
    frontier.release(lease, lease.state)
    assert frontier.stats().done == 1
    servers.close()


def test_a_server_that_has_forgotten_a_lease_gives_its_host_to_nobody_before_it_is_over(hasty: RedisServer) -> None:
    """Who has it does not know, and goes on asking until its deadline at the latest. So nobody gets any host before, and afterwards the
    host rests for its delay; whoever is known to have a host goes on meanwhile."""
    first, second = Database(None), Database(None)
    clock = Clock()
    one, two = opened(connected(hasty), first, clock, delay=5.0), opened(connected(hasty), second, clock, worker="two", delay=5.0)
    one.add([request("/1"), request("https://b.test/1"), request("https://b.test/2")])
    (known,) = one.lease(1, 1, TTL).leases
    size = hasty.log.stat().st_size
    clock.advance(1.0)
    (forgotten,) = one.lease(1, 1, TTL).leases
    hasty.forget(size)

    assert two.lease(9, 9, TTL) == Leases((), clock.now + TTL)
    assert [lease.token for lease in one.held([known, forgotten])] == [known.token]
    assert settle(one, known)
    assert not settle(one, forgotten)
    clock.advance(TTL - 0.5)
    assert two.lease(9, 9, TTL).leases == ()
    clock.advance(0.5)
    given = {lease.host: lease.state.next_at for lease in two.lease(9, 9, TTL).leases}
    assert given[forgotten.host] == clock.now + 5.0
    for frontier in (one, two):
        frontier.servers.close()
    first.close()
    second.close()


def test_what_a_commit_has_added_is_not_lost_with_the_server_it_was_said_to(hasty: RedisServer, database: Database) -> None:
    """The server dies between `add` and `done` of one commit, and forgets the first: it is said again before the second."""
    servers = connected(hasty)
    frontier = opened(servers, database, Clock())
    frontier.add([request("/1")])
    (lease,) = frontier.lease(9, 1, TTL).leases
    size = hasty.log.stat().st_size
    frontier.held([lease])
    frontier.add([request("/2")])
    frontier.widen("https://b.test/")
    hasty.forget(size)

    assert settle(frontier, lease)
    assert (frontier.stats().queued, frontier.stats().done) == (1, 1)
    assert frontier.news().widened == ("https://b.test/",)
    servers.close()


@pytest.mark.parametrize("seed", range(2))
def test_a_server_that_has_forgotten_its_last_seconds_loses_nothing(hasty: RedisServer, database: Database, seed: int) -> None:
    """Its log is cut at any place: what it does not know to be done is fetched again, and so is found again what hung on it; a token that
    it does not remember to have given is worthless."""
    choice, servers, clock = random.Random(seed), connected(hasty), Clock()
    frontier = opened(servers, database, clock)
    links = {number: [2 * number + 1, 2 * number + 2] for number in range(60)}
    frontier.add([request("/0")])
    fetched: set[int] = set()
    mark = hasty.log.stat().st_size  # the log of the second run begins with what the first has left
    for step in range(400):
        if step in (20, 40):
            hasty.forget(choice.randint(mark if step == 20 else 0, hasty.log.stat().st_size))
        given = frontier.lease(9, 3, TTL)
        if not given.leases and frontier.finished():
            break
        for lease in given.leases:
            numbers = [int(each.url.rpartition("/")[2]) for each in lease.requests]
            fetched |= set(numbers)
            frontier.held([lease])
            frontier.add([request(f"/{target}") for number in numbers for target in links.get(number, ())])
            settle(frontier, lease)
            if step % 3:
                frontier.release(lease, lease.state)
        clock.advance(1.0 if given.leases else TTL)
    assert frontier.finished() == "queue empty"
    assert fetched == set(range(121))
    servers.close()


def test_what_a_worker_has_refused_is_its_own(three: SharedCrawl) -> None:
    """Refusals are written down where they were made, and are not sent around."""
    first, second = Database(None), Database(None)
    one, two = three.frontier(first, None, Clock()), three.frontier(second, None, Clock())
    url = "https://b.test/"
    one.refuse([Refusal(url, fingerprint(url), "scope", "host")])

    assert [each.url for each in one.refusals("scope")] == [url]
    assert list(two.refusals("scope")) == []
    assert rows_of(one)[url].state == "skipped"
    first.close()
    second.close()


def test_the_servers_clock_is_followed_from_above(server: RedisServer) -> None:
    """A worker's reading of it is never behind, so that a lease never ends before its holder knows, and ahead by a round trip at most."""
    servers = connected(server)
    for _ in range(20):
        sent = servers.own_time()
        seconds, micros = servers.command(0, "TIME")
        servers.heard(int(seconds) + int(micros) / 1e6, sent)
        seconds, micros = servers.command(0, "TIME")
        assert servers.clock() >= int(seconds) + int(micros) / 1e6
    servers.close()


def test_time_is_that_of_the_server(server: RedisServer, database: Database) -> None:
    """Without a clock of its own a frontier's deadlines are the server's time."""
    servers = connected(server)
    frontier = opened(servers, database)
    frontier.add([request("/1")])
    (lease,) = frontier.lease(9, 1, TTL).leases

    assert 0 < lease.deadline - servers.clock() <= TTL
    assert lease.deadline > START * 1000
    servers.close()
