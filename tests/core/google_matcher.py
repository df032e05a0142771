"""What Google's open-source robots.txt matcher answers, written down step by step as it works: an oracle, slow and without shortcuts.

It reads line by line, octet by octet, keeps the longest match of each sort, and never looks back. Where this and our own matcher
differ, one of the two is wrong, or the RFC is stricter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

BLANKS = b" \t\n\v\f\r"
LONGEST_LINE = 2083 * 8 - 1
_USER_AGENT = (b"user-agent", b"useragent", b"user agent")
_DISALLOW = (b"disallow", b"dissallow", b"dissalow", b"disalow", b"diasllow", b"disallaw")


def is_allowed(body: bytes, agent: str, url: str) -> bool:
    """Whether an agent may ask for a URL."""
    path = _path(url)
    best = {True: [-1, -1], False: [-1, -1]}  # for the agent itself and for all: the longest Allow and Disallow that match
    in_ours = in_all = is_named = rules_came = False
    for key, value in _keys_and_values(body):
        if key.startswith(_USER_AGENT):
            if rules_came:
                in_ours = in_all = rules_came = False
            if value[:1] == b"*" and (len(value) == 1 or value[1] in BLANKS):
                in_all = True
            elif re.match(rb"[A-Za-z_-]*", value)[0].decode().lower() == agent.lower():  # type: ignore[index]
                in_ours = is_named = True
        elif key.startswith((b"allow", *_DISALLOW)) and (in_ours or in_all):
            rules_came = True
            number = 0 if key.startswith(b"allow") else 1
            slash = value.rfind(b"/")
            patterns = [_escaped(value)]
            if number == 0 and not _matches(path, patterns[0]) and value[slash:].startswith(b"/index.htm"):
                patterns.append(_escaped(value[: slash + 1] + b"$"))
            for pattern in patterns:
                if _matches(path, pattern):
                    best[in_ours][number] = max(best[in_ours][number], len(pattern))
    allow, disallow = best[True] if max(best[True]) > 0 or is_named else best[False]
    return max(allow, disallow) <= 0 or disallow <= allow


@lru_cache(maxsize=1)  # asked about many URLs
def _keys_and_values(body: bytes) -> list[tuple[bytes, bytes]]:
    return [_key_and_value(line) for line in _lines(body)]


def _lines(body: bytes) -> Iterator[bytes]:
    for octet in b"\xef\xbb\xbf":
        if body[:1] != bytes([octet]):
            break
        body = body[1:]
    line, came_cr = bytearray(), False
    for octet in body:
        if octet not in b"\r\n":
            line += bytes([octet]) if len(line) < LONGEST_LINE else b""
            continue
        if line or not came_cr or octet != ord("\n"):
            yield bytes(line)
        line, came_cr = bytearray(), octet == ord("\r")
    yield bytes(line)


def _key_and_value(line: bytes) -> tuple[bytes, bytes]:
    line = line.partition(b"\0")[0].partition(b"#")[0].strip(BLANKS)
    if b":" in line:
        key, _, value = line.partition(b":")
    else:
        words = re.split(rb"[ \t]+", line)
        key, value = words if len(words) == 2 else (b"", b"")
    return key.strip(BLANKS).lower(), value.strip(BLANKS)


def _escaped(value: bytes) -> str:
    text = "".join(chr(octet) if octet < 0x80 else f"%{octet:02X}" for octet in value)
    return re.sub("%[0-9A-Fa-f]{2}", lambda found: found[0].upper(), text)


def _matches(path: str, pattern: str) -> bool:
    """All the places in the path that the pattern read so far can lead to, character by character."""
    places = [0]
    for number, character in enumerate(pattern, 1):
        if character == "$" and number == len(pattern):
            return places[-1] == len(path)
        if character == "*":
            places = list(range(places[0], len(path) + 1))
        else:
            places = [place + 1 for place in places if path[place : place + 1] == character]
        if not places:
            return False
    return True


def _path(url: str) -> str:
    """Path, parameters and query, as they are written."""
    start = 2 if url.startswith("//") else 0
    first = re.compile("[/?;]").search(url, start)
    scheme = url.find("://", start)
    if scheme >= 0 and (first is None or first.start() >= scheme):
        first = re.compile("[/?;]").search(url, scheme + 3)
    end = url.find("#", start)
    if first is None or 0 <= end < first.start():
        return "/"
    path = url[first.start() : end if end >= 0 else len(url)]
    return path if path[0] == "/" else "/" + path
