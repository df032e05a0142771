"""The difference between two crawls as one offline HTML file: no scripts, light and dark, everything from the web escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from crawler.report.diff import Change, Difference, State
from crawler.report.document import head
from crawler.text import human_count, printable

_STYLE = """
:root{color-scheme:light dark;--line:#8884}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}p.sides{color:GrayText}
table{border-collapse:collapse;width:100%;table-layout:fixed}td,th{border-bottom:1px solid var(--line);padding:.3rem .5rem .3rem 0;
text-align:left;vertical-align:top;overflow-wrap:anywhere}del{opacity:.7}ins{text-decoration:none;font-weight:600}
@media(max-width:600px){td,th{display:block;border:0;padding:.1rem 0}tr{display:block;border-bottom:1px solid var(--line);padding:.4rem 0}}
"""


def diff_page(found: Difference) -> Iterator[str]:
    """The page, piece by piece. Its policy allows nothing but its own style."""
    title = f"{len(found.changes):,} changes"
    yield f"{head(title, _STYLE)}<body>\n<h1>{escape(headline(found))}</h1>\n"
    for name, side in (("old", found.old), ("new", found.new)):
        where = f"{_shown(side.folder)}, run {side.run} of {_shown(side.started)}"
        yield f'<p class="sides">{name}: {where}, {human_count(side.pages)} pages</p>\n'
    for kind in ("new", "gone", "changed"):
        changes = found.of(kind)
        if changes:
            yield f"<h2>{len(changes):,} {kind}</h2>\n<table>\n"
            yield from map(_row, changes)
            yield "</table>\n"
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
