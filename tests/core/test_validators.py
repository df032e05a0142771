"""Which conditions a request gets, and which 304 is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.validators import conditions, doubt

MONDAY, TUESDAY = "Mon, 02 Nov 2026 08:00:00 GMT", "Tue, 03 Nov 2026 08:00:00 GMT"


def test_both_validators_are_sent_back_as_they_came() -> None:
    """The ETag in If-None-Match, Last-Modified in If-Modified-Since; what is not plain ASCII in neither."""
    assert conditions('W/"a"', MONDAY) == (("If-None-Match", 'W/"a"'), ("If-Modified-Since", MONDAY))
    assert conditions(None, MONDAY) == (("If-Modified-Since", MONDAY),)
    assert conditions('"\xe9"', None) == conditions('"a\nb"', None) == conditions(None, None) == ()


@pytest.mark.parametrize("told", ['"a"', 'W/"a"', '"a-gzip"', '"a--gzip"', '"a;br"', None])
def test_the_same_tag_is_believed(told: str | None) -> None:
    """Weak or strong, of whatever coding, and none at all."""
    assert doubt(conditions('W/"a"', None), told, None) == ""


def test_another_version_is_doubted() -> None:
    """Another tag whatever the date says; a later date where there is no tag; not an earlier one, and not what is no date."""
    asked = conditions('"a"', MONDAY)
    assert doubt(asked, '"b"', MONDAY) == '304 with another ETag: "b"'
    assert doubt(asked, '"a"', TUESDAY) == ""
    assert doubt(asked, None, TUESDAY) == f"304 for a later version: {TUESDAY}"
    assert doubt(conditions(None, TUESDAY), None, MONDAY) == doubt(asked, None, "yesterday") == ""


@given(st.text(), st.text(), st.text(), st.text())
def test_no_header_raises(etag: str, date: str, told: str, when: str) -> None:
    """Whatever servers write."""
    assert isinstance(doubt(conditions(etag, date), told, when), str)
