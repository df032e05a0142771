"""URLs, seeds and scope, whatever somebody writes into an href."""

from __future__ import annotations

from fuzzing import assert_linear, fuzz, soup
from hypothesis import strategies as st

from crawler.core.scope import Scope
from crawler.core.urls import Resolver, canonical, fingerprint, host_key, normalize_seed, origin, resolve
from crawler.errors import UsageError

# fmt: off
PIECES = (
    "http:", "https:", "//", "/", "\\", "..", ".", "?", "#", "#!", "@", ":", "%", "%2e", "%2F", "%7E", "%00", "%zz", "&", "=", ";", "*",
    "h", "example.org", "xn--", "xn--a", "bücher", "。", "ß", "\u200d", "[::1]", "[", "]", "127.1", "0x7f.1", "4294967296", ":80",
    ":443", ":99999", " ", "\t", "\n", "\0", "\ud800", "\ufffd", "javascript:", "data:", "mailto:", "a", "b c", "utm_source=1", "é",
    "𝒳", "a" * 300,
)
# fmt: on
hrefs = soup(*PIECES, most=12)
bases = st.sampled_from(["http://h/", "https://example.org/a/b/?c=d#e", "http://h//x/..;/y", "data:text/html,x", ""]) | hrefs


@fuzz(hrefs, bases)
def test_what_resolves_is_final(href: str, base: str) -> None:
    """Nothing raises; what comes out is a URL, its own canonical form is its own, and its id fits the database."""
    url = resolve(href, base)
    if url is None:
        return
    assert resolve(url, "") == url
    known = canonical(url)
    assert canonical(known) == known
    assert "#" not in known
    assert -(2**63) <= fingerprint(known) < 2**63
    if known.startswith(("http://", "https://")):
        assert known.startswith(origin(known))
        assert "@" not in origin(known)
        assert host_key(known)


@fuzz(st.lists(hrefs, max_size=6), bases, st.sampled_from([frozenset(), frozenset({"utm_*", "a"})]))
def test_the_shortcut_is_the_standard(found: list[str], base: str, strip: frozenset[str]) -> None:
    """Links of a page lead where each of them leads alone, also the second time."""
    document = resolve(base, "") or "http://h/"
    resolver = Resolver(lambda url, host: None, strip, max_entries=8)
    for targets in (resolver.targets(document, found), resolver.targets(document, found)):
        for href, target in zip(found, targets, strict=True):
            url = resolve(href, document)
            if target is not None:
                assert url is not None
                assert target[:3] == (fingerprint(canonical(url, strip)), canonical(url, strip), host_key(canonical(url)))
            else:
                assert url is None or url.partition(":")[0] in ("javascript", "data", "about", "blob")


@fuzz(hrefs)
def test_a_seed_is_a_url_or_an_error_for_people(typed: str) -> None:
    """Whatever is typed becomes a canonical http(s) URL, or is refused with three lines."""
    try:
        url = normalize_seed(typed)
    except UsageError as problem:
        refusal = problem
    else:
        refusal = None
    if refusal is not None:
        assert all((refusal.what, refusal.why, refusal.hint))
        return
    assert url.startswith(("http://", "https://"))
    assert canonical(url) == url


scopes = [Scope(["http://example.org/a/"], kind) for kind in ("page", "prefix", "host", "domain", "any")]


@fuzz(hrefs, st.sampled_from(scopes))
def test_every_url_is_judged(href: str, scope: Scope) -> None:
    """A verdict has a reason and words for it, and is the same when asked again."""
    url = canonical(resolve(href, "http://example.org/a/b") or "http://h/")
    verdict = scope.judge(url, host_key(url))
    assert verdict is None or all(verdict)
    assert scope.judge(url, host_key(url)) == verdict


@fuzz(st.sampled_from(PIECES) | hrefs, st.sampled_from(["", "http://h/", "//", "?", "http://"]))
def test_no_href_stalls_a_crawl(piece: str, before: str) -> None:
    """Twice as long takes twice as long, in the resolver, for seeds and in the scope."""
    resolver = Resolver(scopes[1].judge)

    def read(href: str) -> None:
        resolver.targets("http://example.org/a/b", [href])
        url = resolve(href, "http://example.org/a/b")
        if url is not None:
            canonical(url, frozenset({"a*"}))
        try:
            normalize_seed(href)
        except UsageError:
            pass

    assert_linear(read, before, piece)
