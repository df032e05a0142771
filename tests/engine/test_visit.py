"""The story of one page: what is kept of a response, and which of its links go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from crawler.core.scope import Scope
from crawler.core.seen import SeenFilter
from crawler.core.urls import fingerprint
from crawler.engine.batch import Visit
from crawler.engine.bounds import seed_request
from crawler.engine.reading import read
from crawler.engine.visit import Visitor, hook_failed
from crawler.errors import DiskFullError
from crawler.model import Body, Failed, Fetched, Link, Page, PageError, Redirected, Request, Response, Retry

HOME = "https://a.test"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Desk:
    """A visitor with its filters."""

    def __init__(self, kind: Any = "host", **options: Any) -> None:
        self.seen, self.refused = SeenFilter(), SeenFilter()
        hosts = frozenset({"a.test"})
        self.visitor = Visitor(Scope([f"{HOME}/"], kind), self.seen, self.refused, seed_hosts=hosts, **options)

    def visit(self, body: str = "", *, path: str = "/", status: int = 200, headers: Iterable[tuple[str, str]] = (), **facts: Any) -> Visit:
        """The visit of one HTML page."""
        asked = request(path, **facts)
        data = body.encode()
        answer = Response(asked.url, status, (("Content-Type", "text/html"), *headers), Body(len(data), data, sha256="aa"), None, 0.1, 0.2)
        return self.visitor.visit(asked, answer, read(asked, answer), None, NOON)


def request(path: str, **facts: Any) -> Request:
    url = path if "://" in path else HOME + path
    return Request(url, fingerprint(url), "a.test", **facts)


def page_of(visit: Visit) -> Page:
    assert visit.record is not None
    return visit.record.page


def paths(requests: Sequence[Request]) -> list[str]:
    return [each.url.removeprefix(HOME) for each in requests]


def test_every_link_has_a_row_and_new_ones_go_on() -> None:
    """All links are kept in order with kind, rel and text; each new URL becomes a request one deeper, found on this page."""
    visit = Desk().visit("<a href=/x rel=tag>One</a><a href=/x>Two</a><img src=/i><a href=javascript:x>no</a>", path="/p", depth=3)

    assert visit.record is not None
    x, picture = fingerprint(f"{HOME}/x"), fingerprint(f"{HOME}/i")
    assert visit.record.links == [(x, "a", "tag", "One"), (x, "a", "", "Two"), (picture, "img", "", "")]
    assert {(each.url, each.depth, each.parent) for each in visit.requests} == {(f"{HOME}/x", 4, f"{HOME}/p")}
    assert [(each.url, each.reason, each.parent, each.depth) for each in visit.refusals] == [(f"{HOME}/i", "requisite", f"{HOME}/p", 4)]


def test_what_the_filters_know_takes_no_second_trip() -> None:
    """Acknowledged URLs and refused ones are rows, and neither requests nor refusals again."""
    desk = Desk()
    body = "<a href=/x>x</a><a href=https://b.test/>b</a>"
    first = desk.visit(body)
    assert (paths(first.requests), [each.reason for each in first.refusals]) == (["/x"], ["scope"])
    # Nothing was acknowledged yet: until then the frontier is told again.
    assert len(desk.visit(body, path="/2").requests) == 1

    desk.seen.update([fingerprint(f"{HOME}/x")])
    desk.refused.update([fingerprint("https://b.test/")])
    again = desk.visit(body, path="/3")
    assert (again.requests, again.refusals) == ([], [])
    assert again.record is not None
    assert len(again.record.links) == 2


def test_a_link_refused_for_what_it_is_is_told_once() -> None:
    """Pictures on every page are one refusal, not one for each page."""
    desk = Desk()

    assert [len(desk.visit("<img src=/logo>", path=f"/{number}").refusals) for number in range(3)] == [1, 0, 0]


def test_the_facts_of_a_page_are_on_its_page() -> None:
    """Title, language, description, canonical URL, robots meta with header, times, attempts."""
    head = (
        "<html lang=en><title> A  title </title><meta name=description content='Some words'>"
        "<link rel=canonical href='c?b=1#x'><meta name=robots content=noindex>"
    )
    page = page_of(Desk().visit(head, path="/d/e", headers=[("X-Robots-Tag", "noarchive")], attempts=2, depth=1))

    assert (page.title, page.lang, page.description) == ("A title", "en", "Some words")
    assert (page.canonical, page.robots_meta) == (f"{HOME}/d/c?b=1", "noarchive, noindex")
    assert (page.content_type, page.charset, page.attempts, page.depth, page.fetched_at) == ("text/html", "utf-8", 3, 1, NOON)
    assert (page.ok, page.status, page.ttfb, page.elapsed, page.sha256) == (True, 200, 0.1, 0.2, "aa")


def test_links_of_a_page_are_there_for_who_asks() -> None:
    """`page.links` are the resolved links in their order, with kind, rel and text."""
    page = page_of(Desk().visit("<a href=b rel=next>B</a><iframe src=/c></iframe>", path="/d/"))

    assert page.links == (Link(f"{HOME}/d/b", "a", "next", "B"), Link(f"{HOME}/c", "iframe", "", ""))


STATUSES: list[tuple[int, type, str]] = [
    (200, Fetched, "ok"), (204, Fetched, "ok"), (300, Fetched, "http_error"), (301, Redirected, "redirect"),
    (304, Failed, "error"), (308, Redirected, "redirect"), (404, Fetched, "http_error"), (500, Fetched, "http_error"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "outcome", "name"), STATUSES)
def test_a_status_has_its_outcome(status: int, outcome: type, name: str) -> None:
    """2xx is ok, redirects are redirects, 304 without having been asked for is an error, everything else is an HTTP error."""
    visit = Desk().visit(status=status, headers=[("Location", "/x")])

    assert isinstance(visit.outcome, outcome)
    assert page_of(visit).outcome == name
    assert getattr(visit.outcome, "ok", name == "ok") == (name == "ok")


def test_only_ok_bodies_have_a_file_and_count() -> None:
    """A body is kept when its page is ok and there is something to keep; only then it counts for the size."""
    desk = Desk(file_of=lambda url: "pages/x")

    assert [page_of(desk.visit("x", status=status, headers=[("Location", "/y")])).file for status in (200, 404, 301)] == [
        "pages/x",
        None,
        None,
    ]
    assert page_of(desk.visit("")).file is None
    sizes = [desk.visit("four", status=status).outcome.size for status in (200, 404)]  # type: ignore[union-attr]
    assert sizes == [4, 0]


def test_a_verdict_of_the_workbench_stands() -> None:
    """A retry leaves nothing but its outcome; a failure is a page with the error, what did arrive included."""
    asked = request("/")
    answer = Response(asked.url, 200, (("Content-Type", "text/html"),), Body(2, b"<a"), PageError("truncated", "2 of 9 bytes"))
    retry, failed = Retry(asked, 5.0, "truncated"), Failed(asked, PageError("truncated", "2 of 9 bytes"))
    visitor = Desk().visitor

    assert visitor.visit(asked, answer, read(asked, answer), retry, NOON) == Visit(retry)
    page = page_of(visitor.visit(asked, answer, read(asked, answer), failed, NOON))
    assert (page.outcome, page.status, page.error, page.file) == ("error", 200, failed.error, None)


def test_a_seed_that_moved_widens_what_is_judged_from_then_on() -> None:
    """After the redirect links to the new host are requests, also those that were refused before."""
    desk = Desk()
    link = "<a href=https://b.test/x>x</a>"
    desk.refused.update(each.id for each in desk.visit(link).refusals)
    moved = desk.visit(path="/", status=301, headers=[("Location", "https://b.test/")])

    assert [each.url for each in moved.requests] == ["https://b.test/"]
    assert [each.url for each in desk.visit(link, path="/2").requests] == ["https://b.test/x"]


def test_a_redirect_of_a_deeper_page_widens_nothing() -> None:
    """What a page at depth 1 redirects to is judged by the scope as it is."""
    visit = Desk().visit(path="/x", depth=1, status=302, headers=[("Location", "https://b.test/")])

    assert (visit.requests, [each.reason for each in visit.refusals]) == ((), ["scope"])


def test_a_location_in_utf8_is_read_as_browsers_do() -> None:
    """Headers arrive as Latin-1; a Location with UTF-8 bytes means those characters."""
    visit = Desk().visit(status=302, headers=[("Location", "/caf\u00e9".encode().decode("latin-1"))])

    assert paths(visit.requests) == ["/caf%C3%A9"]


def test_a_page_of_a_failing_hook_keeps_its_links() -> None:
    """The page becomes an error of kind `hook` without a body, and what it links to is still followed."""
    visit = Desk(file_of=lambda url: "pages/x").visit("<a href=/x>x</a>")
    failed = hook_failed(request("/"), visit, ValueError("odd"))

    page = page_of(failed)
    assert (page.outcome, page.error, page.file) == ("error", PageError("hook", "ValueError: odd"), None)
    assert isinstance(failed.outcome, Failed)
    assert failed.requests == visit.requests


def test_no_room_for_a_body_is_no_fault_of_its_page() -> None:
    """A fetcher that found the disk full ends the crawl instead of failing page after page."""
    asked = request("/")
    answer = Response(asked.url, 200, (), Body(), PageError("internal", "ENOSPC: no space left"))
    with pytest.raises(DiskFullError):
        Desk().visitor.visit(asked, answer, read(asked, answer), Failed(asked, answer.error), NOON)  # type: ignore[arg-type]


def test_a_seed_is_canonical_and_shallow() -> None:
    """A seed is depth 0 without a parent, under its canonical URL."""
    seed = seed_request("HTTPS://A.test:443/x?sid=1&q=2#top", frozenset({"sid"}))

    assert seed == Request(f"{HOME}/x?q=2", fingerprint(f"{HOME}/x?q=2"), "a.test")


def test_a_page_that_nobody_asks_for_its_links_does_not_hold_them() -> None:
    """What is kept is the same; the page itself has no links."""
    shown, not_shown = (Desk(shows_links=shows).visit("<a href=/x>One</a><img src=/i>") for shows in (True, False))
    assert (shown.requests, shown.refusals) == (not_shown.requests, not_shown.refusals)
    assert shown.record is not None
    assert not_shown.record is not None
    assert shown.record.links == not_shown.record.links
    assert (len(page_of(shown).links), page_of(not_shown).links) == (2, ())


def test_links_that_are_not_kept_are_counted() -> None:
    """Without rows of links a page still says how many it has, and new ones go on."""
    visit = Desk(keeps_links=False).visit("<a href=/x>x</a><a href=/x>again</a><a href=javascript:x>no</a><img src=/i>")
    assert visit.record is not None
    assert (visit.record.links, visit.record.link_count) == ([], 3)
    assert paths(visit.requests) == ["/x", "/x"]
