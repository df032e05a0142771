"""Traps: the crawl leaves them soon, and leaves nothing else. Generated sites, that nobody has tuned the detector for."""

from __future__ import annotations

import pytest
from calendars import blog, sparse
from endless import USUAL, trapped
from honest import MONTHS, Web, anchors, honest, html
from walk import HERE, HOST, walk

from crawler.core import evidence, traps
from crawler.core.evidence import Sight
from crawler.core.traps import Traps
from crawler.core.urls import fingerprint
from crawler.model import Request

CALENDAR = "/cal/{n}/{n}"


def sight(target: str, body: bytes = b"", parent: str | None = "/", title: str = "", host: str = HOST) -> Sight:
    here = f"https://{host}"
    request = Request(here + target, fingerprint(here + target), host, depth=1, parent=parent and here + parent)
    return Sight(request, title, body, [], lambda ids: ids)


def watch_calendar(watched: Traps, months: int = 40) -> str | None:
    """Month after month, each found on the one before; the pattern that this has put into quarantine."""
    found = (watched.observe(sight(f"/cal/2031/{month}", b"no events", f"/cal/2031/{month - 1}")) for month in range(1, months))
    return next((pattern for pattern in found if pattern), None)


def judged(watched: Traps, target: str, host: str = HOST) -> tuple[str, str] | None:
    url = f"https://{host}{target}"
    return watched.judge(url, fingerprint(url), host)


# Sites


@pytest.mark.parametrize("seed", range(880_001, 880_005))
def test_a_site_with_five_traps(seed: int) -> None:
    """All of its thousand pages are found, at most one request in twenty is wasted, and every trap has its pattern."""
    walked = walk(trapped(seed), most=3000)

    assert walked.is_over
    assert trapped(seed).pages == walked.found
    assert walked.waste <= 0.05
    assert len(walked.quarantined) >= 5


def test_without_the_watch_it_would_never_end() -> None:
    """What the sites of this test hold is endless indeed."""
    walked = walk(trapped(880_001, pages=300), watched=False, most=1000)

    assert not walked.is_over
    assert walked.waste > 0.5


@pytest.mark.parametrize("kind", [*USUAL, "beyond the end", "everywhere"])
def test_each_trap_alone(kind: str) -> None:
    """Of every kind: also session ids in all links of the site, and a list that has pages of its own before it goes on behind its end."""
    web = trapped(880_100, pages=300, kinds=[kind])
    walked = walk(web, most=1500)

    assert walked.is_over
    assert web.pages == walked.found
    assert walked.waste <= 0.15
    assert walked.quarantined


@pytest.mark.parametrize("seed", range(880_200, 880_203))
def test_an_honest_site_loses_nothing(seed: int) -> None:
    """Numbered pages that say little, lists page after page, archives by month with empty ones: nothing is quarantined."""
    web = honest(seed, 800)
    walked = walk(web)

    assert web.pages == walked.found
    assert not walked.quarantined
    assert walked.requests == len(web.pages)


@pytest.mark.parametrize("seed", range(880_500, 880_503))
def test_archives_by_day_lose_nothing(seed: int) -> None:
    """A page for each day on which something was written, and only this page leads to it."""
    web = blog(seed)
    walked = walk(web)

    assert web.pages == walked.found
    assert not walked.quarantined


@pytest.mark.parametrize(("seed", "share"), [(880_600, 0.3), (880_601, 0.3), (880_602, 0.6), (880_604, 0.1)])
def test_a_calendar_with_an_entry_now_and_then_loses_nothing(seed: int, share: float) -> None:
    """Most of its days are empty; what stands on the others is found, for the calendar has an end or goes on bringing something."""
    web = sparse(seed, share)
    walked = walk(web)

    assert web.pages == walked.found
    assert not walked.quarantined


@pytest.mark.parametrize("seed", range(880_700, 880_704))
def test_an_empty_calendar_is_left_whatever_its_days_link_to(seed: int) -> None:
    """Exports, forms and what cannot be asked for are no entries."""
    web = trapped(seed, pages=300, kinds=["calendar of forms"])
    walked = walk(web, most=1500)

    assert walked.is_over
    assert web.pages == walked.found
    assert walked.requests - len(web.pages) <= 130


def test_a_crawl_in_many_runs() -> None:
    """What is quarantined stays so in the next run; what a run has not found out it finds out again, at the price of a few pages. An
    honest site loses nothing either way."""
    web = trapped(880_300)
    walked = walk(web, most=3000, run=150)
    assert walked.is_over
    assert web.pages == walked.found
    assert walked.requests - len(web.pages) <= 60 + 6 * 20

    alike = honest(880_301, 400)
    again = walk(alike, run=100)
    assert alike.pages == again.found
    assert not again.quarantined


def test_an_archive_that_goes_on_into_the_future_is_left_behind_its_last_entry() -> None:
    """All months that hold something are found, however many they are; those without end cost a part of that."""
    busy = {f"/cal/{number // 12}/{number % 12 + 1}": f"/entry-{number}" for number in range(2000 * 12, 2010 * 12)}

    def page(target: str) -> str | None:
        if target == "/":
            return html("Home", anchors(["/cal/2000/1"]))
        if not target.startswith("/cal/"):
            return html(target, f"<p>About {target}.</p>")
        year, month = map(int, target.removeprefix("/cal/").split("/"))
        name = f"{MONTHS[month - 1]} {year}"
        follows = f"/cal/{year + month // 12}/{month % 12 + 1}"
        return html(name, f"<h1>{name}</h1>", anchors([busy[target]] if target in busy else []), anchors([(follows, "next")]))

    pages = frozenset({"/", *busy, *busy.values()})
    walked = walk(Web(0, "archive", page, lambda target: target if target in pages else None, pages), most=2000)
    assert walked.is_over
    assert pages == walked.found
    assert walked.waste < 0.30


# The detector


def test_a_pattern_is_refused_on_its_host_alone() -> None:
    """With its pattern as the reason; other shapes and other hosts are let through."""
    watched = Traps()
    assert judged(watched, "/cal/2040/1") is None
    assert watch_calendar(watched) in (CALENDAR, "/cal/{n}...")

    verdict = judged(watched, "/cal/2040/1")
    assert verdict is not None
    assert verdict[0] == "trap"
    assert judged(watched, "/item/7") is None
    assert judged(watched, "/cal/2040/1", "b.test") is None


def test_what_an_earlier_run_has_found_out_is_known() -> None:
    """Quarantined patterns are refused from the first URL on."""
    assert judged(Traps([(HOST, CALENDAR)]), "/cal/2040/1") == ("trap", CALENDAR)


def test_what_was_released_is_never_quarantined_again() -> None:
    """However dull its pages are."""
    watched = Traps([(HOST, CALENDAR)], [CALENDAR])
    assert watch_calendar(watched) is None
    assert judged(watched, "/cal/2040/1") is None


def test_of_twins_one_is_asked_for() -> None:
    """Of URLs that differ in a random value alone the first one is let through, always; in a later run the one that was known."""
    first, second = "/a?sid=8f3a09bc", "/a?sid=77aa09bc"
    watched = Traps([(HOST, "?sid={x}")])
    assert [judged(watched, target) for target in (first, second, first)] == [None, ("trap", "?sid={x}"), None]
    assert judged(watched, "/b?sid=77aa09bc") is None

    later = Traps([(HOST, "?sid={x}")])
    later.recall([(f"{HERE}{second}", fingerprint(f"{HERE}{second}"), HOST)])
    assert judged(later, first) == ("trap", "?sid={x}")
    assert judged(later, second) is None


def test_twins_are_told_although_the_first_one_is_another() -> None:
    """A visitor may be greeted, or asked about cookies, once; what comes after that is the same."""
    watched = Traps()
    pages = [sight(f"/account?sid={number:08x}a", b"<p>welcome" if number else b"<p>accept our cookies") for number in range(6)]

    assert [watched.observe(page) for page in pages] == [None, None, None, None, None, "?sid={x}"]


def test_a_dubious_shape_is_asked_for_one_page_at_a_time() -> None:
    """Until the answer is seen no other of its shape is asked for; numbered pages, that nothing speaks against, are not held up."""
    watched = Traps()

    def waits(target: str, *flying: str) -> bool:
        url = f"{HERE}{target}"
        return watched.waits(url, fingerprint(url), HOST, {fingerprint(f"{HERE}{each}") for each in flying})

    assert not waits("/cal/2031/1")
    assert waits("/cal/2031/2", "/cal/2031/1")
    assert not waits("/cal/2031/2")
    assert not waits("/item/1")
    assert not waits("/item/2", "/item/1")


def test_hundreds_of_hosts_have_a_trap_each() -> None:
    """A crawl holds many hosts, and those have several sections: what was seen of one is known when its turn comes again."""
    watched = Traps()
    hosts = [f"{number}.test" for number in range(256)]
    for turn in range(7):
        for host in hosts:
            for section in "abcdef":
                watched.observe(sight(f"/{section}/{turn}", title=f"{section} {chr(97 + turn) * 5}", host=host))
            watched.observe(sight(f"/cal/2031/{turn + 1}", b"no events", f"/cal/2031/{turn}", host=host))

    assert all(judged(watched, "/cal/2031/9", host) for host in hosts)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither shapes nor what their pages say nor twins nor growing paths are remembered without end."""
    monkeypatch.setattr(traps, "_TWINS", 500)
    watched = Traps([(HOST, "?sid={x}")], hosts=2)
    for number in range(300):
        name = "".join(chr(97 + int(digit)) for digit in str(number))
        watched.observe(sight(f"/{name}/x/1"))
        watched.observe(sight(f"/{name}/b/{name}/", b"<p>here"))
        for page in range(20):
            watched.observe(sight(f"/{name}?about={'abcdefghijklmnopqrstuvwxyz'[page]}", b"<p>".join([b"%d word" % number, b"x" * page])))
    for number in range(1000):
        judged(watched, f"/{number}?sid=8f3a09bc")

    records = watched._records._records
    assert len(records) <= 2 * evidence.SHAPES
    assert sum(record.size for record in records.values()) <= 2 * evidence.NUMBERS
    assert len(watched._twins) <= 500
    assert len(watched._grown) <= 200


def test_few_pages_of_an_honest_site_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape that has proved itself is looked at now and then, so that the watch costs next to nothing a page."""
    reads = 0

    def counted(function: object) -> object:
        def count(*arguments: object, **more: object) -> object:
            nonlocal reads
            reads += 1
            return function(*arguments, **more)  # type: ignore[operator]

        return count

    for name in ("lines_of", "whole_of"):
        monkeypatch.setattr(traps, name, counted(getattr(traps, name)))
    web = honest(880_400, 1000)
    assert walk(web).found == web.pages
    assert 0 < reads < 0.15 * len(web.pages)
    assert evidence.LOOKED_AT <= 100
