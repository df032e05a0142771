"""Laws of a crawl, each on every way of running it."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from drive import HERE, Drive

from crawler.core.urls import fingerprint
from crawler.engine.hooks import Hooks, Skip
from crawler.errors import DiskFullError
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import PageError, Request
from crawler.store.results import ResultStore
from crawler.testing import Site, SiteRequest, answer, in_turn, reachable, redirect

OTHER = "https://other.test"


def links(*hrefs: str) -> str:
    return "".join(f"<a href='{href}'>{href}</a>" for href in hrefs)


def urlset(*urls: str) -> str:
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'


def robots(*lines: str) -> Any:
    return answer(200, "\n".join(("User-agent: *", *lines)), {"Content-Type": "text/plain"})


# Every URL once


def test_every_url_is_fetched_once(drive: Drive) -> None:
    """However often and in whatever spelling a page is linked, it is asked for once."""
    crawled = drive({
        "/": "<a href=/a>1</a><a href=/a>2</a><a href=/a#x>3</a><a href='./a'>4</a><a href=/b>5</a>",
        "/a": "<a href=/>home</a><a href=/b>b</a><a href=a>me</a>",
        "/b": "<a href='https://site.test:443/a'>a</a><a href='//SITE.test/'>home</a>",
    })  # fmt: skip

    assert sorted(crawled.fetched) == ["/", "/a", "/b"]
    assert crawled.reason == "queue empty"


def test_every_url_has_one_row_one_state_one_reason(drive: Drive) -> None:
    """Everything that was ever discovered is in `urls` once: fetched, moved, failed, refused and why."""
    crawled = drive(
        {
            "/robots.txt": robots("Disallow: /private"),
            "/": links("/ok", "/gone", "/moved", "/private", "/dead", f"{OTHER}/", "mailto:a@b.test", "/x.zip") + "<img src=/i.png>",
            "/ok": links("/", "/gone"),
            "/moved": redirect("/ok"),
            "/dead": PageError("tls", "bad record"),
        },
        exclude=(r"\.zip$",),
        sitemap="off",
    )

    found = {path: known[:4] for path, known in crawled.urls.items()}
    assert found == {
        "/": ("done", None, None, 1),
        "/ok": ("done", None, None, 1),
        "/gone": ("done", None, None, 1),
        "/moved": ("done", None, None, 1),
        "/dead": ("failed", "tls", "bad record", 1),
        "/private": ("skipped", "robots", "line 2: Disallow: /private", 0),
        f"{OTHER}/": ("skipped", "scope", "host is not site.test", 0),
        "mailto:a@b.test": ("skipped", "scheme", "mailto", 0),
        "/x.zip": ("skipped", "scope", r"exclude \.zip$", 0),
        "/i.png": ("skipped", "requisite", "img", 0),
    }
    assert crawled.outcomes() == {"/": "ok", "/ok": "ok", "/gone": "http_error", "/moved": "redirect", "/dead": "tls"}
    assert set(crawled.skipped) == {"/private", f"{OTHER}/", "mailto:a@b.test", "/x.zip", "/i.png"}


@pytest.mark.parametrize("seed", range(4))
def test_what_is_reachable_is_fetched(drive: Drive, seed: int) -> None:
    """In a web of random links and redirects the stored pages are those that following them leads to."""
    web = random_web(random.Random(seed), 60)
    crawled = drive(web, sitemap="off")

    assert set(crawled.pages) == reachable(web)
    assert sorted(crawled.fetched) == sorted(reachable(web))


def random_web(choice: random.Random, size: int) -> dict[str, Any]:
    """Pages with few links each, some of which are redirects and some of which are not there."""
    paths = ["/", *(f"/{choice.choice('abc')}/{number}" for number in range(1, size))]
    web: dict[str, Any] = {"/": links(*choice.sample(paths, 5))}
    for path in paths[1:]:
        kind = choice.random()
        if kind < 0.15:
            web[path] = redirect(choice.choice(paths))
        elif kind < 0.95:
            web[path] = links(*choice.sample(paths, choice.randint(0, 3)))
    # A redirect to itself or in a circle is a page with an error: here every one leads on.
    return {path: value for path, value in web.items() if not isinstance(value, type(redirect("/"))) or leads_on(web, path)}


def leads_on(web: dict[str, Any], path: str) -> bool:
    seen = set()
    while path in web and not isinstance(web[path], str):
        if path in seen:
            return False
        seen.add(path)
        path = dict(web[path].headers)["Location"]
    return True


def test_over_real_connections(drive: Drive, site: Site) -> None:
    """The same laws hold when real fetchers ask a real site."""
    site.page("/", links=["/a", "/moved", "/broken", "/gone", "/slow"])
    site.page("/a", links=["/", "/deep/er/page.html", "/file.txt"])
    site.page("/moved", redirect("/deep/"))
    site.page("/deep/", links=["er/page.html"])
    site.page("/deep/er/page.html", links=["../../a"])
    site.page("/file.txt", "text")
    site.page("/broken", answer(200, "x" * 1000, fault="garbage"))
    site.page("/slow", answer(body="slow", links=["/a"], delay=0.01))
    crawled = drive(site)

    assert set(crawled.pages) == {path.removeprefix(site.url("")) for path in site.reachable()}
    assert crawled.outcomes() == {
        "/": "ok", "/a": "ok", "/moved": "redirect", "/broken": "protocol", "/gone": "http_error", "/slow": "ok", "/deep/": "ok",
        "/deep/er/page.html": "ok", "/file.txt": "ok",
    }  # fmt: skip
    assert len(crawled.fetched) == len(set(crawled.fetched))


# Redirects


def test_a_redirect_is_followed_hop_by_hop(drive: Drive) -> None:
    """Every hop is a URL of its own, at the depth of the first, found on the hop before."""
    crawled = drive({"/": links("/a"), "/a": redirect("/b", 301), "/b": redirect("c", 307), "/c": "end"})

    hops = [crawled.pages[path] for path in ("/a", "/b", "/c")]
    assert [(row["outcome"], row["status"], row["redirect_to"], row["depth"]) for row in hops] == [
        ("redirect", 301, f"{HERE}/b", 1), ("redirect", 307, f"{HERE}/c", 1), ("ok", 200, None, 1),
    ]  # fmt: skip
    assert [row["parent"] for row in hops] == [fingerprint(f"{HERE}{path}") for path in ("/", "/a", "/b")]
    assert ("/a", "/b", "redirect") in crawled.links


def test_a_redirect_to_a_known_page_fetches_it_no_second_time(drive: Drive) -> None:
    """A target that was found before is not asked for again."""
    crawled = drive({"/": links("/old", "/new"), "/old": redirect("/new"), "/new": "here"})

    assert crawled.count("/new") == 1


def test_a_circle_of_redirects_is_an_error_of_its_last_hop(drive: Drive) -> None:
    """A circle ends where it would begin anew, a redirect to itself at once."""
    crawled = drive({"/": links("/x", "/me"), "/x": redirect("/y"), "/y": redirect("/z"), "/z": redirect("/y"), "/me": redirect("/me")})

    assert crawled.outcomes() == {"/": "ok", "/x": "redirect", "/y": "redirect", "/z": "redirect_loop", "/me": "redirect_loop"}
    assert crawled.pages["/z"]["error_detail"] == f"back to {HERE}/y"


def test_an_endless_chain_is_cut(drive: Drive) -> None:
    """After `max_redirects` hops the chain is an error."""
    crawled = drive({"/": redirect("/1"), "/1": redirect("/2"), "/2": redirect("/3"), "/3": redirect("/4"), "/4": "never"}, max_redirects=3)

    assert crawled.outcomes() == {"/": "redirect", "/1": "redirect", "/2": "redirect", "/3": "redirect_loop"}


def test_a_redirect_to_itself_that_sets_a_cookie_is_tried_once_more(drive: Drive) -> None:
    """With the cookie the second answer may be the page; a third is not asked for."""
    door = answer(302, "", {"Location": "/", "Set-Cookie": "seen=1"})
    crawled = drive({"/": in_turn(door, "welcome")})
    assert (crawled.outcomes(), crawled.pages["/"]["attempts"]) == ({"/": "ok"}, 2)

    crawled = drive({"/": door})
    assert (crawled.outcomes(), crawled.count("/")) == ({"/": "redirect_loop"}, 2)


@pytest.mark.parametrize("location", [None, "", "https://[bad/"])
def test_a_redirect_to_nowhere_is_an_error(drive: Drive, location: str | None) -> None:
    """A redirect without a usable Location is an answer that cannot be used."""
    crawled = drive({"/": answer(302, "", {} if location is None else {"Location": location})})

    assert crawled.outcomes() == {"/": "protocol"}


def test_a_redirect_out_of_scope_is_refused(drive: Drive) -> None:
    """A page that redirects elsewhere is a redirect, and its target is refused like a link."""
    crawled = drive(
        {"/": links("/away", "/mail"), "/away": redirect(f"{OTHER}/x"), "/mail": redirect("mailto:a@b.test"), f"{OTHER}/x": "x"}
    )

    assert crawled.outcomes() == {"/": "ok", "/away": "redirect", "/mail": "redirect"}
    assert crawled.skipped == {f"{OTHER}/x": ("scope", "host is not site.test"), "mailto:a@b.test": ("scheme", "mailto")}


def test_a_seed_that_moved_takes_its_new_host_along(drive: Drive) -> None:
    """A seed that redirects to another host takes that host into scope; a third host stays outside."""
    crawled = drive({
        "/": redirect(f"{OTHER}/home"),
        f"{OTHER}/home": links("/a", f"{HERE}/b", "https://third.test/"),
        f"{OTHER}/a": links("/deeper"),
        f"{OTHER}/deeper": "",
        "/b": links(f"{OTHER}/a"),
    })  # fmt: skip

    assert crawled.ok == {f"{OTHER}/home", f"{OTHER}/a", f"{OTHER}/deeper", "/b"}
    assert set(crawled.skipped) == {"https://third.test/"}


def test_what_was_refused_before_a_seed_moved_is_judged_again(drive: Drive) -> None:
    """A page links to a host that is taken into scope only later: that page is fetched all the same, at the depth of the link. What was
    refused for another reason stays refused, whatever the scope."""
    crawled = drive(
        {
            "/": links(f"{OTHER}/early", "https://third.test/") + f"<img src={OTHER}/i.png><a rel=nofollow href={OTHER}/no></a>",
            "/moved": redirect(f"{OTHER}/home"),
            f"{OTHER}/home": "",
            f"{OTHER}/early": "",
        },
        "/",
        "/moved",
        respect_nofollow=True,
    )

    assert crawled.ok == {"/", f"{OTHER}/home", f"{OTHER}/early"}
    assert (crawled.urls[f"{OTHER}/early"].depth, crawled.pages[f"{OTHER}/early"]["depth"]) == (1, 1)
    assert {url: reason for url, (reason, _) in crawled.skipped.items()} == {
        "https://third.test/": "scope", f"{OTHER}/i.png": "requisite", f"{OTHER}/no": "nofollow",
    }  # fmt: skip


def test_with_only_sitemaps_what_they_listed_is_judged_again(drive: Drive) -> None:
    """A sitemap and its pages on a host that is taken into scope later are read; links are not followed even then."""
    crawled = drive(
        {
            "/robots.txt": robots(f"Sitemap: {MAP}", f"Sitemap: {OTHER}/far.xml"), "/map.xml": urlset(f"{OTHER}/listed"),
            "/": links(f"{OTHER}/linked"), "/moved": redirect(f"{OTHER}/home"), f"{OTHER}/home": "", f"{OTHER}/listed": "",
            f"{OTHER}/far.xml": urlset(f"{HERE}/far"), "/far": "",
        }, "/", "/moved", sitemap="only", latency=5.0,
    )  # fmt: skip

    assert crawled.ok == {"/", f"{OTHER}/home", f"{OTHER}/listed", "/far"}
    assert set(crawled.skipped) == {f"{OTHER}/linked"}


def test_only_a_seed_widens_the_scope(drive: Drive) -> None:
    """What a page links to may redirect where it likes: the crawl does not follow."""
    crawled = drive({"/": links("/out"), "/out": redirect(f"{OTHER}/"), f"{OTHER}/": "never"})

    assert f"{OTHER}/" not in crawled.pages


# Links


def test_hrefs_resolve_against_the_base(drive: Drive) -> None:
    """`<base href>` decides where relative links lead, for this page alone."""
    crawled = drive({
        "/dir/page": "<base href=/other/>" + links("a", "../b"), "/other/a": links("c"), "/b": "", "/other/c": "",
    }, "/dir/page")  # fmt: skip

    assert crawled.ok == {"/dir/page", "/other/a", "/b", "/other/c"}


def test_every_kind_of_hyperlink_is_followed(drive: Drive) -> None:
    """Links, areas, frames, refreshes, link elements and Link headers lead to pages."""
    page = (
        "<a href=/a></a><map><area href=/area></map><iframe src=/iframe></iframe><link rel=next href=/next>"
        "<meta http-equiv=refresh content='5; url=/refresh'>"
    )
    crawled = drive({"/": answer(200, page, {"Link": "</header>; rel=prev", "Refresh": "3; url=/header-refresh"})})

    assert set(crawled.pages) == {"/", "/a", "/area", "/iframe", "/next", "/refresh", "/header", "/header-refresh"}
    kinds = {(target, kind) for source, target, kind in crawled.links if source == "/"}
    assert kinds == {
        ("/a", "a"), ("/area", "area"), ("/iframe", "iframe"), ("/next", "link"), ("/refresh", "refresh"), ("/header", "header"),
        ("/header-refresh", "refresh"),
    }  # fmt: skip


def test_what_a_page_is_made_of_is_no_page(drive: Drive) -> None:
    """Images, scripts, styles and preloads are recorded and not asked for."""
    page = "<img src=/i.png><script src=/s.js></script><link rel=stylesheet href=/c.css><video src=/v.mp4></video>"
    crawled = drive({"/": answer(200, page, {"Link": "</font.woff2>; rel=preload"})})

    assert crawled.fetched == ["/"]
    assert {path: reason for path, (reason, _) in crawled.skipped.items()} == dict.fromkeys(
        ["/i.png", "/s.js", "/c.css", "/v.mp4", "/font.woff2"], "requisite"
    )


@pytest.mark.parametrize("first", ["<img src=/x>", "<a rel=nofollow href=/x>x</a>"])
def test_a_link_refused_for_what_it_is_may_be_followed_elsewhere(drive: Drive, first: str) -> None:
    """A URL that one page shows as a picture, or marks nofollow, is followed when another page links to it."""
    crawled = drive({"/": first + links("/later"), "/later": links("/last"), "/last": links("/x"), "/x": "found"}, respect_nofollow=True)

    assert "/x" in crawled.ok
    assert crawled.urls["/x"][:2] == ("done", None)


def test_only_pages_have_links(drive: Drive) -> None:
    """What is no HTML is kept as it is: links in a text file or an error page lead nowhere."""
    crawled = drive({
        "/": links("/a.txt", "/gone", "/none", "/json"),
        "/a.txt": answer(200, links("/1"), {"Content-Type": "text/plain"}),
        "/gone": answer(404, links("/2")),
        "/none": answer(200, links("/3"), {"Content-Type": ""}),
        "/json": answer(200, '{"href": "/4"}', {"Content-Type": "application/json"}),
    })  # fmt: skip

    assert set(crawled.pages) == {"/", "/a.txt", "/gone", "/none", "/json", "/3"}


def test_other_schemes_are_refused_or_nothing(drive: Drive) -> None:
    """Addresses of other schemes are refused as `scheme`; what is no address at all leaves no trace."""
    crawled = drive({"/": links("mailto:a@b.test", "tel:+1", "ftp://f.test/x", "javascript:go()", "data:text/html,x", "http://[bad/")})

    assert crawled.skipped == {
        "mailto:a@b.test": ("scheme", "mailto"), "tel:+1": ("scheme", "tel"), "ftp://f.test/x": ("scheme", "ftp"),
    }  # fmt: skip


# nofollow


NOFOLLOW: list[tuple[str, Any]] = [
    ("rel", f"<a rel='ugc NoFollow' href=/x>x</a>{links('/y')}"),
    ("meta", "<meta name=robots content='noindex, NOFOLLOW'><a href=/x>x</a>"),
    ("header", answer(200, links("/x"), {"X-Robots-Tag": "nofollow"})),
    ("none", "<meta name=robots content=none><a href=/x>x</a>"),
]


@pytest.mark.parametrize("page", [page for _, page in NOFOLLOW], ids=[name for name, _ in NOFOLLOW])
def test_nofollow_is_respected_when_asked_for(drive: Drive, page: Any) -> None:
    """With `respect_nofollow` marked links are refused as `nofollow`; without it they are followed."""
    crawled = drive({"/": page}, respect_nofollow=True)
    assert crawled.skipped["/x"][0] == "nofollow"
    assert "/x" not in crawled.fetched

    assert "/x" in drive({"/": page}).fetched


# Types


def test_answers_of_other_types_are_left(drive: Drive) -> None:
    """What `accept_type` does not name or `reject_type` does has its row, with status and type, and nothing else of it is looked at.
    Errors and redirects are what they are; robots.txt and sitemaps are read."""
    web = {
        "/": links("/a.svg", "/b.txt", "/gone", "/moved", "/none"),
        "/sitemap.xml": answer(200, f"<urlset><url><loc>{HERE}/listed</loc></url></urlset>", {"Content-Type": "application/xml"}),
        "/a.svg": answer(200, f"<title>a</title>{links('/from-a')}", {"Content-Type": "image/svg+xml"}),
        "/b.txt": answer(200, "text", {"Content-Type": "Text/Plain; charset=utf-8"}),
        "/gone": answer(404, "", {"Content-Type": "image/png"}),
        "/moved": redirect("/a.svg"),
        "/none": answer(200, links("/last"), {"Content-Type": ""}),
        "/last": "",
        "/listed": "",
    }
    crawled = drive(web, accept_type=["text/*"], reject_type=["text/plain"])

    ok = dict.fromkeys(["/", "/a.svg", "/b.txt", "/none", "/last", "/listed"], "ok")
    assert crawled.outcomes() == ok | {"/gone": "http_error", "/moved": "redirect"}
    kept = ("status", "content_type", "title", "file")
    assert [tuple(crawled.pages[path][name] for name in kept) for path in ("/a.svg", "/b.txt")] == [
        (200, "image/svg+xml", None, None), (200, "text/plain", None, None),
    ]  # fmt: skip


# Depth


CHAIN = {"/": links("/1"), "/1": links("/2"), "/2": links("/3"), "/3": links("/4"), "/4": ""}


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_the_depth_limit_is_exact(drive: Drive, depth: int) -> None:
    """Pages at the limit are fetched, what they link to stays queued, and the reason says so."""
    crawled = drive(CHAIN, max_depth=depth)

    assert crawled.ok == {"/", *(f"/{number}" for number in range(1, depth + 1))}
    assert crawled.queued() == {f"/{depth + 1}"}
    assert crawled.reason == "depth limit"


def test_a_depth_that_leaves_nothing_is_no_reason(drive: Drive) -> None:
    """When nothing lies beyond the limit the queue was empty."""
    assert drive(CHAIN, max_depth=4).reason == "queue empty"
    assert drive(CHAIN).ok == set(CHAIN)


def test_depth_is_the_shortest_way(drive: Drive) -> None:
    """With a depth limit a page that is found by a long quick way and a short slow way has the short one's depth."""
    slow = {f"/s{number}": links("/goal") for number in range(1)}
    crawled = drive({
        "/": links("/q1", "/s0"), "/q1": links("/q2"), "/q2": links("/goal"), "/goal": links("/beyond"), **slow, "/beyond": "",
    }, max_depth=3, concurrency=1)  # fmt: skip

    assert crawled.pages["/goal"]["depth"] == 2
    assert crawled.pages["/beyond"]["depth"] == 3


@pytest.mark.parametrize("paths", [("/quick", "/moved"), ("/moved", "/quick")])
def test_a_redirect_may_be_the_shorter_way(drive: Drive, paths: tuple[str, str]) -> None:
    """A page that is one link too deep and also what a page above redirects to is within reach, whichever is found first."""
    crawled = drive({"/": links(*paths), "/quick": links("/goal"), "/moved": redirect("/goal"), "/goal": ""}, max_depth=1, concurrency=1)

    assert crawled.ok == {"/", "/quick", "/goal"}
    assert crawled.pages["/goal"]["depth"] == 1


def test_breadth_first_within_a_host(drive: Drive) -> None:
    """Without any limit too: what is nearer to the seed is asked for first."""
    tree = {"/": links("/a", "/b", "/c")}
    for first in "abc":
        tree[f"/{first}"] = links(*(f"/{first}{second}" for second in "abc"))
        for second in "abc":
            tree[f"/{first}{second}"] = links(*(f"/{first}{second}{third}" for third in "abc"))
            tree |= {f"/{first}{second}{third}": "" for third in "abc"}
    crawled = drive(tree, sitemap="off", per_host=1)

    assert len(crawled.ok) == 40
    depths = [len(path.strip("/")) for path in crawled.fetched]
    assert depths == sorted(depths)


def test_depths_open_one_after_the_other_on_all_hosts(drive: Drive) -> None:
    """With a depth limit no page is asked for before every page of the depths above it has its answer."""
    hosts = [HERE, OTHER, "https://third.test"]
    web = {f"{host}{path}": links(*(f"{each}{path}x" for each in hosts), path + "y") for host in hosts for path in ("/", "/x", "/y")}
    crawled = drive(web, *(f"{host}/" for host in hosts), max_depth=2, scope="any", sitemap="off")

    depth = {asked.path: crawled.urls[asked.path].depth for asked in crawled.requests if asked.role == "page"}
    order = [depth[path] for path in crawled.fetched]
    assert order == sorted(order)
    assert set(order) == {0, 1, 2}


# Page and size limits


@pytest.mark.parametrize("concurrency", [1, 100])
def test_the_page_limit_is_exact(drive: Drive, concurrency: int) -> None:
    """Exactly `max_pages` ok pages are stored, however many are fetched at once; errors and redirects do not count."""
    paths = [f"/{number}" for number in range(60)]
    web: dict[str, Any] = (
        dict.fromkeys(paths, "page") | {path: answer(404) for path in paths[::5]} | {path: redirect("/1") for path in paths[::7]}
    )
    crawled = drive(web | {"/": links(*paths)}, max_pages=10, concurrency=concurrency, per_host=100, adaptive=False)

    assert len(crawled.ok) == 10
    assert crawled.reason == "page limit"
    assert len(crawled.queued()) >= 20
    assert len(crawled.fetched) == len(set(crawled.fetched))


def test_a_page_limit_over_many_hosts_is_exact(drive: Drive) -> None:
    """The limit holds for all hosts and workers together."""
    hosts = [f"https://h{number}.test" for number in range(8)]
    web = {f"{host}/{number}": "page" for host in hosts for number in range(9)} | {f"{host}/": links(*range_of(9)) for host in hosts}
    crawled = drive(web, *(f"{host}/" for host in hosts), max_pages=20, concurrency=100, sitemap="off")

    assert len(crawled.ok) == 20
    assert crawled.reason == "page limit"


def range_of(count: int) -> Iterable[str]:
    return (f"/{number}" for number in range(count))


def test_a_page_limit_that_leaves_nothing_is_no_reason(drive: Drive) -> None:
    """When as many pages exist as the limit allows, the crawl is complete."""
    crawled = drive(CHAIN, max_pages=5)

    assert (len(crawled.ok), crawled.reason) == (5, "queue empty")


def test_the_size_limit_stops_with_the_page_that_reaches_it(drive: Drive) -> None:
    """No page is stored after the one that reached the limit; what was in flight is asked for again by a later run."""
    body = "x" * 1000
    crawled = drive({"/": links(*range_of(30))} | {f"/{number}": body for number in range(30)}, max_size=5000, per_host=8)

    size = sum(row["bytes"] for row in crawled.pages.values())
    assert 5000 <= size < 6000
    assert crawled.reason == "size limit"


def test_little_is_fetched_in_vain_at_the_size_limit(drive: Drive) -> None:
    """As the limit comes near, no more is asked for than may fit by the pages so far: nearly all that is fetched is kept."""
    crawled = drive(
        {"/": links(*range_of(300))} | {f"/{number}": "x" * 1000 for number in range(300)},
        max_size=100_000, concurrency=64, per_host=64, adaptive=False,
    )  # fmt: skip

    assert 100_000 <= sum(row["bytes"] for row in crawled.pages.values()) < 101_000
    assert len(crawled.fetched) - len(crawled.pages) <= 3
    assert crawled.reason == "size limit"


def test_a_size_limit_that_leaves_nothing_is_no_reason(drive: Drive) -> None:
    """When the page that reaches the limit is the last one, the crawl is complete."""
    web = {"/": links("/a", "/b"), "/a": "x" * 1000, "/b": "x" * 1000}
    total = sum(row["bytes"] for row in drive(web).pages.values())

    assert drive(web, max_size=total).reason == "queue empty"
    assert drive(web, max_size=total - 1).reason == "queue empty"


def test_a_raised_limit_goes_on(drive: Drive, tmp_path: Path) -> None:
    """A folder whose crawl was stopped by a limit goes on where it was, and fetches nothing twice."""
    web = {"/": links(*range_of(20))} | {f"/{number}": f"page {number}" for number in range(20)}
    first = drive(web, output=tmp_path / "out", max_pages=5)
    second = drive(web, output=tmp_path / "out", max_pages=12)
    third = drive(web, output=tmp_path / "out")

    assert [len(each.ok) for each in (first, second, third)] == [5, 12, 21]
    assert sorted(first.fetched + second.fetched + third.fetched) == sorted(["/", *range_of(20)])
    assert third.history == ["page limit", "page limit", "queue empty"]
    assert "/robots.txt" not in second.asked + third.asked
    for path in third.ok:
        assert (tmp_path / "out" / third.pages[path]["file"]).is_file()


# Scope


def test_include_and_exclude_name_the_deciding_rule(drive: Drive) -> None:
    """What the patterns refuse is kept with the pattern; the seed itself passes."""
    crawled = drive(
        {"/": links("/docs/a", "/docs/old/b", "/blog/c"), "/docs/a": "", "/docs/old/b": ""}, include=("/docs/",), exclude=("/old/",)
    )

    assert crawled.ok == {"/", "/docs/a"}
    assert crawled.skipped == {"/docs/old/b": ("scope", "exclude /old/"), "/blog/c": ("scope", "no include matches")}


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ("page", {"/d/"}),
        ("prefix", {"/d/", "/d/in"}),
        ("host", {"/d/", "/d/in", "/up"}),
        ("domain", {"/d/", "/d/in", "/up", "https://www.site.test/"}),
        ("any", {"/d/", "/d/in", "/up", "https://www.site.test/", f"{OTHER}/"}),
    ],
)
def test_the_scope_decides_what_belongs(drive: Drive, scope: str, found: set[str]) -> None:
    """From one page to everything: each kind of scope takes more of the same links."""
    web = {
        "/d/": links("in", "/up", "https://www.site.test/", f"{OTHER}/"),
        "/d/in": "",
        "/up": "",
        "https://www.site.test/": "",
        f"{OTHER}/": "",
    }

    assert drive(web, "/d/", scope=scope).ok == found


def test_private_addresses_are_refused_before_a_request(drive: Drive) -> None:
    """Links into private networks are not followed, unless that is allowed."""
    web = {"/": links("http://10.0.0.1/", "http://localhost:8080/x")}
    crawled = drive(web, scope="any")
    assert {reason for reason, _ in crawled.skipped.values()} == {"private"}
    assert len(crawled.fetched) == 1

    assert len(drive(web, scope="any", allow_private=True).fetched) == 3


def test_a_url_that_is_too_long_is_refused(drive: Drive) -> None:
    """URLs beyond `max_url_length` are kept with their length."""
    crawled = drive({"/": links("/" + "a" * 300)}, max_url_length=200)

    assert [reason for reason, _ in crawled.skipped.values()] == ["too_long"]


# robots.txt


def test_robots_is_obeyed_with_its_line(drive: Drive) -> None:
    """What robots.txt refuses is never asked for, and the refusal names the line and the rule."""
    crawled = drive({
        "/robots.txt": robots("Disallow: /no", "Allow: /no/but", "Disallow: /*.pdf$"),
        "/": links("/no/1", "/no/but", "/a.pdf", "/b.pdf?x"),
    })  # fmt: skip

    assert set(crawled.fetched) == {"/", "/no/but", "/b.pdf?x"}
    assert crawled.skipped == {"/no/1": ("robots", "line 2: Disallow: /no"), "/a.pdf": ("robots", "line 4: Disallow: /*.pdf$")}


def test_robots_may_refuse_the_seed(drive: Drive) -> None:
    """A seed that robots.txt refuses is not asked for, and the crawl ends at once."""
    crawled = drive({"/robots.txt": robots("Disallow: /")}, sitemap="off")

    assert (crawled.fetched, crawled.skipped) == ([], {"/": ("robots", "line 2: Disallow: /")})
    assert crawled.reason == "queue empty"


def test_robots_is_asked_once_per_origin(drive: Drive) -> None:
    """http and https of one host have their own robots.txt, each asked for once, before its pages."""
    plain = "http://site.test"
    crawled = drive({
        "/": links("/a", f"{plain}/a", f"{plain}/b"), "/a": links(f"{plain}/"),
        f"{plain}/robots.txt": robots("Disallow: /b"), f"{plain}/a": "", f"{plain}/": "",
    }, sitemap="off")  # fmt: skip

    assert [asked.path for asked in crawled.requests if asked.role == "robots"] == ["/robots.txt", f"{plain}/robots.txt"]
    assert crawled.skipped == {f"{plain}/b": ("robots", "line 2: Disallow: /b")}


def test_robots_is_kept_with_the_crawl(drive: Drive, tmp_path: Path) -> None:
    """A crawl that goes on within a day obeys the robots.txt that it has read, and asks for none."""
    web = {"/robots.txt": robots("Disallow: /b"), "/": links("/a", "/b"), "/a": "", "/b": ""}
    first = drive(web, output=tmp_path / "out", sitemap="off", max_pages=1)
    second = drive(web, output=tmp_path / "out", sitemap="off")

    assert (first.asked, second.asked) == (["/robots.txt", "/"], ["/a"])
    assert second.skipped == {"/b": ("robots", "line 2: Disallow: /b")}


def test_a_host_whose_robots_failed_is_asked_again_when_the_crawl_is_resumed(drive: Drive, tmp_path: Path) -> None:
    """It is given up for this run, and not forgotten."""
    web = {"/": links(f"{OTHER}/"), f"{OTHER}/robots.txt": answer(503), f"{OTHER}/": "later"}
    first = drive(web, output=tmp_path / "out", scope="any")
    assert (first.outcomes()[f"{OTHER}/"], first.ok) == ("robots_unavailable", {"/"})

    second = drive({**web, f"{OTHER}/robots.txt": robots()}, output=tmp_path / "out", scope="any", again=True)
    assert f"{OTHER}/" in second.ok


def test_robots_ignored_is_not_asked(drive: Drive) -> None:
    """With `robots="ignore"` nothing of it is asked for or obeyed."""
    crawled = drive({"/robots.txt": robots("Disallow: /"), "/": links("/a"), "/a": ""}, robots="ignore")

    assert crawled.ok == {"/", "/a"}
    assert "/robots.txt" not in crawled.asked


def test_robots_by_redirect(drive: Drive) -> None:
    """A robots.txt that moved holds where it was asked for; its redirects are no pages."""
    crawled = drive({"/robots.txt": redirect("/r.txt"), "/r.txt": robots("Disallow: /a"), "/": links("/a", "/b")}, sitemap="off")

    assert set(crawled.pages) == {"/", "/b"}
    assert set(crawled.skipped) == {"/a"}


def test_a_host_whose_robots_fails_is_given_up(drive: Drive) -> None:
    """When robots.txt answers 5xx for long enough, the host fails with `robots_unavailable`, and no page of it was asked for."""
    crawled = drive({"/robots.txt": answer(503), "/": "never", "/2": "never"}, "/", "/2")

    assert crawled.fetched == []
    assert {known[:2] for known in crawled.urls.values()} == {("failed", "robots_unavailable")}
    assert crawled.count("/robots.txt") == 8
    assert crawled.reason == "queue empty"


def test_a_robots_that_recovers_is_obeyed(drive: Drive) -> None:
    """A robots.txt that comes at the third time rules from then on."""
    crawled = drive(
        {"/robots.txt": in_turn(answer(500), PageError("timeout", "connect"), robots("Disallow: /a")), "/": links("/a")}, sitemap="off"
    )

    assert (crawled.fetched, set(crawled.skipped)) == (["/"], {"/a"})


@pytest.mark.parametrize("status", [429, 503])
def test_a_robots_that_says_when_to_come_back_is_heard(drive: Drive, status: int) -> None:
    """Retry-After holds for robots.txt, and so for its whole host; other hosts do not wait for it."""
    busy = answer(status, "", {"Retry-After": "40"})
    crawled = drive(
        {"/robots.txt": in_turn(busy, robots("Disallow: /a")), "/": links("/a"), f"{OTHER}/": ""}, "/", f"{OTHER}/", sitemap="off"
    )

    first, second = (asked for asked in crawled.requests if asked.path == "/robots.txt")
    assert second.started - first.ended >= 40
    assert second.started - first.ended < 60
    assert next(asked for asked in crawled.requests if asked.path == f"{OTHER}/").started < first.ended + 5
    assert (crawled.ok, set(crawled.skipped)) == ({"/", f"{OTHER}/"}, {"/a"})


def test_no_robots_may_hold_a_crawl_for_ever(drive: Drive) -> None:
    """A Retry-After of a week is cut to five minutes, one of nothing does not shorten the pause."""
    for asked, least, most in (("604800", 300, 301), ("0", 0.7, 60)):
        crawled = drive({"/robots.txt": in_turn(answer(503, "", {"Retry-After": asked}), robots()), "/": ""}, sitemap="off")
        first, second = (each for each in crawled.requests if each.path == "/robots.txt")
        assert least <= second.started - first.ended <= most


def test_crawl_delay_is_kept(drive: Drive) -> None:
    """Requests start one crawl-delay apart, robots.txt and sitemaps among them."""
    crawled = drive({"/robots.txt": robots("Crawl-delay: 3"), "/": links(*range_of(5)), **dict.fromkeys(range_of(5), "")})

    starts = sorted(asked.started for asked in crawled.requests)
    assert len(starts) == 8
    assert all(later - earlier >= 3.0 for earlier, later in pairwise(starts))
    assert crawled.seconds < 22


def test_no_request_waits_for_a_page_to_be_read() -> None:
    """Of answers that come together the next requests leave before the first of their pages is read: a host that could answer does not
    wait for us."""
    asked: list[str] = []
    asked_by_then: list[int] = []
    web = {"/": links(*range_of(6)), **dict.fromkeys(range_of(6), "")}
    hooks = Hooks(on_request=[lambda request: asked.append(request.url)], on_page=[lambda page: asked_by_then.append(len(asked))])
    Drive("asynchronous")(web, robots="ignore", sitemap="off", per_host=3, adaptive=False, latency=0.05, hooks=hooks)

    assert asked_by_then == [1, *[7] * 6]


def test_a_hook_that_takes_its_time_shortens_no_gap() -> None:
    """The delay counts from when a request leaves, not from when a hook got to see it."""

    async def sometimes(request: Request) -> None:
        await asyncio.sleep(1.5 if request.url.endswith(("1", "3")) else 0.0)

    web = {"/": links(*range_of(5)), **dict.fromkeys(range_of(5), "")}
    crawled = Drive("asynchronous")(web, sitemap="off", delay=2.0, hooks=Hooks([sometimes]))

    starts = sorted(asked.started for asked in crawled.requests)
    assert len(starts) == 7
    assert all(later - earlier >= 2.0 for earlier, later in pairwise(starts))


def test_a_connection_that_takes_its_time_shortens_no_gap(drive: Drive) -> None:
    """The delay counts from when a request is sent: the first one on a new connection waits for that, and the next one, which may find
    it open, comes no sooner for it. Nor is the crawl held up for longer than that."""
    slow = iter([1.5, 0.0, 3.0, 0.0, 0.0, 0.7, 0.0])
    drive.connecting = lambda: next(slow, 0.0)
    web = {"/robots.txt": robots("Crawl-delay: 2"), "/": links(*range_of(5)), **dict.fromkeys(range_of(5), "")}
    crawled = drive(web, sitemap="off", latency=4.0)

    starts = sorted(asked.started for asked in crawled.requests)
    assert len(starts) == 7
    assert all(later - earlier >= 2.0 for earlier, later in pairwise(starts))


def test_redirects_of_robots_keep_the_delay(drive: Drive) -> None:
    """Where a robots.txt leads to is a request like any other: a delay after the one before and before the next."""
    web = {"/robots.txt": redirect("/1.txt"), "/1.txt": redirect("/2.txt"), "/2.txt": robots(), "/": links("/a"), "/a": ""}
    crawled = drive(web, sitemap="off", delay=2.0)

    assert crawled.asked == ["/robots.txt", "/1.txt", "/2.txt", "/", "/a"]
    assert all(later.started - earlier.started >= 2.0 for earlier, later in pairwise(crawled.requests))


def test_a_crawl_delay_is_known_before_the_first_page(drive: Drive, tmp_path: Path) -> None:
    """It is kept with the crawl before it ends: a crawl that is killed while it waits for its first page waits as long when it goes on."""

    def first(request: SiteRequest) -> str:
        with closing(sqlite3.connect(tmp_path / "out" / "crawl.db")) as connection:
            seen.append(connection.execute("SELECT delay, robots LIKE '%Crawl-delay%' FROM hosts").fetchone())
        return "here"

    seen: list[tuple[float, int]] = []
    drive({"/robots.txt": robots("Crawl-delay: 3"), "/": first}, output=tmp_path / "out", sitemap="off")
    assert seen == [(3.0, 1)]


# Sitemaps


MAP = f"{HERE}/map.xml"


def test_sitemaps_of_robots_are_read(drive: Drive) -> None:
    """The sitemaps that robots.txt names add their URLs at depth 1; /sitemap.xml is not asked for then."""
    crawled = drive({
        "/robots.txt": robots(f"Sitemap: {MAP}"), "/map.xml": urlset(f"{HERE}/a", f"{HERE}/b", f"{OTHER}/c"), "/": "", "/a": "", "/b": "",
    })  # fmt: skip

    assert crawled.ok == {"/", "/a", "/b"}
    assert crawled.pages["/a"]["depth"] == 1
    assert "/sitemap.xml" not in crawled.asked
    assert crawled.skipped == {f"{OTHER}/c": ("scope", "host is not site.test")}
    assert {(target, kind) for source, target, kind in crawled.links} >= {("/a", "sitemap"), ("/b", "sitemap")}


def test_the_default_sitemap_is_read(drive: Drive) -> None:
    """Without a Sitemap line /sitemap.xml is tried; that it is missing is no failed page."""
    assert drive({"/": "", "/sitemap.xml": urlset(f"{HERE}/a"), "/a": ""}).ok == {"/", "/a"}

    crawled = drive({"/": ""})
    assert (crawled.count("/sitemap.xml"), set(crawled.pages)) == (1, {"/"})


def test_sitemaps_are_read_by_the_run_that_goes_deeper(drive: Drive, tmp_path: Path) -> None:
    """The seeds alone need no sitemap; whoever then goes on to what lies below them does."""
    web = {"/": links("/a"), "/a": "", "/sitemap.xml": urlset(f"{HERE}/orphan"), "/orphan": ""}
    first = drive(web, output=tmp_path / "out", max_depth=0)
    second = drive(web, output=tmp_path / "out", max_depth=9)

    assert (first.asked, sorted(second.asked)) == (["/robots.txt", "/"], ["/a", "/orphan", "/robots.txt", "/sitemap.xml"])
    assert second.ok == {"/", "/a", "/orphan"}


@pytest.mark.parametrize("broken", [(ResultStore, "write", 1), (SqliteFrontier, "add", 2), (SqliteFrontier, "done", 1)])
def test_sitemaps_outlive_a_commit_that_failed(
    drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: tuple[type, str, int]
) -> None:
    """A run that could not write down which sitemaps a robots.txt names has not read that robots.txt: the next one finds all."""
    owner, name, number = broken
    real, calls = getattr(owner, name), itertools.count(1)

    def fails_once(*arguments: Any) -> Any:
        if next(calls) == number:
            raise DiskFullError.writing("a page")
        return real(*arguments)

    monkeypatch.setattr(owner, name, fails_once)
    web = {"/": links("/a"), "/a": "", "/sitemap.xml": urlset(f"{HERE}/orphan"), "/orphan": ""}
    with pytest.raises(DiskFullError):
        drive(web, output=tmp_path / "out")
    assert drive(web, output=tmp_path / "out").ok == {"/", "/a", "/orphan"}


def test_an_index_and_gz_are_read(drive: Drive) -> None:
    """An index leads to its sitemaps, compressed or not, each asked for once."""
    named = (f"{HERE}/1.xml.gz", f"{HERE}/2.xml", MAP)
    index = f"<sitemapindex>{''.join(f'<sitemap><loc>{url}</loc></sitemap>' for url in named)}</sitemapindex>"
    crawled = drive({
        "/robots.txt": robots(f"Sitemap: {MAP}"), "/map.xml": index, "/": "",
        "/1.xml.gz": gzip.compress(urlset(f"{HERE}/a").encode()), "/2.xml": urlset(f"{HERE}/b"), "/a": "", "/b": "",
    })  # fmt: skip

    assert crawled.ok == {"/", "/a", "/b"}
    assert crawled.count("/map.xml") == 1


def test_only_sitemaps(drive: Drive) -> None:
    """With `sitemap="only"` links are recorded and not followed."""
    crawled = drive({"/sitemap.xml": urlset(f"{HERE}/a"), "/": links("/b"), "/a": links("/c"), "/b": "", "/c": ""}, sitemap="only")

    assert crawled.ok == {"/", "/a"}
    assert set(crawled.skipped) == {"/b", "/c"}


def test_sitemaps_off(drive: Drive) -> None:
    """With `sitemap="off"` no sitemap is asked for."""
    crawled = drive({"/robots.txt": robots(f"Sitemap: {MAP}"), "/map.xml": urlset(f"{HERE}/a"), "/": ""}, sitemap="off")

    assert crawled.asked == ["/robots.txt", "/"]


def test_sitemaps_do_not_count_as_pages(drive: Drive) -> None:
    """Sitemaps take nothing of the page limit and have no row."""
    crawled = drive({"/sitemap.xml": urlset(f"{HERE}/a"), "/": "", "/a": ""}, max_pages=2)

    assert (crawled.ok, crawled.reason) == ({"/", "/a"}, "queue empty")


def test_a_sitemap_that_is_linked_later_becomes_a_page(drive: Drive) -> None:
    """A link to a URL that was read as a sitemap long before makes it a page: asked for once more, with a row of its own; so does a
    link to a sitemap that was not there."""
    crawled = drive({
        "/robots.txt": robots(f"Sitemap: {MAP}", f"Sitemap: {HERE}/gone.xml"), "/map.xml": urlset(f"{HERE}/a"),
        "/": links("/b"), "/a": "", "/b": links("/c"), "/c": links("/map.xml", "/gone.xml"),
    }, per_host=1)  # fmt: skip

    assert crawled.outcomes() == {"/": "ok", "/a": "ok", "/b": "ok", "/c": "ok", "/map.xml": "ok", "/gone.xml": "http_error"}
    assert (crawled.count("/map.xml"), crawled.count("/gone.xml")) == (2, 2)
    assert (crawled.pages["/map.xml"]["role"], crawled.pages["/map.xml"]["depth"]) == ("page", 3)


def test_with_a_depth_limit_sitemaps_are_depth_one(drive: Drive) -> None:
    """A sitemap names pages one step from the seed: with `max_depth=1` they are fetched, with 0 no sitemap is read."""
    web = {"/sitemap.xml": urlset(f"{HERE}/a"), "/": "", "/a": links("/b"), "/b": ""}
    assert drive(web, max_depth=1).ok == {"/", "/a"}

    crawled = drive(web, max_depth=0)
    assert (crawled.ok, crawled.count("/sitemap.xml")) == ({"/"}, 0)


# Failures


def test_failures_are_pages_with_their_kind(drive: Drive) -> None:
    """Every URL that was asked for has a row; without a usable answer it says which error, and the crawl goes on."""
    kinds = ["tls", "protocol", "too_big", "decode", "blocked", "internal"]
    crawled = drive({"/": links(*kinds, "ok"), **{f"/{kind}": PageError(kind, f"about {kind}") for kind in kinds}, "/ok": ""})  # type: ignore[arg-type]

    assert crawled.outcomes() == {"/": "ok", "/ok": "ok", **{f"/{kind}": kind for kind in kinds}}
    assert {row["error_detail"] for row in crawled.pages.values() if row["error"]} == {f"about {kind}" for kind in kinds}
    assert all(crawled.count(f"/{kind}") == 1 for kind in kinds)


@pytest.mark.parametrize(
    "failure", [answer(500), answer(503), answer(408), PageError("reset"), PageError("timeout", "read"), PageError("truncated")]
)
def test_what_passes_is_tried_again(drive: Drive, failure: Any) -> None:
    """A URL that fails once and then answers is ok, and its row says that it took two attempts."""
    crawled = drive({"/": links("/a"), "/a": in_turn(failure, "at last")})

    assert crawled.outcomes() == {"/": "ok", "/a": "ok"}
    assert (crawled.pages["/a"]["attempts"], crawled.urls["/a"].attempts, crawled.count("/a")) == (2, 2, 2)


@pytest.mark.parametrize(("failure", "outcome"), [(answer(500), "http_error"), (PageError("reset", "by peer"), "reset")])
def test_retries_end(drive: Drive, failure: Any, outcome: str) -> None:
    """After `retries` further tries the last answer stands."""
    crawled = drive({"/": links("/a"), "/a": failure}, retries=3)

    assert crawled.outcomes()["/a"] == outcome
    assert (crawled.count("/a"), crawled.pages["/a"]["attempts"], crawled.urls["/a"].attempts) == (4, 4, 4)


def test_a_retry_waits_and_others_go_on(drive: Drive) -> None:
    """The second try comes a second later at the earliest (±25 %); the rest of the site is fetched meanwhile."""
    crawled = drive({"/": links("/bad", *range_of(10)), "/bad": in_turn(answer(502), "ok"), **dict.fromkeys(range_of(10), "")})

    first, second = [asked for asked in crawled.requests if asked.path == "/bad"]
    assert second.started - first.ended >= 0.75
    assert crawled.fetched[-1] == "/bad"


def test_retry_after_stops_the_host(drive: Drive) -> None:
    """After a 429 with Retry-After nothing of the host is asked for before that time."""
    crawled = drive({"/": links("/a", "/b"), "/a": in_turn(answer(429, "", {"Retry-After": "40"}), "ok"), "/b": ""}, per_host=1)

    told = next(asked for asked in crawled.requests if asked.path == "/a").ended
    assert all(asked.started >= told + 40 for asked in crawled.requests if asked.started > told)
    assert crawled.outcomes() == {"/": "ok", "/a": "ok", "/b": "ok"}


TROUBLES: list[tuple[Callable[[], dict[str, Any]], str, str]] = [
    (lambda: {"/": in_turn(answer(503, "", {"Retry-After": "40"}), "ok")}, "status 503", "it answered 503"),
    (lambda: {"/robots.txt": answer(500), "/": ""}, "robots_unavailable", "robots.txt answered 500"),
    (lambda: {"/robots.txt": PageError("dns", "no such host"), "/": ""}, "dns", "dns: no such host"),
    (lambda: {"/": PageError("refused", "nobody listens")}, "refused", "refused: nobody listens"),
]


@pytest.mark.parametrize(("web", "cause", "why"), TROUBLES)
def test_why_a_crawl_stands_still_is_told(drive: Drive, web: Callable[[], dict[str, Any]], cause: str, why: str) -> None:
    """Whenever a host is left alone for more than a few seconds: Retry-After, no robots.txt, no connection."""
    crawled = drive({f"{OTHER}/": links(f"{HERE}/"), **web()}, f"{OTHER}/", scope="any", sitemap="off")

    assert {(told.host, told.cause, told.why) for told in crawled.troubles} == {("site.test", cause, why)}
    assert all(told.seconds >= 3 for told in crawled.troubles)


def test_a_delay_that_was_asked_for_is_no_trouble(drive: Drive) -> None:
    """Slow is not broken."""
    assert not drive({"/": links("/a"), "/a": "", "/robots.txt": robots("Crawl-delay: 9")}, sitemap="off").troubles


def test_a_host_that_is_down_fails_as_a_whole(drive: Drive) -> None:
    """A linked host that never answers is given up after eight probes of its robots.txt, with growing gaps: its URLs fail with the
    reason, other hosts do not care."""
    crawled = drive({
        f"{OTHER}/robots.txt": PageError("refused", "nobody listens"), "/": links(*(f"{OTHER}/{number}" for number in range(5)), "/a"),
        "/a": links(f"{OTHER}/late"),
    }, scope="any", retries=1)  # fmt: skip

    assert {"/", "/a"} <= set(crawled.pages)
    of_other = {path: known for path, known in crawled.urls.items() if path.startswith(OTHER)}
    assert len(of_other) == 6
    assert {known[:2] for known in of_other.values()} == {("failed", "refused")}
    probes = [asked.started for asked in crawled.requests if asked.path == f"{OTHER}/robots.txt"]
    assert len(probes) == 8
    assert 0.75 * 91 <= probes[-1] - probes[0] <= 1.25 * 91
    assert not [path for path in crawled.fetched if path.startswith(OTHER)]
    assert crawled.reason == "queue empty"


def test_urls_found_late_for_a_host_that_is_down_do_not_keep_the_crawl_alive(drive: Drive) -> None:
    """Links to a host that was given up minutes ago fail at once, and the crawl ends."""
    crawled = drive({
        "/": links(f"{OTHER}/", "/slow"), f"{OTHER}/robots.txt": PageError("dns", "no such host"),
        "/slow": in_turn(*[answer(503, "", {"Retry-After": "200"})] * 2, links(f"{OTHER}/late")),
    }, scope="any")  # fmt: skip

    assert crawled.urls[f"{OTHER}/late"][:2] == ("failed", "dns")
    assert crawled.reason == "queue empty"


def test_a_host_that_comes_back_loses_nothing(drive: Drive) -> None:
    """A host that refuses connections for a while is waited for; its URLs lose no attempt."""
    down = PageError("refused", "restarting")
    crawled = drive({"/": links("/a", "/b"), "/a": in_turn(down, down, down, "up again"), "/b": ""}, per_host=1)

    assert crawled.outcomes() == {"/": "ok", "/a": "ok", "/b": "ok"}
    assert crawled.pages["/a"]["attempts"] == 1
    assert crawled.seconds > 4


def test_the_delay_is_kept_over_many_hosts(drive: Drive) -> None:
    """With a delay of two seconds each host is asked every two seconds; three hosts take no longer than one."""
    hosts = [HERE, OTHER, "https://third.test"]
    web = {f"{host}/": links(*range_of(6)) for host in hosts} | {f"{host}/{number}": "" for host in hosts for number in range(6)}
    crawled = drive(web, *(f"{host}/" for host in hosts), delay=2.0, sitemap="off")

    assert len(crawled.ok) == 21
    # robots.txt and seven pages: seven gaps, and at each hand-over a little more.
    assert 14 <= crawled.seconds < 25


def test_a_page_may_take_longer_than_a_lease(drive: Drive) -> None:
    """Leases are renewed while all slots are busy: a server that takes minutes is asked once, also when others wait for its host."""
    crawled = drive({"/": links("/a", "/b"), "/a": "", "/b": ""}, latency=90.0, concurrency=1, sitemap="off")

    assert crawled.asked == ["/robots.txt", "/", "/a", "/b"]


# Hooks


def test_a_request_hook_may_skip(drive: Drive) -> None:
    """What `on_request` skips is never asked for; its reason is `hook` with the words of the hook."""
    hooks = Hooks(on_request=[lambda request: Skip("not today") if request.url.endswith("/b") else None])
    crawled = drive({"/": links("/a", "/b"), "/a": "", "/b": ""}, hooks=hooks)

    assert crawled.ok == {"/", "/a"}
    assert crawled.skipped == {"/b": ("hook", "not today")}


def test_a_request_hook_may_block_for_longer_than_a_lease(drive: Drive) -> None:
    """A plain function that keeps the loop, and so the renewal of the leases, waiting for a minute: the URL is asked for all the same,
    once."""
    called = Counter[str]()

    def block(request: Request) -> None:
        called[request.url] += 1
        with suppress(RuntimeError):  # where there is no loop there is none to block
            asyncio.get_running_loop().now += 70  # type: ignore[attr-defined]

    crawled = drive({"/": links("/a", "/b"), "/a": "", "/b": ""}, hooks=Hooks(on_request=[block]), sitemap="off")
    assert crawled.asked == ["/robots.txt", "/", "/a", "/b"]
    assert set(called.values()) == {1}


def test_a_page_hook_that_raises_fails_its_page(drive: Drive) -> None:
    """The page becomes an error of kind `hook`; its links are followed, the crawl goes on."""

    def check(page: Any) -> None:
        if page.url.endswith("/a"):
            raise ValueError("odd page")

    crawled = drive({"/": links("/a"), "/a": links("/b"), "/b": ""}, hooks=Hooks(on_page=[check]))

    assert crawled.outcomes() == {"/": "ok", "/a": "hook", "/b": "ok"}
    assert crawled.pages["/a"]["error_detail"] == "ValueError: odd page"


def test_a_page_hook_sees_every_page_and_nothing_else(drive: Drive) -> None:
    """`on_page` sees each stored page once, failures and redirects included, and neither robots.txt nor sitemaps."""
    seen: list[str] = []
    hooks = Hooks(on_page=[lambda page: seen.append(page.url.removeprefix(HERE))])
    web = {
        "/sitemap.xml": urlset(f"{HERE}/a"),
        "/": links("/gone", "/moved", "/dead"),
        "/a": "",
        "/moved": redirect("/a"),
        "/dead": PageError("tls"),
    }
    crawled = drive(web, hooks=hooks)

    assert sorted(seen) == sorted(crawled.pages) == ["/", "/a", "/dead", "/gone", "/moved"]


def test_a_follow_hook_chooses_links(drive: Drive) -> None:
    """Only chosen links are followed, and what one page does not choose another may."""
    hooks = Hooks(follow=[lambda page, found: [link for link in found if not (page.url.endswith("test/") and link.url.endswith("/b"))]])
    web = {"/": links("/a", "/b", "/c"), "/a": "", "/b": "", "/c": ""}
    crawled = drive(web, hooks=hooks)
    assert (crawled.ok, crawled.skipped) == ({"/", "/a", "/c"}, {"/b": ("hook", "not chosen")})

    assert "/b" in drive(web | {"/c": links("/d"), "/d": links("/b")}, hooks=hooks).ok


# What is kept


def test_bodies_are_files_of_their_pages(drive: Drive, tmp_path: Path) -> None:
    """With a folder every ok body is saved whole under its page's name, and nothing is left half-written."""
    web: dict[str, Any] = {"/": links("/a", "/b.txt", "/gone", "/moved"), "/a": "body of a", "/b.txt": "text", "/moved": redirect("/a")}
    crawled = drive(web, output=tmp_path / "out")

    bodies = {path: (tmp_path / "out" / row["file"]).read_text() for path, row in crawled.pages.items() if row["file"]}
    assert bodies == {"/": web["/"], "/a": "body of a", "/b.txt": "text"}
    assert list((tmp_path / "out" / "pages" / ".tmp").iterdir()) == []
    kept = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out" / "pages").rglob("*") if path.is_file()}
    assert kept == {row["file"] for row in crawled.pages.values() if row["file"]}
