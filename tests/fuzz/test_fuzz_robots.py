"""robots.txt, whatever lies at that address."""

from __future__ import annotations

from fuzzing import assert_linear, fuzz, soup
from hypothesis import strategies as st

from crawler.core.robots import parse_robots
from crawler.core.robots_lines import ROBOTS_MAX_SIZE

# fmt: off
LINES = (
    "User-agent: *\n", "User-agent: asyncrawl\n", "user agent asyncrawl\n", "Useragent:AsynCrawl/2.0\n", "Disallow: /\n", "Disallow:\n",
    "disalow: /a*b$\n", "Allow: /a\n", "Allow: /index.html\n", "Allow: *.php$\n", "Disallow: /%7e%2F%zz\n", "Disallow: /ü\n",
    "Crawl-delay: 5\n", "crawl-delay: 1e400\n", "Sitemap: /s.xml\n", "Sitemap:\n", "<html>\n", "# User-agent: *\n", "\n", "\r", "\r\n",
    "\0", "\ufeff", "\u2028", ":", "*", "$", "/", "a", " ", "\t", "#", "User-agent", "Disallow", "host: x\n",
)
# fmt: on
files = soup(*LINES).map(lambda text: text.encode("utf-8", "replace")) | st.binary()
urls = (
    soup("/", "a", "b", "?", "#", "%7e", "%2f", "*", "$", "//", "://", ";", "é", "index.html", ".php", most=8).map("https://h".__add__)
    | st.text()
)
agents = st.sampled_from(["asyncrawl", "AsynCrawl", "*", "", "googlebot"]) | st.text(max_size=5)


@fuzz(files, agents, urls)
def test_any_bytes_are_a_robots_txt(body: bytes, agent: str, url: str) -> None:
    """Nothing raises; who is refused is refused by a line that is there, and what it says is what the decision says."""
    robots = parse_robots(body)
    allowed, line, rule = robots.decide(agent, url)
    assert (line is None) == (rule == "no rule matches")
    if line is not None and body.isascii() and b"\0" not in body:
        text = body.splitlines()[line - 1].decode()
        assert rule.partition(": ")[2] in text
        assert rule.startswith("Allow") == allowed
    delay = robots.crawl_delay(agent)
    assert delay is None or 0 <= delay < float("inf")
    assert all(robots.sitemaps)


@fuzz(soup(*LINES).filter(lambda text: "\0" not in text), agents, urls)
def test_the_encoding_changes_nothing(text: str, agent: str, url: str) -> None:
    """With and without byte order mark, in UTF-8 and in UTF-16, a file says the same."""
    text = "# robots\n" + text.encode("utf-8", "replace").decode()
    decisions = {
        parse_robots(body).decide(agent, url)
        for body in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16"), text.encode("utf-16-le"), text.encode("utf-16-be"))
    }
    assert len(decisions) == 1


@fuzz(soup(*LINES, most=10), soup(*LINES, most=10), urls)
def test_nobody_else_changes_what_holds_for_us(ours: str, theirs: str, url: str) -> None:
    """Rules of other agents in front change nothing for an agent that is named."""
    keep = [line for line in theirs.splitlines() if not any(word in line.lower() for word in ("agent", "asyncrawl"))]
    ours = f"User-agent: asyncrawl\n{ours}"
    alone = parse_robots(ours.encode("utf-8", "replace")).decide("asyncrawl", url)
    with_others = parse_robots("\n".join(["User-agent: other", *keep, "", ours]).encode("utf-8", "replace")).decide("asyncrawl", url)
    assert with_others[::2] == alone[::2]


@fuzz(
    st.sampled_from(LINES) | soup(*LINES, most=3),
    st.sampled_from(["", "User-agent: *\n", "User-agent: *\nDisallow: ", "User-agent: *\nDisallow: /*a"]),
)
def test_no_file_and_no_pattern_stalls_a_crawl(piece: str, before: str) -> None:
    """Twice the file, or twice the URL, takes twice the time."""

    def read(text: str) -> None:
        robots = parse_robots(text.encode("utf-8", "replace"))
        robots.decide("asyncrawl", "https://h/" + "a" * 2000)
        robots.crawl_delay("asyncrawl")

    assert_linear(read, before, piece)
    pattern = parse_robots(f"{before}{piece * 200}".encode("utf-8", "replace")[:ROBOTS_MAX_SIZE])
    assert_linear(lambda url: pattern.decide("asyncrawl", url), "https://h/", piece)
