"""robots.txt as crawls meet it in the wild."""

from __future__ import annotations

from crawler import Crawler
from crawler.testing import Site


async def test_a_robots_file_without_end_still_rules_by_its_beginning(site: Site) -> None:
    """RFC 9309, 2.5: the first 500 KiB are obeyed, the rest of a huge file is left alone."""
    rules = b"User-agent: *\nDisallow: /no\n"
    site.page("/robots.txt", rules + b"#" * (40 * 1024 * 1024), headers={"Content-Type": "text/plain"})
    site.page("/", links=["/no", "/yes"])
    site.page("/yes", "hello")

    async with Crawler() as crawler:
        pages = [page async for page in crawler.crawl(site.url("/"))]

    assert {page.url for page in pages} == {site.url("/"), site.url("/yes")}
    assert site.count("/no") == 0
