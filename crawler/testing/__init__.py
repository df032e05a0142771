"""Sites and fetchers for tests, yours and ours: a web declared inside the test, on loopback or in a dictionary.

    from crawler.testing import answer, site

    def test_a_missing_page_is_reported():
        with site({"/": "<a href=/gone>", "/gone": answer(410)}) as web:
            ...                       # crawl web.url()
            assert web.count("/gone") == 1

`site()` serves real HTTP/1.1 from a thread of its own; `answer(fault="reset")` and its kin break it on purpose.
`FakeFetcher` and `FakeBlockingFetcher` stand in for the network altogether. `reachable()` says what a crawl should find.
"""

from crawler.testing.answers import Answer, Fault, Gate, PageValue, SiteRequest, answer, in_turn, redirect
from crawler.testing.fakes import FakeBlockingFetcher, FakeFetcher, FakeValue
from crawler.testing.loopback import Hit, Site, site
from crawler.testing.oracle import reachable

__all__ = [
    "Answer",
    "FakeBlockingFetcher",
    "FakeFetcher",
    "FakeValue",
    "Fault",
    "Gate",
    "Hit",
    "PageValue",
    "Site",
    "SiteRequest",
    "answer",
    "in_turn",
    "reachable",
    "redirect",
    "site",
]
