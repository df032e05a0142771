"""Pages made to stop a crawler get their outcome, and the crawl goes on: in both modes, and whenever it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from parsers import OBEDIENT
from running import SECONDS, is_surrounding, no_surroundings, rows, stored
from test_parser_process import is_gone

from crawler import Crawler, Page, app, crawl
from crawler.app import run_synchronously
from crawler.assembly import Assembly
from crawler.engine import parser_process
from crawler.engine.hooks import Hooks
from crawler.engine.reading import LARGE_BODY
from crawler.model import Link
from crawler.settings import Settings
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


def test_a_time_limit_does_not_wait_for_a_page(
    site: Site, pages: Callable[..., list[Page]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A page that is being read for ever when the time is up is given up: neither tried nor failed."""
    monkeypatch.setattr(parser_process, "PROGRAM", OBEDIENT)
    monkeypatch.setattr(app, "AFTER_THE_LIMIT", 0.1)
    site.page("/", HANGER)
    begun = time.monotonic()
    assert pages(site, output=str(tmp_path / "out"), max_time=0.5) == []
    assert time.monotonic() - begun < 15
    assert child_processes() == []
    assert rows(tmp_path / "out", "SELECT state, attempts FROM urls WHERE url = ?", site.url("/")) == [("queued", 0)]
    assert rows(tmp_path / "out", "SELECT finish_reason FROM runs") == [("time limit",)]


def test_a_time_limit_does_not_wait_for_many_links(site: Site, tmp_path: Path) -> None:
    """A page whose links are being judged one after the other when the time is up is asked for again by the next run."""
    late = 0.0

    def follow(page: Page, links: Sequence[Link]) -> Sequence[Link]:
        nonlocal late
        late = 3600.0  # from here on it is late
        return links

    site.page("/", links=[f"/{number}" for number in range(5_000)])
    settings = Settings(seeds=(site.url(),), output=str(tmp_path / "out"), max_time=60)
    with Assembly(settings, Hooks(follow=[follow]), lambda: time.monotonic() + late) as opened:
        assert list(run_synchronously(opened)) == []
        assert opened.reason == "time limit"
    assert late
    assert rows(tmp_path / "out", "SELECT state, attempts FROM urls WHERE role = 'page'") == [("queued", 0)]


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
            head, _, rest = Path(f"/proc/{name}/stat").read_text().rpartition(")")
        except OSError:
            continue
        stat = rest.split()
        is_ours = not head.endswith("(redis-server")  # other tests keep one
        if is_ours and int(stat[1]) == os.getpid() and stat[0] != "Z":
            found.append(int(name))
    return found


# A parser that a small page kills in the crawling process itself, where no other process is in between.
FRAGILE = f"""
import os, signal, sys
from crawler.engine import parser_process, reader
parser_process.PROGRAM = {OBEDIENT!r}
real = reader.read
def read(request, response, *arguments, **keywords):
    if response.body.read().startswith(b"kill"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return real(request, response, *arguments, **keywords)
reader.read = read
from crawler.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_page_that_kills_the_crawl_is_set_aside_by_the_next_run(site: Site, tmp_path: Path, mode: str) -> None:
    """A small page is read in the crawling process. One that ends it is fetched again when the crawl goes on; that run says so, reads
    what the first one had in hand in a process of its own, and completes."""
    site.page("/", links=["/bad", *(f"/{number}" for number in range(9))])
    site.page("/bad", "kill SIGSEGV")
    for number in range(9):
        site.page(f"/{number}")
    environment = {name: value for name, value in os.environ.items() if not is_surrounding(name)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-c", FRAGILE, "crawl", site.url(), "-o", str(tmp_path / "out"), "--mode", mode]
    first, second = (
        subprocess.run(command, env=environment, timeout=SECONDS, check=False, capture_output=True, text=True) for _ in range(2)
    )

    assert (first.returncode, second.returncode) == (-signal.SIGSEGV, 0)
    assert "The last run was cut off" not in first.stderr
    assert "The last run was cut off" in second.stderr
    assert rows(tmp_path / "out", "SELECT url, error FROM pages WHERE outcome <> 'ok'") == [(site.url("/bad"), "internal")]
    assert len(stored(tmp_path / "out")) == 11
    assert site.count("/bad") == 2
