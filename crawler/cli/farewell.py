"""The last screen of a crawl: what was found, what to look at first, and the next command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from crawler.cli.screen_text import COLUMN, MARGIN, paragraph, plural, two_columns, without_scheme
from crawler.model import SkipReason
from crawler.report.summary import LIMITS, FailedSeed, SkippedGroup, Summary
from crawler.store.merge import shards_of
from crawler.text import human_count, human_duration, human_rate, human_size, printable, shortened

_MOST_FINDINGS = 5
_MOST_EXAMPLES = 3
# What a page, a seed or a rule of any length may take of the screen.
_LONGEST = 100
_INDENT = MARGIN * 2
_ALONE = MARGIN * 3
_BOLD, _YELLOW, _CYAN, _PLAIN = "\x1b[1m", "\x1b[33m", "\x1b[36m", "\x1b[0m"

_PAUSED = ("interrupted", "terminated", "no reader")
_RAISED = {"page limit": ("--max-pages", "N"), "depth limit": ("--max-depth", "N"), "size limit": ("--max-size", "SIZE")}
_SKIPPED_AS = {
    "robots": "robots.txt",
    "scheme": "not http",
    "private": "private addresses",
    "requisite": "page requisites",
    "hook": "by a hook",
    "too_long": "too long",
}


def render_summary(
    summary: Summary,
    folder: str,
    width: int = 80,
    color: bool = False,
    files: Sequence[str] = ("crawl.db", "report.html"),
    same: str = "",
) -> str:
    """The summary as text without a final line end; lines that have nothing to say are left out.

    Text from the web is escaped; words and commands are never broken, so on a narrow terminal a command may be wider than
    `width`. `files` are named as what else is in the folder. `same` goes on with the crawl, when `crawler resume` does not.
    """
    paint = _Paint(color)
    folder = folder.rstrip("/")
    blocks = [
        _headline(summary, width, paint),
        _alarm(summary, folder, width, paint),
        _numbers(summary, folder, width),
        _findings(summary, folder, width, paint),
        _end(summary, folder, width, files, paint, same),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


class _Paint:
    """Colours a part of a line, or leaves it."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, line: str, part: str, code: str) -> str:
        return line.replace(part, f"{code}{part}{_PLAIN}", 1) if self._color and part else line

    def each(self, line: str, parts: Sequence[str], code: str) -> str:
        for part in parts:
            line = self(line, part, code)
        return line

    def all(self, lines: Sequence[str], code: str) -> list[str]:
        return [self(line, line.strip(), code) for line in lines]


def _headline(summary: Summary, width: int, paint: _Paint) -> list[str]:
    reason = summary.finish_reason
    verb = "Done in" if summary.complete else "Paused after" if reason in _PAUSED else "Stopped after" if reason else "Not finished after"
    pages = plural(summary.pages, "page")
    if summary.run > 1:
        pages = f"{plural(summary.run_pages, 'page')} in this run, {human_count(summary.pages)} in all"
    pages += f", {plural(summary.requisites, 'requisite')}" if summary.requisites else ""
    pages += f", {plural(summary.probes, 'other link')} asked" if summary.probes else ""
    rate = f", {human_rate(summary.rate)} pages/s" if summary.run_pages > 1 and summary.rate else ""
    left = f"{verb} {human_duration(summary.duration)}: {pages}, {human_size(summary.bytes)}{rate}"
    lines = two_columns(left, f"finished: {printable(reason) if reason else 'not recorded'}", width, margin="")
    return [paint(line, verb, _BOLD) for line in lines]


def _alarm(summary: Summary, folder: str, width: int, paint: _Paint) -> list[str]:
    """What makes all other numbers uninteresting: nothing was fetched, or one page only."""
    if summary.only_page is not None:
        page = summary.only_page
        lines = paint.all(paragraph(f"Only one page was found, {_short(page.url)}:", width), _YELLOW)
        lines += paint.all(paragraph(printable(page.why), width), _YELLOW)
        if page.options:
            # Whole, however narrow the terminal: a command is there to be copied.
            command = f"crawler crawl {shlex.quote(printable(page.url))} {page.options} --fresh -o {_quoted(folder)}"
            lines.append(f"{_INDENT}try: {command}")
        return lines
    if summary.failed_seeds and not summary.ok:
        lines = paint.all(paragraph("No page was fetched:", width), _YELLOW)
        for seed in summary.failed_seeds[:_MOST_EXAMPLES]:
            lines += paragraph(_seed(seed), width, _INDENT)
        return lines + _and_more(len(summary.failed_seeds) - _MOST_EXAMPLES, "seed")
    return []


def _numbers(summary: Summary, folder: str, width: int) -> list[str]:
    if not summary.pages and not summary.skipped:
        return []
    counts = (("ok", summary.ok), ("redirects", summary.redirects), ("broken", summary.broken), ("errors", summary.errors))
    outcomes = " · ".join(f"{name} {human_count(count)}" for name, count in counts)
    lines = two_columns(outcomes, _depths(summary), width) if summary.pages else []
    if summary.ttfb_median_ms is not None and summary.ttfb_p95_ms is not None and summary.ttfb_max_ms is not None:
        times = (("median", summary.ttfb_median_ms), ("p95", summary.ttfb_p95_ms), ("max", summary.ttfb_max_ms))
        lines += paragraph("time to first byte  " + " · ".join(f"{name} {human_duration(ms / 1000)}" for name, ms in times), width)
    if summary.skipped:
        lines += paragraph("skipped  " + " · ".join(_skipped(summary)), width, after=MARGIN)
        lines += _release(summary.skipped_groups or (), folder)
    if summary.queued:
        lines += paragraph(f"left  {human_count(summary.queued)} queued{_beyond(summary)}", width)
    return lines


def _depths(summary: Summary) -> str:
    if summary.min_depth == summary.max_depth:
        return f"depth {summary.max_depth}"
    return f"depth {summary.min_depth}-{summary.max_depth}"


def _beyond(summary: Summary) -> str:
    return f", beyond the {summary.finish_reason}" if summary.finish_reason in LIMITS else ""


def _skipped(summary: Summary) -> Iterator[str]:
    """Each reason with its count; those with rules of their own by rule."""
    reasons = summary.skipped_reasons or {}
    known = get_args(SkipReason)
    for reason in sorted(reasons, key=lambda reason: known.index(reason) if reason in known else len(known)):
        groups = [group for group in summary.skipped_groups or () if group.reason == reason]
        if reason not in ("scope", "trap") or not groups:
            yield f"{human_count(reasons[reason])} {_SKIPPED_AS.get(reason, printable(reason))}"
            continue
        named = groups[: _MOST_EXAMPLES - 1]
        yield from (f"{human_count(group.urls)} {_rule(group)}" for group in named)
        others = reasons[reason] - sum(group.urls for group in named)
        if others:
            yield f"{human_count(others)} other {'traps' if reason == 'trap' else 'scope rules'}"


def _release(groups: Sequence[SkippedGroup], folder: str) -> list[str]:
    """The command that lets the largest trap out of quarantine, whole, however narrow the terminal."""
    patterns = [group.detail for group in groups if group.reason == "trap" and "{" in group.detail]
    if not patterns:
        return []
    pattern = _quoted(patterns[0]) if len(patterns[0]) <= _LONGEST else "PATTERN"
    lines = [f"{MARGIN}a trap that is none is released with", f"{_INDENT}crawler resume {_quoted(folder)} --release {pattern}"]
    if len(patterns) >= _MOST_EXAMPLES:
        lines += [f"{MARGIN}all traps by their patterns", f"{_INDENT}crawler report {_quoted(folder)} --skipped"]
    return lines


def _rule(group: SkippedGroup) -> str:
    detail = _short(group.detail)
    if group.reason == "trap":
        return f"trap {detail}".rstrip()
    for told in ("host is not ", "domain is not ", "path is not under "):
        if detail.startswith(told):
            return f"outside {detail.removeprefix(told)}"
    return detail or "out of scope"


# --- look at first ----------------------------------------------------------------------------------------------------


def _findings(summary: Summary, folder: str, width: int, paint: _Paint) -> list[str]:
    found = [(_INDENT + text, table and _report(folder, table)) for text, table in [*_found(summary)][:_MOST_FINDINGS]]
    if not found:
        return []
    beside = [f"{text.ljust(COLUMN - 3)}   {command}" if command else text for text, command in found]
    lines = [f"{MARGIN}Look at first"]
    if max(map(len, beside)) <= width:
        lines += [paint(line, command, _CYAN) for line, (_, command) in zip(beside, found, strict=True)]
    else:
        for text, command in found:
            lines += paragraph(text.strip(), width, _INDENT, MARGIN)
            lines += [paint(_ALONE + command, command, _CYAN)] if command else []
    return [paint(lines[0], "Look at first", _BOLD), *lines[1:]]


def _found(summary: Summary) -> Iterator[tuple[str, str]]:
    """What deserves a look, the most serious first: a text and the table of the report that shows it, or ""."""
    seeds = summary.failed_seeds or ()
    if seeds and summary.ok:
        more = f", and {len(seeds) - 1} more" if len(seeds) > 1 else ""
        yield f"{plural(len(seeds), 'seed')} gave no page: {_seed(seeds[0])}{more}", ""
    if summary.closed_hosts:
        host = summary.closed_host_examples[0]
        more = f", and {summary.closed_hosts - 1} more" if summary.closed_hosts > 1 else ""
        lost = f"; {plural(summary.given_up, 'URL')} never asked for" if summary.given_up else ""
        yield (
            f"{plural(summary.closed_hosts, 'host')} given up: {_short(host.host)} ({_short(host.why)}){more}{lost}",
            "hosts",
        )
    if summary.failed_sitemaps:
        sitemap, count = summary.failed_sitemaps[0], len(summary.failed_sitemaps)
        more = f", and {count - 1} more" if count > 1 else ""
        yield f"{plural(count, 'sitemap')} could not be read whole: {_short(sitemap.url)} ({_short(sitemap.why)}){more}", ""
    if summary.broken_links:
        yield f"{plural(summary.broken_links, 'broken link')}{_shared(summary.broken_links, summary.broken_links_shared or 0)}", "broken"
    if summary.errors and not summary.closed_hosts:
        kinds = ", ".join(f"{human_count(group.urls)} {printable(group.kind)}" for group in summary.error_kinds[:_MOST_EXAMPLES])
        more = ", …" if len(summary.error_kinds) > _MOST_EXAMPLES else ""
        yield (
            f"{plural(summary.errors, 'page')} without an answer: {kinds}{more}",
            "broken",
        )
    if summary.shared_title_pages:
        titles = "a title" if summary.shared_titles == 1 else f"{human_count(summary.shared_titles or 0)} titles"
        yield f"{human_count(summary.shared_title_pages)} pages share {titles}", "duplicates"
    if summary.script_only and summary.only_page is None:
        yield _script_only(summary.script_only, summary.script_only_examples or ()), "thin"


def _script_only(count: int, urls: Sequence[str]) -> str:
    paths = [_short(_path_of(url)) for url in urls[:_MOST_EXAMPLES]]
    more = ", …" if count > len(paths) else ""
    return f"{plural(count, 'page')} {'looks' if count == 1 else 'look'} JavaScript-only ({', '.join(paths)}{more})"


# --- the end ----------------------------------------------------------------------------------------------------------


def _end(summary: Summary, folder: str, width: int, files: Sequence[str], paint: _Paint, same: str) -> list[str]:
    saved = [f"pages/ {plural(summary.files, 'file')}"] if summary.files else []
    lines = paragraph(f"{printable(folder)}/   " + " · ".join([*saved, *files]), width, after=MARGIN)
    commands = next_commands(summary, folder, same, files)
    head = f"{MARGIN}Next: "
    beside = head + " · ".join(commands)
    below = [beside] if len(beside) <= width else [(" " * len(head) if number else head) + each for number, each in enumerate(commands)]
    return [*lines, *(paint.each(line, commands, _CYAN) for line in below)]


def next_commands(summary: Summary, folder: str, same: str = "", files: Sequence[str] = ()) -> list[str]:
    """What goes on from here: with the crawl while something is left, otherwise with what it found."""
    if not summary.complete:
        return [resume_command(folder, summary.finish_reason, same)]
    report = [f"open {_quoted(folder + '/report.html')}"] if "report.html" in files else []
    return [*report, _sql(folder, "select url, status, title from pages")]


def resume_command(folder: str, finish_reason: str | None, same: str = "") -> str:
    """The command that goes on with a crawl that stopped for this reason; at a limit it asks for a higher one. With a folder of workers'
    folders the first of them does."""
    shards = [] if same else shards_of(Path(folder))
    command = same or f"crawler resume {_quoted(str(shards[0]) if shards else folder)}"
    if finish_reason not in _RAISED:
        return command
    option, value = _RAISED[finish_reason]
    return f"{re.sub(rf' {option}[ =][^ ]+', '', command)} {option} {value}"


def _report(folder: str, table: str) -> str:
    return f"crawler report {_quoted(folder)} --{table}"


def _sql(folder: str, query: str) -> str:
    return f'crawler query {_quoted(folder)} "{query}"'


def _quoted(path: str) -> str:
    return shlex.quote(printable(path))


def _and_more(count: int, noun: str) -> list[str]:
    return [f"{_INDENT}and {plural(count, noun)} more"] if count > 0 else []


def _seed(seed: FailedSeed) -> str:
    login = ", which asks for a login: --auth-env NAME or --cookies FILE" if seed.status in (401, 407) else ""
    return f"{_short(seed.url)} ({_short(seed.why)}{login})"


def _short(text: str) -> str:
    return shortened(printable(text), _LONGEST)


def _path_of(url: str) -> str:
    host, slash, path = without_scheme(url).partition("/")
    return slash + path or host


def _shared(links: int, shared: int) -> str:
    if not shared:
        return ""
    which = "" if links == 1 else "all " if shared == links else f"{human_count(shared)} of them "
    return f", {which}from more than one page"
