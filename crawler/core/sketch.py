"""What a page says, in a few numbers: enough to tell whether another one says anything else.

All is done on bytes: nothing here is shown to anybody, and equal pages are equal in every encoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

READ = 256 * 1024
"""Bytes of a body that are read; what is behind them counts as it stands."""

# Splits in linear time, whatever the bytes: the end of a tag is optional.
_TAGS = re.compile(rb"<(/?(?:a|script|style|template|title)(?![a-z0-9-]))?[^>]*>?", re.IGNORECASE)
_BETWEEN_WORDS = bytes(code if chr(code).isalnum() or code > 127 else 32 for code in range(256))
_DIGITS = b"0123456789"
_WORDS_WITHOUT_DIGITS = re.compile(rb"(?<![0-9a-z\x80-\xff])[a-z\x80-\xff]+(?![0-9a-z\x80-\xff])")


class Whole(NamedTuple):
    """A page in a few numbers: all of its text, the same without some words (`bare`), its title without them (`name`), and how many
    letters there are without them."""

    text: int
    bare: int
    name: int
    letters: int


def whole_of(body: bytes, title: str, without: Set[bytes]) -> Whole:
    """A page as a whole."""
    text = title.encode("utf-8", "replace") + b" " + b" ".join(_texts(body))
    kept = b" ".join([word for word in _words(text) if word not in without])
    rest = body[READ:]
    return Whole(hash((text, rest)), hash((kept, rest)), name_of(title, without), len(kept.translate(None, _DIGITS + b" ")))


def name_of(title: str, without: Set[bytes]) -> int:
    """A title without some words."""
    return hash(tuple(word for word in _words(title.encode("utf-8", "replace")) if word not in without))


def lines_of(body: bytes, title: str, without: Set[bytes], with_links: bool = False) -> dict[int, int]:
    """The lines of a page, its title is one, as numbers: each as it stands, and without the words of `without`. What has a digit does
    not count, nor do order and repetition; what is empty without these words says nothing."""
    found: dict[int, int] = {}
    for text in {title.encode("utf-8", "replace"), *_texts(body, with_links)}:
        line = _WORDS_WITHOUT_DIGITS.findall(text.lower())
        if bare := [word for word in line if word not in without]:
            found[hash(tuple(line))] = hash(tuple(bare))
    return found


def words_of(url: str) -> frozenset[bytes]:
    """The words and numbers of a URL's path and query: what a page may say because it was asked so."""
    return frozenset(_words(unquote_to_bytes(url[url.index("/", 8) :])))


def own_words_of(url: str) -> frozenset[bytes]:
    """The same with the numbers before and after each: what a page may say of itself and its neighbours."""
    words = words_of(url)
    numbers = [int(word[:18]) for word in words if word.isdigit()]
    return words.union(b"%d" % (number + step) for number in numbers for step in (-1, 0, 1))


def _words(text: bytes) -> list[bytes]:
    return text.lower().translate(_BETWEEN_WORDS).split()


def _texts(body: bytes, with_links: bool = False) -> Sequence[bytes]:
    """What stands between two tags, without scripts and styles, and without the texts of links unless they are wanted: these belong
    to where they lead."""
    parts = _TAGS.split(body[:READ])
    found = [parts[0]]
    inside = b""
    for tag, text in zip(parts[1::2], parts[2::2], strict=True):
        if tag is not None:
            tag = tag.lower()
            if inside:
                inside = b"" if tag == b"/" + inside else inside
            elif tag[:1] != b"/" and not (with_links and tag == b"a"):
                inside = tag
        if not inside and text and not text.isspace():
            found.append(text)
    return found
