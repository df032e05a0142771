"""Summaries with numbers of a test's choosing."""

from typing import Any

from crawler.report.summary import Summary
from tests.report.crawl_folder import ENDED, STARTED


def a_summary(**facts: Any) -> Summary:
    """What is said of a crawl of 49 seconds that is complete and found nothing at all, but for these facts."""
    nothing: dict[str, Any] = {
        "run": 1, "started": STARTED, "ended": ENDED, "finish_reason": "queue empty", "duration": 49.0,
        "pages": 0, "run_pages": 0, "ok": 0, "redirects": 0, "broken": 0, "errors": 0, "requisites": 0, "probes": 0,
        "bytes": 0, "min_depth": 0, "max_depth": 0,
        "files": 0, "queued": 0, "error_kinds": (), "closed_hosts": 0, "closed_host_examples": (), "given_up": 0,
        "failed_sitemaps": (), "failed_seeds": (),
        "only_page": None, "skipped": 0, "skipped_reasons": {}, "skipped_groups": (),
        "ttfb_median_ms": None, "ttfb_p95_ms": None, "ttfb_max_ms": None, "broken_links": 0, "broken_links_shared": 0,
        "shared_title_pages": 0, "shared_titles": 0, "script_only": 0, "script_only_examples": (),
    }  # fmt: skip
    return Summary(**(nothing | facts))
