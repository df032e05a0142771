"""Pages that would keep an HTML parser busy out of all proportion, and a linear scan for what they link."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

SMALL = 32 * 1024
"""Bytes below which even the worst page is parsed in a fraction of a second."""
MOST_DEPTH = 5_000
MOST_WORK = 3_000_000
MOST_ATTRIBUTES = 4_000

_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "!"])
# Elements that the next of their kind, or the end of their parent, closes: unclosed ones do not nest.
_IMPLIED = frozenset(
    ["p", "li", "dt", "dd", "option", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup", "caption", "body", "head", "html"]
)
_RAW_TEXT = frozenset(["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "template"])


def looks_hostile(body: bytes) -> bool:
    """Whether parsing this page may take time or memory out of proportion: deep nesting, or thousands of attributes on a tag.

    An estimate by a linear scan, which ordinary pages do not need: most are cleared by a count of their tags.
    """
    if len(body) < SMALL or body.count(b"<") < 2_000:
        return len(body) >= SMALL and _has_long_tag(body)
    return _has_long_tag(body) or _is_deep(body)


_LONG_TAG = re.compile(rb"<[a-zA-Z](?:[^>\"']{1,64}+|\"[^\"]{0,99999}+\"|'[^']{0,99999}+'){400}|=\s*(?:\"[^\"]{100000}|'[^']{100000})")


def _has_long_tag(body: bytes) -> bool:
    return _LONG_TAG.search(body) is not None


def _is_deep(body: bytes) -> bool:
    depth = work = 0
    for found in re.finditer(rb"<(/?)([a-zA-Z!][a-zA-Z0-9]*)", body):
        name = found[2].lower().decode()
        if name in _VOID or name in _IMPLIED:
            work += depth
            continue
        depth = max(0, depth - 1) if found[1] else depth + 1
        work += depth
        if depth > MOST_DEPTH or work > MOST_WORK:
            return True
    return False


def scan_elements(body: bytes) -> Iterator[tuple[str, dict[str, str | None], str]]:
    """The start tags of a page in order: (name, attributes, text), the text only of title and style elements.

    No tree is built, so nothing that a tree is needed for is known. Linear in the size of the page.
    """
    text = body.decode("utf-8", "replace")
    lower = text.lower() if len(text.lower()) == len(text) else text
    position = 0
    while (position := text.find("<", position)) >= 0:
        if text.startswith("<!--", position):
            position = text.find("-->", position + 2)
            if position < 0:
                return
            continue
        found = _TAG_NAME.match(text, position)
        if found is None:
            position += 1
            continue
        name = found[2].lower()
        attributes, position = _attributes(text, found.end())
        if found[1]:
            continue
        if name not in _RAW_TEXT:
            yield name, attributes, ""
            continue
        end = lower.find(f"</{name}", position)
        inside = text[position : end if end >= 0 else len(text)] if name in ("title", "style") else ""
        yield name, attributes, html.unescape(inside) if name == "title" else inside
        if end < 0:
            return
        position = end


_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][^\t\n\f\r />]*)")
_ATTRIBUTE = re.compile(
    r"""[\t\n\f\r /]*+([^\t\n\f\r />][^\t\n\f\r />=]*+)[\t\n\f\r ]*+"""
    r"""(?:=[\t\n\f\r ]*+(?:"([^"]*+)(?:"|\Z)|'([^']*+)(?:'|\Z)|([^\t\n\f\r >]*+)))?"""
)


def _attributes(text: str, position: int) -> tuple[dict[str, str | None], int]:
    attributes: dict[str, str | None] = {}
    while found := _ATTRIBUTE.match(text, position):
        position = found.end()
        value = found[2] if found[2] is not None else found[3] if found[3] is not None else found[4]
        attributes.setdefault(found[1].lower(), html.unescape(value) if value and "&" in value else value)
    end = text.find(">", position)
    return attributes, end + 1 if end >= 0 else len(text)
