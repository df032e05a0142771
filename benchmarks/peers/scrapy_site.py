"""Scrapy at the same work: follows every link of the hosts it begins at, obeys robots.txt, saves every body. Run by the Python of its venv:

scrapy/bin/python scrapy_site.py SEEDS OUT          (SEEDS: a file with a URL on each line)
"""

import sys
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import scrapy
from scrapy.crawler import CrawlerProcess

seeds, out = Path(sys.argv[1]).read_text("utf-8").split(), Path(sys.argv[2])


class Site(scrapy.Spider):
    name = "site"
    start_urls = seeds
    allowed_domains = sorted({urlsplit(seed).hostname for seed in seeds})

    def parse(self, response):
        (out / f"{sha256(response.url.encode()).hexdigest()}.html").write_bytes(response.body)
        yield from response.follow_all(css="a")


out.mkdir(parents=True)
process = CrawlerProcess(
    {
        "ROBOTSTXT_OBEY": True,
        "CONCURRENT_REQUESTS": 32,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 32,
        "DOWNLOAD_DELAY": 0,
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
    }
)
process.crawl(Site)
process.start()
