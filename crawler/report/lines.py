"""What the tables say to people, a line for each group and one for each item: the same words on a terminal, in Markdown and in JUnit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from crawler.report.groups import Values
from crawler.report.tables import Table
from crawler.text import human_count, human_duration, human_size

_ENDS = {"loop": "loop", "too many": "more than anybody follows"}


class Line(NamedTuple):
    """One line: what stands before its subject, the subject (a URL or text from the web, not yet made harmless), and what stands after
    it (which may be from the web, too)."""

    before: str
    subject: str
    after: str = ""


def line_of(table: Table, key: Values) -> Line:
    """The line of a group."""
    return _GROUPS[table.name](*key)


def item_line(table: Table, values: Values) -> Line:
    """The line of an item."""
    return _ITEMS[table.name](*values)


def _count(number: int, noun: str) -> str:
    return f"{human_count(number)} {noun}{'' if number == 1 else 's'}"


def _ms(milliseconds: float | None) -> str:
    return "" if milliseconds is None else human_duration(milliseconds / 1000)


def _broken(url: str, status: int, error: str | None, detail: str | None, links: int) -> Line:
    return Line(error or str(status), url, " · ".join(filter(None, (detail, _count(links, "link") if links else "linked by no page"))))


def _linked_from(source: str, kind: str, text: str, through: str | None) -> Line:
    how = {"a": "", "sitemap": "sitemap", "redirect": "redirects to it"}.get(kind, kind)
    words = f"“{text}”" if text and kind != "sitemap" else ""
    return Line("", source or "", "  ".join(filter(None, (how, words, f"through {through}" if through else ""))))


def _chain(start: str, hops: int, ends: str) -> Line:
    what = f"loop of {hops}" if ends == "loop" else f"{hops} hops"
    return Line(what, start, "" if ends in ("loop", "ok") else f"ends: {_ENDS.get(ends, ends.replace('_', ' '))}")


def _hop(step: int, url: str, status: int | None) -> Line:
    return Line(str(status or ""), url)


def _duplicate(same: str, value: str, pages: int) -> Line:
    return Line(_count(pages, "page"), f"“{value}”" if same == "title" else f"the same body, {value[:12]}")


def _host(host: str, done: int, failed: int, queued: int, broken: int, latency_ms: float, delay: float, closed: str) -> Line:
    facts = [
        f"{human_count(done)} done",
        f"{human_count(failed)} failed" if failed else "",
        f"{human_count(queued)} queued" if queued else "",
    ]
    facts += [f"{human_count(broken)} broken" if broken else "", f"{_ms(latency_ms)} to the first byte" if latency_ms else ""]
    facts += [f"delay {delay:g} s" if delay else "", f"given up: {closed}" if closed else ""]
    return Line("", host, " · ".join(filter(None, facts)))


def _depth(depth: int, pages: int, ok: int, redirects: int, broken: int, errors: int, size: int, ttfb_ms: float | None) -> Line:
    facts = [
        f"ok {human_count(ok)}",
        f"redirects {human_count(redirects)}",
        f"broken {human_count(broken)}",
        f"errors {human_count(errors)}",
    ]
    return Line(f"depth {depth}", _count(pages, "page"), " · ".join([*facts, human_size(size), *([_ms(ttfb_ms)] if ttfb_ms else [])]))


_GROUPS: dict[str, Callable[..., Line]] = {
    "broken": _broken,
    "redirects": _chain,
    "duplicates": _duplicate,
    "missing": lambda url, lacks, depth: Line(f"no {lacks.replace(', ', ', no ')}", url),
    "thin": lambda url, looks, size, links, depth: Line(looks, url, f"{human_size(size)}, {_count(links, 'link')}"),
    "slow": lambda url, status, ttfb, total, size: Line(_ms(ttfb), url, f"{_ms(total)} in all, {human_size(size)}"),
    "orphans": lambda url, state, status: Line(str(status or state), url),
    "skipped": lambda reason, rule, urls, example, found_on: Line(f"{human_count(urls)} {reason}", rule or "", f"e.g. {example}"),
    "hosts": _host,
    "depth": _depth,
}
_ITEMS: dict[str, Callable[..., Line]] = {"broken": _linked_from, "redirects": _hop, "duplicates": lambda url: Line("", url)}


def value_of(name: str, value: Any) -> str:
    """A value of a column as people read it."""
    if value is None:
        return ""
    if name == "bytes":
        return human_size(value)
    if name.endswith("_ms"):
        return _ms(value)
    return human_count(value) if isinstance(value, int) and name != "status" else str(value)
