"""A concurrent web crawler: polite, fast, resumable at any instant, with its results in one SQLite folder.

    async with Crawler(output="out", max_pages=500) as crawler:
        async for page in crawler.crawl("https://example.org"):
            print(page.status, page.url, page.title)

The names below are the public ones; each is loaded when it is first used, so `import crawler` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crawler.app import Crawler as Crawler
    from crawler.app import crawl as crawl
    from crawler.engine.hooks import Skip as Skip
    from crawler.engine.stream import PageStream as PageStream
    from crawler.errors import CrawlerError as CrawlerError
    from crawler.errors import OutputError as OutputError
    from crawler.errors import UsageError as UsageError
    from crawler.model import Link as Link
    from crawler.model import Page as Page
    from crawler.model import PageError as PageError
    from crawler.model import Request as Request
    from crawler.report.results import BrokenLink as BrokenLink
    from crawler.report.results import LinkRow as LinkRow
    from crawler.report.results import Results as Results
    from crawler.report.results import open_results as open_results
    from crawler.report.summary import Summary as Summary
    from crawler.settings import Settings as Settings
    from crawler.store.row import PageRow as PageRow

__version__ = "0.1.0"

_WHERE = {
    "BrokenLink": "crawler.report.results",
    "Crawler": "crawler.app",
    "CrawlerError": "crawler.errors",
    "Link": "crawler.model",
    "LinkRow": "crawler.report.results",
    "OutputError": "crawler.errors",
    "Page": "crawler.model",
    "PageError": "crawler.model",
    "PageRow": "crawler.store.row",
    "PageStream": "crawler.engine.stream",
    "Request": "crawler.model",
    "Results": "crawler.report.results",
    "Settings": "crawler.settings",
    "Skip": "crawler.engine.hooks",
    "Summary": "crawler.report.summary",
    "UsageError": "crawler.errors",
    "crawl": "crawler.app",
    "open_results": "crawler.report.results",
}

__all__ = [
    "BrokenLink",
    "Crawler",
    "CrawlerError",
    "Link",
    "LinkRow",
    "OutputError",
    "Page",
    "PageError",
    "PageRow",
    "PageStream",
    "Request",
    "Results",
    "Settings",
    "Skip",
    "Summary",
    "UsageError",
    "__version__",
    "crawl",
    "open_results",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *__all__})
