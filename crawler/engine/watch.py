"""The watch for traps as the story of a page needs it: told of every answer, asked about every new link; or no watch at all."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from crawler.core.evidence import Sight
from crawler.core.html import ParsedPage
from crawler.core.leased import Veto
from crawler.core.traps import Traps
from crawler.core.urls import Target, Verdict
from crawler.model import Request, Response


class Watch(Veto):
    """Watches with `traps`; with None it sees nothing and refuses nothing. As a veto it judges what was admitted before; what the user
    has named, and where that leads, it always lets through."""

    def __init__(self, traps: Traps | None) -> None:
        self._traps = traps

    def page(
        self,
        request: Request,
        response: Response,
        parsed: ParsedPage | None,
        targets: Sequence[Target | None],
        unknown: Callable[[set[int]], set[int]],
    ) -> str | None:
        """Takes notice of a page and where it leads; the pattern that this has put into quarantine, if it has. `unknown` picks the ids
        that the crawl did not know."""
        if self._traps is None:
            return None
        if parsed is None or request.role != "page":
            self._traps.told(request, response.body.sha256 or "")
            return None
        return self._traps.observe(Sight(request, parsed.title, response.body.data, targets, unknown))

    def learn(self, quarantined: Iterable[tuple[str, str]]) -> None:
        """Takes notice of what others have put into quarantine."""
        if self._traps is not None:
            self._traps.learn(quarantined)

    def answer(self, request: Request, answer: str = "") -> None:
        """Takes notice of a redirect (`answer` is its target) or an error."""
        if self._traps is not None and request.role != "sitemap":
            self._traps.told(request, answer)

    def link(self, target: Target) -> Verdict | None:
        """Why a new URL is refused; None when it is not."""
        return self._traps.judge(target.url, target.id, target.host) if self._traps is not None else None

    def refusal(self, request: Request) -> Verdict | None:
        """See `Veto`."""
        if self._traps is None or request.depth == 0 or request.role != "page":
            return None
        return self._traps.judge(request.url, request.id, request.host)

    def waits(self, request: Request, flying: Container[int]) -> bool:
        """See `Veto`: of a shape that has yet to prove itself one page at a time is enough."""
        if self._traps is None or request.depth == 0 or request.role != "page":
            return False
        return self._traps.waits(request.url, request.id, request.host, flying)
