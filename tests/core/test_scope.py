"""Scope: which URLs belong to a crawl, and the words in which the others are refused."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from corpora import cases, told
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.core.scope import Scope, private_host, registrable_domain
from crawler.core.urls import Verdict, canonical, host_key
from crawler.errors import UsageError

SEED = "https://example.org/docs/intro?lang=en"


def judge(scope: Scope, url: str) -> Verdict | None:
    return scope.judge(url, host_key(url))


# Kinds


def test_host_takes_the_whole_host_of_a_seed() -> None:
    """The same host belongs, whatever the path and whether http or https; another port or name does not."""
    scope = Scope([SEED])

    assert judge(scope, "https://example.org/") is None
    assert judge(scope, "http://example.org/elsewhere") is None
    for other in ("https://www.example.org/", "https://example.org:8443/", "https://example.org.evil.net/", "https://a.example.org/"):
        assert judge(scope, other) == ("scope", "host is not example.org")


def test_prefix_takes_what_lies_under_a_seeds_directory() -> None:
    """A URL belongs when its path begins with a seed's path up to the last slash, on that seed's host."""
    scope = Scope([SEED, "https://example.net/a/b/", "https://example.net/c/"], "prefix")

    for inside in (
        "https://example.org/docs/",
        "http://example.org/docs/deep/page",
        "https://example.net/a/b/x",
        "https://example.net/c/x",
    ):
        assert judge(scope, inside) is None
    assert judge(scope, "https://example.org/docs") == ("scope", "path is not under /docs/")
    assert judge(scope, "https://example.org/?/docs/") == ("scope", "path is not under /docs/")
    assert judge(scope, "https://example.net/a/") == ("scope", "path is not under /a/b/ or /c/")
    assert judge(scope, "https://other.org/docs/") == ("scope", "host is not example.org or example.net")


def test_prefix_of_a_seed_at_the_root_is_the_host() -> None:
    """A seed without a directory takes its whole host."""
    assert judge(Scope(["https://example.org/page"], "prefix"), "https://example.org/a/b") is None


def test_domain_takes_all_hosts_under_the_registered_name() -> None:
    """Subdomains, siblings and other ports of a seed's registrable domain belong; a name beside it under the suffix does not."""
    scope = Scope(["https://www.example.co.uk/"], "domain")

    for inside in ("https://example.co.uk/", "https://a.b.example.co.uk/", "http://shop.example.co.uk:8080/"):
        assert judge(scope, inside) is None
    for outside in ("https://other.co.uk/", "https://co.uk/", "https://notexample.co.uk/", "https://example.com/"):
        assert judge(scope, outside) == ("scope", "domain is not example.co.uk")


@pytest.mark.parametrize(
    ("seed", "inside", "outside"),
    [
        ("http://10.0.0.1/", "http://10.0.0.1:8080/", "http://10.1.0.1/"),
        ("http://[2001:db8::1]/", "http://[2001:db8::1]:81/", "http://[2001:db8::2]/"),
        ("http://localhost/", "http://localhost:81/", "http://example.org/"),
        ("https://me.github.io/", "https://www.me.github.io/", "https://you.github.io/"),
        ("https://github.io/", "https://github.io/x", "https://you.github.io/"),
        ("https://example.org./", "https://www.example.org/", "https://org/"),
    ],
)
def test_domain_of_what_has_none(seed: str, inside: str, outside: str) -> None:
    """Addresses, single names and public suffixes stand for themselves alone: 10.0.0.1 is no subdomain of "0.1"."""
    scope = Scope([seed], "domain", allow_private=True)

    assert judge(scope, inside) is None
    assert judge(scope, outside) is not None


def test_registrable_domains_of_the_public_suffix_list() -> None:
    """The list's own test data gets its answers; where it has none, the name stands for itself."""
    from publicsuffixlist import PublicSuffixList

    suffixes = PublicSuffixList()
    given = cases("public_suffix.json")
    tests = [test for test in given if test["domain"] and not test["domain"].startswith(".")]
    wrong = []
    for test in tests:
        host = host_key(canonical(f"https://{test['domain']}/"))
        expected = test["registrable"] and host_key(canonical(f"https://{test['registrable']}/"))
        if registrable_domain(host, suffixes) != (expected or host):
            wrong.append(test)
    told("public_suffix.json", len(tests) - len(wrong), len(given), "the others by URL, 3.4: no name, and an empty label, are no hosts")
    assert len(tests) >= len(given) - 3
    assert not wrong


def test_the_public_suffix_list_is_loaded_for_domain_alone() -> None:
    """Nobody waits for the list who did not ask for it."""
    program = (
        "import sys; from crawler.core.scope import Scope\n"
        "for kind in ('page', 'prefix', 'host', 'any'): Scope(['https://example.org/'], kind)\n"
        "assert 'publicsuffixlist' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_any_takes_everything_and_page_only_the_seeds() -> None:
    """`any` refuses no host, `page` everything but the seeds."""
    assert judge(Scope([SEED], "any"), "https://elsewhere.net/x") is None
    assert judge(Scope([SEED], "page"), SEED) is None
    assert judge(Scope([SEED], "page"), "https://example.org/docs/") == ("scope", "not a seed")


def test_many_hosts_are_counted_not_listed() -> None:
    """The rule in words stays short."""
    scope = Scope([f"https://{name}.example/" for name in "abcdefg"])

    assert judge(scope, "https://z.example/") == ("scope", "host is not a.example, b.example or 5 others")


# Rules


def test_exclude_and_include_are_searched_in_the_whole_url() -> None:
    """An exclude that matches anywhere refuses and is named; with includes, one must match."""
    scope = Scope([SEED], include=["/docs/", r"\.pdf$"], exclude=["/calendar/", r"[?&]sort="])

    assert judge(scope, "https://example.org/docs/a") is None
    assert judge(scope, "https://example.org/a.pdf") is None
    assert judge(scope, "https://example.org/docs/calendar/1") == ("scope", "exclude /calendar/")
    assert judge(scope, "https://example.org/docs/?sort=up") == ("scope", "exclude [?&]sort=")
    assert judge(scope, "https://example.org/other") == ("scope", "no include matches")


def test_a_seed_passes_every_rule_but_is_no_pattern_for_others() -> None:
    """Whoever names a seed wants it, even against include, exclude and length."""
    scope = Scope([SEED], include=["/blog/"], exclude=["/docs/"], max_url_length=10)

    assert judge(scope, SEED) is None
    assert judge(scope, SEED + "x") == ("too_long", "39 characters")


def test_length_and_scheme() -> None:
    """Overlong URLs and other schemes are refused with the figure and the name."""
    scope = Scope([SEED], "any")

    assert judge(scope, "https://example.org/" + "a" * 2063) is None
    assert judge(scope, "https://example.org/" + "a" * 2392) == ("too_long", "2,412 characters")
    assert judge(scope, "ftp://example.org/") == ("scheme", "ftp")
    assert judge(scope, "mailto:a@example.org") == ("scheme", "mailto")


def test_the_first_rule_that_refuses_decides() -> None:
    """The order is scheme, too_long, scope, exclude, include, private."""
    scope = Scope([SEED], "host", include=["/a"], exclude=["/x"], max_url_length=40)
    everywhere = Scope([SEED], "any", include=["/a"], exclude=["/x"])

    assert judge(scope, "ftp://10.0.0.1/x" + "y" * 50) == ("scheme", "ftp")
    assert judge(scope, "http://10.0.0.1/x" + "y" * 50) == ("too_long", "67 characters")
    assert judge(scope, "http://10.0.0.1/x") == ("scope", "host is not example.org")
    assert judge(everywhere, "http://10.0.0.1/x") == ("scope", "exclude /x")
    assert judge(everywhere, "http://10.0.0.1/y") == ("scope", "no include matches")
    assert judge(everywhere, "http://10.0.0.1/a") == ("private", "10.0.0.1 is a private address")


@pytest.mark.parametrize(("option", "patterns"), [("include", ["/a", "/b(c["]), ("exclude", ["/b(c["])])
def test_a_pattern_that_is_none_is_pointed_at(option: str, patterns: list[str]) -> None:
    """A bad regular expression ends with its name, the place of the error under a caret, and what to try."""
    with pytest.raises(UsageError) as raised:
        Scope([SEED], **{option: patterns})  # type: ignore[arg-type]

    lines = str(raised.value).splitlines()
    assert lines[0] == f"{option} '/b(c[' is not a regular expression"
    assert lines[2:4] == ["    /b(c[", "        ^"]
    assert lines[-1].startswith("  try: ")


@pytest.mark.parametrize("pattern", ["(\n", "a{99999999999999999999}", "(" * 5000])
def test_any_bad_pattern_is_a_usage_error(pattern: str) -> None:
    """Unprintable, absurd and endless patterns end in the same way."""
    with pytest.raises(UsageError, match="is not a regular expression"):
        Scope([SEED], exclude=[pattern])


# Private addresses


@pytest.mark.parametrize(
    ("host", "detail"),
    [
        ("127.0.0.1", "127.0.0.1 is a loopback address"),
        ("127.255.0.1:8080", "127.255.0.1 is a loopback address"),
        ("10.0.0.1", "10.0.0.1 is a private address"),
        ("172.31.255.255", "172.31.255.255 is a private address"),
        ("192.168.1.1", "192.168.1.1 is a private address"),
        ("100.64.0.1", "100.64.0.1 is a carrier's shared address"),
        ("169.254.169.254", "169.254.169.254 is a link-local address"),
        ("224.0.0.251", "224.0.0.251 is a multicast address"),
        ("255.255.255.255", "255.255.255.255 is a private address"),
        ("0.0.0.0", "0.0.0.0 is an unspecified address"),
        ("0.1.2.3", "0.1.2.3 is a private address"),
        ("[::1]:81", "::1 is a loopback address"),
        ("[::]", ":: is an unspecified address"),
        ("[fe80::1]", "fe80::1 is a link-local address"),
        ("[fd00::1]", "fd00::1 is a private address"),
        ("[fec0::1]", "fec0::1 is a reserved address"),
        ("[4000::1]", "4000::1 is a reserved address"),
        ("[ff02::1]", "ff02::1 is a multicast address"),
        ("[::ffff:a00:1]", "::ffff:a00:1 is a private address"),
        ("[::ffff:7f00:1]", "::ffff:7f00:1 is a loopback address"),
        ("[64:ff9b::a00:1]", "64:ff9b::a00:1 is a private address"),
        ("[2002:c0a8:101::]", "2002:c0a8:101:: is a private address"),
        ("localhost", "localhost is this machine"),
        ("localhost.:8080", "localhost is this machine"),
        ("api.localhost", "api.localhost is this machine"),
    ],
)
def test_private_hosts_are_refused_unless_allowed(host: str, detail: str) -> None:
    """Addresses that are not of the public Internet are refused and called what they are; `allow_private` admits them."""
    url = f"http://{host}/"

    assert judge(Scope([SEED], "any"), url) == ("private", detail)
    assert judge(Scope([SEED], "any", allow_private=True), url) is None


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "100.128.0.1", "[2606:4700::1]", "[::ffff:808:808]", "example.org", "10.example.org", "x9", "localhost.org"]
)
def test_public_addresses_and_names_are_not_private(host: str) -> None:
    """Public addresses pass, and so do names: what they stand for is judged at the socket."""
    assert private_host(host) is None
    assert judge(Scope([SEED], "any"), f"http://{host}/") is None


@pytest.mark.parametrize("spelling", ["0x7f.1", "2130706433", "127.1", "017700000001", "\uff11\uff12\uff17.0.0.1", "[::ffff:127.0.0.1]"])
def test_every_spelling_of_an_address_is_seen_through(spelling: str) -> None:
    """Canonical URLs have one spelling of an address, so that none slips through."""
    assert judge(Scope([SEED], "any"), canonical(f"http://{spelling}/")) is not None


def test_a_private_seed_opens_its_own_host_only() -> None:
    """Whoever names a private host as a seed may crawl it; the rest of the network stays closed."""
    scope = Scope(["http://127.0.0.1:8000/"], "any")

    assert judge(scope, "http://127.0.0.1:8000/page") is None
    assert judge(scope, "http://127.0.0.1:9000/") == ("private", "127.0.0.1 is a loopback address")
    assert judge(scope, "http://192.168.0.1/") == ("private", "192.168.0.1 is a private address")


# Widening


@pytest.mark.parametrize("kind", ["page", "prefix", "host", "domain", "any"])
def test_widened_takes_in_where_a_seed_has_led(kind: str) -> None:
    """The target of a seed's redirect counts as a seed: it passes, its host is in scope, and the old scope is as before."""
    scope = Scope(["https://example.org/"], kind, include=["/blog/"], exclude=["/x"])  # type: ignore[arg-type]

    wider = scope.widened("https://www.example.net/start")

    assert judge(wider, "https://www.example.net/start") is None
    assert judge(wider, "https://example.org/") is None
    assert (judge(wider, "https://www.example.net/blog/1") is None) is (kind != "page")
    assert judge(wider, "https://www.example.net/x/blog/") == (("scope", "not a seed") if kind == "page" else ("scope", "exclude /x"))
    assert judge(scope, "https://www.example.net/start") is not None


def test_widening_never_opens_a_private_network() -> None:
    """A public seed that redirects to a private address leads nowhere, however often it is widened."""
    scope = Scope(["https://example.org/"]).widened("http://10.0.0.1/admin").widened("http://localhost/")

    assert judge(scope, "http://10.0.0.1/admin") == ("private", "10.0.0.1 is a private address")
    assert judge(scope, "http://localhost/") == ("private", "localhost is this machine")


def test_widening_keeps_a_private_seed() -> None:
    """A private host that is a seed stays one when another host is taken in."""
    assert judge(Scope(["http://127.0.0.1:8000/"]).widened("https://example.org/"), "http://127.0.0.1:8000/x") is None


# For every input


SCOPES = [Scope([SEED], kind, exclude=["b"]) for kind in ("page", "prefix", "host", "domain", "any")]


@given(st.text(), st.text(), st.sampled_from(SCOPES))
@example("1" * 200, "9" * 5000, SCOPES[-1])
def test_no_text_raises(name: str, path: str, scope: Scope) -> None:
    """Whatever stands in a link is judged, never an exception, and judged alike when it comes again."""
    try:
        url = canonical(f"http://{name}/{path}")
    except ValueError:
        return

    verdict = judge(scope, url)

    assert verdict is None or verdict[0] in ("scope", "too_long", "private")
    assert judge(scope, url) == verdict


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.text("(){}[]*+?|^$.\\\\-,:<=!#Pabd019\n\u00e9"))
@example("[[a]")
def test_any_text_is_a_pattern_or_a_usage_error(pattern: str) -> None:
    """Nothing but a UsageError comes out of a pattern, and what is escaped is always one."""
    Scope([SEED], exclude=[re.escape(pattern)])
    try:
        Scope([SEED], include=[pattern])
    except UsageError:
        return


def test_a_crawl_of_the_whole_web_remembers_a_bounded_number_of_hosts() -> None:
    """Answers about hosts are kept for speed, not for ever."""
    scope = Scope([SEED], "any")
    for number in range(20_000):
        scope.judge(f"http://h{number}.example/", f"h{number}.example")

    assert len(scope._private) <= 8192


def test_repr_names_kind_and_hosts() -> None:
    """The repr says what is taken in."""
    assert repr(Scope([SEED], include=["a"])) == "<Scope host of example.org include=1 exclude=0>"
