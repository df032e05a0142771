"""`crawler robots` and `crawler links`: looking at one thing without crawling."""

from __future__ import annotations

import gzip
import json
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from running import Capture, no_surroundings, run

from crawler.testing import Site, answer, redirect

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

RULES = """\
User-agent: *
Disallow: /private
Allow: /private/open
Crawl-delay: 2
Sitemap: /map.xml

User-agent: docsbot
Disallow: /docs
"""


def table(out: str) -> list[list[str]]:
    return [line.split("\t") for line in out.splitlines()]


# -- robots


def test_each_path_has_its_decision_and_line(site: Site, capfd: Capture) -> None:
    """One row for each path, with the line that decided; exit 4 when one of them is refused."""
    site.page("/robots.txt", RULES)
    ran = run(capfd, "robots", site.url("/"), "/", "/private/x", "private/open?a=1", site.url("/private"))

    assert table(ran.out) == [
        ["allowed", "-", "/", "no rule matches"],
        ["refused", "line 2", "/private/x", "Disallow: /private"],
        ["allowed", "line 3", "/private/open?a=1", "Allow: /private/open"],
        ["refused", "line 2", "/private", "Disallow: /private"],
    ]
    assert ran.code == 4
    assert "answered 200" in ran.err
    assert "Crawl-delay 2.0 s" in ran.err
    assert "sitemap /map.xml" in ran.err
    assert site.count() == site.count("/robots.txt") == 1


def test_without_a_path_the_url_itself_is_decided_on(site: Site, capfd: Capture) -> None:
    """And an agent may be named, whose group holds."""
    site.page("/robots.txt", RULES)

    assert table(run(capfd, "robots", site.url("/docs/a")).out) == [["allowed", "-", "/docs/a", "no rule matches"]]
    ran = run(capfd, "robots", site.url("/docs/a"), "--robots-agent", "DocsBot", "--json")
    assert json.loads(ran.out) == {
        "robots": site.url("/robots.txt"), "status": 200, "agent": "DocsBot", "crawl_delay": None, "sitemaps": ["/map.xml"],
        "decisions": [{"url": site.url("/docs/a"), "allowed": False, "line": 8, "rule": "Disallow: /docs"}],
    }  # fmt: skip
    assert ran.code == 4


def test_a_file_is_read_like_an_answer(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules can be tried before they are published; from standard input as well."""
    (tmp_path / "robots.txt").write_text(RULES)
    ran = run(capfd, "robots", tmp_path / "robots.txt", "/private", "/open")
    assert [row[:2] for row in table(ran.out)] == [["refused", "line 2"], ["allowed", "-"]]

    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"User-agent: asyncrawl\nDisallow: /\n")))
    assert table(run(capfd, "robots", "-", "https://any.example/x").out) == [["refused", "line 2", "/x", "Disallow: /"]]


@pytest.mark.parametrize(
    ("status", "row", "code"),
    [(404, ["allowed", "-", "/x", "no rule matches"], 0), (503, ["refused", "-", "/x", "robots.txt answered 503"], 4)],
)
def test_no_robots_txt(site: Site, capfd: Capture, status: int, row: list[str], code: int) -> None:
    """What a crawl would make of the status is what is said."""
    site.page("/robots.txt", answer(status))
    ran = run(capfd, "robots", site.url("/x"))

    assert (table(ran.out), ran.code) == ([row], code)
    assert f"answered {status}" in ran.err


def test_a_host_that_does_not_answer(site: Site, capfd: Capture) -> None:
    """Nothing is decided: exit 3, with what happened."""
    site.page("/robots.txt", answer(fault="close"))
    ran = run(capfd, "robots", site.url("/x"), "--timeout", "5s")

    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"error: {site.url('/robots.txt')} could not be had\n  reset: ")


@pytest.mark.parametrize("path", ["https://other.example/x", "http://[bad/", "mailto:a@b.example"])
def test_a_path_of_another_site_is_refused(site: Site, capfd: Capture, path: str) -> None:
    """One robots.txt does not speak for another site: exit 2."""
    site.page("/robots.txt", RULES)
    ran = run(capfd, "robots", site.url("/"), path)
    assert (ran.code, ran.out) == (2, "")
    assert "\n  try: crawler robots " in ran.err


# -- links


PAGE = """<base href="/dir/"><a href="next" rel="next">Next  page</a> <img src=a.png><a href="mailto:me@a.example">mail</a>
<a href="#top">top</a><a href="https://other.example">other</a><form action=/search></form><p style="background: url(b.png)">"""


def test_links_of_a_page(site: Site, capfd: Capture) -> None:
    """URL, kind, rel and text of each link in order, those of headers at the end, with a tab between: no robots.txt is asked."""
    site.page("/", answer(200, PAGE, {"Link": "</other>; rel=canonical"}))
    ran = run(capfd, "links", site.url("/"))

    assert table(ran.out) == [
        [site.url("/dir/next"), "a", "next", "Next page"],
        [site.url("/dir/a.png"), "img", "", ""],
        ["mailto:me@a.example", "a", "", "mail"],
        [site.url("/dir/"), "a", "", "top"],
        ["https://other.example/", "a", "", "other"],
        [site.url("/other"), "header", "canonical", ""],
    ]
    assert (ran.code, site.count()) == (0, 1)
    assert ran.err == f"6 links in {site.url('/')}\n"
    more = run(capfd, "links", site.url("/"), "-p", "--forms")
    assert [row[:2] for row in table(more.out)][5:7] == [[site.url("/search"), "form"], [site.url("/dir/b.png"), "img"]]


def test_redirects_are_followed_to_the_page(site: Site, capfd: Capture) -> None:
    """Links resolve against where the page lies; an endless chain is exit 3."""
    site.page("/old", redirect("/new/"))
    site.page("/new/", "<a href=x>x</a>")
    site.page("/circle", redirect("/circle"))

    assert table(run(capfd, "links", site.url("/old")).out) == [[site.url("/new/x"), "a", "", "x"]]
    ran = run(capfd, "links", site.url("/circle"), "--max-redirects", "3")
    assert (ran.code, "it redirects more than 3 times" in ran.err) == (3, True)


@pytest.mark.parametrize("page", [answer(404, "<a href=/x>x</a>"), answer(fault="close")])
def test_what_is_no_page_has_no_links(site: Site, capfd: Capture, page: object) -> None:
    """Exit 3, and nothing on standard output."""
    site.page("/gone", page)
    ran = run(capfd, "links", site.url("/gone"))
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"error: {site.url('/gone')} gave no page\n")


FILES = {
    "page.html": ("<a href=x>x</a><a href=/y>y</a><a href=http://h/z>z</a>", [["/x", "a"], ["/y", "a"], ["http://h/z", "a"]]),
    "style.css": ("@import 'b.css'; p { background: url(/c.png) }", [["/b.css", "css"], ["/c.png", "img"]]),
    "map.xml": ("<urlset><url><loc>http://h/a</loc><lastmod>2026</lastmod></url></urlset>", [["http://h/a", "sitemap"]]),
    "index": ("<sitemapindex><sitemap><loc>http://h/b.xml</loc></sitemap></sitemapindex>", [["http://h/b.xml", "sitemap"]]),
    "feed": ("<?xml version='1.0'?><rss><channel><item><link>/n</link></item></channel></rss>", [["/n", "link"]]),
    "map.xml.gz": (gzip.compress(b"<urlset><url><loc>http://h/a</loc></url></urlset>"), [["http://h/a", "sitemap"]]),
    "note.txt": ("nothing", []),
    "paper.pdf": ("%PDF-1.7 <a href=x>", []),
}


@pytest.mark.parametrize("name", FILES)
def test_links_of_a_file(tmp_path: Path, capfd: Capture, name: str) -> None:
    """A file is read as what it is; where it lies is said with --base, without which links stay within its site."""
    text, expected = FILES[name]
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    assert [row[:2] for row in table(run(capfd, "links", tmp_path / name, "-p").out)] == expected
    based = json.loads(run(capfd, "links", tmp_path / name, "-p", "--base", "https://example.org/dir/", "--json").out)
    assert all(each["url"].startswith(("http://h/", "https://example.org/")) for each in based)
    assert len(based) == len(expected)


def test_neither_file_nor_url(capfd: Capture) -> None:
    """A path that is not there is no host to ask: exit 2."""
    for command in ("links", "robots"):
        ran = run(capfd, command, "./no-such-file.html")
        assert (ran.code, ran.out) == (2, "")
        assert "\n  try: " in ran.err


def test_a_table_on_a_terminal(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns stand below each other, nothing is wider than the terminal, and no control character gets through."""
    long = "x" * 300
    (tmp_path / "page.html").write_text(f"<a href=/{long} rel=next>A</a><a href=/b>\x1b[2Jb\u202e</a><img src=/c>")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    lines = run(capfd, "links", tmp_path / "page.html").out.splitlines()

    assert len(lines) == 3
    assert max(map(len, lines)) <= 100
    assert len({line.index(kind) for line, kind in zip(lines, (" a ", " a ", " img"), strict=True)}) == 1
    assert all(character.isprintable() for line in lines for character in line)
