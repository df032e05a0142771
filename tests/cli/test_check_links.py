"""`--check-links`: every link that is not followed is asked once, with HEAD and then GET, and nothing behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from running import Capture, no_surroundings, rows, run, value

from crawler.testing import Answer, Site, SiteRequest, answer, redirect

pytestmark = pytest.mark.usefixtures("no_surroundings")
__all__ = ["no_surroundings"]

MODES = ("async", "sync")
NewSite = Callable[..., Site]


@pytest.fixture
def outside(new_site: NewSite) -> Site:
    """A site of somebody else, of which robots.txt forbids everything."""
    return new_site({"/ok": "x", "/robots.txt": "User-agent: *\nDisallow: /"}, address="127.0.0.2")


def crawl(capfd: Capture, site: Site, folder: Path, *more: object) -> Any:
    with patch("crawler.wiring.ASIDE", 0.0):
        return run(capfd, "crawl", site.url(), "-o", folder, "-q", "--preset", "links", "--allow-private", *more)


def asked(site: Site) -> list[tuple[str, str, int]]:
    return [(hit.method, hit.path, hit.status) for hit in site.log]


def without_head(status: int) -> Callable[[SiteRequest], str | Answer]:
    """A page for GET alone."""
    return lambda request: answer(status) if request.method == "HEAD" else answer(200, "<a href=/behind>x</a>" * 100)


@pytest.mark.parametrize("mode", MODES)
def test_a_link_is_broken_only_after_a_get(site: Site, outside: Site, tmp_path: Path, capfd: Capture, mode: str) -> None:
    """HEAD is enough where it goes well; all else is asked with GET, and that answer stands. One connection carries the HEADs, no body is
    read, nothing behind is followed, and robots.txt, which speaks to those who follow, is not asked for."""
    refusals = (400, 403, 404, 405, *([501] if mode == "async" else []))  # a 5xx is tried again after a second
    for status in refusals:
        outside.page(f"/{status}", without_head(status))
    outside.page("/large", answer(200, b"x" * 100, {"Content-Length": "99999999999"}))
    outside.page("/packed", answer(200, b"", {"Content-Encoding": "gzip"}))
    paths = ["/ok", "/gone", "/large", "/packed", *(f"/{status}" for status in refusals)]
    site.page("/", "", links=[outside.url(path) for path in (*paths, "/ok")])
    site.page("/more", "", links=[outside.url("/ok")])

    assert crawl(capfd, site, tmp_path / "out", "--mode", mode).code == 0

    found = {
        url.removeprefix(outside.url("")): rest for url, *rest in rows(tmp_path / "out", "SELECT url, outcome, status, bytes FROM pages")
    }
    assert [found[path] for path in paths] == [["ok", 200, 0], ["http_error", 404, 0], *[["ok", 200, 0]] * (2 + len(refusals))]
    gets = [path for method, path, _ in asked(outside) if method == "GET"]
    assert sorted(gets) == sorted(["/gone", *(f"/{status}" for status in refusals)])
    assert sorted(path for method, path, _ in asked(outside) if method == "HEAD") == sorted(paths)
    assert outside.in_flight_peak == 1
    assert outside.connections <= 1 + len(gets)
    assert value(tmp_path / "out", "SELECT count(*) FROM pages WHERE role = 'probe'") == len(paths)


@pytest.mark.parametrize("mode", MODES)
def test_what_pages_are_made_of_is_asked_too(site: Site, outside: Site, tmp_path: Path, capfd: Capture, mode: str) -> None:
    """Images, styles and scripts of whatever host, once; a picture that is also linked as a page becomes one; hosts to connect to,
    addresses of mail, and what `--exclude` names are not asked."""
    site.page(
        "/",
        f"<link rel=preconnect href={outside.url('/connect')}><link rel=stylesheet href={outside.url('/style.css')}><img src=/a.png>"
        f"<img src=/b.png><script src={outside.url('/secret.js')}></script><a href=mailto:a@b.test>m</a><a href=/next>n</a>",
    )
    site.page("/next", "<img src=/a.png><a href=/b.png>b</a>")
    site.page("/b.png", b"png")

    crawl(capfd, site, tmp_path / "out", "--mode", mode, "--exclude", "secret")

    known = rows(tmp_path / "out", "SELECT url, role, outcome FROM pages WHERE url NOT LIKE '%/' ORDER BY url")
    assert [(url.rpartition("/")[2], *rest) for url, *rest in known] == [
        ("a.png", "probe", "http_error"), ("b.png", "page", "ok"), ("next", "page", "ok"), ("style.css", "probe", "http_error"),
    ]  # fmt: skip
    assert {path for _, path, _ in asked(outside)} == {"/style.css"}
    assert asked(site).count(("HEAD", "/a.png", 404)) == 1


@pytest.mark.parametrize("mode", MODES)
def test_redirects_are_followed_to_their_end(site: Site, outside: Site, tmp_path: Path, capfd: Capture, mode: str) -> None:
    """Those of other sites and those that lead there, hop by hop; where one leads back, nothing is asked twice."""
    site.page("/", "", links=["/away", outside.url("/moved"), outside.url("/back")])
    site.page("/away", redirect(outside.url("/gone")))
    outside.page("/moved", redirect("/ok"))
    outside.page("/back", redirect(site.url("/")))

    crawl(capfd, site, tmp_path / "out", "--mode", mode)

    states = dict(rows(tmp_path / "out", "SELECT replace(url, ?, ''), outcome FROM pages WHERE role = 'probe'", outside.url("")))
    assert states == {"/gone": "http_error", "/moved": "redirect", "/ok": "ok", "/back": "redirect"}
    assert sum(hit.path == "/" for hit in site.log) == 1


def test_links_beyond_the_depth_and_behind_a_page_limit_are_asked(site: Site, outside: Site, tmp_path: Path, capfd: Capture) -> None:
    """With `-d 0` the links of the first page; a page limit counts pages, and the links of those are asked all the same."""
    site.page("/", "", links=["/a", "/b", outside.url("/ok")])
    site.page("/a", "", links=["/c"])
    crawl(capfd, site, tmp_path / "flat", "-d", "0")
    assert sorted(asked(site)) == [
        ("GET", "/", 200), ("GET", "/b", 404), ("GET", "/robots.txt", 404), ("HEAD", "/a", 200), ("HEAD", "/b", 404),
    ]  # fmt: skip
    crawl(capfd, site, tmp_path / "short", "--max-pages", 1)
    assert rows(tmp_path / "short", "SELECT role, count(*) FROM pages GROUP BY role") == [("page", 1), ("probe", 1)]


def test_without_it_nothing_else_is_asked(site: Site, outside: Site, tmp_path: Path, capfd: Capture) -> None:
    """A crawl without `--check-links` sends no HEAD and asks no other site."""
    site.page("/", "<img src=/a.png>", links=[])
    site.page("/x", "", links=[outside.url("/ok")])
    run(capfd, "crawl", site.url(), site.url("/x"), "-o", tmp_path / "out", "-q")
    assert outside.log == []
    assert {hit.method for hit in site.log} == {"GET"}
