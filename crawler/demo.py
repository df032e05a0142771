"""The built-in demo site: a small lamp shop with its guides, generated, the same every time, and with everything a crawl can show.

It has a robots.txt that closes `/account/` and names a sitemap, a chain of redirects, links to pages that are gone, a page that
fails every other time, guides that share a title, a page that only the sitemap knows, a slow one, a mail address, and a link to
another site (a name that is reserved and never resolves).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count, pairwise
from urllib.parse import urldefrag, urljoin

from crawler.testing import Answer, PageValue, Site, answer, redirect

SLOW_FACTOR = 10
"""How many times the latency of the others the slow page takes."""

SLOW = "/search?q=lamp"
RECOVERING = "/shop/stock.html"
ORPHAN = "/summer-sale.html"
CLOSED = "/account/orders.html"
CHAIN = ("/lamps", "/catalogue", "/catalogue/2019/", "/shop/")
MOVED = "/blog"
GONE = ("/press.html", "/shop/discontinued.html", "/guides/old-wiring.html")
MAIL = "mailto:hello@example.invalid"
OUTSIDE = "https://example.invalid/lamp-museum"
_ENOUGH = 12
"""From so many pages on the site has all its oddities; a smaller one is only pages."""

_CATEGORIES = {
    "table-lamps": "Table lamps",
    "floor-lamps": "Floor lamps",
    "lanterns": "Lanterns",
    "candles": "Candles",
    "parts": "Spare parts",
}
_TOPICS = {"wiring": "Wiring", "wicks": "Wicks", "repair": "Repair", "light": "Light and rooms"}
_ON_A_PAGE = 8
_SUBJECTS = (
    "The shade",
    "A good wick",
    "Every lamp we sell",
    "The brass foot",
    "Warm light",
    "This model",
    "The old switch",
    "A quiet room",
)
_VERBS = ("lasts longer with", "was made for", "goes well with", "asks for", "is better than", "comes back to", "hardly needs", "began as")
_OBJECTS = (
    "a dry shelf",
    "linen and oak",
    "a second bulb",
    "some patience",
    "a long evening",
    "clean glass",
    "the reading chair",
    "spare parts",
)
_STYLE = (
    "body{font:17px/1.6 Georgia,serif;max-width:44rem;margin:0 auto;padding:0 1rem 4rem;color:#2b2622;background:#fdfaf4}"
    "nav,footer{font:14px/2 system-ui,sans-serif;border-bottom:1px solid #e2d8c8;margin-bottom:2rem}nav a,footer a{margin-right:1rem}"
    "footer{border:0;border-top:1px solid #e2d8c8;margin:3rem 0 0}a{color:#9a4d00}h1{line-height:1.2}.price{font-weight:bold}"
    "ul{padding-left:1.2rem}"
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A page before it is written: its path, title and heading, kind, and for numbered ones its folder and number."""

    path: str
    title: str
    kind: str = "text"
    folder: str = ""
    number: int = 0


def demo_pages(pages: int = 200, size: int = 30 * 1024, latency: float = 0.0) -> dict[str, PageValue]:
    """The demo site for `crawler.testing.site`, with redirects, robots.txt and sitemap.

    Exactly `pages` pages answer 200 to a polite crawl, one of them known from the sitemap alone (of a site of 12 pages or more).
    `size` is about how many bytes each has; `latency` (seconds) is only what the slow page takes ten times.
    """
    chosen = {entry.path: entry for entry, _ in zip(_entries(), range(pages), strict=False)}
    texts = _paragraphs()
    written = {path: _written(entry, chosen, size, texts) for path, entry in chosen.items()}
    result: dict[str, PageValue] = dict(written)
    if pages >= _ENOUGH:
        result[SLOW] = answer(200, written[SLOW], {"Content-Type": "text/html; charset=utf-8"}, delay=latency * (SLOW_FACTOR - 1))
        result[RECOVERING] = _every_other_time(
            answer(500, _frame("Out of order", "<p>Please try again.</p>")), answer(body=written[RECOVERING])
        )
        result[CLOSED] = _frame("Your orders", "<p>Nobody but you should read this.</p>")
        result |= {old: redirect(new, 301) for old, new in pairwise(CHAIN)}
        result[MOVED] = redirect("/guides/", 308)
    result["/robots.txt"] = lambda request: f"User-agent: *\nDisallow: /account/\n\nSitemap: http://{request.host}/sitemap.xml\n"
    paths = list(chosen)
    result["/sitemap.xml"] = lambda request: _sitemap(request.host, paths)
    return result


def serve_demo(port: int = 8000, pages: int = 200, latency: float = 0.0, size: int = 30 * 1024, address: str = "127.0.0.1") -> Site:
    """The demo site on loopback, or on another `address` of this machine, for `with` or `start()` and `stop()`. Port 0 takes a free one;
    OSError when the port is taken or the address is not this machine's."""
    not_found = answer(404, _frame("Not found", "<p>There is no such page. <a href=/>Home</a></p>"))
    return Site(demo_pages(pages, size, latency), address, port, latency, not_found, None)


def _every_other_time(first: Answer, second: Answer) -> PageValue:
    """Fails first and recovers, for every crawl anew, under each name that the site is asked by."""
    turns: defaultdict[str, Iterator[int]] = defaultdict(count)
    return lambda request: second if next(turns[request.host]) % 2 else first


def _entries() -> Iterator[_Entry]:
    """All pages there could be, the most needed first, without end."""
    yield _Entry("/", "Lantern & Wick")
    yield _Entry("/shop/", "The shop", "shop")
    yield _Entry("/guides/", "Guides", "guides")
    yield _Entry("/about.html", "About us")
    yield _Entry("/contact.html", "Contact", "contact")
    yield _Entry(SLOW, "Search: lamp", "search")
    yield _Entry(RECOVERING, "What is in stock")
    yield _Entry(ORPHAN, "Summer sale")
    for folder, title in _TOPICS.items():
        yield _Entry(f"/guides/{folder}/", title, "topic", folder)
    for number in count():
        for folder, title in _CATEGORIES.items():
            if number % _ON_A_PAGE == 0:
                yield _listing(folder, title, number // _ON_A_PAGE + 1)
            name = f"{title.rstrip('s')} no. {number + 1}"
            yield _Entry(_product(folder, number + 1), name, "product", folder, number + 1)
        for folder, title in _TOPICS.items():
            if number % 2 == 0:
                part = number // 2 + 1
                # Sheets that somebody copied and never named anew: a crawl finds the shared title.
                yield _Entry(_guide(folder, part), "Care sheet" if part % 4 == 3 else f"{title}, part {part}", "guide", folder, part)


def _listing(folder: str, title: str, number: int) -> _Entry:
    query, suffix = (f"?page={number}", f", page {number}") if number > 1 else ("", "")
    return _Entry(f"/shop/{folder}/{query}", f"{title}{suffix}", "listing", folder, number)


def _product(folder: str, number: int) -> str:
    return f"/shop/{folder}/no-{number:03}.html"


def _guide(folder: str, number: int) -> str:
    return f"/guides/{folder}/part-{number}.html"


def _links(entry: _Entry) -> Iterator[tuple[str, str]]:
    """What a page links to beside the navigation: href and text, also of pages that a smaller site has not."""
    folder, number = entry.folder, entry.number
    match entry.kind:
        case "shop":
            yield from ((f"/shop/{name}/", title) for name, title in _CATEGORIES.items())
            yield RECOVERING, "What is in stock"
        case "guides":
            yield from ((f"/guides/{name}/", title) for name, title in _TOPICS.items())
            yield GONE[2], "Old wiring"
        case "listing":
            first = (number - 1) * _ON_A_PAGE + 1
            yield from ((_product(folder, item), f"No. {item}") for item in range(first, first + _ON_A_PAGE))
            yield from ((_listing(folder, "", page).path, f"Page {page}") for page in (number - 1, number + 1, number + 10) if page)
            yield GONE[1], "Discontinued models"
        case "product":
            yield from ((_product(folder, item), f"Goes with no. {item}") for item in (number - 1, number + 1))
            yield RECOVERING, "Is it in stock?"
        case "topic":
            yield from ((_guide(folder, part), f"Part {part}") for part in range(1, 2000, 3))
        case "guide":
            yield "./", "All parts"
            yield f"part-{number + 1}.html#start", "Read on"
            yield "../old-wiring.html", "The old text"
        case "search":
            yield from ((_product(name, 1), f"{title.rstrip('s')} no. 1") for name, title in _CATEGORIES.items())
        case "contact":
            yield GONE[0], "Press"
            yield MAIL, "Write to us"
        case _:
            yield GONE[0], "Press"
            yield MOVED, "Our old blog"
            yield CHAIN[0], "All lamps (the old address)"
            yield OUTSIDE, "The lamp museum"


def _written(entry: _Entry, chosen: dict[str, _Entry], size: int, texts: Sequence[str]) -> str:
    """The HTML of a page, about `size` characters of it."""
    oddities = {*GONE, MOVED, CHAIN[0], OUTSIDE, MAIL} if len(chosen) >= _ENOUGH else set()
    there = chosen.keys() | oddities
    links = [(href, text) for href, text in _links(entry) if urldefrag(urljoin(entry.path, href)).url in there]
    items = "\n".join(f'<li><a href="{escape(href)}">{escape(text)}</a></li>' for href, text in links)
    chance = random.Random(entry.path)
    parts = [f'<p class="price">€ {chance.randrange(900, 24900) / 100:.2f}</p>'] if entry.kind == "product" else []
    parts += [f"<ul>\n{items}\n</ul>"] if items else []
    left = size - len(_frame(entry.title, "\n".join(parts), chosen))
    while left > 0:
        parts.append(chance.choice(texts))
        left -= len(parts[-1]) + 1
    return _frame(entry.title, "\n".join(parts), chosen)


def _frame(title: str, body: str, chosen: dict[str, _Entry] | None = None) -> str:
    entries = [("/", "Lantern & Wick"), ("/shop/", "Shop"), ("/guides/", "Guides"), ("/about.html", "About"), ("/contact.html", "Contact")]
    entries += [(SLOW, "Search")]
    nav = " ".join(f'<a href="{escape(href)}">{escape(text)}</a>' for href, text in entries if chosen and href in chosen)
    account = f'<a href="{CLOSED}">Your orders</a>' if chosen and len(chosen) >= _ENOUGH else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\n'
        f'<title>{escape(title)}</title>\n<meta name="description" content="{escape(title)}, at a shop for lamps that does not exist.">\n'
        f'<link rel="icon" href="data:,"><style>{_STYLE}</style></head>\n<body>\n<nav>{nav} {account}</nav>\n'
        f"<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n<footer>A demo site made by crawler. Nothing here is for sale.</footer>\n"
        f"</body>\n</html>\n"
    )


def _paragraphs() -> list[str]:
    chance = random.Random("lamps")

    def sentence() -> str:
        return f"{chance.choice(_SUBJECTS)} {chance.choice(_VERBS)} {chance.choice(_OBJECTS)}."

    return [f"<p>{' '.join(sentence() for _ in range(chance.randrange(3, 9)))}</p>" for _ in range(60)]


def _sitemap(host: str, paths: Sequence[str]) -> str:
    rows = "".join(f"<url><loc>http://{escape(host)}{escape(path)}</loc></url>\n" for path in paths)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{rows}</urlset>\n'
