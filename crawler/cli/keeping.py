"""What a run leaves in its folder for people and programs: summary.json and report.html."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from crawler.errors import OutputError
from crawler.text import as_json

if TYPE_CHECKING:
    from crawler.assembly import Assembly
    from crawler.report.summary import Summary

# What a report may take at the end of a crawl: so many seconds, or this share of what the crawl took when that is more.
_SECONDS, _SHARE = 3.0, 0.01


def keep(opened: Assembly, summary: Summary, patience: float | None = None) -> list[str]:
    """Writes summary.json, then report.html, and returns the names of what is in the folder beside the pages. What there is no time for
    is left out of the report: after `patience` seconds, by default three or a hundredth of what the run took.

    Raises OutputError when summary.json cannot be written. A report that cannot, or whose making somebody interrupts, is left: the one
    before stays.
    """
    from crawler.report.html import report_html

    assert opened.folder is not None
    opened.folder.write("summary.json", as_json(summary.to_json(), indent=2) + "\n")
    if patience is None:
        patience = max(_SECONDS, _SHARE * summary.duration)
    with suppress(OutputError, KeyboardInterrupt):
        text = report_html(opened.database.connection, summary, opened.settings.output or "", patience)
        opened.folder.write("report.html", text)
        return ["crawl.db", "report.html"]
    return ["crawl.db", "summary.json"]
