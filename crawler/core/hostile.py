"""Pages that would keep an HTML parser busy out of all proportion, and a linear scan for what they link.

Lexbor, as the standard has it, walks the open elements for every tag, copies unclosed formatting elements into every
paragraph that follows, and compares every attribute of a tag with all others: quadratic in what a page may repeat at will.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from html.entities import html5
from itertools import islice

SOME_TAGS = 800
"""So few neither nest nor make copies so that it matters, whatever they are: half of them, copied into the other half, stay
below `SOME_COPIES`."""
FEW_TAGS = 2_000
"""So few cannot be nested so that it matters."""
SMALL = 32 * 1024
"""Bytes below which attributes that hide among quotes can keep the parser busy for less than a tenth of a second."""
MEDIUM = 16 * 1024
"""Bytes below which the attributes of one tag can keep the parser busy for some milliseconds only."""
LARGE = 256 * 1024
"""The same for attributes that hide among quotes, and for different names."""
MOST_DEPTH = 5_000
"""Open elements. Browsers stop nesting at 512."""
MOST_WORK = 20_000_000
"""Open elements, summed up over all tags: steps of the parser."""
MOST_COPIES = 1_000_000
"""Open formatting elements, summed up over all tags: elements that the parser may have to make."""
SOME_COPIES = 200_000
"""A page with more takes a parser a tenth of a second and some sixty megabytes."""
MOST_ATTRIBUTES = 4_000
"""On one tag."""
MOST_NAMES = 25_000
"""Different names of elements and attributes."""
MOST_TAGS = 1_000_000
"""Elements, each of which takes a parser some two hundred bytes of memory."""
MANY_UNCLOSED = 250
"""Elements without an end tag, in a small page. Ordinary ones have as many images and line breaks at the most."""
MANY_TAGS = 10_000
"""A page with more takes some ten milliseconds to parse."""
MUCH_WORK = 8_000_000
"""The same, of steps."""

# Elements that end by themselves, by the next of their kind or with their parent: unclosed ones do not nest.
_UNNESTED = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
).union(["p", "li", "dt", "dd", "option", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup", "caption", "body", "head", "html"])
_FORMATTING = frozenset(["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"])
_READ = frozenset([
    "href", "xlink:href", "src", "data-src", "srcset", "data-srcset", "poster", "data", "action", "method", "type", "rel", "content",
    "http-equiv", "name", "imagesrcset", "as", "lang",
])  # fmt: skip
_RAW_TEXT = frozenset(["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "template"])


def looks_small(body: bytes) -> bool:
    """Whether a page is parsed in a moment, told at a glance: in less than a tenth of a second, whatever it was made for, once
    `has_long_tag` is ruled out."""
    if len(body) > SMALL:
        return False
    tags = _tags_in(body)
    if tags <= SOME_TAGS:
        return True
    # What has no end tag may be a formatting element, which is copied into every paragraph.
    return tags < FEW_TAGS and (
        tags - 2 * body.count(b"</") <= MANY_UNCLOSED or tags * len(_FORMATTING_WITH_ATTRIBUTES.findall(body)) <= SOME_COPIES
    )


def _tags_in(body: bytes) -> int:
    # Before Python 3.13, counting a single byte looks at one byte after the other: four times as long as leaving it out.
    return len(body) - len(body.replace(b"<", b""))


def looks_large(body: bytes) -> bool:
    """Whether parsing a page, or judging how hostile it is, may take longer than some ten milliseconds. Told in less than one."""
    if len(body) > LARGE or _tags_in(body) > MANY_TAGS:
        return True
    return _may_be_deep(body, MUCH_WORK, SOME_COPIES) or has_long_tag(body)


def looks_hostile(body: bytes) -> bool:
    """Whether parsing this page may take time or memory out of proportion: nesting, attributes or names by the thousands, or
    elements by the million.

    Linear. Estimates clear nearly all pages, most by a count of their tags; what they cannot clear is walked tag by tag.
    """
    if len(body) > MOST_TAGS and _tags_in(body) - body.count(b"</") - body.count(b"<!") > MOST_TAGS:
        return True
    suspicious = (
        _may_be_deep(body)
        or _tags_in(body) > MANY_TAGS  # end tags of nothing may hide how deep they are
        or has_long_tag(body)
        or (len(body) > LARGE and (_HIDDEN_LONG_TAG.search(body) or _LONG_VALUE.search(body) or _has_many_names(body)))
    )
    return bool(suspicious) and _is_hostile(body)


_CHUNK = 4 * 1024
# Unclosed formatting elements are copied only up to three times unless their attributes differ (HTML, 13.2.4.3).
# First letters first, and both cases spelled out: ignoring case, or trying each name, takes half as long again.
_REST = re.sub("[a-z]", lambda one: f"[{one[0]}{one[0].upper()}]", "|ig|ode|m|ont|obr|mall|trike|trong|t")
_FORMATTING_WITH_ATTRIBUTES = re.compile(f"<[bcefinstuBCEFINSTU](?:{_REST})[\\s/]".encode())


def _may_be_deep(body: bytes, most_work: int = MOST_WORK, most_copies: int = MOST_COPIES) -> bool:
    """By counts of start and end tags, chunk by chunk, which take every element that has no end tag for an open one."""
    tags = _tags_in(body)
    if tags <= SOME_TAGS:
        return False
    depth = work = 0
    for start in range(0, len(body), _CHUNK):
        ends = body.count(b"</", start, start + _CHUNK)
        starts = body.count(b"<", start, start + _CHUNK) - ends
        after = max(0, depth + starts - ends)
        work += starts * max(depth, after)
        depth = after
        if depth > MOST_DEPTH or work > most_work:
            return True
    return work > most_copies and tags * len(_FORMATTING_WITH_ATTRIBUTES.findall(body)) > most_copies


_STRETCH = 1_500
_LONG_TAG = re.compile(rb"<[a-zA-Z][^>]{%d}" % (2 * _STRETCH))


def has_long_tag(body: bytes) -> bool:
    """Whether a tag may have so many attributes that the parser, which compares each with all others, is kept busy."""
    if len(body) <= MEDIUM:
        return False
    # A tag of two stretches covers one that begins at a multiple of its length, so that few bytes have to be looked at.
    for start in range(0, len(body) - _STRETCH, _STRETCH):
        if body.find(b">", start, start + _STRETCH) < 0:
            return _LONG_TAG.search(body) is not None
    return False


# A tag of 160 or more pieces: 64 characters outside of quotes, or a value in quotes, where `>` may hide. What is too long
# to be measured so counts as suspicious by itself. The bounds keep the search linear.
_HIDDEN_LONG_TAG = re.compile(rb"""<[a-zA-Z](?:[^>"']{1,64}+|"[^"]{0,9999}+"|'[^']{0,9999}+'){160}""")
_LONG_VALUE = re.compile(rb"""=[\t\n\f\r ]{0,9}+(?:"[^"]{10000}|'[^']{10000})""")


def _has_many_names(body: bytes) -> bool:
    markup = body[body.find(b"<") : body.rfind(b">") + 1]
    without_values = re.sub(rb">[^<]*+(?:<|\Z)|\"[^\"]*+\"|'[^']*+'", b"><", markup)
    return len(set(re.findall(rb"[^\s<>=/\"']+", without_values))) > MOST_NAMES


def _is_hostile(body: bytes) -> bool:
    depth = formatting = work = copies = 0
    names: set[str] = set()
    unclosed: Counter[str] = Counter()
    for name, is_end, attributes, _ in _tags(body.decode("utf-8", "replace")):
        names.add(name)
        names.update(attributes)
        nests = name not in _UNNESTED or unclosed["svg"] or unclosed["math"]  # there nothing ends by itself
        if nests and (not is_end or unclosed[name]):  # the end of nothing ends nothing
            step = -1 if is_end else 1
            unclosed[name] += step
            depth += step
            if name in _FORMATTING:
                formatting += step
        work += depth
        copies += formatting
        if depth > MOST_DEPTH or work > MOST_WORK or copies > MOST_COPIES or len(attributes) > MOST_ATTRIBUTES or len(names) > MOST_NAMES:
            return True
    return False


def scan_elements(body: bytes) -> Iterator[tuple[str, dict[str, str | None], str]]:
    """The start tags of a page in order: (name, attributes, text), the text only of title and style elements.

    No tree is built, so nothing is known that a tree is needed for. Linear in the size of the page. What lies behind a million
    tags is not read; of the attributes behind some thousand others of a tag those that may say where it leads.
    """
    text = body.decode("utf-8", "replace")
    for name, is_end, attributes, inside in islice(_tags(text), MOST_TAGS):
        if not is_end:
            for attribute, value in attributes.items():
                if value and "&" in value:
                    attributes[attribute] = _REFERENCE.sub(_meaning, value)
            yield name, attributes, html.unescape(text[inside]) if name == "title" else text[inside]


_REFERENCE = re.compile("&(?:#(?:[0-9]++|[xX][0-9a-fA-F]++);?|([a-zA-Z][a-zA-Z0-9]*+)([;=]?))")


def _meaning(reference: re.Match[str]) -> str:
    """HTML, 13.2.5.73: in an attribute a name that is no whole one, or that `=` follows, stands for itself: it is a parameter."""
    name, end = reference.groups()
    if name is None:
        return html.unescape(reference[0])
    return html5.get(name + end, reference[0]) if end != "=" else reference[0]


_NEXT = re.compile(r"<(?:(/?)([a-zA-Z][^\t\n\f\r />]*+)(?:[^>=\"']*+(>))?|(!--)|[!?/])")
_ATTRIBUTE = re.compile(
    r"""[\t\n\f\r /]*+([^\t\n\f\r />][^\t\n\f\r />=]*+)[\t\n\f\r ]*+"""
    r"""(?:=[\t\n\f\r ]*+(?:"([^"]*+)(?:"|\Z)|'([^']*+)(?:'|\Z)|([^\t\n\f\r >]*+)))?"""
)
_BARE = re.compile(r"[^\t\n\f\r /]+")
_NOTHING = slice(0, 0)


def _tags(text: str) -> Iterator[tuple[str, bool, dict[str, str | None], slice]]:
    """Every tag outside of comments, scripts and templates: name, whether it ends, attributes, where a raw text lies."""
    position = 0
    while found := _NEXT.search(text, position):
        position = found.end()
        end, name, closed, comment = found.groups()
        if comment:
            position = text.find("-->", found.start() + 2)
            if position < 0:
                return
            continue
        if not name:
            continue
        name = name.lower()
        attributes: dict[str, str | None] = {}
        if not closed:
            position = _read_attributes(text, found.end(2), attributes)
        elif found.end() - found.end(2) > 1:
            attributes = dict.fromkeys(_BARE.findall(text[found.end(2) : position - 1].lower()))
        if end or name not in _RAW_TEXT:
            yield name, bool(end), attributes, _NOTHING
            continue
        after = _END_TAGS[name].search(text, position)
        inside = slice(position, after.start() if after else len(text))
        yield name, False, attributes, inside if name in ("title", "style") else _NOTHING
        if after is None:
            return
        position = after.start()


_END_TAGS = {name: re.compile(f"</{name}(?=[\\s/>])", re.IGNORECASE) for name in _RAW_TEXT}


def _read_attributes(text: str, position: int, attributes: dict[str, str | None]) -> int:
    """Fills in the attributes of a tag, the first of each name, and returns where the tag ends."""
    while found := _ATTRIBUTE.match(text, position):
        position = found.end()
        name, double_quoted, single_quoted, unquoted = found.groups()
        name = name.lower()
        if name not in attributes and (len(attributes) <= MOST_ATTRIBUTES or name in _READ):
            attributes[name] = next((value for value in (double_quoted, single_quoted, unquoted) if value is not None), None)
    end = text.find(">", position)
    return end + 1 if end >= 0 else len(text)
