"""Kinds of values about answers: of which types they are, how long they are waited for, and how fast they are read."""

from __future__ import annotations

import re
from typing import Any

from crawler.configuration.values import Kind, read_duration, read_size, write_duration, write_size

# RFC 9110, 8.3.1 and 5.6.2: two tokens; the second may be left open, as in Accept.
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/(\*|[\w!#$&^.+-]+)", re.ASCII)


def _media_type(value: Any) -> str:
    if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value.strip()):
        raise ValueError
    return value.strip().lower()


MEDIA_TYPE = Kind("media types, also as image/*, e.g. text/html", _media_type, metavar="TYPE,…")


def _rate(value: Any) -> int:
    rate = read_size(value.strip().removesuffix("/s") if isinstance(value, str) else value)
    if rate < 1:
        raise ValueError
    return rate


RATE = Kind("bytes a second, e.g. 500KB", _rate, write_size, metavar="SIZE")


def _patience(value: Any) -> float:
    seconds = read_duration(value)
    if not seconds:
        raise ValueError
    return seconds


def patience(example: str) -> Kind:
    """Seconds, a float above 0: with no time at all no answer comes, and a limit that is none would be another number."""
    return Kind(f"seconds above 0 (10s, 2m, 1h), e.g. {example}", _patience, write_duration, metavar="TIME")
