"""Why a crawl found one page only: the question of everybody whose crawl ended at once."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from crawler.report import queries

Cause = Literal["login", "javascript", "scope", "robots", "no links", "not html", "refused", "unknown"]

# A path such as /login, /users/sign_in or /oauth/authorize.
_LOGIN = re.compile(r"(?:^|[/._-])(?:log[-_]?in|sign[-_]?in|logon|sso|oauth2?|auth)(?:[/.]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OnlyPage:
    """The only page of a crawl and why there are no others: the cause, a sentence, and the options that help, or ""."""

    url: str
    cause: Cause
    why: str
    options: str = ""


def diagnose(cursor: sqlite3.Cursor) -> OnlyPage | None:
    """What stopped the crawl at its first page; None when it has found more pages, or none. The cursor gives `sqlite3.Row`s."""
    pages = cursor.execute(queries.ONLY_PAGE).fetchall()
    if len(pages) != 1 or pages[0]["outcome"] != "ok":
        return None
    page = pages[0]
    if _LOGIN.search(_path(page["url"])):
        return OnlyPage(page["url"], "login", "it asks for a login", "--cookies FILE")
    if page["content_type"] not in ("text/html", "application/xhtml+xml"):
        return OnlyPage(page["url"], "not html", f"it is {page['content_type'] or 'of no known type'}, not HTML")
    links = cursor.execute(queries.LINKS_OF_PAGE, {"id": page["id"]}).fetchone()
    skipped = cursor.execute(queries.SKIPPED_FROM_PAGE, {"id": page["id"]}).fetchall()
    if skipped:
        return _refused(page["url"], skipped)
    return _without_links(page, links)


def _without_links(page: sqlite3.Row, links: sqlite3.Row) -> OnlyPage:
    url = page["url"]
    if page["link_count"] and page["first_link"] is None:
        return OnlyPage(url, "unknown", "its links lead to nothing new; they were not kept")
    if links["links"]:
        return OnlyPage(
            url, "no links", "its links lead only to itself" if links["links"] == links["to_itself"] else "its links lead to no other page"
        )
    if links["scripts"]:
        scripts = "a script" if links["scripts"] == 1 else f"{links['scripts']:,} scripts"
        return OnlyPage(url, "javascript", f"it has {scripts} and no links: JavaScript seems to build it, which is not run")
    if not page["bytes"]:
        return OnlyPage(url, "no links", "nothing of it was read: it is empty, or --accept-type or --reject-type leaves it out")
    return OnlyPage(url, "no links", "it has no links")


def _refused(url: str, skipped: list[sqlite3.Row]) -> OnlyPage:
    """The page has links, and all of them were refused: the most frequent reason speaks."""
    (reason, urls), *_ = Counter(row["reason"] for row in skipped).most_common(1)
    details = Counter(row["detail"] or "" for row in skipped if row["reason"] == reason)
    detail = details.most_common(1)[0][0]
    only = len(skipped) == 1
    its_links = f"{urls:,} of its {len(skipped):,} links" if urls < len(skipped) else "its only link" if only else f"all its {urls:,} links"
    if reason == "scope":
        return _out_of_scope(url, its_links, detail, Counter(_host(row["url"]) for row in skipped if row["reason"] == reason))
    if reason == "robots":
        return OnlyPage(url, "robots", f"robots.txt forbids {its_links} ({detail})" if detail else f"robots.txt forbids {its_links}")
    return OnlyPage(url, "refused", f"{its_links} {'was' if only else 'were'} skipped as {reason}" + (f" ({detail})" if detail else ""))


def _out_of_scope(url: str, its_links: str, detail: str, hosts: Counter[str]) -> OnlyPage:
    verb = "leads" if its_links == "its only link" else "lead"
    kin = _same_domain(_host(url), hosts)
    if sum(hosts[host] for host in kin) * 10 >= hosts.total() * 9:
        others = "" if len(kin) == 1 else f" and {len(kin) - 1:,} other hosts of the domain" if len(kin) > 2 else f" and {kin[1]}"
        return OnlyPage(url, "scope", f"{its_links} {verb} to {kin[0]}{others}", "--scope domain")
    options = "--scope host" if _host(url) in hosts else ""
    return OnlyPage(url, "scope", f"{its_links} {verb} out of the scope ({detail})", options)


def _same_domain(host: str, hosts: Counter[str]) -> list[str]:
    """The other hosts that somebody registered together with this one, those with most links first."""
    from publicsuffixlist import PublicSuffixList  # 0.07 s: only for a crawl of one page

    from crawler.core.scope import registrable_domain

    suffixes = PublicSuffixList()
    domain = registrable_domain(host, suffixes)
    ordered = sorted(hosts, key=lambda other: (-hosts[other], other))
    return [other for other in ordered if other != host and registrable_domain(other, suffixes) == domain]


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _path(url: str) -> str:
    return url.partition("://")[2].partition("/")[2].partition("?")[0]
