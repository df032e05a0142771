"""Scope: does this URL belong to the crawl, and by which rule not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Literal

from crawler.core.urls import Verdict, host_key
from crawler.errors import UsageError

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

ScopeKind = Literal["page", "prefix", "host", "domain", "any"]
"""The seeds alone; their directories; their hosts; their registrable domains; everything."""

# Answers about hosts are remembered, but not for every host of the web.
_MAX_REMEMBERED = 8192
# RFC 4291, 2.4 and IANA's registry: what IPv6 has given out for use on the Internet.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# RFC 6598: behind a carrier's NAT.
_SHARED = IPv4Network("100.64.0.0/10")
# RFC 6052, 2.1: the last 32 bits are an IPv4 address behind a translator.
_NAT64 = IPv6Network("64:ff9b::/96")


class Scope:
    """Admits the URLs that belong to a crawl and names the rule that refuses any other.

    `seeds` are canonical http(s) URLs. `include` and `exclude` are regular expressions searched in the whole URL: one of the
    former must match (when there are any), none of the latter may. A seed itself passes all of these rules. IP literals and
    localhost are refused as `private` unless they were a seed's host or `allow_private`; what a name stands for is judged
    where it is connected to. Raises UsageError for a pattern that is no regular expression. Judging changes nothing.
    """

    def __init__(
        self,
        seeds: Sequence[str],
        kind: ScopeKind = "host",
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        max_url_length: int = 2083,
        allow_private: bool = False,
    ) -> None:
        self.seeds = tuple(seeds)
        self.kind: ScopeKind = kind
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.max_url_length = max_url_length
        self.allow_private = allow_private
        self._always = frozenset(self.seeds)
        self._hosts = {host_key(seed): None for seed in self.seeds}
        self._seed_hosts = frozenset(self._hosts)
        self._includes = [_compiled("include", pattern).search for pattern in self.include]
        self._excludes = [(_compiled("exclude", pattern).search, f"exclude {pattern}") for pattern in self.exclude]
        self._private: dict[str, str | None] = {}
        self._suffixes: PublicSuffixList | None = None
        self._outside = self._rule_of_kind()

    def judge(self, url: str, host: str) -> Verdict | None:
        """None when a canonical URL with its host key is admitted, otherwise the reason and the deciding rule in words.

        The order is scheme, too_long, scope, exclude, include, private; the first that refuses decides.
        """
        return self._judged(url, host, self._refused_by_rules)

    def judge_requisite(self, url: str, host: str) -> Verdict | None:
        """The same for a part of a page, such as an image, which may lie on any host: a page without its styles is none. Only
        scheme, too_long, exclude and private refuse."""
        return self._judged(url, host, self._refused_anywhere)

    def _judged(self, url: str, host: str, refused: Callable[[str, str], Verdict | None]) -> Verdict | None:
        if not url.startswith(("http://", "https://")):
            return "scheme", url.partition(":")[0]
        if url not in self._always and (verdict := refused(url, host)):
            return verdict
        if host in self._seed_hosts or self.allow_private:
            return None
        detail = self._private_detail(host)
        return ("private", detail) if detail else None

    def outside_host(self, host: str) -> str | None:
        """Why nothing at all of a host belongs to the crawl; None when something may. Patterns and paths do not matter."""
        if self.kind in ("any", "domain"):
            return self._outside("", host)
        return None if host in self._hosts else f"host is not {_listed(self._hosts)}"

    def widened(self, url: str) -> Scope:
        """This scope with the URL taken in like a seed: where a redirect from a seed has led.

        A private address is not: a site that anybody may crawl must not open the network of whoever crawls it.
        """
        wider = copy(self)
        wider.seeds = (*self.seeds, url)
        wider._always = self._always | {url}
        wider._hosts = {**self._hosts, host_key(url): None}
        wider._outside = wider._rule_of_kind()
        return wider

    def __repr__(self) -> str:
        return f"<Scope {self.kind} of {_listed(self._hosts)} include={len(self.include)} exclude={len(self.exclude)}>"

    def _refused_by_rules(self, url: str, host: str) -> Verdict | None:
        if len(url) > self.max_url_length:
            return "too_long", f"{len(url):,} characters"
        if outside := self._outside(url, host):
            return "scope", outside
        if verdict := self._refused_anywhere(url, host):
            return verdict
        if self._includes and not any(search(url) for search in self._includes):
            return "scope", "no include matches"
        return None

    def _refused_anywhere(self, url: str, host: str) -> Verdict | None:
        if len(url) > self.max_url_length:
            return "too_long", f"{len(url):,} characters"
        return next((("scope", rule) for search, rule in self._excludes if search(url)), None)

    def _private_detail(self, host: str) -> str | None:
        try:
            return self._private[host]
        except KeyError:
            if len(self._private) >= _MAX_REMEMBERED:
                self._private.clear()
            detail = self._private[host] = private_host(host)
            return detail

    def _rule_of_kind(self) -> Callable[[str, str], str | None]:
        """The function that says why a URL lies outside, or None."""
        match self.kind:
            case "any":
                return lambda url, host: None
            case "page":
                return lambda url, host: "not a seed"
            case "host":
                return _hosts_rule(self._hosts)
            case "prefix":
                return _prefix_rule(self.seeds)
            case "domain":
                if self._suffixes is None:
                    from publicsuffixlist import PublicSuffixList  # 0.07 s: only for those who ask for it

                    self._suffixes = PublicSuffixList()
                return _domain_rule(self._hosts, self._suffixes)


def _hosts_rule(hosts: Mapping[str, None]) -> Callable[[str, str], str | None]:
    outside = f"host is not {_listed(hosts)}"
    return lambda url, host: None if host in hosts else outside


def _prefix_rule(seeds: Iterable[str]) -> Callable[[str, str], str | None]:
    """The directory of a seed is its path up to the last slash."""
    folders: dict[str, tuple[str, ...]] = {}
    for seed in seeds:
        path = _path(seed)
        folders[host_key(seed)] = (*folders.get(host_key(seed), ()), path[: path.rindex("/") + 1])
    not_host = f"host is not {_listed(folders)}"
    not_under = {host: f"path is not under {_listed(of_host)}" for host, of_host in folders.items()}

    def outside(url: str, host: str) -> str | None:
        of_host = folders.get(host)
        if of_host is None:
            return not_host
        return None if _path(url).startswith(of_host) else not_under[host]

    return outside


def _domain_rule(hosts: Iterable[str], suffixes: PublicSuffixList) -> Callable[[str, str], str | None]:
    domains = {registrable_domain(host, suffixes): None for host in hosts}
    text = f"domain is not {_listed(domains)}"
    remembered: dict[str, str | None] = {}

    def outside(url: str, host: str) -> str | None:
        try:
            return remembered[host]
        except KeyError:
            if len(remembered) >= _MAX_REMEMBERED:
                remembered.clear()
            answer = remembered[host] = None if registrable_domain(host, suffixes) in domains else text
            return answer

    return outside


def registrable_domain(host: str, suffixes: PublicSuffixList) -> str:
    """The part of a host key that somebody registered: example.co.uk for www.example.co.uk:8080 (publicsuffix.org).

    An IP address, a name of one label and a public suffix itself stand for themselves.
    """
    name = _hostname(host)
    # IP addresses first: the list takes "0.1" for a registrable part of 10.0.0.1.
    if _address(name) is not None:
        return name
    domain: str | None = suffixes.privatesuffix(name)
    return domain or name


def private_host(host: str) -> str | None:
    """Why a host key is of no public host, such as "10.0.0.1 is a private address"; None for public addresses and for names."""
    name = _hostname(host)
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
        return f"{name} is this machine"
    address = _address(name)
    kind = private_kind(address) if address is not None else None
    return f"{name} is {kind}" if kind else None


def private_kind(address: IPv4Address | IPv6Address) -> str | None:
    """What a non-public address is, such as "a private address"; None for a public one (IANA special-purpose registries).

    An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4) is what that one is.
    """
    if isinstance(address, IPv6Address) and (inner := _inner(address)) is not None:
        return private_kind(inner)
    if address.is_unspecified:
        return "an unspecified address"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if isinstance(address, IPv4Address) and address in _SHARED:
        return "a carrier's shared address"
    if not address.is_global:
        return "a private address"
    return "a reserved address" if address.version == 6 and address not in _GLOBAL_UNICAST else None


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _path(url: str) -> str:
    """The path of a canonical http(s) URL, which always has one."""
    return url[url.index("/", 8) :].partition("?")[0]


def _hostname(host: str) -> str:
    """A host key without its port, brackets and final dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _address(name: str) -> IPv4Address | IPv6Address | None:
    if ":" not in name and not name[-1:].isdigit():
        return None  # WHATWG URL, 3.5: a host that ends in a number is an IPv4 address, and no other is
    try:
        return ip_address(name)
    except ValueError:
        return None


def _listed(names: Iterable[str]) -> str:
    """A few names in one phrase: "a", "a or b", "a, b or 7 others"."""
    some = list(dict.fromkeys(names))
    if len(some) > 3:
        some = [*some[:2], f"{len(some) - 2} others"]
    return " or ".join(filter(None, (", ".join(some[:-1]), *some[-1:])))


def _compiled(option: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        why = str(error)
        position = getattr(error, "pos", None)
        if position is not None and pattern.isprintable():
            why = f"{error.msg}, here:\n    {pattern}\n    {' ' * position}^"  # type: ignore[union-attr]
        hint = "a backslash before a character that is meant as itself: \\? \\+ \\( \\["
        raise UsageError(f"{option} {pattern!r} is not a regular expression", why, hint) from None
