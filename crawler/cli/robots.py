"""`crawler robots URL|FILE [PATH…]`: what a robots.txt decides, and by which line."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from crawler.cli.looking import fetcher_for, file_or_url, settings_of, show_rows
from crawler.cli.messages import say
from crawler.core.robots import Decision, Robots, allow_all, parse_robots, refuse_all, robots_url
from crawler.core.urls import canonical, fingerprint, host_key, origin, resolve
from crawler.engine.robots_story import robots_story
from crawler.errors import SeedError, UsageError
from crawler.model import Request
from crawler.redaction import redact
from crawler.settings import Settings
from crawler.text import as_json, human_duration, printable

FINDINGS = 4
_SOMEWHERE = "https://example.org/"


@dataclass(frozen=True, slots=True)
class _Read:
    """A robots.txt that was read: where, with which status (None: from a file), and what it says."""

    where: str
    status: int | None
    size: int
    robots: Robots


def run(arguments: Namespace) -> int:
    """Prints a decision for each path; without one, for the URL itself. Returns 0 when all may be asked for, 4 when one may not.

    Raises UsageError, and SeedError when the host does not answer.
    """
    settings = settings_of(arguments)
    body, url = file_or_url(arguments.place)
    if body is None:
        found, base = _fetched(settings, url), url
    else:
        found, base = _Read(url, None, len(body), parse_robots(body)), _SOMEWHERE
    wanted = arguments.paths or ["/" if body is not None else url]
    urls = [_url_of(path, base, is_anywhere=body is not None) for path in wanted]
    decisions = [found.robots.decide(settings.robots_agent, each) for each in urls]
    if arguments.as_json:
        print(as_json(_values_of(found, settings.robots_agent, urls, decisions), indent=2, ascii=True))
    else:
        _say_what_was_read(found, settings.robots_agent)
        shown = [each.removeprefix(origin(each)) for each in urls]
        show_rows([[*_words(decision), path, decision.rule] for path, decision in zip(shown, decisions, strict=True)], (7, 8, 60))
    return 0 if all(decision.allowed for decision in decisions) else FINDINGS


def _words(decision: Decision) -> tuple[str, str]:
    return "allowed" if decision.allowed else "refused", f"line {decision.line}" if decision.line is not None else "-"


def _url_of(path: str, base: str, is_anywhere: bool) -> str:
    """The URL that is asked about. A path begins at the root of the site, whatever page the base is."""
    found = resolve(path, origin(base) + "/")
    if found is None or not found.startswith(("http://", "https://")):
        raise UsageError(f"{path!r} is no path of a site", "expected a path or a URL", "crawler robots https://example.org /private/")
    url = canonical(found)
    if not is_anywhere and origin(url) != origin(base):
        why = f"it lies on {origin(url)}, which has a robots.txt of its own"
        raise UsageError(f"{path} is not of {origin(base)}", why, f"crawler robots {url}")
    return url


def _fetched(settings: Settings, url: str) -> _Read:
    where = robots_url(origin(url))
    story = robots_story(Request(where, fingerprint(where), host_key(where), role="robots"))
    step = next(story)
    with fetcher_for(settings, url) as fetcher:
        while True:
            try:
                step = story.send(fetcher.fetch(step))
            except StopIteration as end:
                facts = end.value.facts
                break
    if facts.text is not None:
        rules = allow_all(f"no robots.txt: {facts.error}") if facts.error else parse_robots(facts.text)
        return _Read(where, facts.status, len(facts.text), rules)
    if not facts.status:
        raise SeedError(f"{where} could not be had", facts.error, "the same command again, later")
    return _Read(where, facts.status, 0, refuse_all(facts.error))


def _say_what_was_read(found: _Read, agent: str) -> None:
    delay = found.robots.crawl_delay(agent)
    facts = [
        f"{found.size:,} bytes" if found.status is None else f"answered {found.status}, {found.size:,} bytes",
        *([f"Crawl-delay {human_duration(delay)}"] if delay is not None else []),
        f"rules for {agent}",
    ]
    say(printable(f"{found.where}: {' · '.join(facts)}"))
    for sitemap in found.robots.sitemaps[:5]:
        say(f"  sitemap {printable(redact(sitemap))}")
    if (more := len(found.robots.sitemaps) - 5) > 0:
        say(f"  and {more:,} more sitemaps")


def _values_of(found: _Read, agent: str, urls: list[str], decisions: list[Decision]) -> dict[str, object]:
    return {
        "robots": found.where,
        "status": found.status,
        "agent": agent,
        "crawl_delay": found.robots.crawl_delay(agent),
        "sitemaps": list(map(redact, found.robots.sitemaps)),
        "decisions": [{"url": url, **decision._asdict()} for url, decision in zip(urls, decisions, strict=True)],
    }
