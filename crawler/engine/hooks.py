"""What users may hang into a crawl: functions that see a request before it is sent and a page before it is stored."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from crawler.model import Link, Page, Request


@dataclass(frozen=True, slots=True)
class Skip:
    """Returned by an `on_request` hook: do not ask for this URL, and why. It becomes `skipped`, reason `hook`."""

    why: str = ""


class SteeringError(Exception):
    """A hook that steers the crawl raised. That ends the crawl with the hook's own exception, which is the cause of this one: a
    mistake there would silently crawl something else."""


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

    async def before(self, request: Request) -> Request | Skip:
        """What the `on_request` hooks make of a request. Raises what they raise."""
        for hook in self.on_request:
            answer = hook(request)
            answer = await answer if inspect.isawaitable(answer) else answer
            if isinstance(answer, Skip):
                return answer
            request = answer or request
        return request

    async def after(self, page: Page) -> None:
        """Shows a page to the `on_page` hooks. Raises what they raise."""
        for hook in self.on_page:
            answer = hook(page)
            if inspect.isawaitable(answer):
                await answer

    def choose(self, page: Page, links: Sequence[Link]) -> Iterable[Link]:
        """The links that all `follow` hooks let through."""
        for hook in self.follow:
            try:
                links = tuple(hook(page, links))
            except Exception as error:
                raise SteeringError from error
        return links
