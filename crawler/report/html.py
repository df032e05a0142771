"""report.html: one file that needs nothing else, no network and no script, and that anybody may open: all that came from the web is
escaped, and a Content-Security-Policy of its own admits nothing but the style and the script that are in it.

However large a crawl is, the file stays below 500 KB, and below 50 KB for one of 200 pages: each section gets a share of the room, and says
what it leaves out and which command shows it.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.resources import files
from time import monotonic

from crawler.report import charts, figures
from crawler.report.charts import safe
from crawler.report.document import head, style
from crawler.report.figures import Branch, Bucket, Interval
from crawler.report.folder import one_moment
from crawler.report.groups import Taken, take
from crawler.report.lines import value_of
from crawler.report.patience import Patience
from crawler.report.sections import SECTIONS, Section, Site
from crawler.report.summary import Summary
from crawler.report.tables import DEPTH
from crawler.report.treemap import is_telling, treemap
from crawler.report.verdict import verdict
from crawler.text import human_count, human_duration, human_rate, human_size

SMALL, LARGE = 50_000, 500_000
"""Bytes that the report of 200 pages, and of any number, stays below."""

# What is between the sections of the smallest report and these limits; and how it grows.
_SPARE, _ROOM_PER_PAGE = 1_000, 400
_MOST_ROWS = 500
# The sections that take longest on a large crawl.
_LONGEST = ("broken", "duplicates", "orphans")
_CELLS_FOR_200, _MOST_CELLS, _ASPECT = 28, 90, 3.0
_LONGEST_SETTING = 100


def report_html(
    connection: sqlite3.Connection,
    summary: Summary,
    folder: str,
    patience: float | None = None,
    clock: Callable[[], float] = monotonic,
) -> str:
    """The report as HTML, all of one moment. `folder` is what the commands in it call the crawl.

    Takes about a second at 100,000 pages with a million links. What is not known `patience` seconds after the start is left out, and
    the report says so.
    """
    waiting = Patience(connection, patience, clock)
    with one_moment(connection):
        with waiting:
            ordered = sorted(SECTIONS, key=lambda section: section.table.name in _LONGEST)  # so that most is there when time is short
            found = {section.table.name: waiting.read(partial(_take, connection, section)) for section in ordered}
            pictures = _charts(connection, summary, waiting)
        above = _head(connection, summary, found) + _tiles(summary) + _contents(found) + pictures
        foot = _foot(connection, folder)
        limit = min(LARGE, SMALL + max(0, summary.pages - 200) * _ROOM_PER_PAGE)
        room = limit - _SPARE - len(_document(connection, above + foot).encode())
        return _document(connection, above + _sections(connection, found, folder, room) + foot)


def _take(connection: sqlite3.Connection, section: Section) -> Taken:
    return take(connection, section.table, _MOST_ROWS, section.table.most_items)


def _document(connection: sqlite3.Connection, body: str) -> str:
    name = _site_name(connection)
    script = files("crawler.report").joinpath("report.js").read_text("utf-8")
    return f"{head(f'Crawl report · {safe(name)}', style(), script)}<body>\n{body}\n<script>{script}</script></body></html>\n"


def _site_name(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT url FROM _frontier WHERE role = 'page' ORDER BY seq LIMIT 1").fetchone()
    return row[0].partition("://")[2].rstrip("/")[:200] if row else "nothing"


# --- above the tables -------------------------------------------------------------------------------------------------


def _head(connection: sqlite3.Connection, summary: Summary, found: dict[str, Taken | None]) -> str:
    kind, sentence = verdict(summary, {name: taken.total for name, taken in found.items() if taken is not None})
    when = (summary.started or "")[:16].replace("T", " ")
    runs = f" · run {summary.run}" if summary.run > 1 else ""
    how = f"finished: {summary.finish_reason}" if summary.finish_reason else "not finished"
    return (
        f"<header><p>Crawl report</p><h1>{safe(_site_name(connection))}</h1>"
        f"<p>{safe(when)} UTC · {human_duration(summary.duration)} · {safe(how)}{runs}</p></header>"
        f'<p class="verdict {kind}">{safe(sentence)}</p>'
    )


def _tiles(summary: Summary) -> str:
    tiles = [
        ("pages", human_count(summary.pages)),
        ("ok", human_count(summary.ok)),
        ("redirects", human_count(summary.redirects)),
        ("broken", human_count(summary.broken)),
        ("errors", human_count(summary.errors)),
        ("requisites", human_count(summary.requisites) if summary.requisites else ""),
        ("skipped", "" if summary.skipped is None else human_count(summary.skipped)),
        ("queued", human_count(summary.queued) if summary.queued else ""),
        ("size", human_size(summary.bytes)),
        ("median wait", value_of("ttfb_ms", summary.ttfb_median_ms)),
        ("95 % wait", value_of("ttfb_ms", summary.ttfb_p95_ms)),
        ("pages a second", human_rate(summary.rate) if summary.rate else ""),
    ]
    return f"<dl class=tiles>{''.join(f'<div><dt>{name}<dd>{shown}</div>' for name, shown in tiles if shown)}</dl>"


def _contents(found: dict[str, Taken | None]) -> str:
    links = (
        f"<span class=none>{section.title} ?</span>"
        if taken is None
        else f'<a href="#{name}">{section.title} <b>{human_count(taken.total)}</b></a>'
        if taken.total
        else f"<span class=none>{section.title} 0</span>"
        for section in SECTIONS
        for name, taken in [(section.table.name, found[section.table.name])]
    )
    return f"<nav>{''.join(links)}</nav>"


def _charts(connection: sqlite3.Connection, summary: Summary, waiting: Patience) -> str:
    cursor = connection.cursor()

    def rows(query: str) -> list[tuple[object, ...]]:
        return cursor.execute(query).fetchall()

    statuses = waiting.read(partial(rows, figures.STATUSES)) or []
    types = waiting.read(partial(rows, figures.TYPES)) or []
    times: list[Bucket] = waiting.read(lambda: figures.histogram(cursor.execute(figures.TIMES))) or []
    depths = waiting.read(partial(rows, DEPTH.sql)) or []
    seconds: list[Interval] = waiting.read(lambda: figures.read_intervals(connection, summary.duration)) or []
    root: Branch = waiting.read(lambda: figures.read_tree(connection)) or Branch("")
    over_time = charts.over_time(seconds) if len(seconds) > 3 else ""
    pictures = [
        ("Status codes", "", charts.bars(_status_bars(statuses)) if statuses else "", False),
        (
            "Time to the first byte",
            charts.said_of_times(times, summary.ttfb_median_ms, summary.ttfb_p95_ms),
            charts.time_histogram(times),
            False,
        ),
        ("Pages by depth", "links away from a seed", charts.depth_columns(_depths(depths)) if depths else "", False),
        ("Pages a second", "broken at the bottom", over_time, False),
        ("Bytes by type", "", charts.bars(_type_bars(types)) if types else "", bool(over_time)),
        ("Shape of the site", "by folder, as large as its pages are many; the redder the more broken", _map(root, summary.pages), True),
    ]
    return f"<div class=charts>{''.join(_figure(*each) for each in pictures if each[2])}</div>"


def _figure(title: str, more: str, picture: str, wide: bool) -> str:
    caption = f"<figcaption>{title}{f' <span>{more}</span>' if more else ''}</figcaption>"
    return f"<figure{' class=wide' if wide else ''}>{caption}{picture}</figure>"


def _map(root: Branch, pages: int) -> str:
    cells = treemap(root, _CELLS_FOR_200 if pages <= 200 else _MOST_CELLS, _ASPECT)
    return charts.site_map(cells) if is_telling(cells) else ""


def _status_bars(rows: list[tuple[object, ...]]) -> list[tuple[str, int, str, str]]:
    """A bar for each status; what has none has an error."""
    found: dict[tuple[str, str], int] = {}
    for status, outcome, pages in rows:
        assert isinstance(pages, int)
        kind = {"redirect": "moved", "http_error": "broken", "error": "error"}.get(str(outcome), "ok")
        name = "error" if kind == "error" else str(status)
        found[name, kind] = found.get((name, kind), 0) + pages
    ordered = sorted(found.items(), key=lambda item: (item[0][1] == "error", item[0][0]))
    return [(name, pages, human_count(pages), kind) for (name, kind), pages in ordered[:16]]


def _type_bars(rows: list[tuple[object, ...]]) -> list[tuple[str, int, str, str]]:
    sized = [(str(name), size) for name, _, size in rows if isinstance(size, int)]
    bars = [(name[:40], size, human_size(size), "ok") for name, size in sized[:7]]
    rest = sum(size for _, size in sized[7:])
    return [*bars, *([(f"{len(sized) - 7} others", rest, human_size(rest), "ok")] if rest else [])]


def _depths(rows: list[tuple[object, ...]]) -> list[tuple[int, int, int, int, int, int]]:
    """At most forty depths: what lies deeper is left to the table."""
    return [tuple(row[:6]) for row in rows[:40]]  # type: ignore[misc]


# --- the tables -------------------------------------------------------------------------------------------------------


def _sections(connection: sqlite3.Connection, found: dict[str, Taken | None], folder: str, room: int) -> str:
    """Each section with its share of the room, in bytes: what one does not need the others may have."""
    site = Site(_only_origin(connection))
    rows = {name: _rows(section, taken, site) for section in SECTIONS if (taken := found[name := section.table.name]) is not None}
    parts = [_section(section, found[name], rows.get(name, []), folder) for section in SECTIONS for name in [section.table.name]]
    needs = {name: sum(map(len, of_one)) for name, of_one in rows.items()}
    shares = shared(needs, room - sum(len("".join(part)) for part in parts))
    text = ""
    for section, (before, after) in zip(SECTIONS, parts, strict=True):
        name = section.table.name
        shown = list(_fitting(rows.get(name, []), shares.get(name, 0)))
        taken = found[name]
        left = taken.total - len(shown) if taken is not None else 0
        more = f"<p>and {human_count(left)} more: <code>{_command(folder, section)}</code></p>" if left else ""
        text += before + b"".join(shown).decode() + after + (f"{more}</section>" if before else "")
    return text


def _rows(section: Section, taken: Taken, site: Site) -> list[bytes]:
    rows = []
    for group in taken.groups:
        cells = zip(section.columns, section.cells(site, group), strict=True)
        rows.append(("<tr>" + "".join(f"{_tag('td', kind)}{cell}" for (_, kind), cell in cells)).encode())
    return rows


def shared(needs: Mapping[str, int], room: int) -> dict[str, int]:
    """The room given to those who need it, by their names: all they need to those who need less than the others, the rest to the others in
    equal parts."""
    shares = {}
    for number, (name, need) in enumerate(sorted(needs.items(), key=lambda each: each[1])):
        shares[name] = min(need, max(0, room) // (len(needs) - number))
        room -= shares[name]
    return shares


def _fitting(rows: Sequence[bytes], room: int) -> Iterator[bytes]:
    for row in rows:
        room -= len(row)
        if room < 0:
            return
        yield row


def _only_origin(connection: sqlite3.Connection) -> str:
    """The origin of all pages; "" when there are several."""
    hosts = connection.execute("SELECT host FROM hosts WHERE done > 0 LIMIT 2").fetchall()
    row = connection.execute("SELECT url FROM pages ORDER BY row LIMIT 1").fetchone()
    return "/".join(row[0].split("/")[:3]) if row and len(hosts) == 1 else ""


def _section(section: Section, taken: Taken | None, rows: Sequence[bytes], folder: str) -> tuple[str, str]:
    """What stands before and after the rows; nothing where there is nothing to say."""
    if taken is None:
        why = "There was no time to find out before the crawl had to end. All of it:"
        return f"<section><h2>{section.title}</h2><p>{why} <code>{_command(folder, section)}</code></p>", ""
    if not taken.total:
        return "", ""
    heads = "".join(f"{_tag('th', kind)}{name}" for name, kind in section.columns)
    title = f"<h2>{section.title} <span class=dim>{human_count(taken.total)}</span></h2><p>{section.note}</p>"
    return f"<section id={section.table.name}>{title}<table><thead><tr>{heads}</thead><tbody>", "</table>"


def _tag(name: str, kind: str) -> str:
    return f'<{name} class="{kind}">' if kind else f"<{name}>"


def _command(folder: str, section: Section) -> str:
    return safe(section.command.format(shlex.quote(folder)))


# --- the foot ---------------------------------------------------------------------------------------------------------


def _foot(connection: sqlite3.Connection, folder: str) -> str:
    import json

    runs = connection.cursor().execute(figures.RUNS).fetchmany(10)
    if not runs:
        return "<footer></footer>"
    _, _, _, _, _, version, settings, version_of_format = runs[0]
    lines = "".join(
        f"<p>run {run}: {safe((started or '')[:19].replace('T', ' '))} UTC, "
        f"{human_duration(seconds) if seconds is not None else 'no end recorded'}{f', {safe(reason)}' if reason else ''}</p>"
        for run, started, _, seconds, reason, *_ in runs
    )
    chosen = {name: value for name, value in json.loads(settings).items() if value not in (None, "", [], {}, False)}
    facts = "".join(f"<div><dt>{safe(name)} <dd>{safe(_setting(value))}</div>" for name, value in chosen.items())
    return (
        f"<footer><h3>Settings</h3><dl>{facts}</dl><h3>Runs</h3>{lines}"
        f"<p>crawler {safe(version)} · format {safe(str(version_of_format))} · SQLite {sqlite3.sqlite_version} · each number is a query on "
        f"crawl.db: <code>crawler report {safe(shlex.quote(folder))} --sql</code></p></footer>"
    )


def _setting(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST_SETTING else text[:_LONGEST_SETTING] + "…"
