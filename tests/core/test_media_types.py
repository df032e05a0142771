"""Which answers are read, by their media types."""

import pytest

from crawler.core.media_types import EVERY_TYPE, MediaTypes, media_type


@pytest.mark.parametrize(
    ("accept", "reject", "given", "admitted"),
    [
        ((), ("image/*",), "image/png", False),
        ((), ("image/*",), "text/html", True),
        ((), ("image/png",), "image/svg+xml", True),
        (("text/html",), (), "text/html", True),
        (("text/html",), (), "application/pdf", False),
        (("text/*", "application/pdf"), ("text/css",), "text/css", False),
        (("*/*",), (), "x/y", True),
        (("text/html",), ("*/*",), "", True),
    ],
)
def test_a_type_must_be_accepted_and_not_rejected(accept: tuple[str, ...], reject: tuple[str, ...], given: str, admitted: bool) -> None:
    """A rejected type is not read even where it is accepted; what names no type is read."""
    assert MediaTypes(accept, reject).admits(given) is admitted


def test_without_rules_every_type_is_read() -> None:
    """No rule is no rule."""
    assert EVERY_TYPE.admits("image/png")


@pytest.mark.parametrize("header", ["text/html", "Text/HTML; charset=utf-8", " text/html ;x"])
def test_parameters_and_case_do_not_matter(header: str) -> None:
    """RFC 9110, 8.3.1: types are compared without regard to case."""
    assert media_type(header) == "text/html"
