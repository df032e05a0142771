"""Values taken out of a page by CSS selectors: `--extract price='span.price::text'`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from crawler.charset import decode
from crawler.core.hostile import looks_hostile

_SUFFIX = re.compile(r"::\s*(text|attr\(\s*([^\s()]+)\s*\))\s*\Z", re.IGNORECASE)


def parse_extract(spec: str) -> tuple[str, str]:
    """Name and selector of one `NAME=CSS`, the selector checked.

    A selector may end with `::text` (the text, which is also what it gives without a suffix) or `::attr(name)`. Raises
    ValueError that names what is wrong.
    """
    name, equals, selector = spec.partition("=")
    name, selector = name.strip(), selector.strip(" \t\n\f\r")
    if not equals or not name:
        raise ValueError(f"{spec!r} is not NAME=CSS")
    _matches(LexborHTMLParser(b""), selector)
    return name, selector


def extract_data(body: bytes, charset: str, fields: Mapping[str, str]) -> dict[str, str | list[str] | None]:
    """What each selector finds on a page: None for nothing, a string for one match, a list for several, in page order.

    Text has its white space collapsed; of elements without the asked attribute nothing is taken. Pages that are too hostile
    to be parsed (`looks_hostile`) give None throughout. Raises ValueError, naming the selector, when one cannot be read.
    """
    data = body if charset == "utf-8" else decode(body, charset).encode("utf-8", "replace")
    tree = LexborHTMLParser(b"" if looks_hostile(data) else data)
    found: dict[str, str | list[str] | None] = {}
    for name, selector in fields.items():
        values = _matches(tree, selector)
        found[name] = None if not values else values[0] if len(values) == 1 else values
    return found


def _matches(tree: LexborHTMLParser, selector: str) -> list[str]:
    suffix = _SUFFIX.search(selector)
    css = selector[: suffix.start()] if suffix else selector
    attribute = suffix[2] if suffix else None
    try:
        nodes = tree.css(css) if css.strip() else None
    except (SelectolaxError, ValueError):
        nodes = None
    if nodes is None:
        raise ValueError(f"{selector!r} is not a CSS selector")
    seen: dict[int, LexborNode] = {node.mem_id: node for node in nodes}  # `a, .b` finds <a class=b> twice
    if attribute is None:
        return [" ".join(node.text().split()) for node in seen.values()]
    return [value or "" for node in seen.values() if attribute in (have := node.attributes) for value in [have[attribute]]]
