"""The lines of a robots.txt: how its text is parted, what is a directive, and what of it may be written down."""

from __future__ import annotations

import codecs

from crawler.redaction import redact

# RFC 9309, 2.5: at least 500 kibibytes must be parsed.
ROBOTS_MAX_SIZE = 500 * 1024
# Google's matcher ignores what lies further right: eight times the longest URL that browsers accept.
_MAX_LINE = 2083 * 8 - 1

USER_AGENT = (b"user-agent", b"useragent", b"user agent")
DISALLOW = (b"disallow", b"dissallow", b"dissalow", b"disalow", b"diasllow", b"disallaw")
SITEMAP = (b"sitemap", b"site-map")
CRAWL_DELAY = (b"crawl-delay", b"crawldelay", b"crawl delay")


def lines_of(body: bytes) -> list[bytes]:
    """The lines of its first 500 KiB; one that is cut by that limit is dropped."""
    text = _as_utf8(body[:ROBOTS_MAX_SIZE])
    lines = text.splitlines()
    if len(body) > ROBOTS_MAX_SIZE and not text.endswith((b"\r", b"\n")):
        lines.pop()
    return lines


def key_and_value(line: bytes) -> tuple[bytes, bytes]:
    """The directive in lower case and its value; without a colon, two words count as both. Empty when it is neither."""
    # What follows a NUL is not seen by Google's matcher either: its lines are strings of C.
    line = line[:_MAX_LINE].partition(b"\0")[0].partition(b"#")[0].strip()
    key, colon, value = line.partition(b":")
    if not colon:
        words = line.replace(b"\t", b" ").split(b" ")
        words = [word for word in words if word]
        if len(words) != 2:
            return b"", b""
        key, value = words
    return key.strip().lower(), value.strip()


def without_logins(body: bytes) -> bytes:
    """A robots.txt that decides the same, line by line, without user names and passwords in URLs. Never raises."""
    return b"\n".join(map(_without_login, lines_of(body))) if b"@" in body else body


def _without_login(line: bytes) -> bytes:
    if b"@" not in line:
        return line
    rule, hash_sign, comment = line.partition(b"#")
    key, value = key_and_value(rule)
    if not (key.startswith((b"allow", *DISALLOW)) and value.startswith((b"/", b"*"))):  # a pattern that may match says no login
        rule = _redacted(rule)
    return rule + hash_sign + _redacted(comment)


def _redacted(line: bytes) -> bytes:
    return redact(line.decode("latin-1")).encode("latin-1")


def _as_utf8(body: bytes) -> bytes:
    """The body as UTF-8 without its byte order mark, of which a part is skipped too; UTF-16 is known by its mark or its zeros."""
    if body.startswith(codecs.BOM_UTF16_LE) or body[1:8:2] == b"\0\0\0\0":
        return body.decode("utf-16-le", "replace").removeprefix("\ufeff").encode("utf-8", "replace")
    if body.startswith(codecs.BOM_UTF16_BE) or body[0:8:2] == b"\0\0\0\0":
        return body.decode("utf-16-be", "replace").removeprefix("\ufeff").encode("utf-8", "replace")
    mark = 0
    while mark < 3 and body[mark : mark + 1] == codecs.BOM_UTF8[mark : mark + 1]:
        mark += 1
    return body[mark:]
