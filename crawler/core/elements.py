"""Which attributes of which elements hold links, and of which kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from crawler.core.srcset import parse_srcset
from crawler.model import LinkKind

# Pages that load things late have a placeholder, or nothing, in src.
_SRC = ("src", "data-src")

Attributes = Mapping[str, str | None]
_Found = Iterator[tuple[str, LinkKind]]
Readers = Mapping[str, Callable[[Attributes], _Found]]


def _named(kind: LinkKind, *names: str) -> Callable[[Attributes], _Found]:
    """A reader for elements with a URL in each of these attributes, which is nothing when it is empty."""

    def read(attributes: Attributes) -> _Found:
        for name in names:
            if href := attributes.get(name):
                yield href, kind

    return read


def _hyperlink(kind: LinkKind) -> Callable[[Attributes], _Found]:
    """A reader for elements whose empty href means the page itself."""

    def read(attributes: Attributes) -> _Found:
        if "href" in attributes or "xlink:href" in attributes:
            yield attributes.get("href", attributes.get("xlink:href")) or "", kind

    return read


def _candidates(attributes: Attributes, *names: str) -> _Found:
    for name in names:
        if srcset := attributes.get(name):
            for href in parse_srcset(srcset):
                yield href, "img"


def _with_candidates(kind: LinkKind) -> Callable[[Attributes], _Found]:
    """A reader for elements that have candidates beside their URL."""
    named = _named(kind, *_SRC)

    def read(attributes: Attributes) -> _Found:
        yield from named(attributes)
        yield from _candidates(attributes, "srcset", "data-srcset")

    return read


def _input(attributes: Attributes) -> _Found:
    if (attributes.get("type") or "").lower() == "image" and (href := attributes.get("src")):
        yield href, "img"


def _form(attributes: Attributes) -> _Found:
    if (attributes.get("method") or "get").strip().lower() not in ("post", "dialog"):
        yield attributes.get("action") or "", "form"


def _svg_image(attributes: Attributes) -> _Found:
    href = attributes.get("href") or attributes.get("xlink:href") or ""
    if href and not href.startswith("#"):  # a shape of this document
        yield href, "img"


_REL_KINDS: dict[str, LinkKind] = {
    "stylesheet": "css",
    "icon": "img",
    "apple-touch-icon": "img",
    "apple-touch-icon-precomposed": "img",
    "apple-touch-startup-image": "img",
    "mask-icon": "img",
    "fluid-icon": "img",
    "image_src": "img",
    "modulepreload": "script",
    "manifest": "media",
}
_AS_KINDS: dict[str, LinkKind] = {"style": "css", "script": "script", "worker": "script", "image": "img", "document": "link"}
# Hosts to connect to and endpoints to post to: nothing that could be fetched.
_NO_PAGES = frozenset({"preconnect", "dns-prefetch", "pingback", "webmention"})


def _link(attributes: Attributes) -> _Found:
    """HTML, 4.2.4: a link element without rel, or without a URL, links nothing."""
    href = attributes.get("href")
    rels = (attributes.get("rel") or "").lower().split()
    if not href or not rels or _NO_PAGES.intersection(rels):
        return
    kind: LinkKind = next((_REL_KINDS[rel] for rel in rels if rel in _REL_KINDS), "link")
    if "preload" in rels or ("prefetch" in rels and attributes.get("as")):
        kind = _AS_KINDS.get((attributes.get("as") or "").lower(), "media")
    yield href, kind
    yield from _candidates(attributes, "imagesrcset")


LINKS: Readers = {
    "a": _hyperlink("a"),
    "area": _hyperlink("area"),
    "iframe": _named("iframe", *_SRC),
    "frame": _named("frame", "src"),
    "img": _with_candidates("img"),
    "input": _input,
    "source": _with_candidates("media"),
    "video": _named("media", *_SRC, "poster"),
    "audio": _named("media", *_SRC),
    "track": _named("media", "src"),
    "embed": _named("media", *_SRC),
    "object": _named("media", "data"),
    "script": _named("script", "src"),
    "link": _link,
    "form": _form,
    "image": _svg_image,
    "use": _svg_image,
}
"""For each element that may link something: what its attributes link, as (raw href, kind), in order."""

IN_PICTURES: Readers = {
    "a": LINKS["a"],
    "image": _svg_image,
    "use": _svg_image,
    "script": _named("script", "href", "xlink:href"),
}
"""The same for those of SVG and MathML. What is called there as an element of HTML is none."""
