"""What the screens say, as plain lines: functions of values alone, so that every width can be looked at in a test."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from crawler.model import Page, Refusal
from crawler.progress import Progress
from crawler.redaction import redact
from crawler.text import human_clock, human_count, human_duration, human_rate, human_size, printable, shortened

COLUMN = 57
"""Where the second column begins when there is room."""

MARGIN = "  "
_BUSIEST = 5
_SHORTEST_NAME, _LONGEST_NAME = 16, 40
# Before this many seconds, and while more is found than fetched, the time that is left cannot be told.
_EARLIEST_FORECAST = 10.0
_LATEST_FORECAST = 100 * 3600.0
_PLAIN_SIGNS = {"·": "-", "…": "...", "×": "x", "–": "-"}


def start_line(title: str, folder: str, facts: Sequence[str], width: int) -> list[str]:
    """The first line of a crawl: what is crawled, where it goes, and what is worth knowing."""
    where = f" -> {printable(folder)}/" if folder else ""
    return two_columns(printable(title) + where, " · ".join(printable(fact) for fact in facts), width, margin="")


def render_progress(progress: Progress, width: int) -> list[str]:
    """The lines of the live display, none wider than `width` (at least 20): numbers, statuses, the slowest, busiest hosts."""
    several = len(progress.hosts) + progress.more_hosts > 1
    delay = f"host delay {_seconds(progress.hosts[0].delay)}" if progress.hosts and not several else ""
    lines = flow(_numbers(progress), "   ", width)
    lines += two_columns(_statuses(progress), _forecast(progress), width)
    lines += two_columns(_slowest(progress, _room_beside(delay, width)), delay, width)
    return lines + (_hosts(progress, width) if several else [])


def plain_progress(progress: Progress) -> str:
    """The same in one line, for a log."""
    clock, *numbers = human_clock(progress.elapsed), *_numbers(progress, clock=False)
    return "   ".join((clock, *numbers, _statuses(progress)))


def cut_off_line(in_hand: int) -> str:
    """What is said when the last run ended without a word: that a page is suspected, and what is done about it."""
    them = "The URL it had in hand is" if in_hand == 1 else f"The {in_hand:,} URLs it had in hand are"
    return f"The last run was cut off: it was killed, or a page brought it down. {them} read in a process apart."


def pausing_line(in_flight: int, grace: float, again: str) -> str:
    """What is said as soon as a crawl is asked to pause: how long that may take, and how it ends sooner."""
    gets = "gets" if in_flight == 1 else "get"
    waits = f"{plural(in_flight, 'request')} {gets} {grace:g} s to finish" if in_flight else "saving what has arrived"
    return f"Pausing: {waits}; {again} ends now."


def page_line(page: Page, detailed: bool = False) -> str:
    """One attempted URL on one line: status, seconds, size, URL, and the error or target; `detailed`, also where it was found."""
    parts = [str(page.status or "---"), f"{page.elapsed:.3f}s", human_size(page.content.size), printable(page.url)]
    if page.redirect_to:
        parts.append(f"-> {printable(page.redirect_to)}")
    if page.error:
        parts.append(printable(str(page.error)))
    if detailed:
        attempts = "" if page.attempts == 1 else f" attempts {page.attempts}"
        parts.append(f"depth {page.depth}{attempts}" + (f" from {printable(page.parent)}" if page.parent else ""))
    return "  ".join(parts)


def refusal_line(refusal: Refusal) -> str:
    """One URL that is not asked for on one line: the reason, the URL, the rule that decided, and where it was found."""
    parts = [f"refused {refusal.reason}", redact(refusal.url), *([redact(refusal.detail)] if refusal.detail else [])]
    return "  ".join(map(printable, [*parts, *([f"from {refusal.parent}"] if refusal.parent else [])]))


def _numbers(progress: Progress, clock: bool = True) -> list[str]:
    return [
        plural(progress.pages, "page"),
        *([plural(progress.requisites, "requisite")] if progress.requisites else []),
        *([f"{plural(progress.probes, 'other link')} asked"] if progress.probes else []),
        f"{human_rate(progress.rate)}/s",
        f"{human_count(progress.queued)} queued",
        f"{human_count(progress.in_flight)} in flight",
        *([human_clock(progress.elapsed)] if clock else []),
        human_size(progress.size),
    ]


def _statuses(progress: Progress) -> str:
    counts = (
        ("200", progress.ok),
        ("3xx", progress.redirects),
        ("4xx", progress.client_errors),
        ("5xx", progress.server_errors),
        ("failed", progress.failed),
    )
    return " · ".join(f"{name} {human_count(count)}" for name, count in counts)


def _forecast(progress: Progress) -> str:
    left = progress.queued + progress.in_flight
    if progress.elapsed < _EARLIEST_FORECAST or progress.rate <= 0 or not progress.queued or left > progress.pages:
        return ""
    seconds = progress.queued / progress.rate
    return f"about {human_clock(seconds).removeprefix('0:').removeprefix('0')} left" if seconds < _LATEST_FORECAST else ""


def _slowest(progress: Progress, room: int) -> str:
    if progress.slowest is None:
        return ""
    url, seconds = progress.slowest
    before, after = "slowest now  ", f" ({human_duration(seconds)})"
    return f"{before}{shortened(without_scheme(url), room - len(before) - len(after))}{after}"


def _hosts(progress: Progress, width: int) -> list[str]:
    busiest = sorted(progress.hosts, key=lambda host: (-host.in_flight, -host.waiting))[:_BUSIEST]
    columns = [
        aligned([f"{human_count(host.in_flight)} in flight" for host in busiest]),
        aligned([f"{human_count(host.waiting)} waiting" for host in busiest]),
        aligned([f"delay {_seconds(host.delay)}" for host in busiest]),
    ]
    # What a narrow terminal has no room for goes, the last column first.
    while len(columns) > 1 and _room_for_names(columns, width) < _SHORTEST_NAME:
        columns.pop()
    room = min(_LONGEST_NAME, _room_for_names(columns, width))
    names = [shortened(printable(host.host), room) for host in busiest]
    widest = max(map(len, names), default=0)
    lines = [MARGIN + "   ".join((name.ljust(widest), *facts)) for name, *facts in zip(names, *columns, strict=True)]
    more = len(progress.hosts) - len(busiest) + progress.more_hosts
    return [*lines, *([f"{MARGIN}+ {plural(more, 'host')}"] if more else [])]


def _room_for_names(columns: Sequence[Sequence[str]], width: int) -> int:
    return width - len(MARGIN) - sum(3 + len(column[0]) for column in columns if column)


# --- words ------------------------------------------------------------------------------------------------------------


def plural(count: int, noun: str) -> str:
    """`1 page`, `1,204 pages`."""
    return f"{human_count(count)} {noun}" if count == 1 else f"{human_count(count)} {noun}s"


def aligned(column: list[str]) -> list[str]:
    """A column of a table: all as wide as the widest, filled up on the left."""
    widest = max(map(len, column), default=0)
    return [text.rjust(widest) for text in column]


def without_scheme(url: str) -> str:
    """A URL as people say it, harmless."""
    return printable(url.removeprefix("https://").removeprefix("http://"))


def _seconds(delay: float) -> str:
    return f"{delay:.2f} s" if 0 < delay < 0.1 else f"{delay:.1f} s"


def encodable(text: str, encoding: str | None) -> str:
    """The text as a terminal with this encoding can show it: plain signs for typographic ones, escapes for the rest."""
    encoding = encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        for sign, plain in _PLAIN_SIGNS.items():
            if sign.encode(encoding, "ignore") == b"":
                text = text.replace(sign, plain)
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


# --- lines ------------------------------------------------------------------------------------------------------------


def two_columns(left: str, right: str, width: int, margin: str = MARGIN) -> list[str]:
    """Both on one line, the right one from `COLUMN` on; below each other when there is no room for that."""
    if not left or not right:
        return paragraph(left or right, width, margin)
    start = max(len(margin) + len(left) + 3, COLUMN + len(margin))
    if start + len(right) > width:
        start = len(margin) + len(left) + 3
    if start + len(right) > width:
        return paragraph(left, width, margin) + paragraph(right, width, margin)
    return [f"{margin}{left}".ljust(start) + right]


def paragraph(text: str, width: int, margin: str = MARGIN, after: str = "") -> list[str]:
    """The text in lines that end between words, where there is a ` · ` between them if possible. A longer word stays whole.

    Lines after the first begin with `margin` and `after`.
    """
    if len(margin) + len(text) <= width:
        return [margin + text] if text else []
    if " · " in text:
        return flow(text.split(" · "), " · ", width, margin, after)
    return wrap(text, width, initial_indent=margin, subsequent_indent=margin + after, break_long_words=False, break_on_hyphens=False)


def flow(parts: Sequence[str], separator: str, width: int, margin: str = MARGIN, after: str = "") -> list[str]:
    """The parts, separated, as many on each line as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(separator) + len(part) <= width:
            lines[-1] += separator + part
        else:
            lines += paragraph(part, width, margin + after) if lines else paragraph(part, width, margin, after)
    return lines


def _room_beside(right: str, width: int) -> int:
    """How long the left column may be for the right one to stand beside it, or alone when that would be too little."""
    beside = width - len(MARGIN) - 3 - len(right)
    return beside if right and beside >= COLUMN - 3 else width - len(MARGIN)
