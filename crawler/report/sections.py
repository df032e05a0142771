"""The tables of report.html: which columns each has, and how a row becomes cells. All that comes from the web is escaped here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crawler.report.charts import safe
from crawler.report.groups import Shown
from crawler.report.lines import value_of
from crawler.report.tables import BROKEN, DUPLICATES, HOSTS, MISSING, ORPHANS, REDIRECTS, SKIPPED, SLOWEST, THIN, Table
from crawler.text import human_count, printable, shortened

_LONGEST_SHOWN, _LONGEST_LINKED, _LONGEST_TEXT = 110, 400, 80


@dataclass(frozen=True, slots=True)
class Site:
    """How URLs are shown: without the origin that all of them have."""

    origin: str

    def link(self, url: str | None) -> str:
        """A URL as a link; as text where it is none that a browser should open, or too long."""
        if not url:
            return ""
        name = url.removeprefix(self.origin) if self.origin and url.startswith(self.origin + "/") else url.removeprefix("https://")
        shown = safe(shortened(printable(name), _LONGEST_SHOWN))
        if not url.startswith(("http://", "https://")) or len(url) > _LONGEST_LINKED:
            return shown
        return f'<a href="{safe(url)}">{shown}</a>'


Cells = Callable[[Site, Shown], list[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """A table: its title, what is said of it, its columns with their classes (`u` URL or text, `n` number, `w` only where there is
    room), and the cells of a row."""

    table: Table
    title: str
    note: str
    columns: tuple[tuple[str, str], ...]
    cells: Cells
    command: str


def _text(value: Any) -> str:
    return safe(shortened(printable(str(value or "")), _LONGEST_TEXT))


def _number(name: str, value: Any) -> str:
    return safe(value_of(name, value))


def _list(lines: list[str], more: int) -> str:
    if more > 0:
        lines.append(f"and {human_count(more)} more")
    return f"<ul>{''.join(f'<li>{line}' for line in lines)}</ul>" if lines else ""


def _broken(site: Site, group: Shown) -> list[str]:
    url, status, error, detail, links = group.key
    lines = []
    for source, kind, text, through in group.items:
        how = "in the sitemap" if kind == "sitemap" else "redirects there" if kind == "redirect" else "" if kind == "a" else kind
        words = f"<b>“{_text(text)}”</b>" if text and kind != "sitemap" else ""
        lines.append(" ".join(filter(None, (site.link(source), words, how, f"through {site.link(through)}" if through else ""))))
    what = f"{_text(error)}" + (f"<div class=dim>{_text(detail)}</div>" if detail else "") if error else str(status)
    return [site.link(url) + _list(lines, group.total - len(group.items)), what, human_count(links)]


def _redirects(site: Site, group: Shown) -> list[str]:
    _, hops, ends = group.key
    lines = [f"{status or ''} {site.link(url)}" for _, url, status in group.items[1:]]
    _, url, status = group.items[0]
    return [f"{site.link(url)} <span class=dim>{status or ''}</span>" + _list(lines, 0), human_count(hops), _text(ends.replace("_", " "))]


def _duplicates(site: Site, group: Shown) -> list[str]:
    same, value, pages = group.key
    name = f"“{_text(value)}”" if same == "title" else f"<code>{_text(value[:16])}</code>"
    return [name + _list([site.link(url) for (url,) in group.items], group.total - len(group.items)), same, human_count(pages)]


def _slowest(site: Site, group: Shown) -> list[str]:
    url, status, ttfb, total, size = group.key
    return [site.link(url), str(status or ""), _number("ttfb_ms", ttfb), _number("total_ms", total), _number("bytes", size)]


def _missing(site: Site, group: Shown) -> list[str]:
    url, lacks, depth = group.key
    return [site.link(url), _text(lacks), human_count(depth)]


def _thin(site: Site, group: Shown) -> list[str]:
    url, looks, size, links, _ = group.key
    return [site.link(url), _text(looks), _number("bytes", size), human_count(links)]


def _orphans(site: Site, group: Shown) -> list[str]:
    url, state, status = group.key
    return [site.link(url), str(status or _text(state))]


def _skipped(site: Site, group: Shown) -> list[str]:
    reason, rule, urls, example, found_on = group.key
    where = f" on {site.link(found_on)}" if found_on else ""
    return [f"{_text(rule) or _text(reason)}<ul><li>e.g. {site.link(example)}{where}</ul>", _text(reason), human_count(urls)]


def _hosts(site: Site, group: Shown) -> list[str]:
    host, done, failed, queued, broken, latency, delay, closed = group.key
    given_up = f"<ul><li>given up: {_text(closed)}</ul>" if closed else ""
    numbers = [human_count(number) for number in (done, failed, queued, broken)]
    return [_text(host) + given_up, *numbers, _number("latency_ms", latency or None), f"{delay:g} s"]


_URL = ("URL", "u")
_REPORT = "crawler report {{}} --{} --limit 0"
SECTIONS = tuple(
    Section(table, title, note, columns, cells, command or _REPORT.format(table.name))
    for table, title, note, columns, cells, command in (
        (BROKEN, "Broken", "What is linked and does not answer as it should, with the pages that link to it.",
         (_URL, ("Status", ""), ("Links", "n")), _broken, ""),
        (REDIRECTS, "Redirect chains", "Redirects that lead to redirects, and those that lead back to themselves.",
         (_URL, ("Hops", "n"), ("Ends", "")), _redirects, ""),
        (DUPLICATES, "Duplicates", "Pages with the same title, or with the same body.",
         (("Title or body", "u"), ("Same", ""), ("Pages", "n")), _duplicates, ""),
        (MISSING, "Missing", "HTML pages without a title or a description.", (_URL, ("Lacks", ""), ("Depth", "n w")), _missing, ""),
        (THIN, "Thin", "Less than 1 KB of HTML, or scripts and nothing to follow.",
         (_URL, ("Looks", ""), ("Size", "n"), ("Links", "n w")), _thin, ""),
        (ORPHANS, "Orphans", "In a sitemap, and no page links to it.", (_URL, ("Status", "")), _orphans, ""),
        (SLOWEST, "Slowest", "The hundred answers that took longest in all.",
         (_URL, ("Status", "w"), ("First byte", "n"), ("In all", "n"), ("Size", "n w")), _slowest,
         'crawler query {} "SELECT * FROM slowest"'),
        (SKIPPED, "Skipped", "What was not asked for, by reason and rule.", (("Rule", "u"), ("Reason", ""), ("URLs", "n")), _skipped, ""),
        (HOSTS, "Hosts", "What came of their URLs, and how they were treated.",
         (("Host", "u"), ("Done", "n"), ("Failed", "n"), ("Queued", "n w"), ("Broken", "n"), ("First byte", "n w"), ("Delay", "n w")),
         _hosts, ""),
    )
)  # fmt: skip
"""All of them, in their order."""
