"""`crawler check URL…`: which links are broken, for people and for continuous integration."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from crawler.cli.answer_cache import AnswerCache
from crawler.cli.audience import Audience
from crawler.cli.check_anchors import AnchorsElsewhere
from crawler.cli.parser import settings_from
from crawler.cli.screen import choose_screen, wants_color
from crawler.cli.signals import EXIT_CODES, Signals
from crawler.errors import SeedError, UsageError
from crawler.model import FinishReason
from crawler.report.check import CheckResult, check, good_answers
from crawler.report.check_formats import as_junit, as_markdown, as_text
from crawler.settings import Settings
from crawler.text import as_json, printable

if TYPE_CHECKING:
    from crawler.assembly import Assembly

FORMATS = ("text", "json", "junit", "md")
FINDINGS = 4
_WRITERS = {"text": as_text, "junit": as_junit, "md": as_markdown}


def run(arguments: Namespace) -> int:
    """Crawls, asks every link, prints what is broken; 4 when anything is. Raises SeedError when nothing of the start could be fetched."""
    from crawler.assembly import Assembly
    from crawler.core.fragments import Anchors
    from crawler.engine.hooks import Hooks
    from crawler.fetch import descriptors
    from crawler.fetch.tls import load_client
    from crawler.heap import keep_freed_memory

    began = monotonic()
    keep_freed_memory()
    load_client()
    descriptors.raise_limit()
    settings = _settings(arguments)
    cache = AnswerCache(Path(arguments.cache), arguments.cache_age, datetime.now(UTC)) if arguments.cache else None
    anchors = Anchors() if arguments.fragments else None
    hooks = Hooks(on_page=[anchors.see] if anchors is not None else [])
    with Signals(settings.output or "") as signals, Assembly(settings, hooks, spare=cache.spare if cache is not None else None) as opened:
        if anchors is not None:
            opened.frontier.conditions = tuple  # anchors are looked for in bodies
        reason = _crawl(opened, signals)
        if reason == "queue empty":
            _check_start(opened)
        spare = cache.spare if cache is not None else None
        others = AnchorsElsewhere(opened, anchors, spare) if anchors is not None else None
        if others is not None and reason not in EXIT_CODES and reason != "time limit":
            seconds = None if settings.max_time is None else settings.max_time - (monotonic() - began)
            reason = others.read(signals, seconds) or reason
        result = check(opened.database.connection, arguments.accept, anchors)
        if others is not None and others.unread:
            result = replace(result, unchecked=result.unchecked | {"anchors": others.unread})
        if cache is not None:
            cache.save(good_answers(opened.database.connection, arguments.accept) | (others.good() if others is not None else {}))
    _put(result, arguments.format)
    return EXIT_CODES.get(reason) or (FINDINGS if result.broken else 0)


def _settings(arguments: Namespace) -> Settings:
    """The settings in effect. A folder that holds such a check already is updated."""
    from crawler.wiring import read_seeds

    settings = settings_from(arguments, preset="links").settings
    if settings.page_requisites:
        raise UsageError("`page_requisites` means nothing here", "what pages are made of is asked, not fetched", "crawler check without -p")
    if settings.processes > 1:
        raise UsageError("`processes` means nothing here", "links are asked by one process", "crawler check without --processes")
    if not settings.seeds and settings.input_file is None:
        raise UsageError("no URL was given", "a check begins with at least one page", "crawler check https://example.org")
    seeds = read_seeds(settings)
    alone = replace(settings, seeds=seeds, input_file=None, processes=1, frontier=None)
    return replace(alone, check_links=True, links="all", update=settings.output is not None)


def _crawl(opened: Assembly, signals: Signals) -> FinishReason:
    """Runs the check, shown on standard error, and says why it ended."""
    from crawler.cli.crawl import run_async, run_sync
    from crawler.store.log import EventLog

    settings = opened.settings
    color = wants_color(settings.color, sys.stderr, os.environ)
    screen = choose_screen(settings.progress, sys.stderr, settings.quiet, color, os.environ, settings.verbose)
    with ExitStack() as stack:
        file = settings.log_file or (opened.folder and opened.folder.path / "crawl.log")
        log = stack.enter_context(EventLog(Path(file))) if file else None
        show = Audience(opened, screen, log, None)
        signals.remember()
        more = f" and {len(opened.seeds) - 1:,} more" if len(opened.seeds) > 1 else ""
        obeyed = "robots.txt obeyed" if settings.robots == "obey" else "robots.txt ignored"
        screen.start(f"Checking {printable(opened.seeds[0])}{more}", settings.output or "", [obeyed, "other sites: one request at a time"])
        try:
            return (run_async if settings.mode == "async" else run_sync)(opened, show, signals)
        finally:
            screen.stop()


def _check_start(opened: Assembly) -> None:
    summary = opened.summary()
    if summary.ok and opened.commit.stats.ok_pages:
        return
    seed = next(iter(summary.failed_seeds or ()), None)
    what, why = (seed.url, seed.why) if seed is not None else (opened.seeds[0], "nothing of it may be asked for")
    raise SeedError(f"the start cannot be checked: {printable(what)}", printable(why), f"crawler links {printable(what)}")


def _put(result: CheckResult, format: str) -> None:
    if format == "json":
        print(as_json(result.to_json(), indent=2, ascii=True))
        return
    for piece in _WRITERS[format](result):
        sys.stdout.write(piece)
