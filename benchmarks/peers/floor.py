"""The least that a crawler on aiohttp can cost: it asks no robots.txt, keeps nothing, tries nothing again and knows no politeness.

    python benchmarks/peers/floor.py --urls FILE       fetches the URLs of a file and drops the bodies
    python benchmarks/peers/floor.py --seeds FILE      follows links: lexbor finds them, ada resolves each href once, a set knows them

Uses uvloop when it is there, and treats its memory as we do. Exit status 1 when an answer was not 200.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import yarl

from crawler.heap import collect_rarely, keep_freed_memory


def links_of(body: bytes, url: str, cache: dict[str, str]) -> list[str]:
    """Where the links of a page lead, without fragments. No href is resolved twice: one that begins with a slash means the same
    everywhere on a host, any other the same in a folder."""
    import ada_url
    from selectolax.lexbor import LexborHTMLParser

    folder, host = f"{url.rpartition('/')[0]} ", f"{'/'.join(url.split('/', 3)[:3])} "
    found = []
    for node in LexborHTMLParser(body).tags("a"):
        href = (node.attrs.get("href") or "").partition("#")[0]
        if href:
            key = (host if href[0] == "/" else folder) + href
            known = cache.get(key)
            if known is None:
                known = cache[key] = ada_url.join_url(url, href)
            found.append(known)
    return found


async def crawl(urls: list[str], follow: bool, connections: int) -> bool:
    """Fetches the URLs, and what they lead to on their hosts when links are followed; whether every answer was 200."""
    queue, known, hosts = list(reversed(urls)), set(urls), {urlsplit(url).netloc for url in urls}
    cache: dict[str, str] = {}
    good, busy, news = True, 0, asyncio.Event()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(), cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def work() -> None:
            nonlocal busy, good
            while queue or busy:
                if not queue:
                    news.clear()
                    await news.wait()
                    continue
                url = queue.pop()
                busy += 1
                async with session.get(yarl.URL(url, encoded=True)) as response:
                    body = await response.read()
                    good = good and response.status == 200
                for link in links_of(body, url, cache) if follow else ():
                    if link not in known and urlsplit(link).netloc in hosts:
                        known.add(link)
                        queue.append(link)
                busy -= 1
                news.set()

        await asyncio.gather(*(work() for _ in range(connections)))
    return good


def main() -> int:
    """Fetches; 1 when an answer was not 200."""
    parser = argparse.ArgumentParser(description="The least that a crawler on aiohttp can cost.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--seeds", type=Path, help="follow the links from the URLs in this file")
    source.add_argument("--urls", type=Path, help="fetch the URLs in this file and follow nothing")
    parser.add_argument("--connections", type=int, default=32)
    given = parser.parse_args()
    urls = (given.seeds or given.urls).read_text("utf-8").split()
    keep_freed_memory()
    collect_rarely()
    crawling = crawl(urls, given.seeds is not None, given.connections)
    try:
        import uvloop
    except ImportError:
        return 0 if asyncio.run(crawling) else 1
    return 0 if uvloop.run(crawling) else 1


if __name__ == "__main__":
    sys.exit(main())
