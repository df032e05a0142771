"""ETag and Last-Modified: what makes a request conditional, and whether a 304 answers the condition that was sent (RFC 9110, 8.8, 13.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import mktime_tz, parsedate_tz

Headers = tuple[tuple[str, str], ...]

# What servers put into the tag of a compressed body, and leave out again in a 304 (Apache: bug 45023).
_CODING = re.compile(r"[-;+]{1,2}(gzip|br|zstd|deflate)(?=\"?$)")


def conditions(etag: str | None, last_modified: str | None) -> Headers:
    """The headers that ask for a page only if it has changed: If-None-Match, If-Modified-Since, none. What is not plain ASCII is left
    out, as it would not come back as it was sent."""
    known = (("If-None-Match", etag), ("If-Modified-Since", last_modified))
    return tuple((name, value) for name, value in known if value and value.isascii() and value.isprintable())


def doubt(sent: Iterable[tuple[str, str]], etag: str | None, last_modified: str | None) -> str:
    """Why a 304 with these validators is not believed, in words: it is of another version than was asked about. "" when it is.

    Tags are compared weakly (RFC 9110, 8.8.3.2) and whatever the coding of the body; dates count only where there is no tag.
    """
    asked = {name.lower(): value for name, value in sent}
    if etag is not None and "if-none-match" in asked:
        same = _opaque(etag) == _opaque(asked["if-none-match"])
        return "" if same else f"304 with another ETag: {etag[:80]}"
    since, now = _date(asked.get("if-modified-since")), _date(last_modified)
    return f"304 for a later version: {last_modified}" if since is not None and now is not None and now > since else ""


def _opaque(etag: str) -> str:
    return _CODING.sub("", etag.strip().removeprefix("W/"))


def _date(text: str | None) -> int | None:
    """An HTTP date in seconds; None for what is none."""
    try:
        date = parsedate_tz(text or "")
        return None if date is None else mktime_tz(date)
    except (ValueError, OverflowError):
        return None
