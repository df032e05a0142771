"""A crawl in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from crawler.report.summary import Summary
from crawler.report.tables import TABLES
from crawler.text import human_count, printable, shortened

_NAMED, _LONGEST = 3, 200


def verdict(summary: Summary, findings: Mapping[str, int]) -> tuple[str, str]:
    """How it stands, as a word (`bad`, `part` for a crawl that is not complete, "" when all is well), and a sentence. `findings` is how
    many groups each table has; one that is not in it is not known."""
    if not summary.ok:
        why = f": {_short(summary.failed_seeds[0].url)} ({_short(summary.failed_seeds[0].why)})" if summary.failed_seeds else ""
        return "bad", f"No page was fetched{why}."
    if summary.only_page is not None:
        return "part", f"Only one page was found, {_short(summary.only_page.url)}: {_short(summary.only_page.why)}."
    found = [(name, count) for name, table in TABLES.items() if table.is_finding and (count := findings.get(name, 0))]
    named = ", ".join(TABLES[name].counted(count) for name, count in found[:_NAMED])
    rest = sum(count for _, count in found[_NAMED:])
    others = f", and {human_count(rest)} more findings" if rest > 1 else ", and 1 more finding" if rest else ""
    pages = f"{human_count(summary.pages)} pages" if summary.pages != 1 else "1 page"
    is_known = all(name in findings for name, table in TABLES.items() if table.is_finding)
    nothing = "Nothing was found that needs a look" if is_known else "There was no time to look for all that may need a look"
    sentence = f"{named}{others}, in {pages}." if found else f"{nothing}, in {pages}."
    if not summary.complete:
        why = summary.finish_reason if summary.finish_reason not in (None, "queue empty") else "not finished"
        urls = "1 URL is" if summary.queued == 1 else f"{human_count(summary.queued)} URLs are"
        left = f", {urls} left" if summary.queued else ""
        sentence = f"Not complete ({why}{left}). {sentence}"
    return "bad" if findings.get("broken") else "part" if found or not summary.complete else "", sentence


def _short(text: str) -> str:
    return shortened(printable(text), _LONGEST)
