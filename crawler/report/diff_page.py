"""The difference between two crawls as one offline HTML file: no scripts, light and dark, everything from the web escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from crawler.report.diff import Change, Difference, Kind, Side, State
from crawler.report.document import head, style
from crawler.text import human_count, printable

_COLUMNS: dict[Kind, str] = {"new": "Answer", "gone": "Why", "changed": "Before and now"}


def diff_page(found: Difference) -> Iterator[str]:
    """The page, piece by piece, as wide as `report.html` and in its colours. Its policy allows nothing but its own style."""
    sides = (("before", found.old), ("now", found.new))
    where = "".join(f"<p>{name}: {escape(named(side))}</p>" for name, side in sides)
    title = f"{human_count(len(found.changes))} changes"
    yield f"{head(title, style())}<body>\n<header><p>What has changed</p><h1>{_shown(found.new.folder)}</h1>{where}</header>"
    yield f"<p class=verdict>{escape(headline(found))}</p>\n"
    for _, side in sides:
        if side.queued:
            yield f'<p class="verdict part">{_shown(side.folder)} is not complete: {human_count(side.queued)} queued</p>\n'
    for kind, column in _COLUMNS.items():
        if changes := found.of(kind):
            yield f"<section><h2>{kind.capitalize()} <span class=dim>{len(changes):,}</span></h2>\n"
            yield f"<table class=pair><thead><tr><th>URL<th>{column}<tbody>\n"
            yield from map(_row, changes)
            yield "</table></section>\n"
    yield "</body></html>\n"


def _row(change: Change) -> str:
    url = _shown(change.url)
    if change.url.startswith(("http://", "https://")):
        url = f'<a href="{escape(change.url)}" rel="noreferrer">{url}</a>'
    facts = "<br>".join(
        f"{escape(name)} " + " &rarr; ".join(f"<{tag}>{_shown(text)}</{tag}>" for tag, text in zip(("del", "ins"), pair, strict=True))
        if pair[1]
        else f"{escape(name)} {_shown(pair[0])}"
        for name, pair in facts_of(change)
    )
    return f"<tr><td>{url}<td>{facts}\n"


def named(side: Side) -> str:
    """One of the two crawls in words, harmless."""
    began, pages = printable(side.started[:16].replace("T", " ")), f"{human_count(side.pages)} page{'' if side.pages == 1 else 's'}"
    return f"{printable(side.folder)} (run {side.run} of {began} UTC, {pages})"


def _shown(text: str) -> str:
    return escape(printable(text))


def headline(found: Difference) -> str:
    """How many of each kind there are, in words."""
    counts = [f"{len(found.of(kind)):,} {kind}" for kind in ("new", "gone", "changed")]
    return " · ".join([*counts, f"{found.same:,} the same", *([f"{found.untold:,} not asked for"] if found.untold else [])])


def facts_of(change: Change) -> Iterator[tuple[str, tuple[str, str]]]:
    """What is to be said of a change: names, each with what was and what is ("" where there is only one of them)."""
    was, now = change.before, change.after
    if change.kind == "gone" or was is None or now is None or change.kind == "new":
        state = now if change.kind == "new" else was
        yield change.why or _status(state), (state.title or "" if state is not None else "", "")
        return
    for what in change.what:
        match what:
            case "status":
                yield "status", (_status(was), _status(now))
            case "title":
                yield "title", (was.title or "(none)", now.title or "(none)")
            case "body":
                yield "body", (f"{was.bytes:,}", f"{now.bytes:,} bytes")
            case "redirect":
                yield "redirect", (was.redirect_to or "(none)", now.redirect_to or "(none)")


def _status(state: State | None) -> str:
    if state is None:
        return ""
    return str(state.status) if state.outcome != "error" else f"no answer ({state.error})"
