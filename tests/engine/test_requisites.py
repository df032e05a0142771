"""`--page-requisites`: pages come with what they are made of. Laws of every way of running a crawl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drive import HERE, Crawled, Drive

from crawler.engine.hooks import Hooks
from crawler.testing import answer, redirect

CDN = "https://cdn.test"


def css(text: str) -> Any:
    return answer(200, text, {"Content-Type": "text/css"})


def picture(text: str = "GIF89a") -> Any:
    return answer(200, text, {"Content-Type": "image/gif"})


def page(*parts: str) -> str:
    return "<title>page</title>" + "".join(parts)


def parts_of(crawled: Crawled) -> set[str]:
    """What was stored with the role requisite."""
    return {path for path, row in crawled.pages.items() if row["role"] == "requisite"}


def test_pages_come_with_all_that_they_are_made_of(drive: Drive) -> None:
    """Images and their candidates, styles, scripts, media and preloads are fetched, on other hosts too; pages there are not."""
    web = {
        "/": answer(
            200,
            page(
                "<link rel=stylesheet href=/s.css><link rel=icon href=/icon.ico><script src=//cdn.test/s.js></script>",
                "<img src=a.gif srcset='b.gif 1x, c.gif 2x'><img data-src=d.gif><video src=v.mp4 poster=p.gif></video><audio src=a.mp3>",
                "<p style='background: url(e.gif)'></p><style>@import 'i.css'; p { background: url(f.gif) }</style>",
                "<a href=//cdn.test/page>elsewhere</a><link rel=preconnect href=//cdn.test>",
            ),
            {"Link": "</font.woff2>; rel=preload, </next>; rel=next, </maybe>; rel=prefetch"},
        ),
        "/next": "",
    }
    names = ["s.css", "icon.ico", "a.gif", "b.gif", "c.gif", "d.gif", "v.mp4", "p.gif", "a.mp3", "e.gif", "i.css", "f.gif", "font.woff2"]
    crawled = drive({**web, **{f"/{name}": picture() for name in names}, f"{CDN}/s.js": ""}, page_requisites=True)

    assert parts_of(crawled) == {f"/{name}" for name in names} | {f"{CDN}/s.js"}
    assert crawled.ok - parts_of(crawled) == {"/", "/next"}
    assert crawled.skipped[f"{CDN}/page"] == ("scope", "host is not site.test")
    assert crawled.skipped["/maybe"][0] == "requisite"


def test_style_sheets_lead_to_what_they_load(drive: Drive) -> None:
    """What a style sheet imports and shows is fetched, relative to the sheet, wherever that lies, and each file once."""
    web = {
        "/": page("<link rel=stylesheet href=//cdn.test/css/a.css><img src=/x.gif>"),
        f"{CDN}/css/a.css": css("@import 'deep/b.css'; @font-face { src: url(../font.woff2) } p { background: url(//site.test/x.gif) }"),
        f"{CDN}/css/deep/b.css": css("@import '../a.css'; p { background: url(b.gif) } q { background: url(data:image/gif;base64,AA==) }"),
        f"{CDN}/css/deep/b.gif": picture(),
        f"{CDN}/font.woff2": picture(),
        "/x.gif": picture(),
    }
    crawled = drive(web, page_requisites=True)

    assert crawled.ok == set(web)
    assert max(crawled.count(path) for path in web) == 1
    assert (f"{CDN}/css/a.css", f"{CDN}/css/deep/b.css", "css") in crawled.links


def test_without_the_option_nothing_of_it_is_asked_for(drive: Drive) -> None:
    """A style sheet that is linked like a page is not read, and what pages are made of is skipped."""
    crawled = drive({"/": page("<img src=/x.gif><a href=/a.css>css</a>"), "/a.css": css("@import 'b.css'"), "/x.gif": picture()})

    assert crawled.ok == {"/", "/a.css"}
    assert crawled.skipped == {"/x.gif": ("requisite", "img")}


def test_parts_are_no_pages(drive: Drive) -> None:
    """They count in no page limit: the last page is whole as well, with all that its style sheets load."""
    web = {
        "/": page("<img src=/0.gif><a href=/a>a</a><a href=/b>b</a>"),
        "/a": page("<link rel=stylesheet href=/a.css>"),
        "/a.css": css("p { background: url(/a.gif) }"),
        "/b": "",
        "/0.gif": picture(),
        "/a.gif": picture(),
    }
    crawled = drive(web, page_requisites=True, max_pages=2, per_host=1)

    assert crawled.reason == "page limit"
    assert crawled.ok == {"/", "/0.gif", "/a", "/a.css", "/a.gif"}
    assert crawled.queued() == {"/b"}


def test_parts_of_the_last_depth_are_fetched(drive: Drive) -> None:
    """A depth limit counts links between pages; a part has the depth of its page."""
    web = {"/": page("<a href=/a>a</a>"), "/a": page("<img src=/a.gif><a href=/b>b</a>"), "/a.gif": picture(), "/b": ""}
    crawled = drive(web, page_requisites=True, max_depth=1)

    assert crawled.ok == {"/", "/a", "/a.gif"}
    assert crawled.urls["/a.gif"][4:] == ("requisite", 1)
    assert crawled.reason == "depth limit"


def test_what_leaves_out_pages_by_their_url_leaves_out_parts(drive: Drive) -> None:
    """--exclude, private addresses and the longest URL hold for parts; --include and the scope say which pages are followed."""
    long = "/" + "x" * 100
    web = {
        "/docs/": page("<img src=/ok.gif><img src=/ads/a.gif><img src=http://127.0.0.1/x.gif>", f"<img src={long}>"),
        "/ok.gif": picture(),
    }
    crawled = drive(
        web, "/docs/", page_requisites=True, scope="prefix", include=["/docs/"], exclude=["/ads/"], max_url_length=80
    )  # fmt: skip

    assert crawled.ok == {"/docs/", "/ok.gif"}
    assert crawled.skipped == {
        "/ads/a.gif": ("scope", "exclude /ads/"),
        "http://127.0.0.1/x.gif": ("private", "127.0.0.1 is a loopback address"),
        long: ("too_long", "118 characters"),
    }


def test_a_document_inside_of_a_page(drive: Drive) -> None:
    """What is embedded is read like a page where it would be crawled as one, its links lying as deep as if it had been linked;
    elsewhere it comes with its parts and leads nowhere."""
    there = answer(200, page("<a href=/x>x</a><img src=/y.gif>"), {"Link": "</z>; rel=next", "Refresh": "0; url=/z"})
    web = {
        "/": page(f"<object data=/here></object><embed src={CDN}/there><img src=/broken.gif>"),
        "/here": page("<a href=/a>a</a>"),
        "/a": "",
        f"{CDN}/there": there,
        f"{CDN}/y.gif": picture("<a href=/more>"),
    }
    crawled = drive(web, page_requisites=True, sitemap="off")

    assert parts_of(crawled) == {"/here", "/broken.gif", f"{CDN}/there", f"{CDN}/y.gif"}
    assert crawled.ok == set(web)
    assert crawled.urls["/a"].depth == 2
    assert set(crawled.urls) == {*web, "/broken.gif"}


def test_redirects_of_parts(drive: Drive) -> None:
    """They are followed to wherever a part may lie, and take no host into the scope."""
    web = {
        "/": page("<img src=/moved.gif><a href=/a>a</a>"),
        "/moved.gif": redirect(f"{CDN}/new.gif"),
        f"{CDN}/new.gif": picture(),
        "/a": page(f"<a href={CDN}/page>p</a>"),
    }
    crawled = drive(web, page_requisites=True)

    assert crawled.ok == {"/", "/a", f"{CDN}/new.gif"}
    assert crawled.skipped == {f"{CDN}/page": ("scope", "host is not site.test")}


def test_robots_txt_holds_for_parts(drive: Drive) -> None:
    """Each host is asked for its robots.txt before any part of a page that lies there."""
    refused = answer(200, "User-agent: *\nDisallow: /no", {"Content-Type": "text/plain"})
    web = {
        "/": page(f"<img src={CDN}/no.gif><img src={CDN}/yes.gif>"),
        f"{CDN}/robots.txt": refused,
        f"{CDN}/yes.gif": picture(),
    }
    crawled = drive(web, page_requisites=True)

    assert crawled.ok == {"/", f"{CDN}/yes.gif"}
    assert crawled.skipped == {f"{CDN}/no.gif": ("robots", "line 2: Disallow: /no")}


@pytest.mark.parametrize("first", ["/part", "/page"])
def test_a_part_that_is_linked_is_a_page(drive: Drive, first: str) -> None:
    """A picture that one page shows and another links to is fetched once: as a page unless it came before its link was found."""
    web = {"/": page(f"<a href={first}>1</a><a href=/later>2</a>"), "/later": page("<a href=/part>p</a><a href=/page>q</a>")}
    web |= {"/part": page("<img src=/x.gif>"), "/page": page("<a href=/x.gif>x</a>"), "/x.gif": picture()}
    crawled = drive(web, page_requisites=True)

    assert crawled.ok == set(web)
    assert crawled.count("/x.gif") == 1
    assert crawled.urls["/x.gif"].role == ("page" if first == "/page" else "requisite")


def test_a_page_out_of_scope_may_be_a_part(drive: Drive) -> None:
    """A picture on another host that is linked, and so refused as a page, is fetched where it is shown."""
    there = f"{CDN}/x.gif"
    crawled = drive(
        {"/": page(f"<a href={there}>x</a><a href=/a>a</a>"), "/a": page(f"<img src={there}>"), there: picture()}, page_requisites=True
    )

    assert crawled.ok == {"/", "/a", there}


def test_style_sheets_without_end_end(drive: Drive) -> None:
    """Sheets that import ever new ones are left after ten steps."""
    sheets = {f"/{number}.css": css(f"@import '{number + 1}.css'") for number in range(20)}
    crawled = drive({"/": page("<link rel=stylesheet href=/0.css>"), **sheets}, page_requisites=True)

    assert parts_of(crawled) == {f"/{number}.css" for number in range(11)}
    assert crawled.skipped == {"/11.css": ("requisite", "nested deeper than 10")}


def test_a_follow_hook_chooses_pages_alone(drive: Drive) -> None:
    """A hook that chooses among the links of a page takes nothing from the page itself."""
    hooks = Hooks(follow=[lambda page, found: [link for link in found if link.kind == "a" and link.url.endswith("/a")]])
    web = {"/": page("<img src=/x.gif><a href=/a>a</a><a href=/b>b</a>"), "/a": "", "/b": "", "/x.gif": picture()}

    assert drive(web, hooks=hooks, page_requisites=True).ok == {"/", "/a", "/x.gif"}


def test_nofollow_is_no_matter_of_parts(drive: Drive) -> None:
    """A page that wants none of its links followed is whole all the same."""
    web = {"/": page("<meta name=robots content=nofollow><img src=/x.gif><a href=/a>a</a>"), "/a": "", "/x.gif": picture()}

    assert drive(web, page_requisites=True, respect_nofollow=True).ok == {"/", "/x.gif"}


def test_what_was_left_is_fetched_by_the_next_run(drive: Drive, tmp_path: Path) -> None:
    """A later run with a higher limit goes on where the pages ended, and asks for no part again."""
    web = {
        "/": page("<img src=/x.gif><a href=/a>a</a>"),
        "/a": page("<img src=/x.gif><img src=/y.gif>"),
        "/x.gif": picture(),
        "/y.gif": picture(),
    }
    first = drive(web, output=tmp_path / "out", page_requisites=True, max_pages=1)
    second = drive(web, output=tmp_path / "out", page_requisites=True, max_pages=2)

    assert first.ok == {"/", "/x.gif"}
    assert (second.ok, second.count("/x.gif")) == (set(web), 0)
    assert (tmp_path / "out" / second.pages["/y.gif"]["file"]).read_bytes() == b"GIF89a"
    assert HERE not in second.pages
