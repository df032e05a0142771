"""The kinds of values a setting can have: each reads text (flags, environment), TOML values and Python values alike.

A kind raises ValueError for what it cannot read; its message adds a reason to what was `expected`, or is empty.

Durations are seconds: `0.5`, `10s`, `500ms`, `2m`, `1h30m`, `1d`. Sizes are bytes: `512KB`, `1.5GB`; K is 1024 as in wget and
curl, and `K`, `KB` and `KiB` mean the same.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Plain = Any
"""What TOML can hold: str, int, float, bool, list, dict."""


@dataclass(frozen=True)
class Kind:
    """One kind of value: how it is read, how it is written to TOML, and how a person is told what is expected."""

    expected: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Plain] = lambda value: value
    metavar: str = "VALUE"
    choices: tuple[str, ...] = ()
    separator: str = ""
    """What parts the values in one text when there can be several; "" when there is one."""
    secret: bool = False
    files: str = ""
    """`file` or `folder` when the value names one: for completion."""

    @property
    def example(self) -> str:
        """A value that is right, as text; "" where there is none for all settings of this kind."""
        return self.expected.partition(", e.g. ")[2].strip("'") or next(iter(self.choices), "")

    def why_not(self, error: ValueError) -> str:
        """What is expected instead, and what is wrong or was meant, on one line."""
        return "; ".join(filter(None, (f"expected {self.expected.partition(', e.g. ')[0]}", str(error))))


def check_host(host: str) -> None:
    """Raises `Inside` for what cannot be the name of a host in a table."""
    if any(character in "/\\?#@*" or character.isspace() for character in host):
        port = "expected a host name, with its port if that is unusual"
        why = "a table is for one host, and there are no patterns" if "*" in host else port
        raise Inside((host,), f"'{host}' is no host", why, '[hosts."example.org"]')


class Inside(ValueError):
    """Something is wrong inside a value that is a table: the keys that lead there, what, and why; the last key itself when it is
    `unknown`, otherwise its value."""

    def __init__(self, keys: tuple[str, ...], what: str, why: str, hint: str, *, unknown: bool = False) -> None:
        super().__init__(what)
        self.keys, self.what, self.why, self.hint, self.unknown = keys, what, why, hint, unknown


class Unlike(ValueError):
    """A value that is wrong, and the one that may have been meant."""

    def __init__(self, why: str, meant: str) -> None:
        super().__init__(why)
        self.meant = meant


class OneOf(ValueError):
    """One of several values is wrong: which, why, and what may have been meant."""

    def __init__(self, value: object, error: ValueError) -> None:
        super().__init__(str(error))
        self.value, self.meant = value, meant_by(error)


def meant_by(error: ValueError) -> str:
    """The value that may have been meant, or ""."""
    return str(getattr(error, "meant", ""))


def wrong(value: object, secret: bool = False) -> str:
    """The value as an error message shows it: short, on one line, a secret only by its first word."""
    if secret and isinstance(value, str):
        word = re.split(r"[\W_]", value, maxsplit=1)[0][:8]
        return repr(value if value == word else f"{word}…")
    if secret:
        return f"a {type(value).__name__}"
    shown = value if isinstance(value, str) else repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    return repr(shown) if isinstance(value, str) else shown


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    if not value.isprintable():
        raise ValueError("it holds a control character")
    return value.strip()


TEXT = Kind("text", _text, metavar="TEXT")
URL = Kind("a URL, e.g. https://example.org", _text, metavar="URL")
QUERY_KEY = Kind("keys of a query, e.g. utm_source,sid", _text, metavar="KEY,…")
PRESET = Kind("the name of a preset, e.g. fast", _text, metavar="NAME")


def _path(value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)) or not (path := os.fspath(value)) or not isinstance(path, str) or "\0" in path:
        raise ValueError
    return os.path.expanduser(path) if path.startswith("~") else path


FILE = Kind("a file", _path, metavar="FILE", files="file")
FOLDER = Kind("a folder", _path, metavar="DIR", files="folder")

_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise ValueError


BOOLEAN = Kind("true or false", _boolean, metavar="")


def integer(lowest: int = 0, example: int = 10, highest: int = 2**53) -> Kind:
    """A whole number from `lowest` to `highest`."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, str)) or (isinstance(value, str) and len(value) > 20):
            raise ValueError
        try:
            number = int(value)
        except ValueError:
            raise ValueError from None
        if not lowest <= number <= highest:
            raise ValueError
        return number

    at_least = f" of at least {lowest}" if lowest else ""
    at_most = f", at most {highest:,}" if highest < 2**53 else ""
    return Kind(f"a whole number{at_least}{at_most}, e.g. {example}", read, metavar="N")


_DURATION = r"(?ai)(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|h|d)?\s*"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def read_duration(value: Any) -> float:
    """Seconds from a number or from `10s`, `1h30m`. Raises ValueError."""
    if isinstance(value, str):
        seconds = _sum_of_durations(value.strip())
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise ValueError
    if not 0 <= seconds <= 1e10:
        raise ValueError
    return seconds


def _sum_of_durations(text: str) -> float:
    parts = [(match.group(1), match.group(2)) for match in re.finditer(_DURATION, text)]
    if not parts or "".join(re.split(_DURATION, text)[::3]) or len(text) > 40 or (len(parts) > 1 and not all(unit for _, unit in parts)):
        raise ValueError
    return math.fsum(float(number) * _SECONDS[(unit or "s").lower()] for number, unit in parts)


def write_duration(seconds: float) -> str:
    """The shortest text with one unit that reads back as the same number of seconds: `2h`, `90s`, `0.5s`."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{seconds:.15f}".rstrip("0") + "s" if seconds < 0.001 else f"{seconds!r}s"


def duration(example: str) -> Kind:
    """Seconds, a float, never negative."""
    return Kind(f"seconds (10s, 2m, 1h), e.g. {example}", read_duration, write_duration, metavar="TIME")


_SIZE = r"(?ai)(\d+(?:\.\d*)?|\.\d+)\s*(?:([KMGT])(?:i?B)?|B)?"


def read_size(value: Any) -> int:
    """Bytes from a whole number or from `512KB`, `1.5GB`; K is 1024. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and len(value) <= 40 and (match := re.fullmatch(_SIZE, value.strip())):
        size = round(float(match.group(1)) * 1024 ** (" KMGT".index((match.group(2) or " ").upper())))
    else:
        raise ValueError
    if not 0 <= size < 2**63:
        raise ValueError
    return size


def write_size(size: int) -> str | int:
    """The size with the largest unit that leaves a whole number: `32MB`; below 1 KB the plain number."""
    for power in (4, 3, 2, 1):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{' KMGT'[power]}B"
    return size


def size(example: str) -> Kind:
    """Bytes, an int, never negative."""
    return Kind(f"a size, e.g. {example}", read_size, write_size, metavar="SIZE")


def choice(*names: str) -> Kind:
    """One of a few names."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in names:
            raise _mistyped(value, names)
        return value.lower()

    return Kind(f"{', '.join(names[:-1])} or {names[-1]}", read, metavar=f"{{{','.join(names)}}}", choices=names)


def _mistyped(value: object, names: Sequence[str]) -> ValueError:
    near = nearest(value, names) if isinstance(value, str) else None
    return Unlike(f"did you mean {near}?", near) if near else ValueError()


def nearest(word: str, names: Sequence[str], cutoff: float = 0.6) -> str | None:
    """The name most like a mistyped word, or None."""
    import difflib

    found = difflib.get_close_matches(word.lower()[:60], names, 1, cutoff)
    return found[0] if found else None


def _regular_expression(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        # What was meant is often the text itself: a question mark, a dot, a bracket.
        raise Unlike(str(error), re.escape(value) if value.isprintable() and len(value) <= 60 else "") from None
    return value


REGULAR_EXPRESSION = Kind("a regular expression, e.g. '/docs/'", _regular_expression, metavar="RE")


def _environment_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII):
        raise ValueError
    return value


ENVIRONMENT_NAME = Kind("the name of an environment variable, e.g. SITE_LOGIN", _environment_name, metavar="NAME")


_PROXY = re.compile(r"https?://([^\s/]*@)?(\[[^\s\[\]/@]+\]|[^\s\[\]/@:]+)(:\d{1,5})?/?", re.IGNORECASE)


def _proxy(value: Any) -> str:
    if not isinstance(value, str) or not _PROXY.fullmatch(value):
        raise ValueError
    return value


PROXY = Kind("a proxy, e.g. http://proxy.example.org:3128", _proxy, metavar="URL", secret=True)


_ADDRESS = re.compile(r"(?:(\[[0-9A-Fa-f:.]+\]|[^\s\[\]/@:]*):)?(\d{1,5})")


def _address(value: Any) -> str:
    match = _ADDRESS.fullmatch(str(value).strip()) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if match is None or int(match[2]) > 65535:
        raise ValueError
    return f"{match[1] or '127.0.0.1'}:{match[2]}"


ADDRESS = Kind("a port (at most 65535), or an address with one (0.0.0.0:9464), e.g. 9464", _address, metavar="ADDR")


def _contact(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"https?://[^\s()]+|[^\s()@]+@[^\s()@]+", text, re.IGNORECASE):
        raise ValueError
    return text


CONTACT = Kind("a URL or mail address, e.g. crawls@example.org", _contact, metavar="WHO")


def _token(value: Any) -> str:
    # RFC 9309, 2.2.1: a product token is made of these characters only.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_-]+", value):
        raise ValueError
    return value


PRODUCT_TOKEN = Kind("letters, '-' and '_', e.g. asyncrawl", _token, metavar="NAME")

Pair = tuple[str, str]


def _header(value: Any) -> Pair:
    name, colon, content = value.partition(":") if isinstance(value, str) else _two(value, ":")
    # RFC 9110, 5.1 and 5.5: a name is a token; a value holds no line break or other control character.
    if (
        not colon
        or not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name.strip(), re.ASCII)
        or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", content.strip())
    ):
        raise ValueError
    return name.strip(), content.strip()


def _extraction(value: Any) -> Pair:
    name, equals, selector = value.partition("=") if isinstance(value, str) else _two(value, "=")
    if not equals or not re.fullmatch(r"[^\W\d][\w-]*", name.strip()) or not selector.strip():
        raise ValueError
    return name.strip(), selector.strip()


def _two(value: Any, separator: str) -> tuple[str, str, str]:
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return value[0], separator, value[1]
    raise ValueError


HEADER = Kind("a header, e.g. 'Accept-Language: de'", _header, lambda pair: f"{pair[0]}: {pair[1]}", metavar="HEADER", secret=True)
EXTRACTION = Kind("NAME=CSS, e.g. 'price=span.price::text'", _extraction, lambda pair: f"{pair[0]}={pair[1]}", metavar="NAME=CSS")

FINDINGS = ("broken", "errors", "4xx", "5xx")


def _finding(value: Any) -> str:
    text = str(value).lower() if isinstance(value, (str, int)) else ""
    if text not in FINDINGS and not re.fullmatch(r"[1-5]\d\d", text, re.ASCII):
        raise _mistyped(value, FINDINGS)
    return text


FINDING = Kind("broken, errors, 4xx, 5xx or a status, e.g. broken,503", _finding, metavar="WHAT")


def optional(kind: Kind) -> Kind:
    """The same, or None, which text and TOML spell `none`."""

    def read(value: Any) -> Any:
        return None if value is None or (isinstance(value, str) and value.lower() == "none") else kind.read(value)

    def write(value: Any) -> Plain:
        return "none" if value is None else kind.write(value)

    what, comma, example = kind.expected.partition(", e.g.")
    expected = f"{what} or none{comma}{example}"
    return Kind(expected, read, write, kind.metavar, kind.choices, secret=kind.secret, files=kind.files)


def parts(text: str, separator: str) -> list[str]:
    """The values in a text; a separator of " " stands for any white space, empty values do not count."""
    return [part for part in (text.split() if separator == " " else text.split(separator)) if part.strip()]


def several(kind: Kind, separator: str = "\n") -> Kind:
    """Any number of values as a tuple: a list, a table of pairs, or one text, which white space (" ") or a comma parts.

    Where values may hold both, the separator is a line break, and only the environment is parted by it: elsewhere a text is
    one value.
    """

    def read(value: Any) -> tuple[Any, ...]:
        if isinstance(value, str):
            value = [value] if separator == "\n" else parts(value, separator)
        elif isinstance(value, Mapping):
            value = [*value.items()]
        elif not isinstance(value, (list, tuple, set, frozenset)):
            raise ValueError
        return tuple(item(part) for part in value)

    def item(part: Any) -> Any:
        try:
            return kind.read(part)
        except ValueError as error:
            raise OneOf(part, error) from None

    def write(values: Any) -> Plain:
        return [kind.write(value) for value in values]

    return Kind(kind.expected, read, write, kind.metavar, kind.choices, separator=separator, secret=kind.secret, files=kind.files)
