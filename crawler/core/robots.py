"""robots.txt: its text becomes rules, and rules become a decision with the line that made it (RFC 9309).

Where the RFC leaves room this reads a file as Google's open-source matcher does, which most sites are written for: which
misspelt directives count, what a user-agent line names, how long a line may be. In one place it is stricter than either:
RFC 9309 takes `%62` for `b` and `%24` for `$` in a URL, Google's matcher does not, and what one of the two refuses is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from crawler.core.robots_lines import CRAWL_DELAY, DISALLOW, SITEMAP, USER_AGENT, key_and_value, lines_of
from crawler.text import without_controls

# RFC 9309, 2.4: a cached robots.txt should not be used for more than a day.
ROBOTS_MAX_AGE = 24 * 60 * 60
# How long an older one is used that cannot be read again.
ROBOTS_ASKED_AGAIN = 60 * 60
# What a decision may cost: of patterns with stars so many parts are compared, the longest patterns first.
_MOST_PARTS = 4_000
LARGE_ROBOTS = 16 * 1024
"""Bytes of a robots.txt from which on `prepare_robots` is worth its while."""
_product_token = re.compile(rb"[A-Za-z_-]*").match
_path_begin = re.compile("[/?;]").search
_escape = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, 2.3


class Decision(NamedTuple):
    """Whether a URL may be asked for, the number of the line that decided (None: no line did), and the rule in words."""

    allowed: bool
    line: int | None
    rule: str


class _Rule(NamedTuple):
    pattern: str
    decision: Decision


_NO_RULE = Decision(True, None, "no rule matches")
_TOO_MANY = Decision(False, None, "robots.txt has too many patterns to compare them all")


class Robots:
    """The rules of one robots.txt. Made by `parse_robots`, or from a status by `robots_for_status`."""

    def __init__(self, sitemaps: tuple[str, ...] = (), always: Decision | None = None) -> None:
        self.sitemaps = sitemaps
        """The addresses of its Sitemap lines, as written."""
        self._always = always
        # Lists are shared by all agents of a group, so that many agents with many rules stay linear in the size of the file.
        self._rules: dict[str, list[list[_Rule]]] = {}
        self._delays: dict[str, list[list[float]]] = {}
        self._readings: dict[str, _Readings] = {}

    def decide(self, agent: str, url: str) -> Decision:
        """Whether `agent` (a product token such as "asyncrawl", in any case) may ask for an absolute, percent-encoded URL.

        The groups that name the agent are merged; without one, those for `*` hold. The longest matching rule decides, allow
        before disallow (RFC 9309, 2.2.1-2.2.3). The time is linear in the length of the URL and the size of the rules, of which
        patterns beyond some thousand are taken to refuse whatever the longest do not decide.
        /robots.txt itself is implicitly allowed (2.2.2): asking for it needs no decision, and none is invented here.
        """
        if self._always is not None:
            return self._always
        readings = self._readings.get(agent)
        if readings is None:
            readings = self._readings[agent] = self._prepared(agent)
        return readings.decide(_path(url)) if readings.has_rules else _NO_RULE

    def _prepared(self, agent: str) -> _Readings:
        """The rules that hold for an agent, ready for many decisions."""
        groups = self._rules.get(agent.lower(), self._rules.get("*", []))
        return _Readings([rule for group in groups for rule in group])

    def crawl_delay(self, agent: str) -> float | None:
        """The seconds that the agent's groups ask for between two requests, the largest of several, or None.

        No part of RFC 9309; a Crawl-delay holds for the user-agent lines directly above it and ends no group.
        """
        name = agent.lower()
        groups = self._delays.get(name if name in self._rules else "*", [])
        return max((delay for group in groups for delay in group), default=None)

    def __repr__(self) -> str:
        if self._always is not None:
            return f"<Robots {self._always.rule}>"
        return f"<Robots agents={len(self._rules)} sitemaps={len(self.sitemaps)}>"

    @classmethod
    def _parsed(cls, lines: Iterable[bytes]) -> Self:
        """Reads the lines one by one; only Allow and Disallow end a row of user-agent lines (RFC 9309, 2.2.1 and 2.2.4)."""
        robots = cls()
        sitemaps: list[str] = []
        rules: list[_Rule] = []
        delays: list[float] = []
        rules_ended = delays_ended = True
        for number, line in enumerate(lines, 1):
            key, value = key_and_value(line)
            if key.startswith(USER_AGENT):
                if rules_ended:
                    rules, rules_ended = [], False
                if delays_ended:
                    delays, delays_ended = [], False
                robots._join(_agent(value), rules, delays)
            elif key.startswith(b"allow"):
                rules.extend(_allow_rules(value, number))
                rules_ended = delays_ended = True
            elif key.startswith(DISALLOW):
                rules.extend(_rule(value, Decision(False, number, f"Disallow: {_text(value)}")))
                rules_ended = delays_ended = True
            elif key.startswith(CRAWL_DELAY):
                delays.extend(_seconds(value))
                delays_ended = True
            elif key.startswith(SITEMAP) and value:
                sitemaps.append(_text(value))
        robots.sitemaps = tuple(sitemaps)
        return robots

    def _join(self, agent: str, rules: list[_Rule], delays: list[float]) -> None:
        """Puts an agent into the groups being read, once."""
        rule_groups, delay_groups = self._rules.setdefault(agent, []), self._delays.setdefault(agent, [])
        if not rule_groups or rule_groups[-1] is not rules:
            rule_groups.append(rules)
        if not delay_groups or delay_groups[-1] is not delays:
            delay_groups.append(delays)


def parse_robots(body: bytes) -> Robots:
    """The rules of a robots.txt, whatever its line ends, byte order mark or encoding (UTF-8, UTF-16). Never raises.

    Reads the first 500 KiB; a line cut by that limit is dropped. What is no rule, such as HTML, is passed over.
    """
    return _remembered(body) if len(body) > LARGE_ROBOTS else _parsed(body)


def prepare_robots(body: bytes | None, agent: str) -> None:
    """Reads a large robots.txt, which takes up to half a second, so that `parse_robots` and the first decision soon take none."""
    if body is not None and len(body) > LARGE_ROBOTS:
        parse_robots(body).decide(agent, "/")


# Asked three times for the same: in advance, for its sitemaps, for its rules.
@lru_cache(maxsize=8)
def _remembered(body: bytes) -> Robots:
    return _parsed(body)


def _parsed(body: bytes) -> Robots:
    return Robots._parsed(lines_of(body))


def allow_all(rule: str) -> Robots:
    """Robots that allow everything, with the reason as the rule of every decision."""
    return Robots(always=Decision(True, None, rule))


def refuse_all(rule: str) -> Robots:
    """Robots that refuse everything, with the reason as the rule of every decision."""
    return Robots(always=Decision(False, None, rule))


ALLOW_ALL = allow_all("no robots.txt")
REFUSE_ALL = refuse_all("robots.txt unavailable")


def robots_for_status(status: int) -> Robots:
    """What holds when robots.txt was answered with a status other than 2xx, or with none (0).

    A 4xx allows everything; 5xx, 429 and no answer refuse everything (RFC 9309, 2.3.1.3 and 2.3.1.4; 429 as Google reads it).
    A 3xx is what remains of too many redirects and allows everything (2.3.1.2).
    """
    if 300 <= status < 500 and status != 429:
        return allow_all(f"no robots.txt ({status})")
    return refuse_all(f"robots.txt unavailable ({status})" if status else REFUSE_ALL.decide("", "").rule)


def robots_url(origin: str) -> str:
    """Where the robots.txt of an origin, or of any URL of it, lies (RFC 9309, 2.3)."""
    parts = urlsplit(origin)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/robots.txt"


class _Readings:
    """An agent's rules as Google's matcher compares them and as RFC 9309, 2.2.2 does: the stricter answer holds."""

    __slots__ = ("_literal", "_normal", "has_rules")

    def __init__(self, rules: Sequence[_Rule]) -> None:
        self.has_rules = bool(rules)
        self._literal = _Table(rules)
        normal = [_Rule(_normal_pattern(rule.pattern), rule.decision) for rule in rules]
        self._normal = _Table(normal) if normal != rules else self._literal

    def decide(self, path: str) -> Decision:
        decision = self._literal.best(path)
        if not decision.allowed:
            return decision
        normal = _normal_path(path)
        if normal == path and self._normal is self._literal:
            return decision
        strict = self._normal.best(normal)
        return decision if strict.allowed else strict


class _Table:
    """Rules arranged for quick answers: plain prefixes by their text, patterns by falling length."""

    __slots__ = ("_lengths", "_patterns", "_prefixes", "_uncompared")

    def __init__(self, rules: Sequence[_Rule]) -> None:
        # Of rules with equal text Allow holds (RFC 9309, 2.2.2), then the first; longer ones come first.
        ordered = sorted(rules, key=lambda rule: (-len(rule.pattern), not rule.decision.allowed))
        self._prefixes: dict[str, tuple[int, Decision]] = {}  # by their text: how long the rule is, and what it says
        self._patterns: list[tuple[int, list[str], bool, Decision]] = []
        seen: set[str] = set()
        for pattern, decision in ordered:
            if pattern in seen:
                continue
            seen.add(pattern)
            # Stars at the end make a rule longer and change nothing else.
            text = (pattern[:-1] if pattern.endswith("*$") else pattern).rstrip("*")
            anchored = text == pattern and text.endswith("$")
            if "*" in text or anchored:
                parts = (text[:-1] if anchored else text).split("*")
                parts[1:-1] = filter(None, parts[1:-1])
                self._patterns.append((len(pattern), parts, anchored, decision))
            else:
                self._prefixes.setdefault(text, (len(pattern), decision))
        self._uncompared = self._within_bounds()
        longest: dict[int, int] = {}  # of the prefixes of one length the longest rule
        for text, (length, _) in self._prefixes.items():
            longest[len(text)] = max(length, longest.get(len(text), 0))
        self._lengths = sorted(((rule, length) for length, rule in longest.items()), reverse=True)

    def _within_bounds(self) -> int:
        """Drops the patterns that are too many; returns the length of the longest of them."""
        parts = 0
        for number, (length, pattern, _, _) in enumerate(self._patterns):
            parts += len(pattern)
            if parts > _MOST_PARTS:
                del self._patterns[number:]
                return length
        return 0

    def best(self, path: str) -> Decision:
        """The decision of the longest rule that matches."""
        found, found_length = _NO_RULE, 0
        for longest, length in self._lengths:
            if longest < found_length or (longest == found_length and found.allowed):
                break
            rule_length, decision = self._prefixes.get(path[:length], (0, _NO_RULE))
            if rule_length > found_length or (rule_length == found_length and decision.allowed):
                found, found_length = decision, rule_length
        for length, parts, anchored, decision in self._patterns:
            if length < found_length or (length == found_length and found.allowed):
                break
            if _matches(path, parts, anchored):
                return decision
        return _TOO_MANY if found_length < self._uncompared else found


def _matches(path: str, parts: Sequence[str], anchored: bool) -> bool:
    """Whether the parts occur in the path one after the other, the first at its beginning; anchored: the last at its end.

    Taking each part where it first occurs never misses a match, so nothing is tried twice.
    """
    first, last = parts[0], parts[-1]
    if not path.startswith(first):
        return False
    position = len(first)
    if len(parts) == 1:
        return not anchored or position == len(path)
    for part in parts[1:-1]:
        position = path.find(part, position)
        if position < 0:
            return False
        position += len(part)
    if anchored:
        return len(path) - len(last) >= position and path.endswith(last)
    return path.find(last, position) >= 0


def _agent(value: bytes) -> str:
    """The product token a user-agent line names, in lower case; `*` may be followed by blank and more."""
    if value[:1] == b"*" and not value[1:2].strip():
        return "*"
    token = _product_token(value)
    return token.group().decode("ascii").lower() if token else ""


def _rule(value: bytes, decision: Decision) -> list[_Rule]:
    """A rule with its pattern as URLs are written: octets beyond ASCII encoded, hex digits in upper case. An empty one is none."""
    pattern = "".join(chr(octet) if octet < 0x80 else f"%{octet:02X}" for octet in value) if not value.isascii() else value.decode("ascii")
    return [_Rule(_upper(pattern), decision)] if pattern else []


def _allow_rules(value: bytes, number: int) -> list[_Rule]:
    """An Allow rule; one for a directory's index.htm(l) allows the directory itself too, as with Google."""
    decision = Decision(True, number, f"Allow: {_text(value)}")
    rules = _rule(value, decision)
    folder, slash, name = value.rpartition(b"/")
    if slash and name.startswith(b"index.htm"):
        rules += _rule(folder + b"/$", decision)
    return rules


def _seconds(value: bytes) -> list[float]:
    """The value of a Crawl-delay line, when it is a number of seconds."""
    try:
        seconds = float(value)
    except ValueError:
        return []
    return [seconds] if 0 <= seconds < float("inf") else []


def _path(url: str) -> str:
    """What rules are compared with: path, parameters and query, hex digits in upper case. "/" where a URL has none."""
    start = 2 if url.startswith("//") else 0
    scheme = url.find("://", start)
    first = _path_begin(url, start)
    if scheme >= 0 and (first is None or first.start() > scheme):
        start = scheme + 3
        first = _path_begin(url, start)
    if first is None:
        return "/"
    begin, end = first.start(), url.find("#")
    if 0 <= end < begin:
        return "/"
    path = url[begin:end] if end >= 0 else url[begin:]
    if "%" in path:
        path = _upper(path)
    return path if path[0] == "/" else "/" + path


def _upper(text: str) -> str:
    return _escape.sub(lambda escape: escape.group().upper(), text) if "%" in text else text


def _normal_path(path: str) -> str:
    """Escapes of unreserved characters decoded (RFC 9309, 2.2.2), `*` and `$` encoded, which a rule must write so (2.2.3)."""
    if "%" in path:
        path = _escape.sub(_decode_escape, path)
    return path.replace("*", "%2A").replace("$", "%24")


def _normal_pattern(pattern: str) -> str:
    """The same for a rule, in which `*` and a last `$` have a meaning of their own."""
    if "%" in pattern:
        pattern = _escape.sub(_decode_escape, pattern)
    return pattern[:-1].replace("$", "%24") + pattern[-1:]


def _decode_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape.group()[1:], 16))
    return character if character in _UNRESERVED else escape.group()


def _text(value: bytes) -> str:
    return without_controls(value.decode("utf-8", "replace"))
