"""What sitemaps, feeds and forms bring into a crawl. Laws of every way of running one."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from drive import HERE, Drive
from running import Capture, run

from crawler import crawl
from crawler.report.folder import open_folder
from crawler.report.summary import summarize
from crawler.testing import Site, answer, redirect

OTHER = "https://other.test"


def urlset(*entries: str) -> str:
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{"".join(f"<url>{entry}</url>" for entry in entries)}</urlset>'


def index(*paths: str) -> str:
    return f"<sitemapindex>{''.join(f'<sitemap><loc>{path}</loc></sitemap>' for path in paths)}</sitemapindex>"


def rows(folder: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "crawl.db")) as connection:
        return connection.execute(query).fetchall()


ENTRY = f"""<loc>{HERE}/a</loc><lastmod>2026-11-22</lastmod>
<xhtml:link rel="alternate" hreflang="de" href="{HERE}/de/a"/><xhtml:link rel="alternate" hreflang="fr" href="{OTHER}/a"/>
<image:image><image:loc>{HERE}/a.jpg</image:loc><image:title>A</image:title></image:image><image:image><image:loc>/b.jpg</image:loc></image:image>"""


def test_an_entry_is_kept_with_its_date_languages_and_images(drive: Drive, tmp_path: Path) -> None:
    """Other languages are pages like any other; images are known as parts of pages; the lastmod is there to ask for."""
    web = {"/": "", "/sitemap.xml": urlset(ENTRY, f"<loc>{HERE}/b</loc>"), "/a": "", "/de/a": "", "/b": ""}
    crawled = drive(web, output=tmp_path / "out")

    assert crawled.ok == {"/", "/a", "/de/a", "/b"}
    assert crawled.skipped == {
        f"{OTHER}/a": ("scope", "host is not site.test"), "/a.jpg": ("requisite", "img"), "/b.jpg": ("requisite", "img"),
    }  # fmt: skip
    assert [crawled.urls[path].role for path in (f"{OTHER}/a", "/a.jpg")] == ["page", "requisite"]
    assert rows(tmp_path / "out", "SELECT sitemap, url, lastmod, rel, state, reason FROM sitemap_entries ORDER BY rowid") == [
        (f"{HERE}/sitemap.xml", f"{HERE}/a", "2026-11-22", "", "done", None),
        (f"{HERE}/sitemap.xml", f"{HERE}/de/a", "2026-11-22", "alternate", "done", None),
        (f"{HERE}/sitemap.xml", f"{OTHER}/a", "2026-11-22", "alternate", "skipped", "scope"),
        (f"{HERE}/sitemap.xml", f"{HERE}/b", "", "", "done", None),
    ]


def test_images_of_a_sitemap_are_parts_of_pages(drive: Drive) -> None:
    """They are fetched where pages are fetched with what they are made of."""
    web = {"/": "", "/sitemap.xml": urlset(ENTRY), "/a": "", "/de/a": "", "/a.jpg": "", "/b.jpg": ""}
    crawled = drive(web, page_requisites=True)

    assert crawled.ok == set(web) - {"/sitemap.xml"}
    assert crawled.urls["/a.jpg"].role == "requisite"


def test_indexes_that_name_each_other_are_read_once(drive: Drive) -> None:
    """A circle of indexes ends where it began."""
    crawled = drive(
        {"/": "", "/sitemap.xml": index("/b.xml", "/sitemap.xml"), "/b.xml": index("/sitemap.xml", "/c.xml"), "/c.xml": urlset()}
    )

    assert [path for path in crawled.asked if path.endswith(".xml")] == ["/sitemap.xml", "/b.xml", "/c.xml"]


def test_indexes_without_end_end(drive: Drive) -> None:
    """An index that always names another one is left after ten steps."""
    names = {f"/{number}.xml": index(f"/{number + 1}.xml") for number in range(20)}
    crawled = drive({"/": "", "/sitemap.xml": index("/0.xml"), **names})

    assert crawled.skipped == {"/9.xml": ("trap", "sitemap: nested deeper than 10")}
    assert crawled.urls["/9.xml"].role == "sitemap"
    assert "/8.xml" in crawled.asked


def test_a_sitemap_that_moved_widens_nothing(drive: Drive) -> None:
    """Only a seed takes the host into scope to which it redirects; a sitemap that has moved to a host of others is left, and read after
    all when a seed has moved there too."""
    web = {"/": "<a href=/b>b</a>", "/sitemap.xml": redirect(f"{OTHER}/map.xml"), f"{OTHER}/map.xml": urlset(f"<loc>{OTHER}/x</loc>")}
    crawled = drive({**web, "/b": f"<a href={OTHER}/y>y</a>"})
    assert crawled.ok == {"/", "/b"}
    assert crawled.skipped == {
        f"{OTHER}/map.xml": ("scope", "sitemap: host is not site.test"), f"{OTHER}/y": ("scope", "host is not site.test"),
    }  # fmt: skip
    assert [crawled.urls[f"{OTHER}/{path}"].role for path in ("map.xml", "y")] == ["sitemap", "page"]

    moved = {**web, "/": redirect(f"{OTHER}/"), f"{OTHER}/": "", f"{OTHER}/x": ""}
    assert drive(moved).ok == {f"{OTHER}/", f"{OTHER}/x"}


RSS = "<rss><channel><link>/not-this</link><item><link>https://site.test/1</link></item><item><guid>https://site.test/2</guid></item></channel></rss>"
ATOM = "<feed xmlns='http://www.w3.org/2005/Atom'><entry><link href='/1'/></entry><entry><link rel='alternate' href='/2'/></entry></feed>"
RDF = "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><item><link>/1</link></item><item><link>/2</link></item></rdf:RDF>"


@pytest.mark.parametrize(
    ("feed", "media_type"),
    [(RSS, "application/rss+xml"), (RSS, "text/xml; charset=utf-8"), (ATOM, "application/atom+xml"), (RDF, "application/rdf+xml")],
    ids=["RSS", "RSS as XML", "Atom", "RSS 1.0"],
)
def test_a_feed_is_a_page_with_links(drive: Drive, tmp_path: Path, feed: str, media_type: str) -> None:
    """A feed is saved, and its items are followed like links, whatever is to become of sitemaps."""
    web = {
        "/": "<link rel=alternate type=application/rss+xml href=/feed>",
        "/feed": answer(200, feed, {"Content-Type": media_type}),
        "/1": "",
        "/2": "",
    }
    crawled = drive(web, output=tmp_path / "out", sitemap="off")

    assert crawled.ok == set(web)
    assert [link for link in crawled.links if link[0] == "/feed"] == [("/feed", "/1", "link"), ("/feed", "/2", "link")]
    assert crawled.urls["/1"].depth == 2
    assert (tmp_path / "out" / crawled.pages["/feed"]["file"]).read_text() == feed


def test_items_of_a_feed_are_no_sitemap_entries(drive: Drive) -> None:
    """With sitemaps alone the items of a feed are recorded like other links, and not followed."""
    web = {
        "/": "<a href=/feed>f</a>",
        "/sitemap.xml": urlset(f"<loc>{HERE}/feed</loc>"),
        "/feed": answer(200, RSS, {"Content-Type": "text/xml"}),
    }
    crawled = drive(web, sitemap="only")

    assert crawled.ok == {"/", "/feed"}
    assert crawled.skipped == {"/1": ("scope", "--sitemap only"), "/2": ("scope", "--sitemap only")}


def test_a_sitemap_may_be_a_feed_or_a_list(drive: Drive) -> None:
    """What robots.txt names as a sitemap is read as one, in whatever form."""
    named = answer(200, "User-agent: *\nSitemap: /feed\nSitemap: /list.txt", {"Content-Type": "text/plain"})
    web = {"/robots.txt": named, "/": "", "/feed": RSS, "/list.txt": f"{HERE}/3\n", "/1": "", "/2": "", "/3": ""}

    assert drive(web).ok == {"/", "/1", "/2", "/3"}


def test_documents_are_saved(drive: Drive, tmp_path: Path) -> None:
    """A PDF that is linked is kept byte for byte."""
    pdf = b"%PDF-1.7\n\xe2\xe3\xcf\xd3 <a href=/x>"
    crawled = drive(
        {"/": "<a href=/a.pdf>a</a>", "/a.pdf": answer(200, pdf, {"Content-Type": "application/pdf"})}, output=tmp_path / "out"
    )  # fmt: skip

    assert (tmp_path / "out" / crawled.pages["/a.pdf"]["file"]).read_bytes() == pdf
    assert set(crawled.pages) == {"/", "/a.pdf"}


FORMS = "<form action=/search><input name=q></form><form method=get action='/list?all=1'></form><form method=post action=/x></form><form>"


def test_forms_are_followed_on_request(drive: Drive) -> None:
    """With `forms` the targets of GET forms are pages; those of POST forms never are. Without it they are nothing."""
    web = {"/": FORMS, "/search": "", "/list?all=1": "", "/x": ""}
    crawled = drive(web, forms=True)
    assert crawled.ok == {"/", "/search", "/list?all=1"}
    assert [link[1:] for link in crawled.links] == [("/search", "form"), ("/list?all=1", "form"), ("/", "form")]

    without = drive(web)
    assert (without.ok, without.links) == ({"/"}, [])


def test_a_sitemap_may_be_larger_than_a_page(site: Site) -> None:
    """`max_body` is for pages; a sitemap may have the 50 MB that its protocol allows."""
    pages = [f"/{number}" for number in range(40)]
    site.page("/sitemap.xml", urlset(*(f"<loc>{site.url(path)}</loc>" for path in pages)), headers={"Content-Type": "application/xml"})
    site.page("/", "home")
    for path in pages:
        site.page(path, "x")

    assert {page.url for page in crawl(site.url("/"), max_body=1024) if page.ok} == {site.url("/"), *map(site.url, pages)}


BROKEN = {
    "truncated": (gzip.compress(urlset(*(f"<loc>{HERE}/{n}</loc>" for n in range(500))).encode())[:-600], "truncated", "truncated gzip"),
    "cut": (urlset(f"<loc>{HERE}/1</loc>", f"<loc>{HERE}/2</loc>")[:-30].encode(), "decode", "broken XML: "),
    "entities": (b"<!DOCTYPE a [<!ENTITY b 'c'>]><urlset><url><loc>/1</loc></url></urlset>", "decode", "entity declarations are refused"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_sitemap_is_an_outcome(drive: Drive, tmp_path: Path, name: str) -> None:
    """What can be read of it counts, and that it was not whole is known, to the summary too."""
    body, kind, detail = BROKEN[name]
    crawled = drive({"/": "", "/sitemap.xml": body, "/1": ""}, output=tmp_path / "out")
    with closing(open_folder(tmp_path / "out")) as connection:
        (told,) = summarize(connection).failed_sitemaps

    assert crawled.urls["/sitemap.xml"][:2] == ("failed", kind)
    assert (crawled.urls["/sitemap.xml"].detail or "").startswith(detail)
    assert (told.url, told.why) == (f"{HERE}/sitemap.xml", f"{kind}: {crawled.urls['/sitemap.xml'].detail}")
    assert "/1" in crawled.ok
    assert crawled.reason == "queue empty"


def unread(folder: Path) -> dict[str, str]:
    """What the end of the crawl tells of sitemaps."""
    with closing(open_folder(folder)) as connection:
        return {told.url.removeprefix(HERE): told.why for told in summarize(connection).failed_sitemaps}


def test_a_sitemap_that_somebody_names_and_that_does_not_come_is_told(drive: Drive, tmp_path: Path) -> None:
    """By robots.txt or an index, also where it has moved from; its pages may be linked by nobody else. The crawl is no worse for it."""
    maps = {
        "/gone.xml": answer(404), "/ill.xml": answer(500), "/old.xml": redirect("/new.xml"), "/index.xml": index("/no.xml"),
        "/page.xml": "<html></html>", "/good.xml": urlset(),
    }  # fmt: skip
    robots = "".join(f"Sitemap: {HERE}{path}\n" for path in maps)
    web = {"/": "", "/robots.txt": robots, "/new.xml": answer(410), "/no.xml": answer(403), **maps}
    crawled = drive(web, output=tmp_path / "out")
    told = {"/gone.xml": "HTTP 404", "/ill.xml": "HTTP 500", "/new.xml": "HTTP 410", "/no.xml": "HTTP 403"}
    told["/page.xml"] = "not a sitemap but <html>"
    assert unread(tmp_path / "out") == told
    assert {path: crawled.urls[path].state for path in told} == dict.fromkeys(told, "done")
    assert (crawled.reason, crawled.ok) == ("queue empty", {"/"})


def test_it_is_told_on_the_screen_and_in_the_log(site: Site, capfd: Capture, tmp_path: Path) -> None:
    """The exit code is that of any crawl that is finished."""
    site.page("/robots.txt", f"Sitemap: {site.url('/no.xml')}\n")
    site.page("/", "home")
    ended = run(capfd, site.url("/"), "-o", tmp_path / "out")
    assert (ended.code, f"1 sitemap could not be read whole: {site.url('/no.xml')} (HTTP 404)" in ended.err) == (0, True)
    events = map(json.loads, (tmp_path / "out" / "crawl.log").read_text().splitlines())
    assert [(each["url"], each["why"]) for each in events if each["event"] == "sitemap"] == [(site.url("/no.xml"), "HTTP 404")]


def test_a_sitemap_that_nobody_names_need_not_be_there(drive: Drive, tmp_path: Path) -> None:
    """/sitemap.xml is a guess, so nothing is told of it, wherever it leads; but where nothing else than sitemaps was asked for it is."""
    web = {"/": "", "/sitemap.xml": redirect("/a.xml"), "/a.xml": redirect("/b.xml"), "/b.xml": answer(404)}
    drive(web, output=tmp_path / "out")
    drive(web, output=tmp_path / "only", sitemap="only")
    assert (unread(tmp_path / "out"), unread(tmp_path / "only")) == ({}, {"/b.xml": "HTTP 404"})
    drive({"/": "", "/sitemap.xml": index("/c.xml")}, output=tmp_path / "index")
    assert unread(tmp_path / "index") == {"/c.xml": "HTTP 404"}


def test_a_page_in_place_of_a_sitemap_is_none(drive: Drive) -> None:
    """Servers that answer everything with a page have no sitemap, and nothing has failed."""
    crawled = drive({"/": "", "/sitemap.xml": "<!doctype html><html><a href=/x>x</a></html>"})
    assert (crawled.ok, crawled.urls["/sitemap.xml"].state) == ({"/"}, "done")
