"""Hrefs that need no second look."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crawler.core.familiar import Familiar
from crawler.core.urls import Resolver, fingerprint, resolve

_PATHS = st.lists(st.sampled_from(["a", "b", "..", ".", "", "c?d", "x#y"]), max_size=4).map("/".join)
_BASES = st.tuples(
    st.sampled_from(["http://h/", "https://h/", "http://h:81/", "http://u:p@h/", "foo://a", "foo://b", "file:///C:/"]), _PATHS
).map("".join)
_HREFS = st.tuples(
    st.sampled_from(["", "/", "//", "/\\", "///", "./", "../", "?", "#", " /", "http:", "https://h/", "http://k", "HTTP://h/", "mailto:"]),
    _PATHS,
).map("".join)


@given(st.lists(st.tuples(_BASES, _HREFS), min_size=1, max_size=30))
def test_a_familiar_href_leads_to_the_same_url_from_every_page(pages: list[tuple[str, str]]) -> None:
    """Whatever was remembered on one page is what the resolver says on any other."""
    familiar = Familiar()
    for written, href in pages:
        base = resolve(written, "") or ""
        target = Resolver(lambda url, host: None).targets(base, [href])[0]
        (known,) = familiar.ids(base, [href])
        assert known is None or (target is not None and known == target.id)
        if target is not None:
            familiar.keep(base, [(href, target.id)])


def test_what_depends_on_the_page_is_not_remembered() -> None:
    """Relative hrefs, queries, fragments and nothing mean something else on another page; other spellings have to be resolved."""
    familiar = Familiar()
    hrefs = ["x", "../x", "?x", "#x", "", " /x", "/" + "x" * 3000]
    familiar.keep("http://h/a/b", [(href, 1) for href in hrefs])
    assert familiar.ids("http://h/a/b", hrefs) == [None] * len(hrefs)


def test_it_is_bounded() -> None:
    """It never holds more than its size; what was forgotten is learnt again."""
    familiar = Familiar(size=3)
    hrefs = [f"/{number}" for number in range(10)]
    for href in hrefs:
        familiar.keep("http://h/", [(href, fingerprint(href))])
        assert familiar.ids("http://h/", [href]) == [fingerprint(href)]
        assert sum(known is not None for known in familiar.ids("http://h/", hrefs)) <= 3
