"""Asking for a robots.txt: one story that both engines tell, each in its way of waiting."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from crawler.core.following import REDIRECT_STATUS
from crawler.core.robots_lines import ROBOTS_MAX_SIZE
from crawler.core.urls import Resolver, origin
from crawler.engine.batch import discard
from crawler.engine.reading import location_of, retry_after
from crawler.model import Request, Response, RobotsFacts

ROBOTS_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class RobotsAnswer:
    """What came of asking for a robots.txt: the facts, the seconds to the first byte, and the seconds that a Retry-After asks for."""

    facts: RobotsFacts
    ttfb: float = 0.0
    retry_after: float | None = None


def robots_story(request: Request) -> Generator[Request, Response, RobotsAnswer]:
    """What a host says in its robots.txt: yields what to fetch, is sent what came, returns the answer. RFC 9309, 2.3.1: five
    redirects are followed, 4xx means no rules, 5xx and no answer mean that all is refused for now; 429 asks to come back later, so it
    counts as 5xx (as Google does)."""
    place, step, redirected, status = origin(request.url), request, 0, 0
    why = f"it redirects more than {ROBOTS_REDIRECTS} times"
    for _ in range(1 + ROBOTS_REDIRECTS):
        response = yield step
        status = response.status
        # A byte more than is read of it tells that there was more: then its last line is not whole.
        text = response.body.read()[: ROBOTS_MAX_SIZE + 1] if 200 <= status < 300 else b""
        discard(response.body)
        # A 4xx says all there is to say by its status: its body may be broken.
        is_absent = 400 <= status < 500 and status != 429
        if (error := response.error) is not None and error.kind != "too_big" and not is_absent:
            if redirected:  # the host did answer
                error = replace(error, detail=f"robots.txt redirects to {step.url}: {error.detail}")
            return RobotsAnswer(RobotsFacts(place, status or redirected, None, 0.0, str(error)))
        if status in REDIRECT_STATUS and (location := location_of(response)):
            target = Resolver(lambda url, host: None).targets(step.url, [location])[0]
            if target is None or not target.host:
                why = "it redirects to nowhere"
                break
            step, redirected = replace(request, url=target.url, id=target.id, host=target.host), status
            continue
        if status >= 500 or status == 429:
            unavailable = RobotsFacts(place, status, None, 0.0, f"robots.txt answered {status}")
            return RobotsAnswer(unavailable, retry_after=retry_after(response))
        return RobotsAnswer(RobotsFacts(place, status, text, 0.0), response.ttfb or 0.0)
    return RobotsAnswer(RobotsFacts(place, status, b"", 0.0, why))
