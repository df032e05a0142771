"""What users may hang into a crawl: functions that see a request before it is sent and a page before it is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from crawler.model import Link, Page, Request


@dataclass(frozen=True, slots=True)
class Skip:
    """Returned by an `on_request` hook: do not ask for this URL, and why. It becomes `skipped`, reason `hook`."""

    why: str = ""


OnRequest = Callable[[Request], Request | Skip | Awaitable[Request | Skip | None] | None]
OnPage = Callable[[Page], object]
Follow = Callable[[Page, Sequence[Link]], Iterable[Link]]


@dataclass(slots=True)
class Hooks:
    """The hooks of one crawl, each called in the order in which it was added. Plain functions or coroutine functions; the
    synchronous mode takes plain ones."""

    on_request: list[OnRequest] = field(default_factory=list)
    on_page: list[OnPage] = field(default_factory=list)
    follow: list[Follow] = field(default_factory=list)

    def choose(self, page: Page, links: Sequence[Link]) -> Iterable[Link]:
        """The links that all `follow` hooks let through."""
        for hook in self.follow:
            links = tuple(hook(page, links))
        return links
