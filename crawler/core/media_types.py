"""Which answers are read, by their media types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from crawler.text import without_controls


@lru_cache(maxsize=1024)
def media_type(content_type: str) -> str:
    """The media type that a Content-Type names: in lower case, without parameters."""
    return without_controls(content_type.partition(";")[0].strip().lower())


class MediaTypes:
    """Which answers are read. `accept` and `reject` are types such as `text/html` and ranges such as `image/*` (RFC 9110, 12.5.1), in
    lower case: one of the former must fit, when there are any, and none of the latter may."""

    def __init__(self, accept: Sequence[str] = (), reject: Sequence[str] = ()) -> None:
        self.accept = tuple(accept)
        self.reject = tuple(reject)

    def admits(self, media_type: str) -> bool:
        """Whether an answer of this type (lower case, no parameters) is read; one that names none always is."""
        return not media_type or (not _fits(self.reject, media_type) and (not self.accept or _fits(self.accept, media_type)))


EVERY_TYPE = MediaTypes()
"""All are read."""


def _fits(rules: Iterable[str], media_type: str) -> bool:
    """Whether a type fits one of the types and ranges."""
    return any(rule in (media_type, f"{media_type.partition('/')[0]}/*", "*/*") for rule in rules)
