"""The Python interface keeps what its documentation promises."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from running import no_surroundings, rows, stored, value

from crawler import Crawler, Link, OutputError, Page, PageError, Request, Settings, Skip, UsageError, crawl
from crawler.engine.commit import AT_RISK, BATCH
from crawler.engine.stream import BUFFER
from crawler.testing import Gate, Site, SiteRequest, answer, in_turn, redirect, site

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]

SHOP = {
    "/": "<!doctype html><html lang=en><title>Lamps</title>"
    "<a href=/lamp rel=next>A <b>lamp</b></a> <a href=gone>gone</a> <a href=/old>old</a>",
    "/lamp": answer(body="<title>Lamp</title><span class=price>12 €</span><span class=price>9 €</span>", headers={"X-Shelf": "3"}),
    "/old": redirect("/lamp"),
    "/gone": answer(410, "<title>Gone</title>"),
}


def refused_port() -> Iterator[int]:
    """A port that nobody listens on and nobody else can take."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


refused = pytest.fixture(refused_port)


async def crawled(*seeds: str, **settings: object) -> dict[str, Page]:
    """All pages of a crawl in memory, by URL."""
    async with Crawler(output=None, **settings) as crawler:
        return {page.url: page async for page in crawler.crawl(*seeds)}


# -- pages -------------------------------------------------------------------------------------------------------------


async def test_every_attempted_url_is_one_page(new_site: NewSite) -> None:
    """A stream read to its end yields one typed, frozen page for each attempted URL, failures included."""
    web = new_site(SHOP)
    pages = await crawled(web.url())
    assert {page.url.removeprefix(web.url("")): (page.status, page.outcome, page.ok) for page in pages.values()} == {
        "/": (200, "ok", True),
        "/lamp": (200, "ok", True),
        "/old": (302, "redirect", False),
        "/gone": (410, "http_error", False),
    }
    with pytest.raises(AttributeError):
        pages[web.url()].status = 500  # type: ignore[misc]


async def test_a_page_says_what_came(new_site: NewSite) -> None:
    """Status, headers, body, text, title, digest, depth, parent, links, times: all there, all typed."""
    web = new_site(SHOP)
    before = datetime.now(UTC)
    pages = await crawled(web.url())
    start, lamp = pages[web.url()], pages[web.url("/lamp")]
    assert isinstance(lamp, Page)
    assert lamp.body == SHOP["/lamp"].body  # type: ignore[attr-defined]
    assert lamp.text.startswith("<title>Lamp</title>")
    assert "€" in lamp.text
    assert lamp.sha256 == hashlib.sha256(lamp.body).hexdigest()
    assert (lamp.title, lamp.depth, lamp.parent, lamp.redirect_to, lamp.error) == ("Lamp", 1, web.url(), None, None)
    assert (lamp.headers["x-shelf"], lamp.headers["content-type"], lamp.content_type) == ("3", "text/html; charset=utf-8", "text/html")
    assert lamp.fetched_at is not None
    assert before <= lamp.fetched_at <= before + timedelta(minutes=1)
    assert lamp.ttfb is not None
    assert 0 < lamp.ttfb <= lamp.elapsed < 60
    assert (start.depth, start.parent, start.lang) == (0, None, "en")
    assert start.links == (
        Link(web.url("/lamp"), "a", "next", "A lamp"),
        Link(web.url("/gone"), "a", "", "gone"),
        Link(web.url("/old"), "a", "", "old"),
    )
    assert pages[web.url("/old")].redirect_to == web.url("/lamp")


async def test_a_page_can_be_searched(new_site: NewSite) -> None:
    """`tree`, `css` and `json` are made when somebody asks."""
    web = new_site({**SHOP, "/data.json": '{"lamps": [1, 2]}'})
    pages = await crawled(web.url(), web.url("/data.json"))
    lamp = pages[web.url("/lamp")]
    assert [node.text() for node in lamp.css("span.price")] == ["12 €", "9 €"]
    assert lamp.tree is lamp.tree
    assert pages[web.url("/data.json")].json() == {"lamps": [1, 2]}
    with pytest.raises(ValueError):
        lamp.json()


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/html", b"<meta charset=iso-8859-1><p>5 \x80", "<meta charset=iso-8859-1><p>5 €"),  # windows-1252, says the standard
        ("text/html; charset=macintosh", b"<p>\x8e", "<p>é"),
        ("text/html", b"\xef\xbb\xbf<p>\xc3\xa9", "<p>é"),
        ("text/plain; charset=koi8-r", b"\xf0", "П"),
        ("text/plain", b"\xc3\xa9\xff", "é\ufffd"),
        ("text/plain; charset=nonsense", b"\xc3\xa9", "é"),
    ],
)
async def test_text_is_read_as_browsers_read_it(new_site: NewSite, content_type: str, body: bytes, text: str) -> None:
    """Names of encodings mean what the Encoding Standard says, not what Python's codecs of that name do."""
    web = new_site({"/": answer(200, body, {"Content-Type": content_type})})
    assert (await crawled(web.url()))[web.url()].text == text


async def test_failures_are_pages_with_an_error(new_site: NewSite, refused: int) -> None:
    """No answer is status 0, outcome `error`, and an error with a kind of the closed set."""
    web = new_site(
        {"/": answer(links=["/cut", "/garbage"]), "/cut": answer(body="x" * 100, fault="truncate"), "/garbage": answer(fault="garbage")}
    )
    nobody = f"http://127.0.0.1:{refused}/"
    pages = await crawled(web.url(), nobody, retries=0)
    assert {url: (page.status, page.ok, page.error and page.error.kind) for url, page in pages.items() if not page.ok} == {
        web.url("/cut"): (200, False, "truncated"),
        web.url("/garbage"): (0, False, "protocol"),
        nobody: (0, False, "refused"),
    }
    assert isinstance(pages[nobody].error, PageError)
    assert all(page.outcome == "error" for page in pages.values() if not page.ok)


async def test_only_good_pages_for_who_wants_no_others(new_site: NewSite) -> None:
    """`ok_only=True` leaves out redirects and failures; they are stored all the same."""
    web = new_site(SHOP)
    async with Crawler(output=None) as crawler:
        urls = {page.url async for page in crawler.crawl(web.url(), ok_only=True)}
    assert urls == {web.url(), web.url("/lamp")}
    assert crawler.summary is not None
    assert (crawler.summary.pages, crawler.summary.ok, crawler.summary.broken) == (4, 2, 1)


async def test_pages_are_stored_before_they_are_shown(new_site: NewSite, tmp_path: Path) -> None:
    """What a reader sees is in the database and on the disk already."""
    web = new_site(SHOP)
    async with Crawler(output=tmp_path / "out") as crawler:
        async for page in crawler.crawl(web.url()):
            assert value(tmp_path / "out", "SELECT outcome FROM pages WHERE url = ?", page.url) == page.outcome
            if page.ok:
                assert page.file is not None
                assert (tmp_path / "out" / page.file).read_bytes() == page.body


async def test_large_bodies_are_read_from_their_file(new_site: NewSite, tmp_path: Path) -> None:
    """A body that does not fit into memory is on the disk, and `page.body` all the same."""
    large = b"<title>Large</title>" + b"lamp " * 200_000
    web = new_site({"/": large})
    async with Crawler(output=tmp_path / "out") as crawler:
        [page] = [page async for page in crawler.crawl(web.url())]
    assert page.content.data is None
    assert page.body == large
    assert page.sha256 == hashlib.sha256(large).hexdigest()


# -- crawls ------------------------------------------------------------------------------------------------------------


async def test_the_example_of_the_manual(new_site: NewSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first ten lines anybody writes work."""
    web = new_site(SHOP)
    async with Crawler(output=str(tmp_path / "out"), max_pages=500) as crawler:
        async for page in crawler.crawl(web.url()):
            print(page.status, page.url, page.title)
    print(crawler.summary)
    printed = capsys.readouterr().out
    assert f"200 {web.url('/lamp')} Lamp\n" in printed
    assert "finish_reason='queue empty'" in printed


async def test_without_an_output_nothing_is_written(new_site: NewSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`output=None` crawls in memory; a second crawl begins anew."""
    web = new_site(SHOP)
    monkeypatch.chdir(tmp_path)
    async with Crawler(output=None) as crawler:
        first = sorted([page.url async for page in crawler.crawl(web.url())])
        second = sorted([page.url async for page in crawler.crawl(web.url())])
    assert first == second == sorted(web.reachable())
    assert os.listdir(tmp_path) == []


async def test_a_summary_says_why_it_ended_also_after_break(new_site: NewSite, tmp_path: Path) -> None:
    """`crawler.summary` is there after the end and after an early one, and counts what is stored."""
    web = new_site({"/": answer(links=[f"/{n}" for n in range(50)]), **{f"/{n}": f"page {n}" for n in range(50)}})
    async with Crawler(output=tmp_path / "out", max_pages=10) as crawler:
        assert crawler.summary is None
        async for _ in crawler.crawl(web.url()):
            break
    assert crawler.summary is not None
    assert crawler.summary.finish_reason in ("interrupted", "page limit")
    assert crawler.summary.pages == len(stored(tmp_path / "out"))
    assert not crawler.summary.complete
    async with Crawler(output=tmp_path / "out", max_pages=10) as crawler:
        async for _ in crawler.crawl(web.url()):
            pass
    assert crawler.summary is not None
    assert (crawler.summary.finish_reason, crawler.summary.ok, crawler.summary.queued) == ("page limit", 10, 41)


async def test_a_folder_has_its_report_after_every_end(new_site: NewSite, tmp_path: Path) -> None:
    """summary.json and report.html are written whenever a crawl ends, left early or not, in both modes; a folder that holds the whole
    crawl already keeps those it has."""
    web, out = new_site(SHOP), tmp_path / "out"

    def kept() -> dict[str, Any]:
        assert "<!doctype html>" in (out / "report.html").read_text("utf-8")
        summary: dict[str, Any] = json.loads((out / "summary.json").read_text("utf-8"))
        assert summary["pages"] == value(out, "SELECT count(*) FROM pages")
        return summary

    async def to_its_end() -> None:
        async with Crawler(output=out) as crawler:
            async for _ in crawler.crawl(web.url()):
                pass

    async with Crawler(output=out) as crawler:
        async for _ in crawler.crawl(web.url()):
            break
    assert crawler.summary is not None
    assert kept() == json.loads(json.dumps(crawler.summary.to_json()))
    assert kept()["finish_reason"] in ("interrupted", "queue empty")
    await to_its_end()
    assert kept()["finish_reason"] == "queue empty"
    for name in ("summary.json", "report.html"):
        (out / name).unlink()
    await asyncio.to_thread(lambda: list(crawl(web.url(), output=out)))
    assert kept()["finish_reason"] == "queue empty"

    before = (out / "report.html").stat().st_mtime_ns
    await to_its_end()
    assert (out / "report.html").stat().st_mtime_ns == before
    out = tmp_path / "blocking"
    pages = crawl(web.url(), output=out)
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert kept()["finish_reason"] == "interrupted"


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_folder_has_its_log(new_site: NewSite, tmp_path: Path, blocking: bool) -> None:
    """crawl.log says when each run of a program began and how it ended; a folder that holds the whole crawl already begins none."""
    web, out = new_site(SHOP), tmp_path / "out"

    async def one_run(**more: Any) -> None:
        if blocking:
            await asyncio.to_thread(lambda: list(crawl(web.url(), output=out, **more)))
            return
        async with Crawler(output=out, **more) as crawler:
            async for _ in crawler.crawl(web.url()):
                pass

    for limit in (1, None, None):
        await one_run(max_pages=limit)
    events = [json.loads(line) for line in (out / "crawl.log").read_text("ascii").splitlines()]
    assert [event["event"] for event in events] == ["started", "finished", "resumed", "finished"]
    assert [event["reason"] for event in events if event["event"] == "finished"] == ["page limit", "queue empty"]
    assert events[-1]["pages"] == value(out, "SELECT count(*) FROM pages")


async def test_two_crawlers_in_one_loop(new_site: NewSite, tmp_path: Path) -> None:
    """Crawlers know nothing of each other: side by side, each finds its own site."""
    webs = [new_site(SHOP), new_site({"/": answer(links=["/a", "/b"]), "/a": "a", "/b": "b"})]

    async def one(web: Site, folder: Path) -> set[str]:
        async with Crawler(output=folder) as crawler:
            return {page.url async for page in crawler.crawl(web.url())}

    found = await asyncio.gather(*(one(web, tmp_path / str(number)) for number, web in enumerate(webs)))
    assert found == [web.reachable() for web in webs]


async def test_two_streams_are_read_side_by_side(new_site: NewSite) -> None:
    """One task may read two crawls in turns."""
    webs = [new_site(SHOP), new_site(SHOP)]
    async with Crawler(output=None) as one, Crawler(output=None) as other:
        streams = [one.crawl(webs[0].url()), other.crawl(webs[1].url())]
        found: list[set[str]] = [set(), set()]
        for _ in SHOP:
            for urls, stream in zip(found, streams, strict=True):
                urls.add((await anext(stream)).url)
    assert found == [web.reachable() for web in webs]


async def quiet(web: Site, pings: int = 60) -> int:
    """The number of requests once the site is asked for nothing any more: so many questions of our own came right after each other."""
    alone, last = 0, -1
    while alone < pings:
        reader, writer = await asyncio.open_connection(web.host, web.port)
        writer.write(b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        count = web.count() - web.count("/ping")
        alone, last = (alone + 1, last) if count == last else (0, count)
    return last


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_a_slow_reader_slows_the_crawl(new_site: NewSite, concurrency: int) -> None:
    """The stream is bounded: however large the site, a reader that stands still stops the crawl; when it reads on, all arrives."""
    number = 700
    web = new_site({"/": answer(links=[f"/{n}" for n in range(number)]), **{f"/{n}": str(n) for n in range(number)}})
    helpers = ["/robots.txt", "/sitemap.xml"]
    async with Crawler(output=None, concurrency=concurrency, per_host=concurrency, save="none") as crawler:
        stream = crawler.crawl(web.url())
        await anext(stream)
        ahead = await quiet(web)
        assert ahead <= 1 + BUFFER + BATCH + AT_RISK + concurrency + len(helpers)
        rest = [page.url async for page in stream]
    assert len(rest) == number
    assert len(set(rest)) == number


async def test_settings_are_keywords_or_an_object(new_site: NewSite) -> None:
    """`Crawler(max_pages=1)` and `Crawler(Settings.from_keywords(max_pages=1))` are the same; seeds may be a setting too."""
    web = new_site(SHOP)
    for crawler in (Crawler(output=None, max_pages=1, seeds=[web.url()]), Crawler(Settings.from_keywords(max_pages=1, seeds=[web.url()]))):
        async with crawler:
            assert [page.url async for page in crawler.crawl()] == [web.url()]


async def test_what_cannot_work_is_said_at_once(new_site: NewSite, tmp_path: Path) -> None:
    """Wrong settings at the constructor; no `async with`, two crawls at once, no seed and no folder where they are used."""
    with pytest.raises(UsageError, match="max_pages"):
        Crawler(max_pages="many")
    with pytest.raises(UsageError, match="max_page"):
        Crawler(max_page=3)
    with pytest.raises(UsageError, match="not open"):
        Crawler().crawl("http://127.0.0.1/")
    with pytest.raises(UsageError, match="not open"):
        await Crawler().fetch("http://127.0.0.1/")
    web = new_site(SHOP)
    async with Crawler(output=None) as crawler:
        with pytest.raises(UsageError, match="no seed"):
            await anext(crawler.crawl())
        with pytest.raises(UsageError, match="ftp"):
            await anext(crawler.crawl("ftp://127.0.0.1/"))
        stream = crawler.crawl(web.url())
        await anext(stream)
        with pytest.raises(UsageError, match="crawls already"):
            crawler.crawl(web.url())
    (tmp_path / "file").write_text("in the way")
    async with Crawler(output=tmp_path / "file") as crawler:
        with pytest.raises(OutputError, match="file"):
            await anext(crawler.crawl(web.url()))


async def test_the_same_folder_with_other_seeds_is_refused(new_site: NewSite, tmp_path: Path) -> None:
    """A folder is one crawl: other seeds are an error that names both, and nothing is lost."""
    web = new_site(SHOP)
    async with Crawler(output=tmp_path / "out") as crawler:
        first = [page.url async for page in crawler.crawl(web.url())]
        with pytest.raises(UsageError, match="seeds"):
            await anext(crawler.crawl(web.url("/lamp")))
        assert [page async for page in crawler.crawl(web.url())] == []
    assert stored(tmp_path / "out") == sorted(first)


# -- hooks -------------------------------------------------------------------------------------------------------------


async def test_on_request_may_change_a_request_or_skip_it(new_site: NewSite, tmp_path: Path) -> None:
    """Headers that a hook adds are sent; `Skip("why")` becomes `skipped`, reason `hook`, with the why. Both kinds of function work."""
    web = new_site(SHOP)
    async with Crawler(output=tmp_path / "out") as crawler:

        @crawler.on_request
        def sign(request: Request) -> Request:
            return Request(**{**{name: getattr(request, name) for name in request.__slots__}, "headers": (("X-Visitor", "me"),)})

        @crawler.on_request
        async def spare(request: Request) -> Skip | None:
            await asyncio.sleep(0)
            return Skip("sold out") if request.url.endswith("/gone") else None

        found = {page.url async for page in crawler.crawl(web.url())}
    assert found == {web.url(), web.url("/lamp"), web.url("/old")}
    assert {hit.headers.get("x-visitor") for hit in web.log if hit.path in SHOP} == {"me"}
    assert web.count("/gone") == 0
    skipped = rows(tmp_path / "out", "SELECT url, reason, detail FROM skipped")
    assert skipped == [(web.url("/gone"), "hook", "sold out")]


async def test_on_page_that_raises_fails_that_page_alone(new_site: NewSite, tmp_path: Path) -> None:
    """The page gets the error kind `hook`; the crawl goes on, and links of the page are followed."""
    web = new_site({"/": answer(links=["/a"]), "/a": answer(links=["/b"]), "/b": "the end"})
    seen: list[str] = []
    async with Crawler(output=tmp_path / "out") as crawler:

        @crawler.on_page
        def look(page: Page) -> None:
            seen.append(page.url)

        @crawler.on_page
        async def refuse(page: Page) -> None:
            if page.url.endswith("/a"):
                raise ValueError("no price")

        pages = {page.url: page async for page in crawler.crawl(web.url())}
    assert sorted(seen) == sorted(pages) == sorted(web.reachable())
    failed = pages[web.url("/a")]
    assert (failed.ok, failed.outcome, failed.error) == (False, "error", PageError("hook", "ValueError: no price"))
    assert rows(tmp_path / "out", "SELECT error, error_detail FROM pages WHERE url = ?", web.url("/a")) == [
        ("hook", "ValueError: no price")
    ]
    assert value(tmp_path / "out", "SELECT state FROM urls WHERE url = ?", web.url("/a")) == "failed"


async def test_follow_chooses_among_the_links(new_site: NewSite, tmp_path: Path) -> None:
    """Links that it does not return are skipped, reason `hook`; the links of the page stay complete."""
    web = new_site(SHOP)
    async with Crawler(output=tmp_path / "out") as crawler:

        @crawler.follow
        def only_lamps(page: Page, links: Sequence[Link]) -> list[Link]:
            return [link for link in links if "lamp" in link.url]

        pages = [page async for page in crawler.crawl(web.url())]
    assert [page.url for page in pages] == [web.url(), web.url("/lamp")]
    assert len(pages[0].links) == 3
    assert sorted(rows(tmp_path / "out", "SELECT url, reason FROM skipped")) == [(web.url("/gone"), "hook"), (web.url("/old"), "hook")]


@pytest.mark.parametrize("hook", ["on_request", "follow"])
async def test_other_hooks_that_raise_end_the_crawl_with_their_own_exception(new_site: NewSite, tmp_path: Path, hook: str) -> None:
    """A mistake in the code that steers the crawl is never silent: it reaches the reader, and the folder goes on."""
    web = new_site(SHOP)
    mistake = RuntimeError(hook)

    def broken(*_: object) -> None:
        raise mistake

    async with Crawler(output=tmp_path / "out") as crawler:
        getattr(crawler, hook)(broken)
        with pytest.raises(RuntimeError) as caught:
            _ = [page async for page in crawler.crawl(web.url())]
        assert caught.value is mistake
    async with Crawler(output=tmp_path / "out") as crawler:
        _ = [page async for page in crawler.crawl(web.url())]
    assert stored(tmp_path / "out") == sorted(web.reachable())


async def cancelled() -> None:
    """Waits for something that somebody else cancels."""
    helper = asyncio.get_running_loop().create_future()
    helper.cancel()
    await helper


async def test_a_hook_that_waits_for_what_is_cancelled_is_a_hook_that_raises(new_site: NewSite) -> None:
    """That is not a cancellation of the crawl: an `on_page` hook fails its page, an `on_request` hook ends the crawl, and nothing hangs."""
    web = new_site(SHOP)
    async with asyncio.timeout(60), Crawler() as crawler:
        crawler.on_page(lambda page: cancelled() if page.url == web.url("/lamp") else None)
        pages = {page.url: page.error async for page in crawler.crawl(web.url())}
    assert pages[web.url("/lamp")] == PageError("hook", "CancelledError: ")
    assert sorted(pages) == sorted(web.reachable())
    async with asyncio.timeout(60), Crawler() as crawler:
        crawler.on_request(lambda request: cancelled())
        with pytest.raises(RuntimeError, match="was cancelled"):
            _ = [page async for page in crawler.crawl(web.url())]


async def test_extract_fills_data(new_site: NewSite, tmp_path: Path) -> None:
    """`extract={name: selector}` finds its way into `page.data` and into the database."""
    web = new_site(SHOP)
    async with Crawler(output=tmp_path / "out", extract={"price": "span.price::text", "next": "a[rel=next]::attr(href)"}) as crawler:
        data = {page.url: dict(page.data) async for page in crawler.crawl(web.url(), ok_only=True)}
    assert data[web.url("/lamp")]["price"] == ["12 €", "9 €"]
    assert data[web.url()] == {"price": None, "next": "/lamp"}
    assert value(tmp_path / "out", "SELECT json_extract(data, '$.price[0]') FROM pages WHERE url = ?", web.url("/lamp")) == "12 €"


# -- single pages ------------------------------------------------------------------------------------------------------


async def test_one_page(new_site: NewSite) -> None:
    """`fetch` follows redirects and gives one page; an answer that is no page is a value too. robots.txt is not asked."""
    web = new_site(SHOP)
    async with Crawler(extract={"price": "span.price::text"}) as crawler:
        lamp = await crawler.fetch(web.url("/old"))
        gone = await crawler.fetch(web.url("/gone"))
    assert (lamp.url, lamp.status, lamp.title, lamp.parent) == (web.url("/lamp"), 200, "Lamp", web.url("/old"))
    assert lamp.data["price"] == ["12 €", "9 €"]
    assert (gone.ok, gone.status, gone.outcome) == (False, 410, "http_error")
    assert web.count("/robots.txt") == 0


async def test_one_page_that_cannot_be_had(new_site: NewSite, refused: int) -> None:
    """Errors are values; only what is no URL is raised."""
    web = new_site({"/a": redirect("/b"), "/b": redirect("/a"), "/out": redirect("http://127.0.0.9:1/")})
    async with Crawler(retries=0) as crawler:
        nobody = await crawler.fetch(f"http://127.0.0.1:{refused}/")
        circle = await crawler.fetch(web.url("/a"))
        inside = await crawler.fetch(web.url("/out"))
        with pytest.raises(UsageError, match="htp"):
            await crawler.fetch("htp://127.0.0.1/")
    assert (nobody.status, nobody.error and nobody.error.kind) == (0, "refused")
    assert (circle.ok, circle.error and circle.error.kind) == (False, "redirect_loop")
    assert (inside.ok, inside.error and inside.error.kind) == (False, "blocked")


async def test_what_may_pass_is_tried_again(new_site: NewSite) -> None:
    """A single page gets the retries of a crawl; Retry-After says when."""
    web = new_site({"/": in_turn(answer(503, headers={"Retry-After": "0"}), answer(body="<title>Open</title>"))})
    async with Crawler() as crawler:
        page = await crawler.fetch(web.url())
    assert (page.status, page.title, page.attempts) == (200, "Open", 2)


async def test_a_batch_comes_in_its_order(new_site: NewSite, refused: int) -> None:
    """`fetch_all` gives one page for each URL, in their order, repetitions and errors included."""
    web = new_site(SHOP)
    urls = [web.url("/lamp"), f"http://127.0.0.1:{refused}/", "htp://nonsense", web.url("/gone"), web.url("/lamp")]
    async with Crawler(retries=0) as crawler:
        pages = await crawler.fetch_all(urls)
        assert await crawler.fetch_all([]) == []
    assert [page.url for page in pages] == urls
    assert [page.error and page.error.kind for page in pages] == [None, "refused", "protocol", None, None]
    assert [page.ok for page in pages] == [True, False, False, False, True]


async def test_what_is_unfinished_says_what_came_of_the_attempt_before(new_site: NewSite, refused: int) -> None:
    """A port that refuses is tried again until the time is over: that it refused, or what status came, is in the detail."""
    web = new_site({"/": answer(503)})
    async with Crawler() as crawler:
        pages = await crawler.fetch_all([f"http://127.0.0.1:{refused}/", web.url()], timeout=0.3)
    assert [page.error and page.error.kind for page in pages] == ["timeout", "timeout"]
    assert str(pages[0].error).startswith("timeout: unfinished after 0.3 s; last: refused: ")
    assert str(pages[1].error) == "timeout: unfinished after 0.3 s; last: HTTP 503"


@pytest.mark.parametrize("seed", [3, None, b"http://127.0.0.1:1/", ["http://127.0.0.1:1/"]])
async def test_a_seed_that_is_no_text_is_said_so(seed: Any) -> None:
    """UsageError with the value, from every way in; in a batch it is the error of its page."""
    with pytest.raises(UsageError, match=re.escape(f"{seed!r}")):
        next(crawl(seed))
    async with Crawler() as crawler:
        with pytest.raises(UsageError, match=re.escape(f"seed {seed!r} is no text")):
            await anext(crawler.crawl(seed))
        with pytest.raises(UsageError, match="is no text"):
            await crawler.fetch(seed)
        [page] = await crawler.fetch_all([seed])
        assert (page.outcome, str(page.error)) == ("error", f"protocol: seed {seed!r} is no text")


async def test_what_is_unfinished_at_the_timeout_stands_in_its_place(new_site: NewSite) -> None:
    """After `timeout` seconds the rest is cancelled and is an error `timeout`; what was there in time is kept."""
    gate = Gate()
    web = new_site({"/": "here", "/never": answer(body="there", gate=gate), "/also": "here too"})
    async with Crawler(per_host=8, adaptive=False) as crawler:
        assert (await crawler.fetch(web.url())).ok  # a host that has answered is asked for more than one page at once
        pages = await crawler.fetch_all([web.url("/never"), web.url("/also"), web.url("/never?2")], timeout=0.5)
        assert [(page.url, page.error and page.error.kind) for page in pages] == [
            (web.url("/never"), "timeout"),
            (web.url("/also"), None),
            (web.url("/never?2"), "timeout"),
        ]
        assert "0.5 s" in str(pages[0].error)
        gate.open()
        assert (await crawler.fetch(web.url("/never"))).text == "there"


async def test_a_batch_may_be_cancelled(new_site: NewSite) -> None:
    """Cancelling `fetch_all` ends all of it."""
    web = new_site({"/": answer(gate=Gate())})
    async with Crawler() as crawler:
        batch = asyncio.create_task(crawler.fetch_all([web.url(f"/?{n}") for n in range(20)]))
        await web.asked()
        batch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await batch
        assert asyncio.all_tasks() == {asyncio.current_task()}
    assert web.count() == 1


async def test_first_come_first_served(new_site: NewSite, refused: int) -> None:
    """`as_completed` yields each page when it is there, whatever its place; errors are values here too."""
    gate = Gate()
    web = new_site({"/": "the first", "/slow": answer(body="the last", gate=gate), "/quick": "the quick one"})
    urls = [web.url("/slow"), "htp://nonsense", f"http://127.0.0.1:{refused}/", web.url("/quick")]
    order: list[str] = []
    async with Crawler(retries=0, adaptive=False) as crawler:
        await crawler.fetch(web.url())
        async for page in crawler.as_completed(urls):
            order.append(page.url)
            if len(order) == 3:
                gate.open()
    assert sorted(order) == sorted(urls)
    assert order[-1] == web.url("/slow")


async def test_leaving_a_batch_cancels_the_rest(new_site: NewSite) -> None:
    """`break` out of `as_completed`: when the crawler is left there is no task and no request any more."""
    gate = Gate()
    web = new_site({"/": "now", "/never": answer(gate=gate)})
    async with Crawler(adaptive=False) as crawler:
        await crawler.fetch(web.url())
        async for page in crawler.as_completed([web.url(), web.url("/never")]):
            assert page.url == web.url()
            await web.asked("/never")
            break
    assert asyncio.all_tasks() == {asyncio.current_task()}
    async with asyncio.timeout(5):
        while web.open_connections:
            await asyncio.to_thread(os.sched_yield)


async def test_a_host_that_hangs_keeps_nobody_else_waiting(new_site: NewSite) -> None:
    """URLs that wait for their turn at a slow host take no slot from those of other hosts."""
    gate = Gate()
    slow = new_site({"/": answer(gate=gate)})
    quick = new_site({"/": "quick"})
    async with Crawler(concurrency=4) as crawler:
        batch = crawler.as_completed([*(slow.url(f"/?{n}") for n in range(40)), quick.url()])
        async with asyncio.timeout(20):
            first = await anext(batch)
        assert first.url == quick.url()
        gate.open()
        assert len([page async for page in batch]) == 40
    assert slow.in_flight_peak <= 4


async def test_a_batch_is_as_polite_as_a_crawl(new_site: NewSite) -> None:
    """Requests to one host start `delay` seconds apart, and never more than `per_host` are together."""
    web = new_site({"/": "polite"})
    async with Crawler(delay=0.05) as crawler:
        began = time.monotonic()
        await crawler.fetch_all([web.url(f"/?{n}") for n in range(5)])
        assert time.monotonic() - began >= 4 * 0.05
    other = new_site({"/": answer(delay=0.01)})
    async with Crawler(per_host=3) as crawler:
        await crawler.fetch_all([other.url(f"/?{n}") for n in range(20)])
    assert other.in_flight_peak <= 3


async def test_hosts_that_are_named_later_may_be_private_too(new_site: NewSite) -> None:
    """An address that somebody names is wanted, whenever it is named; where a redirect leads is another matter."""
    webs = [new_site(SHOP), new_site(SHOP, address="127.0.0.2")]
    async with Crawler() as crawler:
        pages = [await crawler.fetch(web.url("/lamp")) for web in webs]
    assert [page.ok for page in pages] == [True, True]


async def test_crawls_and_single_pages_go_together(new_site: NewSite) -> None:
    """While a crawl is read, its crawler may fetch other pages."""
    web, other = new_site(SHOP), new_site({"/price": "12"})
    async with Crawler(output=None) as crawler:
        prices = [(await crawler.fetch(other.url("/price"))).text async for _ in crawler.crawl(web.url())]
    assert prices == ["12"] * len(SHOP)


# -- without a loop ----------------------------------------------------------------------------------------------------


def test_the_blocking_crawl(new_site: NewSite, tmp_path: Path) -> None:
    """`for page in crawl(url)` needs no loop, takes the same keywords and gives the same pages."""
    web = new_site(SHOP)
    blocking = {page.url: (page.status, page.outcome, page.title, page.sha256, page.depth, page.parent) for page in crawl(web.url())}
    concurrent = asyncio.run(crawled(web.url()))
    assert blocking == {
        url: (page.status, page.outcome, page.title, page.sha256, page.depth, page.parent) for url, page in concurrent.items()
    }
    assert len(list(crawl(web.url(), output=tmp_path / "out", max_pages=1))) == 1
    with pytest.raises(UsageError, match="max_page"):
        next(crawl(web.url(), max_page=1))


def test_the_blocking_crawl_keeps_its_time_limit(new_site: NewSite, tmp_path: Path) -> None:
    """Also while it waits for a host: a delay of a minute does not prolong a tenth of a second."""
    web = new_site(SHOP)
    pages = list(crawl(web.url(), output=tmp_path / "out", delay=60, max_time=0.2))
    assert len(pages) <= 1
    assert value(tmp_path / "out", "SELECT finish_reason FROM runs") == "time limit"


QUIET_IMPORT = """
import asyncio, logging, signal, sys, threading, warnings
before = (signal.getsignal(signal.SIGINT), list(logging.root.handlers), threading.active_count(), warnings.filters[:])
import crawler
heavy = {"aiohttp", "sqlite3", "selectolax", "crawler.app"} & set(sys.modules)
from crawler import *
import crawler.testing
after = (signal.getsignal(signal.SIGINT), list(logging.root.handlers), threading.active_count(), warnings.filters[:])
assert before == after, (before, after)
assert asyncio.events._event_loop_policy is None  # whoever makes a loop, or asks for one, makes it
assert not heavy, heavy
loggers = [name for name in logging.root.manager.loggerDict if name.startswith("crawler")]
assert all(not logging.getLogger(name).handlers for name in loggers), loggers
"""


def test_importing_sets_nothing_up() -> None:
    """`import crawler` loads nothing heavy, sets up no logging, no loop, no thread, no signal."""
    ran = subprocess.run([sys.executable, "-W", "error", "-c", QUIET_IMPORT], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_a_site_for_users_own_tests() -> None:
    """`crawler.testing.site` serves a web declared in a test, to whatever code the test is about."""

    def price(request: SiteRequest) -> str:
        return f"<p>{request.query}"

    with site({"/": "<a href=/b>", "/b": price}) as web:
        pages = {page.url: page.text for page in crawl(web.url(), web.url("/b?12"))}
        assert pages == {web.url(): "<a href=/b>", web.url("/b"): "<p>", web.url("/b?12"): "<p>12"}
        assert web.count("/b") == 1
