"""A site whose pages have validators, and can be edited between two crawls: a plan says which, and is what a comparison has to find."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from crawler.testing import Answer, Site, SiteRequest, answer

WORDS = ("lamp", "oak", "river", "slate", "tin", "wool")
KINDS = ("new", "gone", "title", "body", "status", "redirect")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page: its version makes its validators, `to` makes it a redirect."""

    title: str
    words: str
    links: tuple[str, ...] = ()
    status: int = 200
    to: str = ""
    version: int = 1


class EditedSite:
    """A home page, a tree of `count` pages below it, every fifth leaf a redirect, and a sitemap that names them all.

    `sent` counts the bytes of the bodies that were sent. With `validators` False no page has an ETag or a date.
    """

    def __init__(self, site: Site, count: int, *, validators: bool = True, size: int = 300) -> None:
        self.site = site
        self.sent = 0
        self._validators = validators
        self._filler = f"<!--{'x' * size}-->"
        self.sheets: dict[str, Sheet] = {"/": Sheet("Home", "home", tuple(f"/p{n}" for n in range(min(3, count))))}
        for number in range(count):
            children = tuple(f"/p{child}" for child in range(3 * number + 3, 3 * number + 6) if child < count)
            to = f"/p{number - 1}" if not children and number % 5 == 4 else ""
            self.sheets[f"/p{number}"] = Sheet(f"Page {number}", WORDS[number % 6], children, to=to)
        for path in self.sheets:
            site.page(path, self._page)
        site.page("/sitemap.xml", self._sitemap)

    def _page(self, request: SiteRequest) -> Answer:
        sheet = self.sheets[request.path]
        if sheet.to:
            return answer(301, "", {"Location": sheet.to})
        tag = f'"{sheet.version}-{sheet.status}"'
        headers = {"ETag": tag, "Last-Modified": f"Mon, {sheet.version + 1:02} Nov 2026 08:00:00 GMT"} if self._validators else {}
        if self._validators and request.headers.get("if-none-match") == tag:
            return answer(304, "", headers)
        body = f"<title>{sheet.title}</title><p class=words>{sheet.words}</p>{self._filler}"
        made = answer(sheet.status, body, headers, links=sheet.links)
        self.sent += len(made.body)
        return made

    def _sitemap(self, request: SiteRequest) -> Answer:
        urls = "".join(f"<url><loc>{self.site.url(path)}</loc></url>" for path in self.sheets)
        body = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
        self.sent += len(body)
        return answer(200, body)

    def edit(self, plan: Mapping[str, str]) -> None:
        """Carries out a plan: what happens (one of `KINDS`) to each path."""
        for path, kind in plan.items():
            sheet = self.sheets.get(path, Sheet(f"New {path}", "new"))
            match kind:
                case "gone":
                    self.sheets.pop(path)
                    self.site.remove(path)
                    continue
                case "title":
                    sheet = replace(sheet, title=f"{sheet.title}, again")
                case "body":
                    sheet = replace(sheet, words=f"{sheet.words} and more")
                case "status":
                    sheet = replace(sheet, status=403)
                case "redirect":
                    sheet = replace(sheet, to="/p0" if sheet.to != "/p0" else "/p1")
            self.sheets[path] = replace(sheet, version=sheet.version + 1)
            self.site.page(path, self._page)

    def plan(self, seed: int, edits: int) -> dict[str, str]:
        """So many edits, each of another page, drawn with a seed."""
        draw = random.Random(seed)
        pages = sorted(path for path, sheet in self.sheets.items() if path != "/" and not sheet.to)
        leaves = [path for path in pages if not self.sheets[path].links]
        moved = sorted(path for path, sheet in self.sheets.items() if sheet.to)
        plan: dict[str, str] = {}
        while len(plan) < edits:
            kind = draw.choice(KINDS)
            path = (
                f"/new{len(plan)}" if kind == "new" else draw.choice({"redirect": moved, "title": pages, "body": pages}.get(kind, leaves))
            )
            plan.setdefault(path, kind)
        return plan
