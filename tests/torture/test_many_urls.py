"""A million URLs: a crawl that knows them goes on at once, and one that finds them does not hold them in memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from figures import Torture
from running import no_surroundings, running, value

from crawler.assembly import Assembly
from crawler.bench.measure import Measurement
from crawler.core.urls import fingerprint, host_key
from crawler.engine.hooks import Hooks
from crawler.model import Body, Fetched, Page, Record, Request
from crawler.settings import Settings
from crawler.testing import Answer, Site, SiteRequest, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

AT_ONCE = 500
HEADERS = (("Content-Type", "text/html; charset=utf-8"), ("Date", "Sat, 21 Nov 2026 10:00:00 GMT"), ("ETag", '"5f1b2c-7a40"'))


def known(seed: str, count: int) -> Iterator[list[Request]]:
    """So many URLs of usual length, in the batches in which a crawl finds them."""
    urls = (f"{seed}section-{number // 5000:04}/article-{number:08}.html" for number in range(count))
    requests = (Request(url, fingerprint(url), host_key(url), depth=1, parent=seed) for url in urls)
    while batch := [request for request, _ in zip(requests, range(AT_ONCE), strict=False)]:
        yield batch


def half_crawled(folder: Path, seed: str, count: int) -> None:
    """Leaves the folder of a crawl that knows so many URLs, has stored a third of them, and was killed."""
    settings = Settings.from_keywords(seeds=(seed,), output=str(folder))
    with Assembly(settings, Hooks()) as opened:
        for requests in known(seed, count):
            opened.frontier.add(requests)
        for _ in range(count // 3 // AT_ONCE):
            [lease] = opened.frontier.lease(1, AT_ONCE, 60.0).leases
            with opened.database.transaction():
                opened.store.write([record(request) for request in lease.requests])
                opened.frontier.done(lease, [Fetched(request, ok=True, size=30_000) for request in lease.requests], lease.state)
                opened.frontier.release(lease, lease.state)
        opened.frontier.lease(1, AT_ONCE, 60.0)


def record(request: Request) -> Record:
    """A usual page."""
    page = Page(
        request.url, request.id, 200, raw_headers=HEADERS, content=Body(30_000, b"", sha256=f"{request.id & 2**64 - 1:064x}"), depth=1,
        parent=request.parent, content_type="text/html", title=f"Article {request.id}", fetched_at=datetime.now(UTC),
    )  # fmt: skip
    return Record(page, tuple((request.id + number, "a", "", "a link") for number in range(5)))


def test_a_crawl_that_knows_many_urls_goes_on_at_once(new_site: Callable[..., Site], torture: Torture, tmp_path: Path) -> None:
    """From the start of the process to its first request for a page, whatever was counted, voided and checked before."""
    site, folder = new_site(otherwise=answer(200, "<title>an article</title>")), tmp_path / "out"
    half_crawled(folder, site.url(), torture.draw(short=6_000, long=1_000_000))
    for _ in range(torture.draw(short=1, long=3)):
        first, began = len(site.log), time.monotonic()
        with running("resume", folder, "-q"):
            site.wait_for("/robots.txt", timeout=60)
            while not (pages := [hit for hit in site.log[first:] if hit.path != "/robots.txt"]):
                site.wait_for(count=len(site.log) + 1, timeout=60)
        # Within the suite others may be running beside it.
        seconds = torture.draw(short=20.0, long=3.0)
        torture.figure("start to first page, among known URLs", pages[0].time - began, at_most=seconds, unit="s")


def test_pages_of_many_links_fit_in_memory(new_site: Callable[..., Site], torture: Torture, tmp_path: Path) -> None:
    """Pages of two thousand links that nobody knew: what waits to be committed is bounded by its links, not by its pages."""
    pages, folder, site = torture.draw(short=5, long=500), tmp_path / "out", new_site(otherwise=many_links)
    words = ["-m", "crawler.bench.measure", "--mode", "32", "--own", "--pages", str(pages), "-o", str(folder)]
    said = subprocess.run([sys.executable, *words], input=site.url(), capture_output=True, text=True, check=True).stdout
    assert value(folder, "SELECT count(*) FROM urls") == 1 + 2000 * pages
    peak = Measurement.from_json(said).peak or 0
    torture.figure("memory of a crawl of pages with 2,000 new links each", peak / 1e6, at_most=200, unit="MB")


def many_links(request: SiteRequest) -> Answer:
    """A page of two thousand links, none of which is on another page."""
    place = request.target.strip("/").replace("/", "-") or "0"
    links = "".join(f'<a href="/p{place}/article-{number:05}.html">link number {number}</a>\n' for number in range(2000))
    return answer(200, f"<title>{place}</title>{links}", {"Content-Type": "text/html"}) if place != "robots.txt" else answer(404)
