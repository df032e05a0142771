"""robots.txt as crawls meet it in the wild."""

from __future__ import annotations

import pytest

from crawler import Crawler
from crawler.core.robots import parse_robots
from crawler.core.robots_lines import ROBOTS_MAX_SIZE
from crawler.engine.robots_story import robots_story
from crawler.model import Body, PageError, Request, Response, RobotsFacts
from crawler.testing import Site


async def test_a_robots_file_without_end_still_rules_by_its_beginning(site: Site) -> None:
    """RFC 9309, 2.5: the first 500 KiB are obeyed, the rest of a huge file is left alone."""
    rules = b"User-agent: *\nDisallow: /no\n"
    site.page("/robots.txt", rules + b"#" * (40 * 1024 * 1024), headers={"Content-Type": "text/plain"})
    site.page("/", links=["/no", "/yes"])
    site.page("/yes", "hello")

    async with Crawler() as crawler:
        pages = [page async for page in crawler.crawl(site.url("/"))]

    assert {page.url for page in pages} == {site.url("/"), site.url("/yes")}
    assert site.count("/no") == 0


def told(*responses: Response) -> tuple[list[str], RobotsFacts]:
    """What is asked for, given these answers, and what is known in the end."""
    story = robots_story(Request(f"{HOST}/robots.txt", 1, "a.test", role="robots"))
    asked = [next(story).url]
    for response in responses:
        try:
            asked.append(story.send(response).url)
        except StopIteration as end:
            return asked, end.value.facts
    raise AssertionError(f"it goes on with {asked[-1]}")


def moved(to: str, status: int = 301) -> Response:
    return Response("", status, (("Location", to),))


def robots(text: bytes) -> Response:
    return Response("", 200, (), Body(len(text), text))


HOST = "https://a.test"
RULES = b"User-agent: *\nDisallow: /no"


def test_five_redirects_are_followed_across_hosts() -> None:
    """The rules at the end of five redirects, on whichever hosts, are those of the host that was asked first (RFC 9309, 2.3.1.2)."""
    way = [moved("http://a.test/robots.txt", 308), moved("//b.test/r"), moved("/s", 302), moved("https://c.test/", 307), moved("/t", 303)]
    asked, facts = told(*way, robots(RULES))

    assert asked == [
        f"{HOST}/robots.txt",
        "http://a.test/robots.txt",
        "http://b.test/r",
        "http://b.test/s",
        "https://c.test/",
        "https://c.test/t",
    ]
    assert facts == RobotsFacts(HOST, 200, RULES, 0.0)


def test_more_redirects_mean_that_there_is_none() -> None:
    """The sixth redirect in a row is not followed, nor is one to nowhere: then nothing is forbidden."""
    for answers in ([moved(f"/{number}") for number in range(6)], [moved("mailto:x@b.test")], [moved("http://[bad/")]):
        asked, facts = told(*answers)
        assert len(asked) == len(answers)
        assert (facts.status, facts.text) == (301, b"")
        assert facts.error == ("it redirects more than 5 times" if len(answers) > 1 else "it redirects to nowhere")


@pytest.mark.parametrize(
    ("response", "allows", "error"),
    [
        (Response("", 404), True, ""),
        (Response("", 403), True, ""),
        (Response("", 301), True, ""),  # without a Location
        (Response("", 500), None, "robots.txt answered 500"),
        (Response("", 503), None, "robots.txt answered 503"),
        (Response("", 429), None, "robots.txt answered 429"),
        (Response("", 0, error=PageError("reset", "cut off")), None, "reset: cut off"),
        (Response("", 200, error=PageError("timeout", "no data for 15 s")), None, "timeout: no data for 15 s"),
        (Response("", 200, error=PageError("truncated", "half of it")), None, "truncated: half of it"),
        (Response("", 404, error=PageError("decode", "no valid gzip")), True, ""),
        (Response("", 429, error=PageError("decode", "no valid gzip")), None, "decode: no valid gzip"),
        (robots(b"<html><p>Not here</p></html>"), True, ""),
        (robots(b""), True, ""),
    ],
)
def test_what_each_answer_means(response: Response, allows: bool | None, error: str) -> None:
    """4xx, whatever comes with it, and no rules allow all; 5xx, 429 and no whole answer allow nothing for now (RFC 9309, 2.3.1.3 and
    2.3.1.4)."""
    _, facts = told(response)

    assert facts.error == error
    assert (None if facts.text is None else parse_robots(facts.text).decide("asyncrawl", f"{HOST}/x").allowed) is allows


def test_a_line_that_the_limit_cuts_is_no_rule() -> None:
    """Of a file beyond 500 KiB the last line that fits is dropped when it is not whole: half a rule could refuse a whole site."""
    text = RULES + b"\n" + b"#" * (ROBOTS_MAX_SIZE - len(RULES) - 2 - len(b"Disallow: /")) + b"\nDisallow: /only-this"
    assert text[:ROBOTS_MAX_SIZE].endswith(b"\nDisallow: /")
    _, facts = told(robots(text))

    assert facts.text is not None
    assert parse_robots(facts.text).decide("asyncrawl", f"{HOST}/x").allowed
    assert not parse_robots(facts.text).decide("asyncrawl", f"{HOST}/no").allowed
