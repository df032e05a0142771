"""Links that are asked for once and not followed: those that lead outside, and what pages are made of. For checking links.

A probe is asked with HEAD, and with GET where that brings nothing good: a link is called broken only after a GET, as many servers answer
HEAD with 404, 405, 403 or 500. Of neither answer the body is read. robots.txt is not asked for probes: it speaks to those who follow
links, and nothing behind them is followed.
"""

from __future__ import annotations

from collections.abc import Callable

from crawler.core.following import REDIRECT_STATUS
from crawler.core.seen import SeenFilter, known_as
from crawler.core.urls import Target, Verdict
from crawler.engine.bounds import Bounds
from crawler.model import Failed, Refusal, Request, Response, Retry

Spare = Callable[[str], str | None]
"""Says in a word or two why a URL need not be asked, such as that it was lately; None: it has to be."""

# What is refused for these reasons may be asked about: none of them says that nobody may look.
_ASKED = frozenset({"scope", "requisite", "nofollow"})
# Hosts to connect to, and addresses for programs: nobody would open them.
_NO_LINKS = frozenset({"preconnect", "dns-prefetch", "pingback", "edituri", "wlwmanifest", "search"})
# What HEAD alone may have broken, as a body or its length came with it.
_OF_HEAD = frozenset({"protocol", "decode", "too_big", "truncated"})


class Probing:
    """Decides which links of pages become probes. `deepest` is the depth beyond which pages are not followed (None: there is none);
    `spare` may leave URLs out. An id that was probed is in the filter `seen` under a name of its own."""

    def __init__(self, bounds: Bounds, seen: SeenFilter, deepest: int | None, spare: Spare | None = None) -> None:
        self._bounds = bounds
        self._seen = seen
        self._deepest = deepest
        self._spare = spare

    def takes(self, target: Target, verdict: Verdict | None, rel: str, depth: int) -> bool:
        """Whether a link is asked for and not followed. `verdict` is why it is not followed; None: it would be, at this depth."""
        if verdict is None:
            return self._deepest is not None and depth > self._deepest
        return verdict[0] in _ASKED and not _NO_LINKS.intersection(rel.lower().split()) and self._bounds.of_requisite(target) is None

    def add(self, request: Request, target: Target, requests: list[Request], refusals: list[Refusal]) -> None:
        """Adds the probe of a link to those of its page, unless it was asked for already."""
        if known_as("probe", target.id) in self._seen:
            return
        if self._spare is not None and (why := self._spare(target.url)) is not None:
            refusals.append(Refusal(target.url, target.id, "hook", why, request.url, request.depth))
        else:
            requests.append(Request(target.url, target.id, target.host, "probe", request.depth, request.url))


def again_with_get(request: Request, response: Response, verdict: Failed | None) -> Retry | None:
    """The next try of a probe for which HEAD was not enough; None when it was, and after a GET."""
    if request.role != "probe" or request.attempts:
        return None
    if verdict is not None:
        return Retry(request, 0.0, f"HEAD: {verdict.error}") if verdict.error.kind in _OF_HEAD else None
    is_good = 200 <= response.status < 300 or response.status in REDIRECT_STATUS or response.status == 304
    return None if is_good else Retry(request, 0.0, f"HEAD answered {response.status}")
