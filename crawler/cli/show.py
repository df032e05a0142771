"""`crawler show DIR URL`: all that is known of one URL."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from crawler.cli.facts import print_facts, reading
from crawler.cli.screen_text import MARGIN, paragraph, plural
from crawler.report.show import LinkShown, Shown, Step, show
from crawler.report.summary import in_words
from crawler.text import as_json, human_count, human_duration, human_size, printable, shortened

_MOST = 8
_LONGEST = 200
_COLUMN = 14
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def run(arguments: argparse.Namespace) -> int:
    """Prints what the crawl in `arguments.folder` knows of `arguments.url`. Raises OutputError when that holds no crawl, UsageError when
    the crawl does not know the URL."""
    with reading(Path(arguments.folder)) as connection:
        found = show(connection, arguments.url, shlex.quote(arguments.folder))
    print_facts(found, render, arguments)
    return 0


def render(found: Shown, folder: str, width: int = 80, color: bool = False) -> str:
    """The facts as text without a final line end; what came from the web is escaped."""
    head = printable(found.url)
    blocks = [
        [f"{_BOLD}{head}{_PLAIN}" if color else head],
        [*_fact("state", _state(found), width), *_way(found.path, width)],
        _answered(found, folder, width),
        _redirects(found, width),
        [line for name, value in _headers(found) for line in _fact(name, value, width)],
        _links("linked by", found.links_in, found.found_on, width),
        _links("links to", found.links_out or len(found.leads_to), found.leads_to, width),
        _more(found, folder),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _fact(name: str, value: str, width: int) -> list[str]:
    if not value:
        return []
    first, *rest = paragraph(shortened(printable(value), 10 * _LONGEST), width, MARGIN + " " * _COLUMN)
    return [f"{MARGIN}{name:<{_COLUMN}}{first.lstrip()}", *rest]


def _state(found: Shown) -> str:
    """`skipped: robots.txt line 12: Disallow: /a`, `done`, `queued: the last run ended: page limit`."""
    why = found.why_queued if found.state == "queued" else in_words(found.reason, found.detail) if found.reason else ""
    role = "" if found.role == "page" else f" ({found.role})"
    return f"{found.state}{f': {why}' if why else ''}{role}"


def _way(path: Sequence[Step], width: int) -> list[str]:
    """The click path, a line for each step; of a long one the beginning and the end."""
    lines = []
    for number, step in enumerate(path):
        if len(path) > 2 * _MOST and number == _MOST:
            lines.append(f"{MARGIN}{'':<{_COLUMN}}… {plural(len(path) - 2 * _MOST, 'step')} …")
        if len(path) > 2 * _MOST and _MOST <= number < len(path) - _MOST:
            continue
        how = f"  {step.kind} {_quoted(step.text)}".rstrip() if step.kind else "  seed"
        name = "found" if not number else ""
        indent = min(number, 2 * _MOST)
        lines.append(f"{MARGIN}{name:<{_COLUMN}}{' ' * indent}{_short(step.url, width - _COLUMN - indent - len(how))}{how}")
    return lines


def _answered(found: Shown, folder: str, width: int) -> list[str]:
    answer = found.answer
    if answer is None:
        return []
    parts = [str(answer["status"] or "no answer"), answer["outcome"].replace("_", " ")]
    if answer["error"]:
        parts.append(f"{answer['error']}: {answer['error_detail']}" if answer["error_detail"] else answer["error"])
    if answer["content_type"]:
        parts.append(f"{answer['content_type']} in {answer['charset']}" if answer["charset"] else answer["content_type"])
    if answer["bytes"]:
        parts.append(human_size(answer["bytes"]))
    facts = [
        ("answer", " · ".join(parts)),
        ("asked", f"{answer['fetched_at'][:19].replace('T', ' ')} UTC · run {answer['run']} · {plural(answer['attempts'], 'attempt')}"),
        ("times", _times(answer)),
        ("title", answer["title"]),
        ("canonical", answer["canonical"]),
        ("robots meta", answer["robots_meta"]),
        ("saved as", f"{folder.rstrip('/')}/{answer['file']}" if answer["file"] else None),
        ("sha256", answer["sha256"]),
        ("extracted", as_json(answer["data"]) if answer["data"] else None),
        ("before", " · ".join(f"run {each['run']}: {each['status']} {each['outcome']}" for each in found.history)),
    ]
    return [line for name, value in facts for line in _fact(name, value or "", width)]


def _times(answer: dict[str, float | None]) -> str:
    names = (("to the first byte", answer["ttfb_ms"]), ("in all", answer["total_ms"]))
    return " · ".join(f"{human_duration(ms / 1000)} {name}" for name, ms in names if ms)


def _redirects(found: Shown, width: int) -> list[str]:
    lines = []
    for number, hop in enumerate(found.redirects):
        came = " ".join(filter(None, (str(hop.status or ""), hop.state.replace("_", " "))))
        lines += _fact("redirects to" if not number else "", f"{hop.url}  ({came})" if came else hop.url, width)
    for number, url in enumerate(found.redirected_from[:_MOST]):
        lines += _fact("redirect of" if not number else "", url, width)
    return lines


def _headers(found: Shown) -> Iterator[tuple[str, str]]:
    headers = (found.answer or {}).get("headers") or ()
    for number, (name, value) in enumerate(headers):
        yield "headers" if not number else "", f"{name}: {shortened(value, _LONGEST)}"


def _links(name: str, count: int, links: Sequence[LinkShown], width: int) -> list[str]:
    if not links:
        return []
    lines = []
    for number, link in enumerate(links[:_MOST]):
        how = " ".join(
            filter(None, (link.kind, f"rel={link.rel}" if link.rel else "", _quoted(link.text), f"({link.state})" if link.state else ""))
        )
        url = _short(link.url, max(30, width - _COLUMN - len(how) - 4))
        lines.append(f"{MARGIN}{f'{name}' if not number else '':<{_COLUMN}}{url}  {shortened(printable(how), 80)}")
    more = count - min(len(links), _MOST)
    return [*lines, *([f"{MARGIN}{'':<{_COLUMN}}and {human_count(more)} more (--json)"] if more > 0 else [])]


def _more(found: Shown, folder: str) -> list[str]:
    if found.reason == "robots":
        return [f"{MARGIN}try: crawler robots {shlex.quote(printable(found.url))}"]
    if found.reason == "trap" and "{" in (found.detail or ""):
        pattern = shlex.quote(printable(found.detail or ""))
        return [f"{MARGIN}try: crawler resume {shlex.quote(printable(folder))} --release {pattern}"]
    if found.state == "queued":
        return [f"{MARGIN}try: crawler resume {shlex.quote(printable(folder))}"]
    return []


def _quoted(text: str) -> str:
    return f"“{shortened(printable(text), 40)}”" if text else ""


def _short(url: str, room: int) -> str:
    return shortened(printable(url), max(30, room))
