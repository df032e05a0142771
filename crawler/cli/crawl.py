"""`crawler crawl` and `crawler resume`: from settings to an exit code."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.cli.audience import Audience
from crawler.cli.messages import called, put, say
from crawler.cli.parser import settings_from
from crawler.cli.rows import open_rows
from crawler.cli.screen import choose_screen, wants_color
from crawler.cli.signals import EXIT_CODES, SIGNALS, Interrupted, Signals
from crawler.cli.stored import folder_to_update, stored_settings
from crawler.effective import Effective
from crawler.errors import CrawlerError, OutputError, SeedError, UsageError
from crawler.keeping import PATIENCE, is_kept, keep, log_end, log_start, open_log
from crawler.model import FinishReason
from crawler.settings import Settings
from crawler.text import as_json, printable

if TYPE_CHECKING:
    from crawler.assembly import Assembly, Engine
    from crawler.cli.metrics import MetricsServer
    from crawler.crew.crew import Crew
    from crawler.report.summary import Summary

# How it is told that nobody speaks https there.
_NO_HTTPS = ("refused", "does not speak TLS")
REDRAW = 0.25
"""Seconds between two updates of the screen."""

# A pause has to end in time, whatever is left of it.
_AFTER_SUMMARY, _AFTER_REPORT = 0.8, 0.5


def run(arguments: Namespace) -> int:
    """`crawler crawl URL…`; with `--update` also `crawler crawl --update DIR`."""
    if (folder := folder_to_update(arguments)) is not None:
        del arguments.seeds
        return run_settings(stored_settings(folder, arguments))
    return run_settings(settings_from(arguments))


def resume(arguments: Namespace) -> int:
    """`crawler resume DIR`: the stored seeds and settings, and the flags that were typed."""
    return run_settings(stored_settings(Path(arguments.folder), arguments), again=True)


def run_settings(effective: Effective, again: bool = False, same: str = "") -> int:
    """Crawls with these settings; shows it, and returns the exit code. `same` is the command that goes on with this crawl, when
    `crawler resume` does not."""
    from crawler.fetch import descriptors
    from crawler.fetch.tls import load_client
    from crawler.heap import keep_freed_memory, put_off_collecting
    from crawler.wiring import read_seeds

    keep_freed_memory()
    put_off_collecting()
    load_client()
    descriptors.raise_limit()
    settings = effective.settings
    plain = _without_scheme(settings) if settings.frontier is None else ""
    # Once for all: standard input can be read once, and crawl.toml has to name the seeds.
    settings = replace(settings, seeds=read_seeds(settings), input_file=None)
    folder = default_folder(settings.seeds[0])
    settings = replace(settings, output=settings.output or folder, name=settings.name or folder.removeprefix("crawl-"))
    if settings.release and (settings.fresh or not (Path(settings.output or "") / "crawl.db").exists()):
        why = "a crawl that begins anew has nothing in quarantine"  # said before a folder is made, or emptied
        raise UsageError(f"{settings.release[0]} is not in quarantine", why, "the same command without --release")
    if not plain:
        return _crawl(settings, again, same)
    over_http = replace(settings, seeds=read_seeds(replace(settings, seeds=(f"http://{plain}",))))
    if not settings.fresh and _holds(settings, over_http.seeds):
        return _crawl(over_http, again, same)
    try:
        return _crawl(settings, again, same, may_be_plain=True)
    except _NoHttpsError as error:
        said = f"{plain} cannot be asked over https ({error.why}); trying http"
        say(as_json({"event": "message", "message": said}, ascii=True) if _is_for_programs(settings) else said)
        return _crawl(replace(over_http, fresh=True), again, same)


def _without_scheme(settings: Settings) -> str:
    """The only seed, when it was typed without a scheme: https is assumed, and http tried when that is refused."""
    seed = settings.seeds[0].strip() if len(settings.seeds) == 1 and settings.input_file is None else ""
    return "" if "://" in seed or seed.startswith(("//", "localhost", "127.")) else seed


def _holds(settings: Settings, seeds: Sequence[str]) -> bool:
    """Whether the folder holds a crawl of these seeds."""
    from crawler.report.folder import seeds_of

    assert settings.output is not None
    try:
        return seeds_of(Path(settings.output)) == list(seeds)
    except OutputError:
        return False  # no crawl, or none that can be used: whoever opens it says so


def default_folder(seed: str) -> str:
    """crawl-HOST."""
    from crawler.core.urls import host_key

    return "crawl-" + host_key(seed).replace(":", "-").replace("[", "").replace("]", "")


def _crawl(settings: Settings, again: bool = False, same: str = "", may_be_plain: bool = False) -> int:
    """One crawl from its folder to its exit code; with `may_be_plain` one that finds nobody who speaks https raises _NoHttpsError
    instead of showing that."""
    from crawler.cli.screen_text import cut_off_line
    from crawler.heap import collect_rarely

    assert settings.output is not None
    with ExitStack() as stack:
        crew = stack.enter_context(_new_crew(settings)) if settings.processes > 1 else None  # before there is a thread
        signals = stack.enter_context(Signals(settings.output))
        served = stack.enter_context(_served(settings))
        opened = stack.enter_context(_open(settings, crew, again))
        color = wants_color(settings.color, sys.stderr, os.environ)
        screen = choose_screen(settings.progress, sys.stderr, settings.quiet, color, os.environ, settings.verbose)
        if opened.is_finished:
            if may_be_plain:
                _check_https(opened.summary())
            return _say_finished(opened, settings, same)
        assert opened.folder is not None
        log = stack.enter_context(open_log(opened))
        log_start(log, opened)
        rows = stack.enter_context(closing(open_rows(settings.jsonl))) if settings.jsonl else None
        show = Audience(opened, screen, log, rows, served.metrics if served is not None else None)
        signals.remember()  # what the first line promises holds from that line on
        screen.start(f"Crawling {printable(opened.seeds[0])}{_more(opened.seeds)}", settings.output, _facts(settings, opened))
        if served is not None:
            screen.tell(f"Metrics: {served.url}")
        if opened.suspects:
            screen.tell(cut_off_line(len(opened.suspects)))
        collect_rarely()
        try:
            reason = run_sync(opened, show, signals) if settings.mode == "sync" else run_async(opened, show, signals, crew)
        except CrawlerError as error:
            log.write("stopped", error=error.what)
            raise
        finally:
            screen.stop()
        paused = reason in EXIT_CODES
        summary = opened.summary(min(PATIENCE, signals.left() - _AFTER_SUMMARY) if paused else None)
        log_end(log, summary, reason)
        if may_be_plain:
            _check_https(summary)
        files = keep(opened, summary, min(PATIENCE, signals.left() - _AFTER_REPORT) if paused else None)
        _say_summary(summary, settings, same, files)
        if opened.update and summary.complete and not (settings.quiet or _is_for_programs(settings)):
            from crawler.report.findings import updated_line

            say(f"  {updated_line(opened.database.connection, opened.update)}: crawler diff {shlex.quote(settings.output)}")
        return _exit_code(opened, summary, reason)


def _is_for_programs(settings: Settings) -> bool:
    """Whether a program reads standard error, one JSON object a line."""
    return settings.progress == "json" and not settings.quiet


def _served(settings: Settings) -> AbstractContextManager[MetricsServer | None]:
    """The metrics, served as long as the crawl runs. The synchronous mode gives no sign of life while it waits."""
    if settings.metrics is None:
        return nullcontext()
    from crawler.cli.metrics import STUCK, MetricsServer

    return MetricsServer(settings.metrics, STUCK if settings.mode == "async" else float("inf"))


class _NoHttpsError(SeedError):
    """Nothing was fetched, as nobody speaks https there."""


def _check_https(summary: Summary) -> None:
    seed = next(iter(summary.failed_seeds or ()), None)
    if seed is not None and not summary.ok and summary.finish_reason == "queue empty" and any(words in seed.why for words in _NO_HTTPS):
        raise _NoHttpsError(printable(seed.url), printable(seed.why))


def _more(seeds: Sequence[str]) -> str:
    return f" and {len(seeds) - 1:,} more" if len(seeds) > 1 else ""


def _facts(settings: Settings, opened: Assembly) -> list[str]:
    """A few words on how, for the first line."""
    from crawler.fetch import descriptors

    polite = settings.robots == "obey" and settings.per_host <= 8
    facts = ["polite" if polite else "fast", "robots.txt obeyed" if settings.robots == "obey" else "robots.txt ignored"]
    if settings.concurrency > (most := descriptors.most_requests()):
        facts.append(f"only {most} requests at once (ulimit -n)")
    return [*([] if opened.is_new else ["updates" if opened.run == opened.update else "goes on"]), *facts, "Ctrl-C pauses"]


def _say_finished(opened: Assembly, settings: Settings, same: str) -> int:
    """The folder holds this crawl already, all of it or all that its limits allow. Its findings count as they did before."""
    from crawler.cli.farewell import next_commands, resume_command
    from crawler.cli.screen_text import plural

    summary, folder = opened.summary(), settings.output or ""
    if not is_kept(opened):
        keep(opened, summary)
    if _tells_programs(summary, settings):
        return _exit_code(opened, summary, summary.finish_reason)
    pages = plural(summary.pages, "page")
    if summary.finish_reason == "queue empty" and not settings.quiet:
        which = "a share of this crawl, which is" if settings.frontier else "this crawl,"
        further = "" if settings.frontier else " (--update asks what has changed, --fresh begins anew)"
        say(f"{folder}/ holds {which} finished: {pages}. Nothing is left to do{further}.")
        if summary.closed_hosts:
            say(f"  {plural(summary.closed_hosts, 'host')} given up, {plural(summary.given_up, 'URL')} never asked for")
            say(f"  try: {resume_command(folder, None, same)}")
    elif not settings.quiet:
        say(f"{folder}/ holds this crawl up to its {summary.finish_reason}: {pages}, {summary.queued:,} URLs queued.")
        say(f"  try: {next_commands(summary, folder, same)[0]}")
    return _exit_code(opened, summary, summary.finish_reason)


def _tells_programs(summary: Summary, settings: Settings) -> bool:
    """Prints the summary as JSON where a program reads it. True: on standard error, so that nothing else is to be said there."""
    if settings.json:
        put(as_json(summary.to_json(), indent=2, ascii=True))
    if is_for_programs := _is_for_programs(settings):
        say(as_json({"event": "summary"} | summary.to_json(), ascii=True))
    return is_for_programs


def _say_summary(summary: Summary, settings: Settings, same: str, files: Sequence[str]) -> None:
    from crawler.cli.farewell import render_summary
    from crawler.cli.screen_text import encodable

    if not _tells_programs(summary, settings) and not settings.quiet:
        if summary.finish_reason == "no reader":
            say("Paused: the reader of the rows has left. The same command goes on.\n")
        width = shutil.get_terminal_size().columns - len(called().removesuffix("crawler")) if sys.stderr.isatty() else 100
        color = wants_color(settings.color, sys.stderr, os.environ)
        shown = render_summary(summary, settings.output or "", width, color, files, same)
        say(encodable(shown.rstrip("\n"), sys.stderr.encoding))


def _exit_code(opened: Assembly, summary: Summary, reason: str | None) -> int:
    """Section "exit codes" of the reference; a page that failed never changes it."""
    from crawler.report.findings import has_finding

    settings = opened.settings
    if reason is not None and reason in EXIT_CODES:
        return EXIT_CODES[reason]
    has_pages = summary.ok or settings.frontier is not None  # which may be in the folders of others
    if reason == "queue empty" and not (has_pages and opened.frontier.stats().ok_pages):  # of an update, nothing now
        raise _no_seed(opened, summary)
    if settings.sitemap != "only" and len(summary.failed_seeds or ()) >= len(opened.seeds):  # whatever a sitemap has led to
        raise _no_seed(opened, summary)
    if any(has_finding(opened.database.connection, finding) for finding in settings.fail_on):
        return 4
    if settings.strict and summary.queued:
        return 5
    return 0


def _no_seed(opened: Assembly, summary: Summary) -> SeedError:
    """What to say when no seed gave a page."""
    if not summary.failed_seeds:
        return SeedError(
            f"no seed could be fetched: {printable(opened.seeds[0])}",
            "it leads to nothing that may be asked for: the table `urls` in crawl.db names the reason",
            f"crawler status {opened.settings.output}",
        )
    seed = next((seed for seed in summary.failed_seeds if seed.url == opened.seeds[0]), summary.failed_seeds[0])
    # A host that was given up is tried again by itself; an answer stands until somebody wants another one.
    again = "the same command once that is mended" if summary.closed_hosts else "the same command with --fresh once that is mended"
    if seed.why.startswith("tls:") and ("self-signed" in seed.why or "issuer" in seed.why):
        again = "--ca-certificate FILE to trust who made it, --insecure to trust anybody"
    if seed.why.startswith(("private:", "blocked:")):
        again = "the same command with --fresh --allow-private, if that address is meant"
    return SeedError(f"no seed could be fetched: {printable(seed.url)}", printable(seed.why), again)


def _new_crew(settings: Settings) -> Crew:
    """Worker processes, each with all that they need imported."""
    from crawler.crew.crew import Crew
    from crawler.heap import collect_rarely
    from crawler.wiring import processes_of

    collect_rarely()  # what is loaded is shared with them as long as nobody touches it
    return Crew(settings, processes_of(settings))


def _open(settings: Settings, crew: Crew | None, again: bool) -> Assembly:
    """The crawl, for a crew or for this process alone."""
    from crawler.app import open_crawl
    from crawler.engine.hooks import Hooks

    if crew is None:
        return open_crawl(settings, Hooks(), again=again, shows_links=False)
    from crawler.crew.crew import Captain

    return Captain(settings, crew, again=again)


def run_async(opened: Assembly, show: Audience, signals: Signals, crew: Crew | None = None) -> FinishReason:
    from crawler.app import GRACE, run_asynchronously, run_in_loop

    async def main() -> FinishReason:
        engines = show.engines
        asked: list[FinishReason] = []
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            grace = 0.0 if asked else GRACE
            if not asked:
                show.pausing(number, grace)
            asked.append(SIGNALS[number])
            for engine in engines:
                engine.stop(asked[0], grace)
            loop.call_later(grace, show.give_up)

        def started(engine: Engine) -> None:
            engines.append(engine)
            if asked:
                engine.stop(asked[0], 0.0)

        async def redraw() -> None:
            while True:
                await asyncio.sleep(REDRAW)
                for engine in engines:
                    show.progress(engine)

        signals.obeyed_in(loop, stop)
        drawing = asyncio.create_task(redraw())
        try:
            if crew is not None:
                return await _run_crew(crew, opened, show, started)
            return await run_asynchronously(opened, show.deliver, started)
        finally:
            signals.obey = lambda number: None  # until the loop is closed
            signals.wake = None
            drawing.cancel()
            with suppress(asyncio.CancelledError):
                await drawing

    try:
        return run_in_loop(main())
    finally:
        signals.obey = None


async def _run_crew(crew: Crew, opened: Assembly, show: Audience, started: Callable[[Engine], None]) -> FinishReason:
    from crawler.crew.crew import run_together

    return await run_together(crew, opened, show.deliver if show.looks else None, show.warn, started)


def run_sync(opened: Assembly, show: Audience, signals: Signals) -> FinishReason:
    from crawler.app import GRACE, run_synchronously

    engines = show.engines
    stopped: list[int] = []

    def stop(number: int, _frame: object = None) -> None:
        stopped.append(number)
        if len(stopped) == 1:
            for engine in engines:
                engine.stop(SIGNALS[number], GRACE)
            # A read that blocks cannot be told, but interrupted.
            signal.setitimer(signal.ITIMER_REAL, GRACE)
            show.pausing(number, GRACE)
        elif len(stopped) == 2 and engines:
            raise Interrupted(number)

    def started(engine: Engine) -> None:
        engines.append(engine)
        if stopped:
            engine.stop(SIGNALS[stopped[0]], 0.0)

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signals.obeyed_by(stop)
        with suppress(KeyboardInterrupt), closing(run_synchronously(opened, started)) as steps:
            for records in steps:
                show.pages(records)
                show.progress(engines[0])
    finally:
        signals.obey = None
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    return opened.reason
