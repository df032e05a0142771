"""Small laws that were broken once."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
from pathlib import Path

import pytest
from running import Capture, rows, run

from crawler import Crawler, crawl
from crawler.engine.reading import retry_after
from crawler.errors import OutputError, UsageError
from crawler.model import Body, Response
from crawler.testing import Site, SiteRequest, answer, in_turn

XML = {"Content-Type": "application/xml"}
MAPS = ("/map.xml", "/moved.xml", "/broken.xml")


@pytest.mark.parametrize("value", ["Mon, 01 Jan 2000 99999999999999999999:00:00 GMT", "-1", "soon", "1e9", "", "9" * 400])
def test_no_retry_after_raises(value: str) -> None:
    """Whatever the header says, it is a number of seconds or nothing."""
    seconds = retry_after(Response("http://h/", 200, (("Retry-After", value),)))
    assert seconds is None or seconds >= 0


async def test_a_page_that_breaks_the_reader_is_one_failed_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception while a page is read is an error of that page; the crawl goes on."""
    from crawler.engine import reader

    original = reader.read

    def read(request, response, wanted, **how):  # type: ignore[no-untyped-def]
        if request.url.endswith("/bad"):
            raise ZeroDivisionError("a page that nobody foresaw")
        return original(request, response, wanted, **how)

    monkeypatch.setattr(reader, "read", read)
    site.page("/", links=["/bad", "/good"])
    site.page("/bad")
    site.page("/good")
    async with Crawler() as crawler:
        pages = {page.url: page async for page in crawler.crawl(site.url("/"))}
    assert str(pages[site.url("/bad")].error) == "internal: ZeroDivisionError: a page that nobody foresaw"
    assert pages[site.url("/good")].ok


def test_a_body_that_cannot_be_opened_for_want_of_files_is_asked_for_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    """Too many open files are this process's trouble, also when a large body is read again: the page arrives, no attempt is counted."""
    site.page("/", "<p>" + "lamp " * 100_000)
    tries: list[int] = []
    read = Body.read

    def crowded(body: Body) -> bytes:
        tries.append(body.size)
        if len(tries) == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return read(body)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(subprocess, "Popen", refuse)  # no process for large pages either
    monkeypatch.setattr(Body, "read", crowded)
    assert run(capfd, site.url(), "-o", tmp_path / "out").code == 0
    assert rows(tmp_path / "out", "SELECT outcome, attempts FROM pages") == [("ok", 1)]
    assert len(tries) > 1


@pytest.mark.parametrize("start", ["/", "/sitemap.xml"])
def test_a_sitemap_is_read_also_when_it_is_linked_or_a_seed(site: Site, start: str) -> None:
    """What a sitemap lists is found, whichever way the sitemap itself was found first."""
    site.page("/", links=["/sitemap.xml", "/b"])
    site.page("/a")
    site.page("/b")
    site.page("/sitemap.xml", f"<urlset><url><loc>{site.url('/a')}</loc></url></urlset>", headers=XML)
    found = {page.url for page in crawl(site.url(start)) if page.ok}
    assert site.url("/a") in found
    assert site.url("/sitemap.xml") in found


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_large_answer_that_is_not_kept_takes_no_room(site: Site, tmp_path: Path, mode: str, capfd: Capture) -> None:
    """An answer after which a URL is asked for again, a robots.txt, a sitemap and its error page: their temporary files are gone as
    soon as they were read, not only when the crawl ends."""
    large, left = "<p>" + "lamp " * 120_000, []
    again = answer(500, large, {"Retry-After": "0"})

    def look(request: SiteRequest) -> str:
        left.extend(path.name for path in (tmp_path / "out" / "pages" / ".tmp").iterdir())
        return "the end"

    site.page("/robots.txt", "User-agent: *\n" + "".join(f"Sitemap: {site.url(path)}\n" for path in MAPS) + "#" * 400_000)
    site.page("/map.xml", f"<urlset><url><loc>{site.url('/')}</loc></url>{' ' * 400_000}</urlset>", headers=XML)
    site.page("/moved.xml", answer(302, large, {"Location": "/map.xml"}))
    site.page("/broken.xml", answer(404, large))
    site.page("/", in_turn(again, answer(200, large, links=["/end"])))
    site.page("/end", look)
    assert run(capfd, site.url("/"), "-o", tmp_path / "out", "--mode", mode).code == 0
    assert [site.count(path) for path in ("/", "/end", *MAPS)] == [2, 1, 1, 1, 1]
    assert left == []


def test_fresh_never_deletes_what_is_not_ours(site: Site, tmp_path: Path) -> None:
    """Another program's database stays, flag or not."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "mine.txt").write_text("mine")
    with sqlite3.connect(tmp_path / "crawl.db") as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(OutputError):
        list(crawl(site.url("/"), output=str(tmp_path), fresh=True))
    assert (tmp_path / "pages" / "mine.txt").read_text() == "mine"


def test_a_bad_selector_is_said_before_anything_is_asked(site: Site) -> None:
    """`--extract` is checked at the start."""
    with pytest.raises(UsageError):
        list(crawl(site.url("/"), extract={"a": ":::"}))
    assert site.log == []


def test_a_crawl_that_lost_a_host_is_not_called_complete(site: Site, tmp_path: Path) -> None:
    """URLs that were never asked for are counted, and the summary says so."""
    from crawler.report.folder import open_folder
    from crawler.report.summary import summarize

    site.page("/", links=[f"/{n}" for n in range(9)])
    site.page("/0", answer(fault="refuse"))
    list(crawl(site.url("/"), output=str(tmp_path / "out"), retries=0, per_host=1))
    connection = open_folder(tmp_path / "out")
    summary = summarize(connection)
    connection.close()
    assert summary.given_up > 0
    assert not summary.complete


def test_the_delay_holds_after_a_holder_that_died(tmp_path: Path) -> None:
    """A lease that nobody gave back: its holder may have asked a moment ago."""
    from crawler.frontier.sqlite import SqliteFrontier
    from crawler.model import Limits, Request
    from crawler.store.database import Database

    now = 100.0
    database = Database(tmp_path / "crawl.db")
    frontier = SqliteFrontier(database, Limits(), lambda: now, lambda host: 5.0)
    frontier.add([Request("http://h/", 1, "h")])
    assert len(frontier.lease(1, 1, 60.0).leases) == 1
    frontier.void_leases(same_clock=True)
    assert frontier.lease(1, 1, 60.0).leases == ()
    assert frontier.lease(1, 1, 60.0).next_due == 105.0
    database.close()
