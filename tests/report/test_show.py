"""`crawler show`: all that is known of one URL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from running import Capture, no_surroundings, run

import crawler
from crawler.cli.show import render
from crawler.errors import UsageError
from crawler.report.folder import open_folder
from crawler.report.show import Hop, Shown, Step, show
from crawler.testing import PageValue, answer, redirect, site
from tests.report.crawl_folder import HOSTILE, CrawlFolder, example

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

WEB: dict[str, PageValue] = {
    "/robots.txt": answer(200, "User-agent: *\nDisallow: /no\nSitemap: /map.xml\n", {"Content-Type": "text/plain"}),
    "/map.xml": "<urlset><url><loc>/listed</loc><lastmod>2026-11-22</lastmod></url></urlset>",
    "/": "<title>Home</title><a href=/a>To A</a><a href=/old>Old</a>",
    "/a": "<a href=/b rel=next>To B</a><a href=/no/1>No</a><a href=https://other.example/>Other</a>",
    "/b": "<a href=/a>Back</a><a href=/gone>Gone</a>",
    "/old": redirect("/older"),
    "/older": redirect("/a"),
    "/listed": "",
}


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The folder of a small crawl, and where its site was."""
    folder = tmp_path_factory.mktemp("show") / "out"
    with site(WEB) as web:
        for _ in crawler.crawl(web.url("/"), output=str(folder), exclude=["/sess"]):
            pass
        yield folder, web.url("")


def of(crawled: tuple[Path, str], url: str) -> Shown:
    with closing(open_folder(crawled[0])) as connection:
        return show(connection, url, "out")


def test_a_page_with_the_way_to_it(crawled: tuple[Path, str]) -> None:
    """State, answer, links in both directions, and the click path from the seed with the text of each link."""
    base = crawled[1]
    found = of(crawled, f"{base}/b")

    assert (found.state, found.reason, found.depth, found.attempts) == ("done", None, 2, 1)
    assert found.path == (Step(f"{base}/", 0), Step(f"{base}/a", 1, "a", "To A"), Step(f"{base}/b", 2, "a", "To B"))
    assert found.answer is not None
    assert (found.answer["status"], found.answer["outcome"], found.answer["bytes"]) == (200, "ok", len(str(WEB["/b"])))
    assert (crawled[0] / found.answer["file"]).read_text() == WEB["/b"]
    assert ["Content-Type", "text/html; charset=utf-8"] in found.answer["headers"]
    assert [(link.url, link.kind, link.rel, link.text, link.state) for link in found.found_on] == [(f"{base}/a", "a", "next", "To B", "ok")]
    assert [(link.url, link.state) for link in found.leads_to] == [(f"{base}/a", "ok"), (f"{base}/gone", "http_error")]
    assert (found.links_in, found.links_out) == (1, 2)


def test_what_was_refused_says_by_which_rule(crawled: tuple[Path, str]) -> None:
    """The line of robots.txt, or the rule of the scope, and the way that led there."""
    base = crawled[1]
    by_robots, by_scope = of(crawled, "/no/1"), of(crawled, "https://other.example")

    assert (by_robots.state, by_robots.reason, by_robots.detail) == ("skipped", "robots", "line 2: Disallow: /no")
    assert [step.url for step in by_robots.path] == [f"{base}/", f"{base}/a", f"{base}/no/1"]
    assert (by_scope.reason, by_scope.detail) == ("scope", f"host is not {base.partition('://')[2]}")
    assert by_scope.path[-1] == Step("https://other.example/", 2, "a", "Other")
    assert by_scope.answer is None


def test_redirects_are_followed_both_ways(crawled: tuple[Path, str]) -> None:
    """Where a URL redirects to, hop by hop, and what redirects to it."""
    base = crawled[1]
    assert of(crawled, "/old").redirects == (Hop(f"{base}/older", 302, "redirect"), Hop(f"{base}/a", 200, "ok"))
    assert "redirects to  " + f"{base}/older  (302 redirect)\n" in render(of(crawled, "/old"), "out")
    assert of(crawled, "/older").redirected_from == (f"{base}/old",)
    assert of(crawled, "/a").redirected_from == (f"{base}/older",)
    assert of(crawled, "/older").path[-1] == Step(f"{base}/older", 1, "redirect", "")


def test_a_page_that_a_sitemap_lists(crawled: tuple[Path, str]) -> None:
    """The way begins at the sitemap, which is no seed, and the sitemap itself can be shown."""
    base = crawled[1]
    assert of(crawled, "/listed").path == (Step(f"{base}/map.xml", 0, "sitemap"), Step(f"{base}/listed", 1, "sitemap", "2026-11-22"))
    sitemap = of(crawled, "/map.xml")
    assert (sitemap.state, sitemap.role, sitemap.answer) == ("done", "sitemap", None)
    assert [link.url for link in sitemap.leads_to] == [f"{base}/listed"]


@pytest.mark.parametrize(
    ("typed", "meant"), [("/b/", "/b"), ("/A", "/a"), ("/b?x=1", "/b"), ("/liste", "/listed"), ("/listed.html", "/listed")]
)
def test_an_unknown_url_is_told_from_its_nearest(crawled: tuple[Path, str], typed: str, meant: str) -> None:
    """Whoever mistypes learns which URL is known, as a command to copy."""
    with pytest.raises(UsageError) as caught:
        of(crawled, typed)
    assert caught.value.why == f"did you mean {crawled[1]}{meant}?"
    assert caught.value.hint == f"crawler show out {crawled[1]}{meant}"


def test_a_url_without_its_scheme(crawled: tuple[Path, str]) -> None:
    """Whoever leaves it out means whichever the crawl knows; a fragment belongs to no URL."""
    assert of(crawled, crawled[1].removeprefix("http://") + "/b#top").url == f"{crawled[1]}/b"


def test_several_that_are_alike_are_all_named(tmp_path: Path) -> None:
    """And the one that differs least is the command to copy, safe for a shell."""
    folder = example(tmp_path / "out").page("https://www.example.org/a").page("http://example.org/a/").page("https://example.org/x?a&b")
    with closing(folder), closing(open_folder(folder.path)) as connection:
        with pytest.raises(UsageError) as caught:
            show(connection, "http://www.example.org/a", "out")
        assert caught.value.why == "did you mean http://example.org/a/ or https://www.example.org/a or https://example.org/a?"
        with pytest.raises(UsageError) as caught:
            show(connection, "https://example.org/x?a&c", "out")
        assert caught.value.hint == "crawler show out 'https://example.org/x?a&b'"
        with pytest.raises(UsageError, match="'' is no URL"):
            show(connection, "", "out")


def test_nothing_like_it_is_said_too(crawled: tuple[Path, str]) -> None:
    """Of another site there is nothing to suggest."""
    with pytest.raises(UsageError, match="no page, sitemap or redirect has led there"):
        of(crawled, "https://else.example/zzz")


def test_the_command(crawled: tuple[Path, str], capfd: Capture) -> None:
    """Text for people, JSON for programs, and the usual exit codes."""
    folder, base = crawled
    ran = run(capfd, "show", folder, "/no/1")
    assert ran.code == 0
    assert ran.out.splitlines()[:6] == [
        f"{base}/no/1", "",
        "  state         skipped: robots.txt line 2: Disallow: /no",
        f"  found         {base}/  seed",
        f"                 {base}/a  a “To A”",
        f"                  {base}/no/1  a “No”",
    ]  # fmt: skip
    assert ran.out.splitlines()[-1] == f"  try: crawler robots {base}/no/1"
    assert json.loads(run(capfd, "show", folder, f"{base}/b", "--json").out)["path"][1]["text"] == "To A"
    assert run(capfd, "show", folder, "/nowhere-at-all").code == 2
    assert run(capfd, "show", folder.parent, "/").code == 6


def test_everything_has_its_line(tmp_path: Path) -> None:
    """A failed page, a trap, a queued URL and a page with history are told apart."""
    folder = example(tmp_path / "out")
    folder.url("https://example.org/later")
    folder.connection.execute("UPDATE runs SET finish_reason = 'page limit'")
    folder.connection.execute(
        "INSERT INTO history SELECT id, 0, 500, 'http_error', NULL, NULL, 0, NULL, NULL, fetched_at FROM pages WHERE url LIKE '%/a'"
    )
    texts = {path: render(show(folder.connection, f"https://example.org/{path}"), "out") for path in ("down", "cal/1/1", "later", "a")}
    folder.close()

    assert "no answer · error · timeout: no headers in 30 s" in texts["down"]
    assert "skipped: trap: /cal/{n}/{n}" in texts["cal/1/1"]
    assert "queued: the last run ended: page limit" in texts["later"]
    assert texts["later"].endswith("try: crawler resume out")
    assert "before        run 0: 500 http_error" in texts["a"]
    assert "links to" in texts["a"]


def test_no_control_character_gets_through(tmp_path: Path) -> None:
    """Whatever a database holds, what is shown only shows."""
    folder = CrawlFolder(tmp_path / "out").run()
    folder.page("https://example.org/", [HOSTILE], title=HOSTILE, headers=json.dumps([["x\x1b", HOSTILE]]), file=HOSTILE, canonical=HOSTILE)
    folder.refused(HOSTILE, "scope", HOSTILE, "https://example.org/")
    shown = render(show(folder.connection, "https://example.org/"), "out\x1b[2J", 60)
    folder.close()

    assert all(character == "\n" or character.isprintable() for character in shown)
