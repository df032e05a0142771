"""The links that the headers of an answer name."""

from __future__ import annotations

from crawler.core.html import parse_header_links, parse_refresh
from crawler.model import Response

Anchor = tuple[str, str, str, str]
"""A link as it is written: (raw href, kind, rel, text)."""


def named_in_headers(response: Response) -> list[Anchor]:
    """The links of an answer's headers, which resolve against its own URL (RFC 8288, 3.2)."""
    named = [(href, "header", rel, "") for value in response.all_headers("link") for href, rel in parse_header_links(value)]
    if (refresh := response.header("refresh")) and (href := parse_refresh(refresh)) is not None:
        named.append((href, "refresh", "", ""))
    return named
