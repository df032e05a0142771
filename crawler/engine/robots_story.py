"""Asking for a robots.txt: one story that both engines tell, each in its way of waiting."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from crawler.core.robots import ROBOTS_MAX_SIZE
from crawler.core.urls import Resolver, origin
from crawler.engine.reading import REDIRECT_STATUS, location_of
from crawler.model import Request, Response, RobotsFacts

ROBOTS_REDIRECTS = 5


def robots_story(request: Request) -> Generator[Request, Response, tuple[RobotsFacts, float]]:
    """What a host says in its robots.txt: yields what to fetch, is sent what came, returns the facts and the time to the first
    byte. RFC 9309, 2.3.1: five redirects are followed, 4xx means no rules, 5xx and no answer mean that all is refused for now;
    429 asks to come back later, so it counts as 5xx (as Google does)."""
    place, step = origin(request.url), request
    for _ in range(1 + ROBOTS_REDIRECTS):
        response = yield step
        if response.error is not None and response.error.kind != "too_big":
            return RobotsFacts(place, response.status, None, 0.0, str(response.error)), 0.0
        if response.status in REDIRECT_STATUS and (location := location_of(response)):
            target = Resolver(lambda url, host: None).targets(step.url, [location])[0]
            if target is None or not target.host:
                break
            step = replace(request, url=target.url, id=target.id, host=target.host)
            continue
        if response.status >= 500 or response.status == 429:
            return RobotsFacts(place, response.status, None, 0.0, f"robots.txt answered {response.status}"), 0.0
        text = response.body.read()[:ROBOTS_MAX_SIZE] if 200 <= response.status < 300 else b""
        return RobotsFacts(place, response.status, text, 0.0), response.ttfb or 0.0
    return RobotsFacts(place, 404, b"", 0.0, "too many redirects"), 0.0
