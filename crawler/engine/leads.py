"""The links of a page with where they lead, and which of them are worth a look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from crawler.core.html import parse_header_links, parse_refresh
from crawler.core.urls import Target
from crawler.engine.bounds import STEP, Bounds
from crawler.engine.steps import Steps
from crawler.model import LinkRow, Response

Anchor = tuple[str, str, str, str]


class Leads(NamedTuple):
    """The links of a page (`anchors`) with the id of where each leads (None: to no URL); and those of them that are to be judged, with
    their targets."""

    anchors: Sequence[Anchor]
    ids: Sequence[int | None]
    judged: Sequence[Anchor]
    targets: Sequence[Target | None]

    def rows(self) -> Steps[list[LinkRow]]:
        """The links as they are stored."""
        rows: list[LinkRow] = []
        for start in range(0, len(self.ids), STEP):
            if start:
                yield
            part = slice(start, start + STEP)
            pairs = zip(self.ids[part], self.anchors[part], strict=True)
            rows += [(identity, kind, rel, text) for identity, (_, kind, rel, text) in pairs if identity is not None]
        return rows


def leads_of(bounds: Bounds, base: str, anchors: Sequence[Anchor], named: Sequence[Anchor] = (), url: str = "") -> Steps[Leads]:
    """Where the links of a page with this base URL lead, and those that its headers have `named`, at this `url`. All are to be judged."""
    targets = yield from bounds.targets(base, [anchor[0] for anchor in anchors])
    if named:
        targets += yield from bounds.targets(url, [anchor[0] for anchor in named])
        anchors = [*anchors, *named]
    return Leads(anchors, [target and target.id for target in targets], anchors, targets)


def new_leads_of(bounds: Bounds, base: str, anchors: Sequence[Anchor], named: Sequence[Anchor] = (), url: str = "") -> Steps[Leads]:
    """The same, but of those links of the page that are familiar nothing more than the id is looked for, and they are not to be judged."""
    ids = bounds.familiar.ids(base, [anchor[0] for anchor in anchors])
    strange = [anchor for anchor, identity in zip(anchors, ids, strict=True) if identity is None]
    leads = yield from leads_of(bounds, base, strange, named, url)
    found = iter(leads.ids)
    ids = [next(found) if identity is None else identity for identity in ids]
    return Leads([*anchors, *named], [*ids, *found], leads.judged, leads.targets)


def named_in_headers(response: Response) -> list[Anchor]:
    """The links of an answer's headers, which resolve against its own URL (RFC 8288, 3.2)."""
    named = [(href, "header", rel, "") for value in response.all_headers("link") for href, rel in parse_header_links(value)]
    if (refresh := response.header("refresh")) and (href := parse_refresh(refresh)) is not None:
        named.append((href, "refresh", "", ""))
    return named
