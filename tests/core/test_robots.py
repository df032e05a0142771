"""robots.txt: what RFC 9309 promises sites, read as Google's matcher reads it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import google_matcher
import pytest
from corpora import cases, clauses, files, told
from cost import cpu_seconds
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.core.robots import (
    ALLOW_ALL,
    REFUSE_ALL,
    ROBOTS_MAX_AGE,
    Decision,
    allow_all,
    parse_robots,
    prepare_robots,
    refuse_all,
    robots_for_status,
    robots_url,
)
from crawler.core.robots_lines import ROBOTS_MAX_SIZE, without_logins

HOST = "https://example.org"


def test_a_robots_txt_without_logins_decides_the_same() -> None:
    """Addresses of sitemaps and remarks lose theirs, in every encoding; what looks like one in a rule is a path, and stays."""
    lines = "User-agent: *\r\nDisallow: //u:p@h/ # http://u:p@h\rAllow: *//a:b@\nSitemap: http://u:p@h/s\nDisallow: http://u:p@h/\n"
    kept = b"User-agent: *\nDisallow: //u:p@h/ # http://***@h\nAllow: *//a:b@\nSitemap: http://***@h/s\nDisallow: http://***@h/"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        body = lines.encode(encoding)
        assert without_logins(body) == kept
        for path in ("//u:p@h/x", "/a//a:b@", "/"):
            assert parse_robots(kept).decide("a", HOST + path) == parse_robots(body).decide("a", HOST + path)
    assert without_logins(b"Allow: /\r\n") == b"Allow: /\r\n"


def allowed(robots: str | bytes, path: str, agent: str = "asyncrawl") -> bool:
    body = robots.encode() if isinstance(robots, str) else robots
    return parse_robots(body).decide(agent, HOST + path).allowed


def decide(rules: str, path: str) -> Decision:
    return parse_robots(f"User-agent: *\n{rules}".encode()).decide("asyncrawl", HOST + path)


# The public suites


def answers(case: dict[str, object]) -> bool:
    """Whether one case of the corpus gets the answer it expects."""
    robots = parse_robots(str(case["robots"]).encode())
    if "sitemaps" in case:
        return list(robots.sitemaps) == case["sitemaps"]
    if "crawl_delay" in case:
        return robots.crawl_delay(str(case["agent"])) == case["crawl_delay"]
    return robots.decide(str(case["agent"]), str(case["url"])).allowed == case["allowed"]


def test_all_of_googles_cases_and_the_specification_tests() -> None:
    """Google's own cases and those of the specification test all get their answer."""
    suite = [case for case in cases("robots.json") if case["suite"].startswith("google/")]

    failures = [case for case in suite if not answers(case)]

    told("robots.json, Google and specification", len(suite) - len(failures), len(suite))
    assert not failures


# Where Protego answers otherwise than the RFC, and than Google's matcher. Each entry: part of the case, the clause.
OTHERWISE = {
    "Rule1TestBot": "RFC 9309, 2.2.1: a product token has no digits",
    "test_unicode_url_and_useragent": "RFC 9309, 2.2.1 and 2.2.2: a product token is ASCII, a URL is encoded before it is compared",
    "test_escaped_url": "RFC 9309, 2.2.2: a URL is encoded before it is compared",
    "test_grouping_unknown_keys": "RFC 9309, 2.2.4: other records end no group",
    "test_special_symbols_dual_behaviour": "RFC 9309, 2.2.3: $ at the end of a pattern is the end",
    "test_with_absolute_urls": "RFC 9309, 2.2: a pattern is a path",
    "hedwig": "RFC 9309, 2.2.1: the whole product token has to match",
}


def test_protegos_cases() -> None:
    """Protego's recorded cases get their answer, or one that a named clause of the RFC gives."""
    suite = [case for case in cases("robots.json") if case["suite"] == "scrapy/protego"]

    others = [case for case in suite if not answers(case)]

    told("robots.json, Protego", len(suite) - len(others), len(suite), clauses(OTHERWISE) + "; Google's matcher agrees with 315 of all 376")
    assert [case for case in others if not any(part in case["test"] + case["robots"] for part in OTHERWISE)] == []
    assert len(others) <= len(suite) / 4


def made_up(random: Random) -> bytes:
    """A robots.txt with everything that people get wrong."""
    ends, separators = ["\n", "\r\n", "\r", "\n\n", "\r\r\n", "\n\r"], [":", ": ", " : ", " ", "\t", ":\t", "  ", ""]
    pieces = [
        "/",
        "/a",
        "/b",
        "*",
        "$",
        "?",
        "%20",
        "%2f",
        "%2F",
        "é",
        "/index.html",
        "index.htm",
        "a",
        "#x",
        "//",
        " ",
        "&",
        "=",
        "%z",
        ";",
        "(",
    ]
    others = [
        "Disallow",
        "DISSALLOW",
        "disalow",
        "disallaw",
        "Allow",
        "allow",
        "Allowed",
        "Sitemap",
        "Crawl-delay",
        "Host",
        "<p>",
        "Disallow\xa0",
    ]
    agents = ["*", "* ", "*x", "asyncrawl", "AsynCrawl/1.0", "asyncrawl, x", "Foo-Bot", "foo_bot", "MJ12bot", "", "Mozilla/5.0 asyncrawl"]
    end, text = random.choice(ends), random.choice(["", "", "\ufeff"])
    for _ in range(random.randrange(1, 16)):
        if random.random() < 0.35:
            key, value = random.choice(["User-agent", "user-agent", "USERAGENT", "User agent", "User-agents"]), random.choice(agents)
        else:
            key, value = random.choice([*others, "Disallow", "Allow"]), "".join(random.choices(pieces, k=random.randrange(5)))
        space, tail = random.choice(["", "", " ", "\t"]), random.choice(["", "", "", " ", "  # c", "\0x"])
        text += space + key + random.choice(separators) + value + tail + (end if random.random() < 0.9 else random.choice(ends))
    return text.encode()


def test_files_that_nobody_wrote_are_read_as_google_reads_them() -> None:
    """Typos, odd line ends, comments, NULs, groups in any order: two thousand files are decided on as Google's matcher decides."""
    random = Random(9309)
    paths = ["/", "/a/b", "/b", "/a/index.html", "/a/?a=b", "/a%20b", "/a%2Fb", "/%C3%A9", "/a//b", "/a;b", "/a?&=", "/%zb", "/(a"]
    asked = agreed = 0
    for _ in range(2_000):
        body = made_up(random)
        robots = parse_robots(body)
        for agent in ("asyncrawl", "Foo-Bot", "other"):
            for path in random.sample(paths, 4):
                asked += 1
                agreed += robots.decide(agent, HOST + path).allowed == google_matcher.is_allowed(body, agent, HOST + path)
    told("robots.txt made up, as Google's matcher", agreed, asked)
    assert asked - agreed <= asked / 1_000


def test_the_oracle_knows_googles_cases() -> None:
    """What is taken for Google's answer is Google's own."""
    suite = [case for case in cases("robots.json") if case["suite"].startswith("google/") and "allowed" in case]
    assert [
        case for case in suite if google_matcher.is_allowed(case["robots"].encode(), case["agent"], case["url"]) != case["allowed"]
    ] == []


def test_files_from_the_wild_are_read() -> None:
    """Files collected elsewhere are parsed, whatever their encoding, and group merging is as RFC 9309 wants it."""
    robots = {path.name: parse_robots(path.read_bytes()) for path in files("robots_files")}
    told("robots_files", len(robots), len(robots))

    merged = robots["crawl-delay-group-merging.txt"]
    assert merged.crawl_delay("mybot") == 10
    assert merged.crawl_delay("otherbot") == 30
    assert not merged.decide("mybot", HOST + "/private/x").allowed
    assert not merged.decide("yourbot", HOST + "/login/").allowed
    assert merged.decide("mybot", HOST + "/login/").allowed
    for name in ("robots-with-utf16le-bom.txt", "robots-with-utf8-bom.txt"):
        assert robots[name]._rules, name


# Groups


def test_the_group_that_names_the_agent_holds_alone() -> None:
    """Where a group names the agent, the rules for everybody do not hold for it."""
    robots = "User-agent: *\nDisallow: /\n\nUser-agent: AsynCrawl\nDisallow: /private/\n"

    assert allowed(robots, "/page")
    assert not allowed(robots, "/private/page")
    assert not allowed(robots, "/page", agent="otherbot")


def test_an_empty_group_of_its_own_allows_everything() -> None:
    """A group that names the agent and holds no rule frees it of the rules for everybody."""
    assert allowed("User-agent: *\nDisallow: /\nUser-agent: asyncrawl\nDisallow:\n", "/page")


def test_groups_of_one_agent_are_merged() -> None:
    """Rules for one agent count together, wherever they stand (RFC 9309, 2.2.1)."""
    robots = "User-agent: asyncrawl\nDisallow: /a\n\nUser-agent: other\nDisallow: /\n\nUser-agent: asyncrawl\nDisallow: /b\n"

    assert [allowed(robots, path) for path in ("/a", "/b", "/c")] == [False, False, True]


def test_user_agent_lines_in_a_row_share_their_rules() -> None:
    """Several user-agent lines above the same rules are one group, and a group for all may be among them."""
    robots = "User-agent: one\nUser-agent: *\nUser-agent: two\nDisallow: /x\n"

    assert not any(allowed(robots, "/x", agent) for agent in ("one", "two", "three"))


@pytest.mark.parametrize("line", ["Sitemap: https://example.org/s.xml", "Crawl-delay: 5", "Host: example.org", "", "nonsense"])
def test_other_records_end_no_group(line: str) -> None:
    """Only Allow and Disallow end a row of user-agent lines (RFC 9309, 2.2.4)."""
    assert not allowed(f"User-agent: one\n{line}\nUser-agent: two\nDisallow: /\n", "/", agent="one")


def test_rules_before_the_first_user_agent_hold_for_nobody() -> None:
    """A rule outside of a group is ignored."""
    assert allowed("Disallow: /\nUser-agent: other\nDisallow: /\n", "/page")


@pytest.mark.parametrize(
    ("value", "agent", "named"),
    [
        ("asyncrawl", "asyncrawl", True),
        ("ASYNCRAWL", "asyncrawl", True),
        ("asyncrawl/1.0 (+https://example.org)", "asyncrawl", True),
        ("asyncrawl bot", "asyncrawl", True),
        ("asyncrawl*", "asyncrawl", True),
        ("* everybody", "asyncrawl", True),
        ("*bot", "asyncrawl", False),
        ("async", "asyncrawl", False),
        ("asyncrawl-images", "asyncrawl", False),
        ("asyncrawl bot", "asyncrawl bot", False),
        ("", "asyncrawl", False),
    ],
)
def test_product_tokens(value: str, agent: str, named: bool) -> None:
    """A user-agent line names an agent by its product token, in any case, up to the first character that is none of one."""
    assert allowed(f"User-agent: {value}\nDisallow: /\n", "/", agent) is not named


# Rules


def test_the_longest_rule_decides_and_says_its_line() -> None:
    """The rule with the most octets decides, whatever its place; the decision names its line as written."""
    rules = "Disallow: /shop\nAllow: /shop/public/\nDisallow: /shop/public/secret"

    assert decide(rules, "/shop") == (False, 2, "Disallow: /shop")
    assert decide(rules, "/shop/public/x") == (True, 3, "Allow: /shop/public/")
    assert decide(rules, "/shop/public/secret/x") == (False, 4, "Disallow: /shop/public/secret")
    assert decide(rules, "/elsewhere") == (True, None, "no rule matches")


@pytest.mark.parametrize(
    "rules", ["Disallow: /a\nAllow: /a", "Allow: /a\nDisallow: /a", "Allow: /a\nDisallow: /*", "Disallow: *a\nAllow: /a"]
)
def test_of_equal_rules_allow_holds(rules: str) -> None:
    """Among rules of equal length the least restrictive one is used (RFC 9309, 2.2.2)."""
    assert decide(rules, "/a").allowed


def test_empty_rules_are_no_rules() -> None:
    """Neither an empty Disallow nor an empty Allow matches anything."""
    assert decide("Disallow:\nAllow:\n", "/a") == (True, None, "no rule matches")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a", "/abc", True),
        ("/a", "/A", False),
        ("/a", "/b/a", False),
        ("a", "/a", False),
        ("/a$", "/a", True),
        ("/a$", "/ab", False),
        ("/a$b", "/a$b", True),
        ("/a$b", "/a", False),
        ("/*.pdf$", "/x/y.pdf", True),
        ("/*.pdf$", "/x/y.pdf?z", False),
        ("/*.pdf$", "/x.pdf/y.pdf", True),
        ("/*?sort=", "/list?page=1&sort=up", False),
        ("/*sort=", "/list?page=1&sort=up", True),
        ("/a*/c", "/a/b/c/d", True),
        ("/a**c", "/abbbc", True),
        ("/ab*bc$", "/abc", False),
        ("*", "/", True),
        ("/*$", "/anything", True),
        ("$", "/", False),
        ("/x;y", "/x;y=1", True),
    ],
)
def test_patterns(pattern: str, path: str, matches: bool) -> None:
    """`*` stands for anything, a last `$` for the end, everything else for itself from the beginning of the path."""
    assert decide(f"Disallow: {pattern}", path).allowed is not matches


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/caf\u00e9", "/caf%C3%A9", True),
        ("/caf%c3%a9", "/caf%C3%A9", True),
        ("/caf%C3%A9", "/caf%c3%a9", True),
        ("/%7Ejoe", "/~joe", True),
        ("/~joe", "/%7ejoe", True),
        ("/a%2Fb", "/a/b", False),
        ("/a/b", "/a%2Fb", False),
        ("/a-%2A.html", "/a-*.html", True),
        ("/price-%24", "/price-$", True),
        ("/x$/y", "/x%24/y", True),
        ("/100%", "/100%", True),
        ("/%zz", "/%zz", True),
    ],
)
def test_percent_encoding(pattern: str, path: str, matches: bool) -> None:
    """Octets are compared in one spelling: hex in upper case, beyond ASCII encoded, unreserved ones decoded (2.2.2, 2.2.3)."""
    assert decide(f"Disallow: {pattern}", path).allowed is not matches


def test_two_readings_of_an_escape_and_the_stricter_holds() -> None:
    """Google compares escapes of plain letters as they are, the RFC decodes them; an Allow that only one accepts allows nothing."""
    rules = "Disallow: /\nAllow: /%62%61%7A"

    assert decide(rules, "/%62%61%7A").allowed
    assert not decide(rules, "/baz").allowed


def test_index_html_stands_for_its_directory() -> None:
    """Allowing a directory's index.html allows the directory, and nothing else in it."""
    rules = "Disallow: /\nAllow: /docs/index.html"

    assert [decide(rules, path).allowed for path in ("/docs/", "/docs/index.html", "/docs/index.htm", "/docs/x", "/")] == [
        True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["disallow", "DISALLOW", "Dissallow", "dissalow", "disalow", "diasllow", "disallaw", "Disallow "])
def test_misspelt_directives_count(key: str) -> None:
    """The misspellings that Google's matcher takes for Disallow refuse here too."""
    assert not decide(f"{key}: /", "/page").allowed


@pytest.mark.parametrize(
    "robots", ["user agent: *\ndisallow: /", "useragent:*\ndisallow:/", "user-agent *\ndisallow /", "User-Agent\t*\n \tDisallow : / # all"]
)
def test_forms_of_a_line(robots: str) -> None:
    """Blanks around are nothing, a comment ends the line, two words need no colon."""
    assert not allowed(robots, "/page")


@pytest.mark.parametrize(
    ("robots", "is_read"),
    [
        ("User-agents: *\nDisallow: /", True),
        ("User-agent: *\nDisallowed: /", True),
        ("User-agent: *\nDisallow /: /", True),
        ("User-agent: *\nDisallow: /\nAllow-all: /page", False),
        ("Useragent *\nDisallow /", True),
        ("User agent *\nDisallow /", False),
        ("User_agent: *\nDisallow: /", False),
        ("User-agent: *\nNoindex: /", False),
        ("User-agent: *\n:Disallow: /", False),
        ("User-agent: *\n\u200bDisallow: /", False),
        ("User-agent: *\n\ufeffDisallow: /", False),
        ("\ufeffUser-agent: *\nDisallow: /", True),
        ("User\u2013agent: *\nDisallow: /", False),
        ("User-agent: *\n\v\fDisallow:\v/\f", True),
        ("User-agent: *\u2028Disallow: /", False),
        ("User-agent: *\x85Disallow: /", False),
        ("User-agent: *\n\rDisallow: /\n\r", True),
        ("User-agent: *\r\r\nDisallow: /", True),
        ("User-agent: *\nDisallow: https://example.org/", False),
        ("User-agent: *\nDisallow: page", False),
    ],
)
def test_lines_that_people_get_wrong(robots: str, is_read: bool) -> None:
    """What begins like a directive is one, whatever follows up to the colon; other words, invisible signs before a word, and line ends
    that are none of HTTP's make it none. All as Google's matcher has it."""
    assert allowed(robots, "/page") is not is_read
    assert google_matcher.is_allowed(robots.encode(), "asyncrawl", HOST + "/page") is not is_read


def test_three_words_without_a_colon_are_no_rule() -> None:
    """A missing colon is forgiven only where it is clear what was meant."""
    assert decide("disallow / everything", "/page").allowed


# Bytes


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_line_ends(end: str) -> None:
    """Lines end with LF, CR or CRLF, and are counted alike."""
    robots = end.join(("User-agent: *", "", "Disallow: /a", "")).encode()

    assert parse_robots(robots).decide("asyncrawl", HOST + "/a") == (False, 3, "Disallow: /a")


def test_a_line_ends_at_a_nul() -> None:
    """In damaged files what follows a NUL is not seen, as by Google's matcher; it is no line of its own."""
    robots = b"User-agent: *\0 x\nDisallow: /a\0b\nAllow: /a/\0Disallow: /\n\0\nDisallow: /c"

    assert parse_robots(robots).decide("asyncrawl", HOST + "/a/b") == (True, 3, "Allow: /a/")
    assert parse_robots(robots).decide("asyncrawl", HOST + "/ab") == (False, 2, "Disallow: /a")
    assert parse_robots(robots).decide("asyncrawl", HOST + "/c") == (False, 5, "Disallow: /c")
    assert allowed(robots, "/d")


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb", b"\xef"])
def test_byte_order_marks_are_skipped(mark: bytes) -> None:
    """A UTF-8 byte order mark before the first line is skipped, a part of one too."""
    assert not allowed(mark + b"User-agent: *\nDisallow: /", "/page")


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16(encoding: str, mark: str) -> None:
    """A file saved as UTF-16 is read, with or without its mark."""
    assert not allowed(f"{mark}User-agent: *\r\nDisallow: /caf\u00e9".encode(encoding), "/caf%C3%A9")


def test_html_instead_of_rules_allows_everything() -> None:
    """An error page sent in place of a robots.txt holds no rule."""
    page = b"<!DOCTYPE html><html><head><title>Not here</title></head>\n<body style='color: red'>\n<p>Nothing: /\n</body></html>"

    assert parse_robots(page).decide("asyncrawl", HOST + "/") == (True, None, "no rule matches")


def test_only_the_first_500_kib_count() -> None:
    """What lies beyond 500 KiB is ignored, and so is the line that the limit cuts: half a rule could refuse a whole site."""
    first = b"User-agent: *\nDisallow: /first\n"
    line = b"Disallow: /cut"
    filler = b"#" * (ROBOTS_MAX_SIZE - len(first) - len(line) + 2) + b"\n"
    robots = first + filler + line + b"\nDisallow: /later\n"

    assert robots[:ROBOTS_MAX_SIZE].endswith(b"Disallow: /")
    assert [allowed(robots, path) for path in ("/first", "/cut", "/later")] == [False, True, True]


def test_a_line_counts_up_to_16663_octets() -> None:
    """The rest of a very long line is ignored, as in Google's matcher: what is left is the rule."""
    begin = "/" + "a" * 16652

    assert decide(f"Disallow: {begin}zzz", begin).allowed is False


# Sitemaps, delays, statuses


def test_sitemaps_as_written_in_their_order() -> None:
    """Sitemap lines belong to no group and are given as written."""
    robots = b"Sitemap: /a.xml\nUser-agent: x\nsite-map: https://h/b.xml?x=1#y\nDisallow: /\nSITEMAP:\xc3\xa9.xml\nSitemap:\n"

    assert parse_robots(robots).sitemaps == ("/a.xml", "https://h/b.xml?x=1", "\u00e9.xml")


def test_crawl_delay_of_the_agents_group() -> None:
    """A Crawl-delay holds for the agents directly above it; the largest of several counts; others inherit none."""
    robots = parse_robots(
        b"User-agent: *\nCrawl-delay: 2\nUser-agent: one\nUser-agent: two\nCrawl-delay: 0.5\nDisallow: /x\nCrawl-delay: 1.5\n"
        b"User-agent: three\nDisallow: /\n"
    )

    assert [robots.crawl_delay(agent) for agent in ("one", "TWO", "three", "four")] == [1.5, 1.5, None, 2]


@pytest.mark.parametrize("key", ["Crawl-delay", "CRAWL-DELAY ", "crawldelay", "Crawl delay"])
def test_spellings_of_crawl_delay(key: str) -> None:
    """The spellings that sites use for it."""
    assert parse_robots(f"User-agent: *\n{key}: 4\n".encode()).crawl_delay("asyncrawl") == 4


@pytest.mark.parametrize("value", ["", "soon", "-1", "nan", "inf", "1 2", "1_0e999"])
def test_crawl_delays_that_are_none(value: str) -> None:
    """What is no number of seconds is ignored."""
    assert parse_robots(f"User-agent: *\nCrawl-delay: {value}\n".encode()).crawl_delay("asyncrawl") is None


@pytest.mark.parametrize(
    ("status", "open_"),
    [(404, True), (401, True), (403, True), (410, True), (308, True), (429, False), (500, False), (503, False), (0, False)],
)
def test_a_robots_txt_that_did_not_come(status: int, open_: bool) -> None:
    """A missing robots.txt allows everything, an unreachable one nothing, and both say so (RFC 9309, 2.3.1)."""
    decision = robots_for_status(status).decide("asyncrawl", HOST + "/page")

    assert decision.allowed is open_
    assert decision.line is None
    assert not status or f"({status})" in decision.rule


def test_constants_and_reasons() -> None:
    """There are ready answers for all or nothing, and ones that carry a reason of the caller."""
    assert ALLOW_ALL.decide("a", HOST).allowed
    assert REFUSE_ALL.decide("a", HOST) == (False, None, "robots.txt unavailable")
    assert allow_all("ignored").decide("a", HOST) == (True, None, "ignored")
    assert refuse_all("timeout").decide("a", HOST) == (False, None, "timeout")
    assert REFUSE_ALL.crawl_delay("a") is None
    assert (ROBOTS_MAX_AGE, ROBOTS_MAX_SIZE) == (86_400, 512_000)


def test_where_robots_txt_lies() -> None:
    """It lies at the root of the origin, port included, credentials left out."""
    assert robots_url("https://example.org") == "https://example.org/robots.txt"
    assert robots_url("http://u:p@example.org:8080/a/b?c") == "http://example.org:8080/robots.txt"
    assert robots_url("http://[::1]:81") == "http://[::1]:81/robots.txt"


def test_repr_tells_what_is_inside() -> None:
    """The repr counts agents and sitemaps, or gives the one reason."""
    assert repr(parse_robots(b"User-agent: a\nUser-agent: *\nSitemap: /s")) == "<Robots agents=2 sitemaps=1>"
    assert repr(robots_for_status(503)) == "<Robots robots.txt unavailable (503)>"


# For every input


@given(st.binary(), st.text(), st.text())
@example(b"\xff\xfe\x00", "", "")
@example(b"user-agent:\nallow:*$", "", "//")
def test_no_input_raises(body: bytes, agent: str, url: str) -> None:
    """Any bytes are a robots.txt, any text can be asked about."""
    robots = parse_robots(body)

    robots.decide(agent, url)
    robots.decide(agent, HOST + "/" + url)
    robots.crawl_delay(agent)


def reference_match(pattern: str, path: str) -> bool:
    """Google's definition step by step: all the places in the path that the pattern read so far can lead to."""
    places = {0}
    for position, character in enumerate(pattern):
        if character == "$" and position == len(pattern) - 1:
            return len(path) in places
        if character == "*":
            places = set(range(min(places), len(path) + 1))
        else:
            places = {place + 1 for place in places if path[place : place + 1] == character}
        if not places:
            return False
    return True


def reference(rules: Sequence[tuple[bool, str]], path: str) -> bool:
    """The decision by definition: the longest match, allow before disallow."""
    matching = [(len(pattern), allow) for allow, pattern in rules if pattern and reference_match(pattern, path)]
    return max(matching, default=(0, True))[1]


@given(
    st.lists(st.tuples(st.booleans(), st.text("/ab*$", max_size=8)), max_size=8),
    st.text("/ab", max_size=10),
)
@settings(max_examples=500)
@example([(False, "aa"), (False, "/*"), (True, "/")], "")
@example([(False, "/a$*$")], "a")
def test_equal_to_the_definition(rules: list[tuple[bool, str]], path: str) -> None:
    """However rules are arranged for speed, the decision is the one of the definition."""
    text = "".join(f"{'Allow' if allow else 'Disallow'}: {pattern}\n" for allow, pattern in rules)

    assert decide(text, "/" + path).allowed == reference(rules, "/" + path)


# Cost


@pytest.mark.parametrize("pattern", ["*a" * 2000 + "*b", "*a*b" * 1000 + "$", "*" * 4000 + "b"])
def test_a_hostile_pattern_costs_linear_time(pattern: str) -> None:
    """Many stars on a long path: eight times the path costs about eight times, where trying all ways would never end."""
    robots = parse_robots(f"User-agent: *\nDisallow: {pattern}\n".encode())

    def ask(length: int) -> float:
        return cpu_seconds(lambda: robots.decide("asyncrawl", HOST + "/" + "a" * length))

    assert ask(160_000) < 32 * ask(20_000) + 0.01


def test_patterns_by_the_thousand_cost_no_more_than_some() -> None:
    """The longest decide; what they leave open is refused, unless a longer rule without a star has decided."""
    lines = b"".join(b"Disallow: /*%05d*b\n" % number for number in range(6_000)) + b"Allow: /a/long/way\nDisallow: /*longest$\n"
    robots = parse_robots(b"User-agent: *\n" + lines)
    robots.decide("asyncrawl", HOST)

    assert cpu_seconds(lambda: [robots.decide("asyncrawl", HOST + "/" + "a" * 1_000) for _ in range(10)]) < 0.5
    assert robots.decide("asyncrawl", f"{HOST}/any/longest").rule == "Disallow: /*longest$"
    assert robots.decide("asyncrawl", f"{HOST}/a/long/way").allowed
    assert robots.decide("asyncrawl", f"{HOST}/any") == (False, None, "robots.txt has too many patterns to compare them all")


def test_a_star_at_the_end_costs_nothing() -> None:
    """It changes nothing but how long its rule is, so files that end every rule with one are compared as a whole."""
    lines = b"".join(b"Disallow: /a%05d*\nDisallow: /b%05d*$\n" % (number, number) for number in range(12_000))
    robots = parse_robots(b"User-agent: *\n" + lines + b"Disallow: /a0***\nAllow: /a00\nAllow: /long\nDisallow: /long*\n")

    assert robots.decide("asyncrawl", f"{HOST}/any").allowed
    assert robots.decide("asyncrawl", f"{HOST}/a01234/x").rule == "Disallow: /a01234*"
    assert robots.decide("asyncrawl", f"{HOST}/b01234").rule == "Disallow: /b01234*$"
    assert robots.decide("asyncrawl", f"{HOST}/a00").rule == "Disallow: /a0***"
    assert robots.decide("asyncrawl", f"{HOST}/longer").rule == "Disallow: /long*"
    assert cpu_seconds(lambda: [robots.decide("asyncrawl", HOST + "/" + "a" * 1_000) for _ in range(10)]) < 0.5


def test_a_prepared_file_is_read_once() -> None:
    """Reading a large file in advance leaves nothing to read, and decides the same."""
    body = b"User-agent: *\n" + b"".join(b"Disallow: /%d\n" % number for number in range(5_000))
    prepare_robots(body, "asyncrawl")
    assert parse_robots(body) is parse_robots(bytes(bytearray(body)))
    assert not parse_robots(body).decide("asyncrawl", f"{HOST}/4999").allowed
    prepare_robots(None, "asyncrawl")


def test_many_agents_with_many_rules_cost_linear_time() -> None:
    """Agents of a group share its rules, so that a full file of both is read and asked at once."""
    half = ROBOTS_MAX_SIZE // 2
    agents = b"".join(b"User-agent: %s\n" % (b"ab"[number % 2 : number % 2 + 1] * (1 + number % 50)) for number in range(half // 40))
    rules = b"".join(b"Disallow: /%d\n" % number for number in range(half // 20))

    def read(times: int) -> float:
        return cpu_seconds(lambda: parse_robots(agents[: len(agents) // 8 * times] + rules[: len(rules) // 8 * times]).decide("b", HOST))

    assert read(8) < 32 * read(1) + 0.01
