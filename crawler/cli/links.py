"""`crawler links URL|FILE`: which links a page holds, as a crawl would see them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace

from crawler.cli.looking import fetcher_for, file_or_url, settings_of, show_rows
from crawler.cli.messages import say
from crawler.cli.screen_text import plural
from crawler.core.following import REDIRECT_STATUS
from crawler.core.html import parse_header_links
from crawler.core.urls import Resolver, canonical, normalize_seed
from crawler.engine.bounds import seed_request
from crawler.engine.reading import Reading, Wanted, location_of, read
from crawler.errors import SeedError, UsageError
from crawler.fetch.blocking import BlockingFetcher
from crawler.model import Body, Request, Response
from crawler.text import as_json, printable

# Where a page of a file lies when nobody says it: links within that site are shown as the page has them.
_NOWHERE = "http://file.invalid/"

Found = tuple[str, str, str, str]
"""A link: where it leads, its kind, rel and text."""


def run(arguments: Namespace) -> int:
    """Prints the links of a page, style sheet, sitemap or feed in their order. Raises UsageError, and SeedError when it gives no page."""
    settings = settings_of(arguments)
    body, place = file_or_url(arguments.place)
    if body is None:
        if arguments.base is not None:
            raise UsageError("`--base` is for files", "a URL says itself where it lies", f"crawler links {place}")
        with fetcher_for(settings, place) as fetcher:
            request, response = _answer(fetcher, seed_request(place), settings.max_redirects)
    else:
        base = canonical(normalize_seed(arguments.base)) if arguments.base is not None else _NOWHERE
        request, response = seed_request(base), _as_response(body, place)
    if response.body.head(2) == b"\x1f\x8b":  # packed, as sitemaps are
        request = replace(request, role="sitemap")
    reading = read(request, response, Wanted(requisites=arguments.page_requisites, forms=arguments.forms))
    found = list(_links(request, response, reading))
    if arguments.as_json:
        rows = [dict(zip(("url", "kind", "rel", "text"), link, strict=True)) for link in found]
        print(as_json(rows, indent=2, ascii=True))
        return 0
    said = f"{plural(len(found), 'link')} in {printable(place if body is not None else request.url)}"
    say(said if reading.page or reading.sitemap else f"{said}, which is {reading.content_type or 'of no known type'}")
    show_rows(found, (80, 8, 16))
    return 0


def _answer(fetcher: BlockingFetcher, request: Request, most: int) -> tuple[Request, Response]:
    """The answer at the end of redirects."""
    asked = request
    for _ in range(1 + most):
        response = fetcher.fetch(asked)
        if response.error is not None:
            raise SeedError(f"{asked.url} gave no page", str(response.error), "the same command again, later")
        target = Resolver(lambda url, host: None).targets(asked.url, [location_of(response)])[0]
        if response.status not in REDIRECT_STATUS or target is None or not target.host:
            break
        asked = replace(asked, url=target.url, id=target.id, host=target.host)
    else:
        raise SeedError(f"{request.url} gave no page", f"it redirects more than {most} times", "--max-redirects N")
    if not 200 <= response.status < 300:
        raise SeedError(f"{asked.url} gave no page", f"it answered {response.status}", "another URL")
    return asked, response


_TYPES = {
    "css": "text/css", "xml": "application/xml", "rss": "application/rss+xml", "atom": "application/atom+xml", "rdf": "application/rdf+xml",
    "pdf": "application/pdf",
}  # fmt: skip


def _as_response(body: bytes, name: str) -> Response:
    """What a server would answer for a file. What is no style sheet, XML or PDF by its name, or by how it begins, is HTML."""
    kind = _TYPES.get(name.rpartition(".")[2].lower(), "text/html")
    if kind == "text/html" and body[:256].lstrip().lower().startswith((b"<?xml", b"<urlset", b"<sitemapindex", b"<rss", b"<feed")):
        kind = "application/xhtml+xml" if b"<html" in body[:1024].lower() else "application/xml"
    return Response(_NOWHERE, 200, (("content-type", kind),), Body(len(body), body))


def _links(request: Request, response: Response, reading: Reading) -> Iterator[Found]:
    """Links as a crawl keeps them: canonical; what is no URL is left out."""
    anchors: list[Found] = []
    base = request.url
    if reading.page is not None:
        base, anchors = reading.page.base, list(reading.page.links)
    elif reading.sitemap is not None:
        anchors = [(url, "sitemap", "", "") for url in reading.sitemap.sitemaps]
        for entry in reading.sitemap.urls:
            anchors.append((entry.url, "sitemap", "", entry.lastmod))
            anchors += [(url, "sitemap", "alternate", entry.lastmod) for url in entry.alternates]
            anchors += [(url, "img", "", "") for url in entry.images]
    yield from _resolved(base, anchors)
    yield from _resolved(
        request.url, [(href, "header", rel, "") for value in response.all_headers("link") for href, rel in parse_header_links(value)]
    )


def _resolved(base: str, anchors: Sequence[Found]) -> Iterator[Found]:
    targets = Resolver(lambda url, host: None).targets(base, [anchor[0] for anchor in anchors])
    for target, (_, kind, rel, text) in zip(targets, anchors, strict=True):
        if target is not None:
            yield "/" + target.url.removeprefix(_NOWHERE) if target.url.startswith(_NOWHERE) else target.url, kind, rel, text
