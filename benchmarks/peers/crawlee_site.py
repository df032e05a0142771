"""Crawlee at the same work: follows every link of the hosts it begins at, obeys robots.txt, saves every body; its queue of requests is
on the disk, as it is by default. Run by the Python of its venv:

    crawlee/bin/python crawlee_site.py SEEDS OUT          (SEEDS: a file with a URL on each line)
"""

import asyncio
import logging
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from crawlee import ConcurrencySettings, service_locator
from crawlee.configuration import Configuration
from crawlee.crawlers import ParselCrawler, ParselCrawlingContext

seeds, out = Path(sys.argv[1]).read_text("utf-8").split(), Path(sys.argv[2])


async def main() -> None:
    service_locator.set_configuration(Configuration(storage_dir=str(out / "storage"), purge_on_start=False))
    crawler = ParselCrawler(
        concurrency_settings=ConcurrencySettings(min_concurrency=32, desired_concurrency=32, max_concurrency=32),
        respect_robots_txt_file=True,
        max_requests_per_crawl=None,
        request_handler_timeout=timedelta(minutes=5),
        configure_logging=False,
    )

    @crawler.router.default_handler
    async def save(context: ParselCrawlingContext) -> None:
        body = await context.http_response.read()
        (out / f"{sha256(context.request.url.encode()).hexdigest()}.html").write_bytes(body)
        await context.enqueue_links()

    await crawler.run(seeds)


out.mkdir(parents=True)
logging.disable(logging.WARNING)
asyncio.run(main())
