"""Generated pages to measure on: the same bytes on every machine, every page reachable from `/`, links as real sites write them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import dirname, relpath
from typing import Literal, get_args

Trouble = Literal["missing", "failing", "slow"]
"""What a planted page answers: 404, 500 with a Retry-After of nothing, or itself half a second late."""

Layout = Literal["sections", "folders", "flat"]
"""`sections`: folders of fifty pages, hrefs mostly root-relative. `folders`: a tree of folders, hrefs relative. `flat`: one folder."""

_TEXT = (
    "the of and a page crawl request answer host link queue store record folder server depth scope robots delay header body "
    "while every other because nothing between politely often always before after again through without under some many few "
    "finds keeps reads writes follows waits leaves returns measures counts begins ends grows holds opens closes remembers"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a generated site is like: so many pages of `size` bytes with `links` hrefs each. `missing` further URLs are linked
    and answer 404; `planted` of the pages answer with trouble of each kind in turn."""

    pages: int = 500
    links: int = 98
    size: int = 30 * 1024
    missing: int = 0
    layout: Layout = "sections"
    planted: int = 0


KINDS = {
    "standard": Shape(),
    "small": Shape(size=4 * 1024, links=20),
    "folders": Shape(layout="folders"),
    "flat": Shape(layout="flat"),
}
"""Sites worth measuring on, by name."""


_BYTES_FOR_A_LINK = 200


def shape_of(pages: int, size: int, planted: int = 0) -> Shape:
    """The typical site with pages of another size, from 1 KB on: a small one has fewer links, as its bytes have room for."""
    return Shape(pages, min(KINDS["standard"].links, size // _BYTES_FOR_A_LINK), size, planted=planted)


def path_of(number: int, layout: Layout = "sections") -> str:
    """The path of a page; the page of number 0 is `/`."""
    if number == 0:
        return "/"
    name = f"page-{number:05}.html"
    match layout:
        case "flat":
            return f"/{name}"
        case "folders":
            return f"/part-{number % 7}/chapter-{number % 11}/section-{number % 5}/{name}"
        case _:
            return f"/section-{number // 50:03}/{name}"


def generate(shape: Shape) -> Iterator[tuple[str, bytes]]:
    """Every page as its path and its HTML, in order, deterministic: equal shapes give equal bytes."""
    paragraphs = _paragraphs()
    for number in range(shape.pages):
        hrefs = [_href(target, number, position, shape) for position, target in enumerate(_targets(number, shape))]
        yield path_of(number, shape.layout), _page(number, hrefs, shape, paragraphs)


def missing_path(number: int) -> str:
    """The path of a page that is linked and does not exist."""
    return f"/missing/{number:04}.html"


def planted(shape: Shape) -> dict[str, Trouble]:
    """The paths of pages with trouble. Nothing is reached through them alone, so the site stays whole; at most half of it."""
    first = max(1, -(-(shape.pages - 1) // _width(shape)))  # from here on pages are leaves of the tree
    count = min(shape.planted, shape.pages // 2)
    numbers = (first + each * (shape.pages - first) // count for each in range(count))
    return {path_of(number, shape.layout): get_args(Trouble)[each % 3] for each, number in enumerate(numbers)}


def _width(shape: Shape) -> int:
    """The children of a page in the tree that makes all pages reachable."""
    return max(2, shape.links // 8)


def _targets(number: int, shape: Shape) -> list[str]:
    """The paths that a page links to. A tree over the numbers makes all reachable; chance fills the rest."""
    width = _width(shape)
    children = range(number * width + 1, min(number * width + width + 1, shape.pages))
    gone = range(number, shape.missing, shape.pages)
    chance = random.Random(number)
    rest = max(0, shape.links - len(children) - len(gone))
    others = (chance.randrange(shape.pages) for _ in range(rest))
    return [path_of(child, shape.layout) for child in (*children, *others)] + [missing_path(each) for each in gone]


def _href(target: str, number: int, position: int, shape: Shape) -> str:
    """The target as a site would write it: relative, root-relative, some with a fragment."""
    relative = position % 7 == 3 if shape.layout == "sections" else shape.layout == "folders"
    if relative and target != "/":
        target = relpath(target, dirname(path_of(number, shape.layout)))
    return f"{target}#part-{position}" if position % 10 == 9 else target


def _paragraphs() -> list[str]:
    chance = random.Random("crawler")
    texts = []
    for _ in range(64):
        words = chance.choices(_TEXT.split(), k=60)
        words[7] = f"<em>{words[7]}</em>"
        words[40] = f"<code>{words[40]}()</code>"
        texts.append(f"<p class=text>{' '.join(words)}.</p>\n")
    return texts


def _page(number: int, hrefs: list[str], shape: Shape, paragraphs: list[str]) -> bytes:
    title = f"Page {number} of {shape.pages}"
    nav, inline = hrefs[: shape.links // 4], hrefs[shape.links // 4 :]
    parts = [
        f'<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>{title}</title>\n<meta name=description content="About {number}">'
        f"</head>\n<body><header><nav><ul>\n",
        *(f'<li class="item"><a href="{href}">Entry {position}</a></li>\n' for position, href in enumerate(nav)),
        f"</ul></nav></header>\n<main><article><h1>{title}</h1>\n",
        *(
            f'<p>See <a href="{href}" class="reference">what is said in {position}</a> about it.</p>\n'
            for position, href in enumerate(inline)
        ),
    ]
    end = "</article></main></body></html>\n"
    left = shape.size - len(end) - sum(map(len, parts))
    for position in range(shape.size):
        paragraph = paragraphs[(number + position) % len(paragraphs)]
        if len(paragraph) > left:
            break
        parts.append(paragraph)
        left -= len(paragraph)
    parts.append("\n" * left)
    return "".join([*parts, end]).encode()
