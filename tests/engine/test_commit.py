"""Group commit: store, then add, then done, then show; all of it or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from frontiers import START, Clock, check_counts, request, rows_of

from crawler.core.politeness import Politeness
from crawler.core.seen import SeenFilter
from crawler.core.turns import Need
from crawler.core.workbench import Workbench
from crawler.engine.batch import AT_ONCE, HEAVIEST, LINKS, JudgeAgain, Visit
from crawler.engine.commit import AT_RISK, BATCH, INTERVAL, MUCH, GroupCommit
from crawler.errors import DiskFullError
from crawler.frontier.rows import load_robots
from crawler.frontier.slots import Slot
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import (
    Body,
    Failed,
    Fetched,
    HostState,
    Lease,
    Limits,
    Page,
    PageError,
    Record,
    Refusal,
    Request,
    Retry,
    RobotsFacts,
    Skipped,
    Stats,
)
from crawler.news import News
from crawler.store.database import Database
from crawler.store.files import PageFiles
from crawler.store.results import ResultStore

TTL = 60.0


class Desk:
    """A worker that has leased a.test with some pages, and all it works with."""

    def __init__(self, folder: Path, pages: int = 4, max_size: int | None = None) -> None:
        self.clock = Clock()
        self.database = Database(folder / "crawl.db")
        self.files = PageFiles(folder / "pages")
        self.frontier = SqliteFrontier(self.database, Limits(max_size=max_size), self.clock)
        self.store = ResultStore(self.database, self.files, run=1)
        self.seen, self.refused = SeenFilter(), SeenFilter()
        self.bench = Workbench(lambda host: Politeness(per_host=100, adaptive=False), None, ttl=TTL)
        self.commit = GroupCommit(self.bench, self.frontier, self.store, self.database.transaction, self.seen, self.refused, max_size)
        self.frontier.add([request(f"/{number}") for number in range(pages)])
        self.lease = self.work()

    def work(self) -> Lease:
        """Goes to the frontier; returns the lease of a.test."""
        need = self.bench.next(self.clock.now)
        assert isinstance(need, Need)
        self.bench.take(need, *self.commit.ask(need), self.clock.now)
        lease = self.bench.lease_of(request("/0"))
        assert lease is not None
        return lease

    def served(self) -> list[Request]:
        """Asks for all that can be asked for, and answers each at once; returns it in its order."""
        served: list[Request] = []
        while isinstance(step := self.bench.next(self.clock.now), Request | Need):
            if isinstance(step, Request):
                self.bench.answered(step, self.clock.now, 200, 0.1)
                served.append(step)
            else:
                self.bench.take(step, *self.commit.ask(step), self.clock.now)
        return served

    def visit(self, path: str, body: bytes = b"x", found: Sequence[str] = (), refused: Sequence[Refusal] = ()) -> Visit:
        """An ok visit of a page with links."""
        asked = request(path)
        page = Page(asked.url, asked.id, 200, content=Body(len(body), body, sha256="aa"), file=self.files.name_of(asked.url))
        return Visit(Fetched(asked, ok=True, size=len(body)), Record(page), [request(each, 1) for each in found], refused)

    def collect(self, *visits: Visit, lease: Lease | None = None) -> None:
        for visit in visits:
            self.commit.collect(lease or self.lease, visit, self.clock.now)

    def write(self) -> Any:
        committed = self.commit.write(self.commit.cut())
        self.commit.acknowledge(committed)
        return committed

    def pages(self) -> list[str]:
        return [url.removeprefix("https://a.test") for (url,) in self.database.connection.execute("SELECT url FROM pages ORDER BY row")]

    def saved(self) -> set[str]:
        """What lies in the folder of bodies, temporary files included."""
        return {path.name for path in self.files.root.rglob("*") if path.is_file()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    with closing(desk.database):
        yield desk
        check_counts(desk.frontier)


# The one order


def test_store_then_add_then_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit first makes sure of its leases, then stores, adds, refuses and acknowledges, in this order, in one step."""
    calls: list[str] = []
    for owner, names in ((desk.frontier, ("held", "add", "refuse", "done")), (desk.store, ("write",))):
        for name in names:
            real = getattr(owner, name)

            def noted(*arguments: Any, name: str = name, real: Any = real) -> Any:
                calls.append(name)
                assert desk.database.connection.in_transaction
                return real(*arguments)

            monkeypatch.setattr(owner, name, noted)
    desk.collect(desk.visit("/0", found=["/new"], refused=[Refusal("https://b.test/", 7, "scope")]))
    desk.write()

    assert calls == ["held", "write", "add", "refuse", "done"]


def test_what_is_committed_is_everywhere(desk: Desk) -> None:
    """After a commit the page is stored, its body is in place, its links are queued, its URL is done, and the filters know."""
    desk.collect(desk.visit("/0", b"body", found=["/new"], refused=[Refusal("https://b.test/", 7, "scope")]))
    committed = desk.write()

    assert [record.page.url for record in committed.records] == ["https://a.test/0"]
    assert (desk.pages(), desk.saved()) == (["/0"], {"0~.html"})
    rows = rows_of(desk.frontier)
    assert (rows["https://a.test/0"].state, rows["https://a.test/new"].state, rows["https://b.test/"].reason) == ("done", "queued", "scope")
    assert (request("/new").id in desk.seen, 7 in desk.refused) == (True, True)
    assert desk.commit.stats == Stats(queued=1, leased=3, done=1, ok_pages=1, size=4)


@pytest.mark.parametrize("where", ["write", "add", "done"])
def test_what_fails_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Whatever step fails, none of the batch has happened: no row, no link, no acknowledgement, nothing in the filters."""
    owner: Any = desk.store if where == "write" else desk.frontier

    def broken(*arguments: Any) -> None:
        raise RuntimeError(where)

    desk.collect(desk.visit("/0", found=["/new"]))
    before = rows_of(desk.frontier)
    with monkeypatch.context() as patch:
        patch.setattr(owner, where, broken)
        with pytest.raises(RuntimeError, match=where):
            desk.commit.write(desk.commit.cut())

    assert (desk.pages(), rows_of(desk.frontier)) == ([], before)
    assert (len(desk.seen), len(desk.refused)) == (0, 0)
    assert desk.frontier.held([desk.lease])


FULL = sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize("name", ["held", "write", "add", "refuse", "done", "stats", "lease", "extend", "release", "finished"])
def test_a_full_disk_is_said_wherever_it_is_found(desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whichever call to store or frontier meets it, also one that only reads: it is the error for a user."""

    def full(*arguments: Any) -> None:
        raise FULL

    desk.collect(desk.visit("/0", found=["/new"], refused=[Refusal("https://b.test/", 7, "scope")]))
    need = Need(hosts=1, per_host=1, extend=(desk.lease,), release=((desk.lease, HostState()),))
    monkeypatch.setattr(desk.store if name == "write" else desk.frontier, name, full)

    def go_on() -> None:
        desk.write()
        desk.commit.ask(need)
        desk.commit.finished()

    with pytest.raises(DiskFullError, match="cannot write"):
        go_on()


def test_only_what_is_certain_enters_the_filters(desk: Desk) -> None:
    """Between collecting and acknowledging the filters know nothing; refusals that hang on a link never enter."""
    desk.collect(
        desk.visit("/0", found=["/new"], refused=[Refusal("https://b.test/", 7, "scope"), Refusal("https://a.test/i", 8, "requisite")])
    )
    batch = desk.commit.cut()
    committed = desk.commit.write(batch)
    assert (len(desk.seen), len(desk.refused)) == (0, 0)

    desk.commit.acknowledge(committed)
    assert (request("/new").id in desk.seen, 7 in desk.refused, 8 in desk.refused) == (True, True, False)


def outside(number: int) -> Refusal:
    """A page of b.test that was refused for the scope."""
    url = f"https://b.test/{number}"
    return Refusal(url, request(url).id, "scope", "host is not a.test", "https://a.test/0", 1)


def test_a_wider_scope_takes_back_what_was_refused(desk: Desk) -> None:
    """With the visit that widens it all earlier refusals are judged again, those of the same batch and those that were judged by the
    old scope but arrive only now; what still does not belong stays refused, and so do other reasons."""

    def judge_again(refusal: Refusal) -> Request | None:
        return request(refusal.url, refusal.depth) if refusal.id != outside(3).id else None

    private = Refusal("https://b.test/private", 9, "private")
    desk.collect(desk.visit("/0", refused=[outside(1), private]))
    desk.write()
    desk.collect(desk.visit("/1", refused=[outside(2), outside(3)]), replace(desk.visit("/2"), judge_again=judge_again))
    assert desk.write().requeued == {"b.test"}
    desk.collect(desk.visit("/3", refused=[outside(4)]))
    assert desk.write().requeued == {"b.test"}

    of_b = {url: row.state for url, row in rows_of(desk.frontier).items() if "b.test" in url}
    queued = {outside(number).url: "queued" for number in (1, 2, 4)}
    assert of_b == queued | {outside(3).url: "skipped", private.url: "skipped"}
    assert {each.url for each in desk.served()} >= set(queued)


# Lost leases


def lose(desk: Desk) -> None:
    """Somebody else reclaims the lease."""
    desk.clock.advance(TTL + 1)
    desk.frontier.lease(0, 1, TTL)


def test_a_lost_lease_stores_nothing(desk: Desk) -> None:
    """The visits of a lost lease are dropped with their bodies; the workbench forgets the host; the URLs are queued."""
    spooled = desk.files.temporary / "large"
    spooled.write_bytes(b"large")
    visit = desk.visit("/0", found=["/new"])
    assert visit.record is not None
    page = Page(visit.record.page.url, visit.record.page.id, 200, content=Body(5, None, spooled), file="pages/x")
    desk.collect(Visit(visit.outcome, Record(page), visit.requests))
    lose(desk)
    committed = desk.write()

    assert (committed.records, committed.lost, desk.pages(), desk.saved()) == ([], [desk.lease], [], set())
    assert desk.bench.lease_of(request("/0")) is None
    assert {row.state for row in rows_of(desk.frontier).values()} == {"queued"}
    assert "https://a.test/new" not in rows_of(desk.frontier)


def test_a_visit_without_a_lease_is_dropped(desk: Desk) -> None:
    """An answer for a host that is no longer ours is not collected."""
    desk.commit.collect(None, desk.visit("/0"), START)

    assert len(desk.commit) == 0


def test_old_and_new_lease_of_one_host_in_one_batch(desk: Desk) -> None:
    """A late visit of a lost lease neither passes for one of the next lease nor takes that down with it."""
    old = desk.lease
    desk.collect(desk.visit("/0", b"late"), lease=old)
    lose(desk)
    desk.bench.lost(old)
    new = desk.work()
    assert new.token != old.token
    desk.collect(desk.visit("/1", b"good"), lease=new)
    desk.collect(desk.visit("/2", b"late too"), lease=old)
    committed = desk.write()

    assert desk.pages() == ["/1"]
    assert (committed.lost, [(lease.token, count) for lease, count in committed.acknowledged]) == ([old], [(new.token, 1)])
    assert desk.bench.lease_of(request("/1")) is not None
    states = {url[-1]: row.state for url, row in rows_of(desk.frontier).items()}
    assert states == {"0": "leased", "1": "done", "2": "leased", "3": "leased"}


# When


def test_a_commit_is_due_when_it_is_full_or_old(desk: Desk) -> None:
    """A visit waits a quarter of a second at most; a full batch does not wait at all; a cut takes one batch."""
    assert desk.commit.due_at() == float("inf")
    desk.collect(desk.visit("/0"))
    desk.clock.advance(0.1)
    desk.collect(desk.visit("/1"))
    assert desk.commit.due_at() == START + INTERVAL

    for _ in range(BATCH):
        desk.collect(desk.visit("/2"))
    assert desk.commit.due_at() == float("-inf")
    assert (len(desk.commit.cut().visits), len(desk.commit)) == (BATCH, 2)


def test_what_is_not_committed_is_bounded(desk: Desk) -> None:
    """What is being written and what waits are `AT_RISK` visits together; only an acknowledged commit makes room."""
    desk.collect(*[desk.visit(f"/{number % 4}") for number in range(AT_RISK - 1)])
    assert not desk.commit.is_full
    desk.collect(desk.visit("/3"))
    assert desk.commit.is_full

    batch = desk.commit.cut()
    assert desk.commit.is_full, "a kill now would cost them all"
    committed = desk.commit.write(batch)
    assert desk.commit.is_full
    desk.commit.acknowledge(committed)
    assert not desk.commit.is_full


def test_pages_of_many_links_weigh_more(desk: Desk) -> None:
    """A thousand links are worth some visits; no page alone is worth so many that nothing else may be asked for."""
    links = [(request("/0").id, "a", "", "")]
    few, many, most = (replace(visit, record=replace(visit.record, links=links * count)) for visit, count in (
        (desk.visit("/0"), LINKS - 1), (desk.visit("/1"), 10 * LINKS), (desk.visit("/2"), AT_RISK * LINKS)))  # fmt: skip
    assert [few.weight, many.weight, most.weight] == [1, 11, HEAVIEST]
    desk.collect(most)
    assert not desk.commit.is_full
    desk.collect(few, many, many, many, most, few)
    assert desk.commit.is_full

    cuts = [desk.commit.cut().visits for _ in range(3)]
    assert [[visit.weight for _, visit in visits] for visits in cuts] == [[HEAVIEST, 1, 11], [11, 11], [HEAVIEST, 1]]


def test_a_page_of_very_many_links_holds_nobody_up(desk: Desk) -> None:
    """Its URLs are added in advance, so many at once, and others are stored between; the page is stored when all of them are
    there, and only then it is done."""
    urls = [f"/found/{number}" for number in range(AT_ONCE + 7)]
    refused = [Refusal(f"https://b.test/{number}", number, "scope") for number in range(2 * AT_ONCE)]
    desk.collect(desk.visit("/0", found=urls, refused=refused))
    stored = []
    for path in ("/1", "/2", "/3"):
        assert "/0" not in desk.pages()
        assert rows_of(desk.frontier)["https://a.test/0"].state == "leased"
        desk.collect(desk.visit(path))
        committed = desk.write()
        stored.append((len(list(committed.admitted)), len(list(committed.refused))))

    assert stored == [(AT_ONCE, 0), (7, AT_ONCE - 7), (0, AT_ONCE + 7)]
    assert desk.pages() == ["/1", "/2", "/3", "/0"]
    rows = rows_of(desk.frontier)
    assert all(rows[f"https://a.test{url}"].state == "queued" for url in urls)
    assert all(rows[refusal.url].reason == "scope" for refusal in refused)
    assert len(desk.commit) == 0


def test_one_page_of_many_links_at_a_time(desk: Desk) -> None:
    """While the links of one wait to be stored, none is read: they would fill the memory."""
    visit = desk.visit("/0")
    desk.collect(replace(visit, record=replace(visit.record, links=[(request("/0").id, "a", "", "")] * MUCH)))
    assert desk.commit.has_much
    desk.write()
    assert not desk.commit.has_much


# The size limit


def test_after_the_size_limit_nothing_is_stored(tmp_path: Path) -> None:
    """The page that reaches the limit is stored; what comes after it in a batch goes back untried, bodies of errors do not count."""
    desk = Desk(tmp_path, max_size=100)
    asked = request("/0")
    gone = Page(asked.url, asked.id, 404, "http_error", content=Body(500, b"y" * 500))
    desk.collect(
        Visit(Fetched(asked, ok=False), Record(gone)), desk.visit("/1", b"x" * 60), desk.visit("/2", b"x" * 60), desk.visit("/3", b"x" * 60)
    )
    with closing(desk.database):
        desk.write()

        assert desk.pages() == ["/0", "/1", "/2"]
        assert rows_of(desk.frontier)["https://a.test/3"] == ("queued", None, "size limit", 0)
        assert desk.frontier.stats().size == 120
        assert desk.saved() == {"1~.html", "2~.html"}
        check_counts(desk.frontier)


# What the workbench hears


def test_the_workbench_goes_for_what_was_added(desk: Desk) -> None:
    """New URLs of a held host, and URLs to ask again, send the worker back to the frontier."""
    first, second, third, fourth = desk.served()
    desk.collect(Visit(Failed(first, PageError("tls"))), Visit(Skipped(second, "hook")), Visit(Retry(third, START, "status 500")))
    desk.collect(Visit(Fetched(fourth, ok=True), None, [request("/new")]))
    desk.write()

    need = desk.bench.next(desk.clock.now)
    assert isinstance(need, Need)
    assert [lease.host for lease in need.extend] == ["a.test"]
    desk.bench.take(need, *desk.commit.ask(need), desk.clock.now)
    assert {each.url: each.attempts for each in desk.served()} == {third.url: 1, "https://a.test/new": 0}


def test_a_trip_gives_back_before_it_takes(desk: Desk) -> None:
    """A host that is given back can be leased in the same trip; renewals come without new URLs, top-ups with some."""
    other = request("https://b.test/")
    desk.frontier.add([other, request("https://b.test/2")])
    (lease,) = desk.frontier.lease(1, 1, TTL).leases
    extended, leased = desk.commit.ask(Need(5, 10, renew=(desk.lease,), extend=(), release=((lease, HostState()),)))

    assert [(each.host, each.requests) for each in extended.leases] == [("a.test", ())]
    assert [(each.host, len(each.requests)) for each in leased.leases] == [("b.test", 2)]


def test_leaving_gives_everything_back(desk: Desk) -> None:
    """After `give_back` nothing is leased, and the state of each host is kept."""
    desk.commit.give_back([(desk.lease, HostState(next_at=START + 9, delay=3.0))])

    assert desk.frontier.stats() == Stats(queued=4)
    assert desk.frontier.lease(5, 5, TTL).next_due == START + 9


def test_a_robots_txt_is_kept_with_its_sitemaps(desk: Desk) -> None:
    """Until the sitemaps that a robots.txt names are committed it counts as unread, whatever else is kept of its host."""
    facts = RobotsFacts("https://a.test", 200, b"", START)
    desk.bench.state_of = lambda lease: HostState(failures=2, robots=(facts,))  # type: ignore[method-assign]
    sitemaps = Visit(None, None, [request(f"/{number}.xml", role="sitemap") for number in range(2 * AT_ONCE + 1)], robots=facts.origin)

    def kept() -> tuple[int, tuple[RobotsFacts, ...]]:
        failures, robots = desk.database.connection.execute("SELECT failures, robots FROM hosts").fetchone()
        return failures, load_robots(robots)

    desk.collect(desk.visit("/0"), sitemaps)
    desk.collect(desk.visit("/1"))
    for expected in ((2, ()), (2, ()), (2, (facts,))):
        desk.write()
        assert kept() == expected


def test_news_are_heard_before_what_came_with_them_is_judged(tmp_path: Path) -> None:
    """What another worker has found out is learnt with the next commit and with the next lease, before its URLs are there; what was
    refused is judged again by it in the next transaction, if only to give hosts back, so that no crawl ends before."""
    desk = Desk(tmp_path)
    other = request("https://www.a.test/")
    heard: list[News] = []

    def learn(news: News) -> JudgeAgain:
        heard.append(news)
        assert desk.bench.lease_of(other) is None
        return lambda refusal: replace(other, depth=refusal.depth)

    with closing(desk.database):
        desk.commit = GroupCommit(
            desk.bench, desk.frontier, desk.store, desk.database.transaction, desk.seen, desk.refused, holder=1, learn=learn
        )
        desk.frontier.widen(other.url)
        desk.collect(desk.visit("/0", refused=[Refusal(other.url, other.id, "scope", "host is not a.test", None, 3)]))
        desk.write()
        assert heard == [News(widened=(other.url,))]
        assert rows_of(desk.frontier)[other.url].state == "skipped"

        desk.bench.wake()
        need = desk.bench.next(desk.clock.now)
        assert isinstance(need, Need)
        desk.commit.take(need, desk.commit.ask(need), desk.clock.now)
        assert len(heard) == 1
        assert rows_of(desk.frontier)[other.url].state in ("queued", "leased")


def test_a_host_in_which_another_worker_saw_trouble_is_left(tmp_path: Path) -> None:
    """The commit that finds it out tells the workbench: nothing more of that host starts here."""
    desk = Desk(tmp_path)
    with closing(desk.database):
        desk.frontier._slots.warn(Slot(1, 7, False))
        desk.collect(desk.visit("/0"))
        committed = desk.write()

        assert [lease.token for lease in committed.leaving] == [desk.lease.token]
        assert not desk.bench.has_waiting
