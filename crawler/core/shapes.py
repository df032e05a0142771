"""The shape of a URL: what stays of it when what varies is taken out. `/cal/2031/7` has the shape `/cal/{n}/{n}`.

A pure function of the URL, so that every worker and every run names the same thing by the same pattern.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

Kind = Literal["plain", "worded", "token", "growing"]
"""What varies: numbers or the last word of a path (`plain`), words in a query (`worded`), random values such as session ids (`token`),
a path in which a folder comes again (`growing`)."""


class Shape(NamedTuple):
    """The shape of one URL.

    `pattern` has `{n}` for numbers, `{w}` for words, `{x}` for random values, `{again}` for a path that repeats itself; `wide` is a
    pattern of more URLs, those that are made in the same way (itself, when there is none). `dated`: its numbers may be a date.
    `numbered`: it has others. `searched`: its name says that it answers questions. `keys`: how many words its query has. `twin`: the
    URL without its random values, "" when it has none.
    """

    pattern: str
    wide: str
    kind: Kind = "plain"
    dated: bool = False
    numbered: bool = False
    searched: bool = False
    keys: int = 0
    twin: str = ""


_VARIES = re.compile(r"[{?;]")
_DIGITS = re.compile(r"\d+")
_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_HAS_DIGIT = re.compile(r"\d").search
_NUMBERED_NAME = re.compile(r"[a-z]{0,12}[-_.]?\d+(?:[-_.]\d+)*", re.IGNORECASE).fullmatch
_EXTENSION = re.compile(r"\.[a-z][a-z0-9]{0,4}$", re.IGNORECASE)
_HEX = re.compile(r"(?=[a-f]*\d)(?=\d*[a-f])(?:[0-9a-f]{8,}|[0-9A-F]{8,})|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9_]{12,}").fullmatch
_CHANGES = re.compile(r"\d[A-Za-z]|[A-Za-z]\d|[a-z][A-Z]")
# Names of values that are made anew for each visitor or each answer.
_FLEETING = re.compile(
    r"(?:\w*[_-])?(?:sess(?:ion)?[_-]?(?:id)?|s_?id|phpsessid|jsessionid|aspsessionid\w*|oscsid|cfid|cftoken|token|nonce|csrf\w*"
    r"|rnd|rand|random|nocache|cb|cachebuster|ts|timestamp|_)",
    re.IGNORECASE,
).fullmatch
_SEARCHED = re.compile(r"(?:q|s|query|search|searchterm|keywords?|term|find|suche?|recherche|buscar)", re.IGNORECASE).fullmatch
_SEARCH_FOLDER = re.compile(r"/(?:search|find|suche|recherche|buscar|q|s)/", re.IGNORECASE).search
_CALENDAR = re.compile(r"[/?&=_-](?:cal|calendar|kalender|calendrier|calendario|agenda)(?![a-z])", re.IGNORECASE).search
_DATE_KEYS = frozenset({"year", "month", "week", "day", "date", "yyyy", "mm", "jahr", "monat", "tag", "annee", "mois"})


@lru_cache(maxsize=1024)
def shape_of(url: str) -> Shape:
    """The shape of a canonical http(s) URL."""
    path, _, query = url[url.index("/", 8) :].partition("?")
    path, semicolon, parameter = path.partition(";")
    segments = path[1:].split("/")
    if len(segments) > 2 and len(set(segments)) < len(segments) and (again := _again(segments)) is not None:
        return Shape("/".join(["", *segments[: again + 1], "{again}"]), f"/{segments[0]}/{{again}}", "growing")
    pattern, parts, may_be_date = _parts(_with_zeros(path))
    is_date = may_be_date and "{w}" not in pattern and _is_date(path)
    if semicolon or query or "{x}" in pattern:
        if query and len(parts) == 1 and parts[0].startswith("{w}"):
            pattern = f"/{segments[0]}"  # the name of what answers
        if not semicolon and "{x}" not in pattern and _SIMPLE(query) and (shape := _simple(_with_zeros(query), pattern, is_date)):
            return shape
        bare = "/".join(["{x}" if part.startswith("{x}") else segment for part, segment in zip(parts, segments, strict=True)])
        return _with_values(bare, pattern, parameter, query, is_date)
    return _without_values(pattern, is_date)


def _with_zeros(text: str) -> str:
    """Every digit as a zero. Of bytes, as a text asks the table for each letter, which takes ten times as long."""
    return text.encode().translate(_TO_ZERO).decode()


@lru_cache(maxsize=2048)
def _parts(path: str) -> tuple[str, Sequence[str], bool]:
    """What stays of a path, as a whole and in parts, and whether it may have a date. Which digits it has makes no difference, so it has
    zeros only: then the pages of a site have few paths."""
    *folders, last = path[1:].split("/")
    parts = [*map(_folder, folders), _last(last)] if path != "/" else [""]
    if not last and len(parts) > 2 and parts[-3].endswith("{n}") and not _HAS_DIGIT(folders[-1]):
        parts[-2] = "{w}"  # the name of one page among numbered ones, such as an article behind its date
    return "/" + "/".join(parts), parts, any(len(digits) in (4, 8) for digits in _DIGITS.findall(path))


@lru_cache(maxsize=1024)
def _without_values(pattern: str, is_date: bool) -> Shape:
    is_numbered = "{n}" in pattern
    if is_date or (is_numbered and "{w}" not in pattern and _CALENDAR(pattern) is not None):
        return Shape(pattern, f"{pattern.partition('{')[0]}{{n}}...", dated=True)
    first, *parts = pattern[1:].split("/")
    if "{" in pattern.rpartition("/")[2] and _SEARCH_FOLDER(pattern):
        return Shape(pattern, pattern, "worded", searched=True, keys=1)
    return Shape(pattern, "/".join(["", first, *[part if "{" in part else "{w}" for part in parts]]), numbered=is_numbered)


def covers(pattern: str, url: str) -> bool:
    """Whether a URL has the shape that a pattern describes. Of those that are the same but for a random value none is covered: one has
    to be asked for, and which one that is nobody can tell from a URL alone."""
    shape = shape_of(url)
    return not shape.twin and pattern in (shape.pattern, shape.wide)


def head_of(pattern: str) -> str:
    """What stands in every URL that a pattern covers: a quick way to pass over most of the others."""
    return _VARIES.split(pattern, maxsplit=1)[0]


def _again(segments: list[str]) -> int | None:
    """Where the first folder stands that comes again further down; numbers do not count."""
    first: dict[str, int] = {}
    again = [first[name] for index, name in enumerate(segments) if first.setdefault(name, index) != index and name and not name.isdigit()]
    return min(again, default=None)


def _folder(segment: str) -> str:
    if segment.isdigit():
        return "{n}"
    if not _HAS_DIGIT(segment):
        return segment
    return "{x}" if _is_token(segment) else _DIGITS.sub("{n}", segment)


def _last(segment: str) -> str:
    if not segment:
        return ""
    extension = found[0] if "." in segment and (found := _EXTENSION.search(segment)) else ""
    name = segment[: -len(extension)] if extension else segment
    if name.isdigit():
        return "{n}" + extension
    if _HAS_DIGIT(name):
        if _is_token(name):
            return "{x}" + extension
        if _NUMBERED_NAME(name):
            return _DIGITS.sub("{n}", name) + extension
    return "{w}" + extension


def _is_token(value: str) -> bool:
    if len(value) < 8 or value.isdigit():
        return False
    return _HEX(value) is not None or (_ALPHANUMERIC(value) is not None and len(_CHANGES.findall(value)) > 3)


def _is_date(path: str) -> bool:
    """Whether the numbers of a path may be a year with a month, and perhaps a day."""
    numbers = _DIGITS.findall(path)
    if len(numbers) == 1:
        return len(numbers[0]) == 8 and _is_year(numbers[0][:4]) and 1 <= int(numbers[0][4:6]) <= 12
    return len(numbers) in (2, 3) and (
        (_is_year(numbers[0]) and 1 <= int(numbers[1][:3]) <= 12) or (_is_year(numbers[-1]) and 1 <= int(numbers[-2][:3]) <= 12)
    )


def _is_year(number: str) -> bool:
    return len(number) == 4 and "1900" <= number <= "2199"


@lru_cache(maxsize=1024)
def _simple(query: str, path: str, is_date: bool) -> Shape | None:
    """The shape of a URL with a query of numbers, zeros only as in `_parts`, and short words; None when one is made anew each time."""
    shape = _with_values("", path, "", query, is_date)
    return None if shape.twin else shape


def _with_values(bare: str, path: str, parameter: str, query: str, is_date: bool) -> Shape:
    """The shape of a URL with a query, with parameters in its path, or with random values."""
    values: dict[str, str] = {}
    kept: list[str] = []
    pairs = [pair.partition("=") for pair in query.split("&")] if query else []
    for key, _, value in pairs:
        what = _value(key, value)
        values[_DIGITS.sub("{n}", key) if _HAS_DIGIT(key) else key] = what
        if what != "{x}":
            kept.append(f"{key}={value}")
    named = "&".join(f"{key}={values[key]}" for key in sorted(values))
    tail, head = f"?{named}" if query else "", path
    if parameter:
        key, _, value = parameter.partition("=")
        head = f"{path};{key}={'{x}' if _value(key, value) == '{x}' else '{w}'}"
    pattern = head + tail
    tokens = sorted(key for key, what in values.items() if what == "{x}")
    if tokens or "{x}" in head:
        wide = pattern if "{x}" in path else f";{key}={{x}}" if "{x}" in head else "?" + "&".join(f"{key}={{x}}" for key in tokens)
        return Shape(pattern, wide, "token", twin=f"/{bare}?{'&'.join(kept)}")
    return _with_words(pattern, path, tuple(values), list(values.values()).count("{w}") + (";" in head), is_date)


@lru_cache(maxsize=1024)
def _with_words(pattern: str, path: str, keys: tuple[str, ...], worded: int, is_date: bool) -> Shape:
    dated = not worded and (is_date or not _DATE_KEYS.isdisjoint(key.lower() for key in keys))
    numbered = not dated and "{n}" in pattern
    if worded:
        return Shape(pattern, f"{path}?{{...}}", "worded", False, numbered, any(map(_SEARCHED, keys)), worded)
    return Shape(pattern, f"{path}?{{n}}..." if dated else pattern, "plain", dated, numbered)


@lru_cache(maxsize=1024)
def _is_fleeting(key: str) -> bool:
    return _FLEETING(key) is not None


def _value(key: str, value: str) -> str:
    if not value:
        return ""
    if _is_fleeting(key) or _is_token(value):
        return "{x}"
    return _DIGITS.sub("{n}", value) if _NUMBER(value) else "{w}"  # a range is chosen, as a word is


_SIMPLE = re.compile(r"[A-Za-z_-]+=(?:\d+|[A-Za-z]{1,11})(?:&[A-Za-z_-]+=(?:\d+|[A-Za-z]{1,11}))*", re.ASCII).fullmatch
_NUMBER = re.compile(r"-?\d+(?:[.,]\d*)?|(?:19|20|21)\d\d[-./_]\d\d?(?:[-./_]\d\d?)?").fullmatch
