"""What a run leaves in its folder for people and programs: summary.json, report.html, and its beginning and end in crawl.log."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.errors import OutputError
from crawler.store.log import EventLog
from crawler.text import as_json

if TYPE_CHECKING:
    from crawler.assembly import Assembly
    from crawler.report.summary import Summary

PATIENCE = 1.0
"""Seconds that what is not known at once may take, each for the summary and the report, when somebody wants a crawl to end."""

# What a report may take at the end of a crawl: so many seconds, or this share of what the crawl took when that is more.
_SECONDS, _SHARE = 3.0, 0.01
# Reasons to finish that are none of the crawl.
_LEFT_EARLY = ("interrupted", "error")
_NAMES = ("summary.json", "report.html")


def open_log(opened: Assembly) -> EventLog:
    """The log of a crawl in a folder: crawl.log there, or where `log_file` says. Raises OutputError."""
    assert opened.folder is not None
    return EventLog(Path(opened.settings.log_file or opened.folder.path / "crawl.log"))


def log_start(log: EventLog, opened: Assembly) -> None:
    """Writes down that a run begins."""
    event = "started" if opened.is_new else "updated" if opened.run == opened.update else "resumed"
    log.write(event, seeds=list(opened.seeds)[:100], run=opened.run, pid=os.getpid())


def log_end(log: EventLog, summary: Summary, reason: str) -> None:
    """Writes down how a run ended, and which sitemaps it could not read."""
    for sitemap in summary.failed_sitemaps:
        log.write("sitemap", url=sitemap.url, why=sitemap.why)
    log.write("finished", reason=reason, pages=summary.pages, queued=summary.queued)


def begin(opened: Assembly) -> None:
    """Writes down that a program begins a run, unless that has no folder or nothing to do. Raises OutputError."""
    if opened.folder is not None and not opened.is_finished:
        with open_log(opened) as log:
            log_start(log, opened)


def is_kept(opened: Assembly) -> bool:
    """Whether both are there, or have no folder to be in. They are missing when a kill came before they were written."""
    return opened.folder is None or all((opened.folder.path / name).exists() for name in _NAMES)


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


def sum_up(opened: Assembly) -> Summary:
    """The summary of a crawl that a program has run, which is in the folder by then, with the report, and its end in the log. One that
    was left early keeps nobody waiting. Raises OutputError as above."""
    patience = PATIENCE if opened.reason in _LEFT_EARLY else None
    summary = opened.summary(patience)
    if opened.folder is not None and not (opened.is_finished and is_kept(opened)):
        keep(opened, summary, patience)
    if opened.folder is not None and not opened.is_finished:
        with open_log(opened) as log:
            log_end(log, summary, opened.reason)
    return summary
