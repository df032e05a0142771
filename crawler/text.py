"""Text for people: what came from outside made harmless, and numbers as one says them."""

from __future__ import annotations

import json
from datetime import datetime
from unicodedata import combining, east_asian_width

_UNITS = ("KB", "MB", "GB", "TB")


def printable(text: str) -> str:
    r"""The text on one line that a terminal, log or report can show: whatever would act instead of being seen is escaped.

    Escaped as `\n`, `\x1b`, `\u202e`: C0 and C1 controls, line and paragraph separators, everything that changes the direction
    of text, invisible format characters, lone surrogates. Joiners that scripts and emoji need (U+200C, U+200D) and spaces stay.
    """
    if text.isprintable():
        return text
    return "".join(character if _is_seen(character) else _escaped(character) for character in text)


def as_json(value: object, indent: int | None = None, *, ascii: bool = False) -> str:
    r"""A value as JSON that can be shown on a terminal too: what `printable` would escape is `\u…` here, and with `ascii`, for a
    stream of unknown encoding, so is all that is no ASCII."""
    text = json.dumps(value, ensure_ascii=ascii, indent=indent)
    if text.isprintable():
        return text
    return "".join(character if _is_seen(character) or character == "\n" else _escaped_in_json(character) for character in text)


def without_controls(text: str) -> str:
    """The text without the control characters (C0, C1, DEL) that nobody writes and that would act on a terminal."""
    return text if text.isprintable() else text.translate(_CONTROLS)


_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))


def _escaped_in_json(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _is_seen(character: str) -> bool:
    # str.isprintable is false for the Unicode categories "other" and "separator", apart from the ASCII space.
    return character.isprintable() or character in "\u200c\u200d" or (character.isspace() and ord(character) in _SPACES)


_SPACES = frozenset((0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000))


def _escaped(character: str) -> str:
    # Surrogates go through unicode_escape as well, so the result can always be encoded.
    return character.encode("unicode_escape").decode("ascii")


def width_of(text: str) -> int:
    """How many columns of a terminal a text takes that `printable` has seen: Chinese, Japanese, Korean and emoji take two a character."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if combining(character) or character in "\u200c\u200d\ufe0e\ufe0f":
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def shortened(text: str, room: int) -> str:
    """The text in at most `room` columns: what is too much goes from the middle, for the end tells pages apart."""
    room = max(room, 1)
    if width_of(text) <= room:
        return text
    end = (room - 1) // 3
    if text.isascii():
        return f"{text[: room - 1 - end]}…{text[len(text) - end :]}"
    return f"{_as_much(text, room - 1 - end)}…{_as_much(text[::-1], end)[::-1]}"


def _as_much(text: str, room: int) -> str:
    """The beginning of the text that has room."""
    taken = 0
    for number, character in enumerate(text):
        taken += _columns(character)
        if taken > room:
            return text[:number]
    return text


def human_size(size: float) -> str:
    """Bytes as `41 MB` or `1.5 KB`, where K is 1024: a size that is shown can be typed into a setting."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in _UNITS:
        size /= 1024
        if round(size) < 1024 or unit == _UNITS[-1]:
            break
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:,.0f} {unit}"


def human_duration(seconds: float) -> str:
    """Seconds as `41 ms`, `8.2 s`, `49 s`, `2 min 5 s` or `1 h 20 min`."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{human_count(hours)} h {minutes} min" if minutes else f"{human_count(hours)} h"


def human_clock(seconds: float) -> str:
    """Seconds as a running clock: `0:00:41`."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def human_count(number: int) -> str:
    """A whole number with thousands separators: `1,204`."""
    return f"{number:,}"


def human_rate(rate: float) -> str:
    """How many a second, with the digits that mean something: `1,204`, `38`, `3.8`, `0.05`, `0`."""
    return f"{rate:,.0f}" if rate >= 9.95 or not rate else f"{rate:.1f}" if rate >= 0.095 else f"{rate:.1g}"


def utc_text(moment: datetime) -> str:
    """A moment in UTC as files and databases spell it: RFC 3339 with microseconds and Z, so that texts sort as times."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
