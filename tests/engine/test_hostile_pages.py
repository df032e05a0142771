"""Pages made to stop a crawler get their outcome, and the crawl goes on: in both modes, and whenever it is stopped."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from parsers import OBEDIENT
from running import no_surroundings, rows, stored
from test_parser_process import is_gone

from crawler import Crawler, Page, crawl
from crawler.engine import parser_process
from crawler.engine.reading import LARGE_BODY
from crawler.testing import Site, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

FILLER = b" " * LARGE_BODY
KILLER, HANGER = b"kill SIGSEGV" + FILLER, b"hang" + FILLER


def asynchronously(site: Site, **settings: object) -> list[Page]:
    async def main() -> list[Page]:
        async with Crawler(**settings) as crawler:
            return [page async for page in crawler.crawl(site.url())]

    return asyncio.run(main())


def synchronously(site: Site, **settings: object) -> list[Page]:
    return list(crawl(site.url(), **settings))


@pytest.fixture(params=[asynchronously, synchronously])
def pages(request: pytest.FixtureRequest) -> Callable[..., list[Page]]:
    """Each way to crawl a site."""
    way: Callable[..., list[Page]] = request.param
    return way


@pytest.mark.parametrize("saved", [True, False])
def test_a_page_that_kills_its_parser_is_set_aside(
    site: Site, pages: Callable[..., list[Page]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, saved: bool
) -> None:
    """It is an error of its own, with the signal in words; everything else is fetched; a body on disk leaves no file behind."""
    monkeypatch.setattr(parser_process, "PROGRAM", OBEDIENT)
    site.page("/", links=["/bad", "/good", "/large"])
    site.page("/bad", KILLER)
    site.page("/good", links=["/below"])
    site.page("/below")
    site.page("/large", b"<a href=/behind></a>" + FILLER)
    site.page("/behind")
    found = {page.url: page for page in pages(site, output=str(tmp_path / "out") if saved else None)}
    assert str(found[site.url("/bad")].error) == "internal: its parser was ended 2 times: SIGSEGV"
    assert {url for url, page in found.items() if page.ok} == {site.url(path) for path in ("/", "/good", "/below", "/large", "/behind")}
    if saved:
        assert stored(tmp_path / "out") == sorted(found)
        assert list((tmp_path / "out" / "pages" / ".tmp").iterdir()) == []
        assert rows(tmp_path / "out", "SELECT error, file FROM pages WHERE outcome = 'error'") == [("internal", None)]


async def test_a_single_page_is_read_as_safely(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a crawl too; leaving the crawler ends the process."""
    monkeypatch.setattr(parser_process, "PROGRAM", OBEDIENT)
    site.page("/bad", KILLER)
    site.page("/large", b"<title>T</title>" + FILLER)
    async with Crawler() as crawler:
        bad, large = await crawler.fetch_all([site.url("/bad"), site.url("/large")])
        children = child_processes()
    assert bad.error is not None
    assert bad.error.kind == "internal"
    assert (large.title, len(children)) == ("T", 1)
    assert all(map(is_gone, children))


async def test_a_stop_does_not_wait_for_a_page(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever leaves while a page is being read for ever leaves at once; the page is asked for again by the next crawl."""
    monkeypatch.setattr(parser_process, "PROGRAM", OBEDIENT)
    site.page("/", links=["/bad", "/good"])
    site.page("/bad", HANGER)
    site.page("/good")
    async with Crawler(output=tmp_path / "out") as crawler:
        async for page in crawler.crawl(site.url()):
            if page.url == site.url("/good"):
                await site.asked("/bad")
                children = await asyncio.to_thread(some_children)
                begun = time.monotonic()
                break
    assert time.monotonic() - begun < 5
    assert all(map(is_gone, children))
    assert rows(tmp_path / "out", "SELECT state, attempts FROM urls WHERE url = ?", site.url("/bad")) == [("queued", 0)]


def test_a_refresh_that_used_to_take_for_ever(site: Site, pages: Callable[..., list[Page]]) -> None:
    """A number of sixty thousand digits, in a page and in a header."""
    site.page("/", answer(headers=[("Refresh", "1" * 60_000 + "x")], body="<meta http-equiv=refresh content='" + "1" * 60_000 + "x'>"))
    begun = time.process_time()
    assert [page.ok for page in pages(site)] == [True]
    assert time.process_time() - begun < 5


def some_children() -> list[int]:
    """The same, once there are any."""
    while not (found := child_processes()):
        os.sched_yield()
    return found


def child_processes() -> list[int]:
    """The processes that this one has started and that still run."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat[1]) == os.getpid() and stat[0] != "Z":
            found.append(int(name))
    return found
