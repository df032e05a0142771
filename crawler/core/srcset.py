"""The URLs of a `srcset` attribute."""

from __future__ import annotations

import re

_WHITE_SPACE = "\t\n\f\r "
_URL = re.compile(r"[\t\n\f\r ,]*([^\t\n\f\r ]+)")
# What ends a descriptor list: a comma outside of parentheses. Unclosed parentheses swallow the rest.
_DESCRIPTORS = re.compile(r"((?:[^,(]|\((?:[^)]*(?:\)|\Z)))*)(?:,|\Z)")
_TOKEN = re.compile(r"(?:[^\t\n\f\r (]|\([^)]*(?:\)|\Z))+")
_WIDTH = re.compile(r"[0-9]+w", re.ASCII)
_HEIGHT = re.compile(r"[0-9]+h", re.ASCII)
_DENSITY = re.compile(r"(-?)(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?x", re.ASCII)


def parse_srcset(value: str) -> list[str]:
    """The URLs of the image candidates, in order; those with broken descriptors are left out.

    Linear in the length of the value. Source: HTML, 4.8.4.2.2 (parsing a srcset attribute); descriptors that it does not know
    are ignored, as the current tests of the standard have it.
    """
    urls = []
    position = 0
    while found := _URL.match(value, position):
        url, position = found[1], found.end()
        if url.endswith(","):
            descriptors = ""
            url = url.rstrip(",")
        elif rest := _DESCRIPTORS.match(value, position):
            descriptors, position = rest[1], rest.end()
        if url and _usable(_TOKEN.findall(descriptors)):
            urls.append(url)
    return urls


def _usable(descriptors: list[str]) -> bool:
    width = density = height = False
    for descriptor in descriptors:
        if _WIDTH.fullmatch(descriptor):
            if width or density or not descriptor.strip("0w"):
                return False
            width = True
        elif (found := _DENSITY.fullmatch(descriptor)) and (not found[1] or float(descriptor[:-1]) == 0):
            if width or density or height:
                return False
            density = True
        elif _HEIGHT.fullmatch(descriptor):
            if height or density or not descriptor.strip("0h"):
                return False
            height = True
    return width or not height
