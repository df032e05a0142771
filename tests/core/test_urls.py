"""What a URL means, which spelling it is known under, and where the links of a page lead."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlunparse

import pytest
from corpora import cases, clauses, told
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core.html import _with_query_of
from crawler.core.urls import Resolver, Target, Verdict, canonical, fingerprint, host_key, normalize_seed, origin, resolve
from crawler.errors import UsageError


def admit(url: str, host: str) -> Verdict | None:
    return None


# -- resolve


def test_every_case_of_the_url_standard() -> None:
    """An href means what the standard's own test data says, and is refused where it is refused there."""
    tests = cases("url_parse.json")
    wrong = [test for test in tests if resolve(test["input"], test["base"] or "") != test.get("href")]
    told("url_parse.json", len(tests) - len(wrong), len(tests))
    assert not wrong


@pytest.mark.parametrize("name", ["url_idna.json", "url_toascii.json"])
def test_international_host_names(name: str) -> None:
    """Host names become ASCII as Unicode and the standard say, or the URL is refused."""
    # The empty name is left out as WPT's own runner does: `https:///x` is the host x (URL Standard, special authority
    # ignore slashes state).
    given = cases(name)
    tests = [test for test in given if test["input"]]
    wrong = []
    for test in tests:
        url = resolve(f"https://{test['input']}/x", "")
        expected = test["output"] and f"https://{test['output']}/x"
        if url != expected:
            wrong.append((test, url))
    note = "the others by URL, 4.4 (special authority ignore slashes state): no host is empty" if tests != given else ""
    told(name, len(tests) - len(wrong), len(given), note)
    assert len(tests) >= len(given) - 1
    assert not wrong


# Where w3lib answers otherwise. Each entry: part of the input, the clause.
NOT_THE_STANDARD = {
    "path_encoding": "URL, 4.4 (path state): a path is in UTF-8",
    "file://": "URL, 4.4 (query state): only http and https URLs have queries in another encoding than UTF-8",
    "://%": "URL, 1.3 (userinfo percent-encode set): % stays",
    "|%@": "URL, 1.3 (userinfo percent-encode set): % stays",
    "^`{|}": "URL, 1.3 (userinfo percent-encode set): % stays",
    "[v6a.ip]": "URL, 3.5 (host parser): brackets hold an IPv6 address",
    "c\\\\d": "URL, 1.3 (query percent-encode set): a backslash stays",
    "a]b": "URL, 1.3 (path percent-encode set): brackets stay",
    "#f[1]": "URL, 1.3 (fragment percent-encode set): brackets stay",
}


# Where its canonical URLs are others than ours, beside the order of parameters. Each entry: part of the case, the clause.
NOT_CANONICAL = {
    "'query_separator': ';'": "URL, 5.1 (application/x-www-form-urlencoded): only & parts parameters",
    "'keep_blank_values': False": "URL, 4.6 (URL equivalence): with an empty parameter it is another URL",
    "1750,4": "URL, 1.3 (query percent-encode set): a comma stays, and nothing gets a =",
    "space": "URL, 5.1 (application/x-www-form-urlencoded): + is a space in forms only",
    "wrong_encoding": "URL, 1.3 (percent-encode after encoding): what an encoding lacks becomes a reference",
    "price(": "URL, 1.3 (query percent-encode set): parentheses stay",
    "sftp://": "URL, 4.4 (host state): an opaque host keeps its case",
}
# Where its other calls do what nothing here does. Each entry: part of the case, the clause.
OTHER_CALLS = {
    "'product.html?&'": "URL, 4.5 (URL serializing): an empty query is one, and keeps its ?",
    "add_or_replace_parameter": "URL, 6.2 (set): for scripts, and none runs here",
}


def _text(argument: Any) -> str:
    if isinstance(argument, list):
        return urlunparse(argument)
    return argument if isinstance(argument, str) else argument["latin1"].encode("latin-1").decode()


def test_the_canonical_urls_of_w3lib() -> None:
    """Two spellings that w3lib makes one are one here, but for the order of parameters; the others by a named clause."""
    tests = [test for test in cases("url_w3lib.json") if test["call"] == "canonicalize_url"]
    wrong, excused = [], []

    def known_as(url: str) -> tuple[str, list[str]] | None:
        path, _, query = canonical(url).partition("?") if resolve(url, "") else ("", "", "")
        return (path, sorted(query.split("&"))) if path else None

    for test in tests:
        text, charset = _text(test["args"][0]), test["kw"].get("encoding", "utf-8")
        if known_as(_with_query_of(charset, text) if charset != "utf-8" else text) != known_as(test["result"]):
            (excused if any(part in repr(test) for part in NOT_CANONICAL) else wrong).append(test)
    told("url_w3lib.json, canonical URLs", len(tests) - len(excused) - len(wrong), len(tests), clauses(NOT_CANONICAL))
    assert not wrong
    assert len(excused) <= 8


def test_what_w3lib_refuses() -> None:
    """What it calls no URL is refused, and what is one of http or https by another name is none here either."""
    given = cases("url_w3lib.json")
    bad = [test["args"][0] for test in given if test["call"] == "safe_url_string" and "raises" in test]
    named = [(test["args"][0], test["result"]) for test in given if test["call"] == "is_url"]
    wrong = [text for text in bad if isinstance(text, str | dict) and resolve(_text(text), "") is not None]
    wrong += [url for url, is_url in named if (resolve(url, "") or "").startswith(("http://", "https://")) is not is_url]
    asked = len(bad) + len(named) - 1  # the other is the number 1, a TypeError in both
    told("url_w3lib.json, what is no URL", asked - len(wrong), asked)
    assert not wrong


def test_the_other_calls_of_w3lib() -> None:
    """A `data:` URL, which holds its content, is no address, and no other scheme is taken for one; `--strip-query` leaves of a URL what
    w3lib leaves of it; the others by a named clause. No call is left out."""
    given = cases("url_w3lib.json")
    tests = [test for test in given if test["call"] not in ("safe_url_string", "canonicalize_url", "is_url")]
    wrong, excused = [], []
    for test in tests:
        if not _agrees(test):
            (excused if any(part in repr(test) for part in OTHER_CALLS) else wrong).append(test)
    told("url_w3lib.json, other calls", len(tests) - len(excused) - len(wrong), len(tests), clauses(OTHER_CALLS))
    assert not wrong
    assert len(excused) == 5


def _agrees(test: dict[str, Any]) -> bool:
    """Whether a case of `parse_data_uri` or of `url_query_cleaner` gets its answer here."""
    text = _text(test["args"][0])
    if test["call"] == "parse_data_uri":
        (target,) = Resolver(admit).targets("http://h/", [text])
        is_address = target is not None and target.refusal is None
        return is_address is text.startswith("http:") if "raises" in test else target is None
    if test["call"] == "url_query_cleaner":
        named, base = frozenset(test["args"][1] if isinstance(test["args"][1], list) else [test["args"][1]]), "http://h/"
        keys = frozenset(pair.partition("=")[0] for pair in text.partition("#")[0].partition("?")[2].split("&"))
        return canonical(base + text, named if test["kw"].get("remove") else keys - named) == canonical(base + test["result"])
    return False


def test_the_cases_of_w3lib() -> None:
    """What w3lib calls a safe URL means what we take it for, and is as safe, or a named clause of the standard says otherwise."""
    given = cases("url_w3lib.json")
    tests = [test for test in given if test["call"] == "safe_url_string" and "result" in test]
    wrong, excused = [], []
    for test in tests:
        text, charset = test["args"][0], test["kw"].get("encoding", "utf-8")
        text = text if isinstance(text, str) else text["latin1"].encode("latin-1").decode()
        if resolve(_with_query_of(charset, text) if charset != "utf-8" else text, "") != resolve(test["result"], ""):
            (excused if any(part in repr(test) for part in NOT_THE_STANDARD) else wrong).append(test)
    told("url_w3lib.json, safe URLs", len(tests) - len(excused) - len(wrong), len(tests), clauses(NOT_THE_STANDARD))
    assert not wrong
    assert len(excused) <= len(tests) / 8


RESOLVED = [
    # white space around is dropped, tabs and newlines everywhere
    (" \t/a b\n ", "http://h/a%20b"),
    ("/a\tb\r\nc", "http://h/abc"),
    ("\x0b/a", "http://h/a"),
    # relative to what
    ("", "http://h/d/p?q"),
    ("?x", "http://h/d/p?x"),
    ("#x", "http://h/d/p?q#x"),
    ("e", "http://h/d/e"),
    (".", "http://h/d/"),
    ("..", "http://h/"),
    ("../../../e", "http://h/e"),
    ("%2e%2E/e", "http://h/e"),
    ("/./a/../b/", "http://h/b/"),
    ("//other/a", "http://other/a"),
    ("http:e", "http://h/d/e"),  # the base's own scheme and no slashes: relative
    ("https:e", "https://e/"),
    ("///other//a", "http://other//a"),
    # backslashes are slashes, but for those of the query
    ("\\a\\b?c\\d", "http://h/a/b?c\\d"),
    ("\\\\other\\a", "http://other/a"),
    # hosts
    ("HTTP://Bücher.Example", "http://xn--bcher-kva.example/"),
    ("http://ＥＸａｍｐｌｅ。org/", "http://example.org/"),
    ("http://faß.example/", "http://xn--fa-hia.example/"),
    ("http://%65xample.org/", "http://example.org/"),
    ("http://xn--a/", "http://xn--a/"),  # an ASCII name is taken as it is
    ("http://0300.0xa8.1/", "http://192.168.0.1/"),
    ("http://4294967295/", "http://255.255.255.255/"),
    ("http://[::0001:127.0.0.1]/", "http://[::1:7f00:1]/"),
    # user names and ports
    ("http://a@b@c/", "http://a%40b@c/"),
    ("http://u:p:q@c/", "http://u:p%3Aq@c/"),
    ("http://c:/", "http://c/"),
    ("http://c:080/", "http://c/"),
    ("http://c:00443/", "http://c:443/"),
    # what is junk stays junk, what must be encoded is
    ("/%zz/%/%4", "http://h/%zz/%/%4"),
    ("/é?é#é", "http://h/%C3%A9?%C3%A9#%C3%A9"),
    ('/a"<>`{}^|b', "http://h/a%22%3C%3E%60%7B%7D%5E|b"),
    ("/?a'\"<>b", "http://h/?a%27%22%3C%3Eb"),
]


@pytest.mark.parametrize(("href", "url"), RESOLVED)
def test_what_an_href_means(href: str, url: str) -> None:
    """Each state of the URL standard's parser, by example."""
    assert resolve(href, "http://h/d/p?q") == url


@pytest.mark.parametrize(
    "href",
    [
        "http://", "http://?x", "http://:80/", "http://u@/", "http://h:65536/", "http://h:8a/", "http://h:-1/", "http://a b/", "http://a%20b/",
        "http://a<b/", "http://a^b/", "http://a|b/", "http://%zz/", "http://[::1/", "http://[v6]/", "http://[1:2]/", "http://1.2.3.4.5/",
        "http://256.1.1.1/", "http://09.1.1.1/", "http://xn--a.ß/", "http://\u00ad/", "http://a\u2024%00b/", "https://\x01/",
    ],
)  # fmt: skip
def test_what_is_no_url(href: str) -> None:
    """What the standard refuses is no link: no host, no port, no address, no international name."""
    assert resolve(href, "http://h/") is None


def test_a_relative_href_needs_a_base() -> None:
    """Without a base only absolute URLs mean anything."""
    assert resolve("a", "") is None
    assert resolve("https://h", "") == "https://h/"


def test_a_lone_surrogate_is_a_replacement_character() -> None:
    """A string that no encoding can hold is read as the DOM reads it."""
    assert resolve("/\ud800", "http://h/") == "http://h/%EF%BF%BD"


def test_fragments_and_other_schemes_are_left_to_the_caller() -> None:
    """Resolving changes nothing but the spelling."""
    assert resolve("a#b", "http://h/") == "http://h/a#b"
    assert resolve("mailto:a@b.example", "http://h/") == "mailto:a@b.example"


# -- canonical

CANONICAL = [
    ("HTTP://EXAMPLE.Org", "http://example.org/"),  # 1: case, empty path
    ("http://h:80/", "http://h/"),  # 1: default port
    ("https://h:443/", "https://h/"),
    ("http://h:443/", "http://h:443/"),
    ("http://h/a/./b/../c/%2e%2E/d", "http://h/a/d"),  # 1: dot segments
    ("http://h\\a\\b", "http://h/a/b"),  # 1: backslashes
    ("http://h/a\tb\nc", "http://h/abc"),  # 1: tabs and newlines
    ("http://bücher.example/ü?ü", "http://xn--bcher-kva.example/%C3%BC?%C3%BC"),  # 1: IDN, encoding
    ("http://0x7f.1/", "http://127.0.0.1/"),  # 1: IPv4
    ("http://h/a#b", "http://h/a"),  # 2
    ("http://h/a#", "http://h/a"),
    ("http://h/#!/a/b", "http://h/"),  # 2: routes of scripts too
    ("http://user:pass@h/a@b", "http://h/a@b"),  # 3
    ("http://h/a%2fb%c3%bc?%2f", "http://h/a%2Fb%C3%BC?%2F"),  # 4
    ("http://h/%7Ea%41%2D%2e%5f?%7E", "http://h/~aA-._?~"),  # 5
    ("http://h/%25%36%31", "http://h/%2561"),  # 5: an encoded percent sign stays one
    ("http://h/%%36%31%c3", "http://h/%%36%31%C3"),  # 5: decoding would make the triplet %61
    ("http://h/100%/%41", "http://h/100%/%41"),
]


@pytest.mark.parametrize(("url", "expected"), CANONICAL)
def test_rules_of_the_canonical_form(url: str, expected: str) -> None:
    """Each rule of the docstring, by example."""
    assert canonical(url) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://h/a", "http://h/a/"),
        ("http://h/a", "http://h/a?"),
        ("http://h/?a&b", "http://h/?b&a"),
        ("http://h/a+b", "http://h/a%20b"),
        ("http://h/a//b", "http://h/a/b"),
        ("http://h./", "http://h/"),
        ("http://h/A", "http://h/a"),
        ("http://h/a%2Fb", "http://h/a/b"),
        ("http://h/a%3Bb", "http://h/a;b"),
        ("http://h/", "https://h/"),
        ("http://www.h/", "http://h/"),
        ("http://h/index.html", "http://h/"),
    ],
)
def test_what_may_differ_stays_different(one: str, other: str) -> None:
    """No rule makes one page of two that a server may tell apart."""
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/?utm_source=x&a=1&utm_medium=y", "http://h/?a=1"),
        ("http://h/?utm_source=x", "http://h/"),
        ("http://h/?utm=x&fbclid&UTM_X=1", "http://h/?utm=x&UTM_X=1"),
        ("http://h/?a&&b=%20+", "http://h/?a&&b=%20+"),
        ("http://h/?", "http://h/?"),
        ("http://h/utm_x=1", "http://h/utm_x=1"),
        ("http://h/?%75tm_x=1", "http://h/"),
    ],
)
def test_tracking_keys_are_dropped_when_asked(url: str, expected: str) -> None:
    """Only the keys named are dropped; the rest of the query stays as it was, byte for byte."""
    assert canonical(url, frozenset({"utm_*", "fbclid"})) == expected
    assert canonical(canonical(url, frozenset({"utm_*"}))) == canonical(url, frozenset({"utm_*"}))


def test_other_schemes_keep_their_content() -> None:
    """Only the fragment of a URL that is not fetched is dropped."""
    assert canonical("mailto:%61@B.example?subject=%7e#x") == "mailto:%61@B.example?subject=%7e"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://user:word@h/a@b", "ftp://***@h/a@b"), ("ssh://git@h/a", "ssh://***@h/a"), ("mailto:user:word@h", "mailto:***@h"),
        ("user:word@h", "user:***@h"), ("view-source:http://user:word@h/", "view-source:http://***@h/"),
    ],
)  # fmt: skip
def test_other_schemes_keep_no_login(url: str, expected: str) -> None:
    """Nobody asks for them, but they are written down. Once is enough."""
    assert canonical(url) == expected
    assert canonical(expected) == expected


def test_what_the_standard_refuses_has_no_canonical_form() -> None:
    """Refusals are errors with the value in them."""
    with pytest.raises(ValueError, match=r"http://h:x/"):
        canonical("http://h:x/")


# Where crawler-commons makes one URL of two, or takes for a URL what is none. Each entry: part of the URL, the clause.
NOT_THEIR_FORM = {
    "//aa/": "URL, 4.4 (path state): an empty segment is one",
    "/aa//": "URL, 4.4 (path state): an empty segment is one",
    "ftp:/": "URL, 4.4 (host state): without a host it is no URL",
    "http:////": "URL, 4.4 (host state): without a host it is no URL",
    "foobar%": "URL, 4.4 (query state): a % stays",
    "foo.com/index.html": "URL, 4.4 (no scheme state): without a scheme, and a base, it is no URL",
    "file:/": "URL, 4.5 (URL serializing): the host of a file URL is empty",
    "/index?": "URL, 4.6 (URL equivalence): with an empty parameter, or without a key, it is another URL",
    "/?": "URL, 4.6 (URL equivalence): with an empty query it is another URL",
}


def test_another_crawlers_normal_form() -> None:
    """Where we differ from crawler-commons, the order of parameters apart, a named clause makes two URLs of what is one there."""
    tests = cases("url_normalize_crawler_commons.json")
    others = [test for test in tests if _canonical_or_none(test["url"]) != test.get("normalized")]
    wrong = [test for test in others if not any(part in test["url"] for part in NOT_THEIR_FORM)]
    told("url_normalize_crawler_commons.json", len(tests) - len(others), len(tests), clauses(NOT_THEIR_FORM))
    assert not wrong
    assert len(others) <= len(tests) / 3


def _canonical_or_none(url: str) -> str | None:
    try:
        return canonical(url)
    except ValueError:
        return None


urls = st.builds(
    "{}://{}{}/{}".format,
    st.sampled_from(["http", "https", "HTTP"]),
    st.sampled_from(["", "u:p@", "u@"]),
    st.sampled_from(["h", "example.org", "h:80", "h:8080", "[::1]", "127.1", "h."]),
    st.lists(
        st.sampled_from(
            ["a", "b", "/", ".", "..", "%", "%2", "%2e", "%7E", "%41", "%36%31", "?", "&", "=", "#", ":", "@", "\\", " ", "é", "\t"]
        )
    ).map("".join),
)


@settings(derandomize=True, deadline=None)
@given(urls)
def test_the_canonical_form_is_final(url: str) -> None:
    """A canonical URL is its own canonical form, and what the standard reads in it is itself."""
    once = canonical(url)
    assert canonical(once) == once == resolve(once, "")


# -- ids and hosts


def test_ids_are_signed_and_the_same_everywhere() -> None:
    """Ids agree across machines and versions, and fit SQLite's INTEGER."""
    assert fingerprint("") == 0x2D06800538D394C2  # the published test vector of XXH3
    assert fingerprint("https://example.org/") == -8202114674208552119
    assert all(-(2**63) <= fingerprint(f"http://h/{n}") < 2**63 for n in range(100))


@pytest.mark.parametrize(
    ("url", "host", "start"),
    [
        ("http://h/", "h", "http://h"),
        ("https://h/a:8/b?c", "h", "https://h"),
        ("http://h:8080/", "h:8080", "http://h:8080"),
        ("http://h:443/", "h:443", "http://h:443"),
        ("https://[::1]/", "[::1]", "https://[::1]"),
        ("https://[::1]:8443/x", "[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_host_and_origin(url: str, host: str, start: str) -> None:
    """http and https of one host name share their politeness; robots.txt belongs to each origin."""
    assert (host_key(url), origin(url)) == (host, start)


def test_other_schemes_have_no_host() -> None:
    """Nobody has to be polite to a mail address."""
    assert host_key("mailto:a@b.example") == host_key("ftp://h/") == ""


# -- seeds


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("example.org", "https://example.org/"),
        ("  example.org/a b  ", "https://example.org/a%20b"),
        ("http://example.org", "http://example.org/"),
        ("//example.org/x", "https://example.org/x"),
        ("example.org:8000/x", "https://example.org:8000/x"),
        ("localhost:8000/x", "http://localhost:8000/x"),
        ("localhost", "http://localhost/"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("[::1]:8000", "http://[::1]:8000/"),
        ("https://localhost/", "https://localhost/"),
        ("bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("HTTPS://Example.org:443/#top", "https://example.org/"),
        ("example.org/?next=http://x/", "https://example.org/?next=http://x/"),
        ("example.org/@user", "https://example.org/@user"),
    ],
)
def test_what_people_type_becomes_a_url(typed: str, url: str) -> None:
    """A host name is enough."""
    assert normalize_seed(typed) == url


@pytest.mark.parametrize(
    ("typed", "why", "hint"),
    [
        ("htp://x", "only http and https can be crawled, not htp", "http://x"),
        ("htps://x/y", "only http and https can be crawled, not htps", "https://x/y"),
        ("ftp://x", "only http and https can be crawled, not ftp", "https://x"),
        ("mailto:a@b.example", "only http and https can be crawled, not mailto", "crawler https://example.org"),
        ("https//x/y", "a colon is missing", "https://x/y"),
        ("http://a b/", "there is a space in the host 'a b'", "crawler https://example.org"),
        ("http://h:99999/", "the port '99999' is no number up to 65535", "crawler https://example.org"),
        ("http://[::1/", "the host '[::1' is none by the URL standard", "crawler https://example.org"),
        ("http://", "it names no host", "crawler https://example.org"),
        ("", "a seed is a URL or a host name", "crawler https://example.org"),
        ("./page.html", "a seed is a URL or a host name", "crawler https://example.org"),
        ("example.org/\x1b[31m", "no URL has one; a line may have been broken", "type it anew"),
    ],
)
def test_a_seed_that_cannot_be_crawled_says_why(typed: str, why: str, hint: str) -> None:
    """What, why and what to try: three lines, with nothing in them that could move a cursor."""
    with pytest.raises(UsageError) as caught:
        normalize_seed(typed)
    assert (caught.value.why, caught.value.hint) == (why, hint)
    assert len(str(caught.value).splitlines()) == 3
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("typed", ["https://user:secret@h/", "user:secret@h", "http:secret@h"])
def test_a_seed_with_credentials_is_refused_without_showing_them(typed: str) -> None:
    """A password ends up in no message, log or database."""
    with pytest.raises(UsageError) as caught:
        normalize_seed(typed)
    assert "secret" not in str(caught.value)
    assert "--auth-env" in caught.value.hint


# -- resolver


def test_targets_come_in_order_with_id_url_and_host() -> None:
    """One answer for each href."""
    targets = Resolver(admit).targets("http://h/dir/page?q", ["a", "/b", "https://other:81/#x", "//third/y", "../c", "./d"])
    urls = ["http://h/dir/a", "http://h/b", "https://other:81/", "http://third/y", "http://h/c", "http://h/dir/d"]
    hosts = ["h", "h", "other:81", "third", "h", "h"]
    assert targets == [Target(fingerprint(url), url, host, None) for url, host in zip(urls, hosts, strict=True)]


@pytest.mark.parametrize("base", ["http://h/dir/one?q=1", "http://h/dir/two", "http://h/dir/"])
def test_query_fragment_and_nothing_mean_the_page(base: str) -> None:
    """`?x` keeps the page's path, `#x` and nothing its query too: the directory alone would be wrong."""
    resolver = Resolver(admit)
    resolver.targets("http://h/dir/zero?z", ["?x", "#x", ""])
    page = base.partition("?")[0]
    assert [target and target.url for target in resolver.targets(base, ["?x", "#x", ""])] == [f"{page}?x", base, base]


def test_what_is_no_address_is_no_target() -> None:
    """Links that hold their own content, and those the standard refuses, lead nowhere."""
    hrefs = [
        "javascript:void(0)",
        "JavaScript:x",
        "java\nscript:x",
        " data:text/html,x",
        "about:blank",
        "blob:http://h/1",
        "http://h:x/",
        "//",
    ]
    assert Resolver(admit).targets("http://h/", hrefs) == [None] * len(hrefs)


def test_other_schemes_are_refused_without_a_judge() -> None:
    """mailto, tel and the like are known and refused by their scheme."""

    def judge(url: str, host: str) -> Verdict | None:
        raise AssertionError(url)

    mail, ftp = Resolver(judge).targets("http://h/", ["MAILTO:a@b.example", "ftp://h/x"])
    assert mail == Target(fingerprint("mailto:a@b.example"), "mailto:a@b.example", "", ("scheme", "mailto"))
    assert ftp is not None
    assert ftp.refusal == ("scheme", "ftp")


def test_the_judge_is_asked_once_until_told_to_forget() -> None:
    """A verdict is kept with its URL; `forget` asks anew."""
    asked = []

    def judge(url: str, host: str) -> Verdict | None:
        asked.append((url, host))
        return ("scope", "--scope host")

    resolver = Resolver(judge)
    for page in ("http://h/a/b", "http://h/c"):
        (target,) = resolver.targets(page, ["http://other/x"])
        assert target is not None
        assert target.refusal == ("scope", "--scope host")
    assert asked == [("http://other/x", "other")]
    resolver.forget()
    resolver.targets("http://h/", ["http://other/x"])
    assert len(asked) == 2


def test_tracking_keys_are_dropped_from_targets() -> None:
    """Targets are canonical by the same rules as everything else."""
    (target,) = Resolver(admit, frozenset({"utm_*"})).targets("http://h/", ["/a?utm_x=1#b"])
    assert target is not None
    assert target.url == "http://h/a"


def test_relative_links_of_all_directories_share_their_entries() -> None:
    """The cache grows with the URLs of a site, not with its directories."""
    resolver = Resolver(admit)
    for depth in range(10):
        resolver.targets("http://h/" + "d/" * depth, ["../" * depth + "style.css", "/style.css", "/style.css#x"])
    assert len(resolver) == 1


def test_the_cache_is_bounded_and_keeps_what_is_in_use() -> None:
    """However many links there are, the memory is bounded, and the answers stay right."""
    resolver = Resolver(admit, max_entries=100)
    for number in range(1000):
        target, _ = resolver.targets(f"http://h{number % 7}/", [f"/{number}", "http://other/always"])
        assert target is not None
        assert target.url == f"http://h{number % 7}/{number}"
        assert len(resolver) <= 100


def test_huge_hrefs_are_not_remembered() -> None:
    """One entry never weighs as much as a page."""
    resolver = Resolver(admit)
    (target, _) = resolver.targets("http://h/", ["/" + "x" * 3000, "data:image/png;base64," + "A" * 100_000])
    assert target is not None
    assert len(target.url) == len("http://h/") + 3000
    assert len(resolver) == 0


pieces = st.sampled_from(
    [
        *["a", "b.html", "c", "/", "//", ".", "..", "./", "../", "?", "#", "&", "=", ":", "\\", "@", "%", "%2e", "%2E%2e", "%41", "[", "]"],
        *[" ", "\t", "\n", "\x00", "\x7f", "\xa0", "é", "日", "\ud800", "http:", "https:", "http://", "https://"],
        *[
            "HTTP://",
            "//h2/",
            "x:80",
            "mailto:",
            "javascript:",
            "data:",
            "file:",
            "ftp://",
            "about:",
            "1",
            "~",
            ";",
            ",",
            "'",
            '"',
            "|",
            "^",
            "{",
            "<",
        ],
    ]
)
hrefs = st.lists(pieces, max_size=6).map("".join) | st.text(max_size=8)
bases = st.builds(
    "{}{}".format,
    st.sampled_from(
        ["http://h", "https://h", "http://h:8080", "http://u:p@h", "https://[::1]", "HTTP://H", "file://", "mailto:", "data:", ""]
    ),
    st.just("") | hrefs.map("/".__add__),
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(st.tuples(bases, st.lists(hrefs, max_size=5)), max_size=4))
def test_the_shortcut_equals_the_standard(pages: list[tuple[str, list[str]]]) -> None:
    """For every base and href, after any other pages: the answer is the canonical form of what ada resolves."""
    resolver = Resolver(admit, max_entries=8)
    for written, page_hrefs in pages:
        base = resolve(written, "") or ""
        for href, target in zip(page_hrefs, resolver.targets(base, page_hrefs), strict=True):
            resolved = resolve(href, base)
            expected = None if resolved is None or resolved.startswith(("javascript:", "data:", "about:", "blob:")) else canonical(resolved)
            assert (target and target.url) == expected, (base, href)


rooted = st.lists(st.sampled_from(["/", ".", "..", "a", "B9.html", "?", "&", "=", "-", "_", "~", "%2e", "+"]), max_size=8)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(rooted.map("".join).map("/".__add__), st.sampled_from([frozenset(), frozenset({"a"})]))
def test_a_rooted_path_leads_where_the_standard_says(href: str, strip: frozenset[str]) -> None:
    """What need not be resolved is told from what has dot segments, names a host or has to be encoded."""
    (target,) = Resolver(admit, strip).targets("https://h:8080/b/c", [href])
    resolved = resolve(href, "https://h:8080/b/c")

    assert (target and target.url) == (resolved and canonical(resolved, strip))


def test_every_character_of_a_path_is_spelt_as_the_standard_says() -> None:
    """Whatever stands in a path or a query, an address has one spelling."""
    hrefs = [f"/a{mark}{chr(number)}b" for number in range(256) for mark in ("", "?")]
    targets = Resolver(admit).targets("https://h/b/c", hrefs)

    assert [target and target.url for target in targets] == [canonical(resolve(href, "https://h/b/c") or "") for href in hrefs]


def test_long_hrefs_take_linear_time() -> None:
    """No href can stall the resolver."""
    resolver = Resolver(admit)
    started = time.process_time()
    resolver.targets(
        "http://h/a/b/", ["../" * 300_000, "a/" * 500_000, "%2e" * 300_000, "a" * 1_000_000 + ":", "&=" * 500_000, "./" * 500_000]
    )
    assert time.process_time() - started < 1
