"""URLs: resolved as browsers do, one canonical form, ids, hosts, seeds, and a page's links in one go.

Resolving is the WHATWG URL Standard (ada); the canonical form adds only rules that cannot make two pages into one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

import ada_url
import xxhash

from crawler.errors import UsageError
from crawler.model import SkipReason
from crawler.redaction import redact

CANONICAL_RULES = 1
"""Version of the rules of `canonical`. Ids are hashes of canonical URLs, so folders with another version do not mix."""

Verdict = tuple[SkipReason, str]
"""Why a URL is refused: the reason and the rule or value that decided."""

# Those that rules 4 and 5 change: in lower case, or of an unreserved character. URLs of thousands of others take no time.
_TRIPLET = re.compile(r"%(?:[a-f][0-9A-Fa-f]|[0-9A-F][a-f]|2[DE]|3[0-9]|[46][1-9A-F]|5[0-9AF]|7[0-9AE])")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def resolve(href: str, base: str) -> str | None:
    """The URL that `href` means on a page whose base URL is `base`, or None when the standard refuses it.

    Fragments stay, and any scheme may come out: callers judge both. An empty `base` is none at all: only absolute URLs
    resolve then. Source: WHATWG URL, 4.4 (basic URL parser); lone surrogates become U+FFFD as in every DOM string.
    """
    try:
        return ada_url.join_url(base, href) if base else ada_url.URL(href).href
    except ValueError:
        if _LONE_SURROGATE.search(href) or _LONE_SURROGATE.search(base):
            return resolve(_LONE_SURROGATE.sub("\ufffd", href), _LONE_SURROGATE.sub("\ufffd", base))
        return None


def canonical(url: str, strip_query: frozenset[str] = frozenset()) -> str:
    """The one spelling under which a URL is known, stored and compared.

    The rules, each of which keeps different pages different:

    1. The URL Standard's serialisation: scheme and host in lower case, IDN as punycode, IPv4 in dots, default port
       dropped, empty path as `/`, dot segments and backslashes resolved, tabs and newlines dropped, what must be
       percent-encoded is.
    2. The fragment is dropped: it is never sent.
    3. User name and password are dropped: they name no other resource (RFC 9110, 4.2.4), would double a whole site through
       its relative links, and do not belong in a database.
    4. `%2f` becomes `%2F` (RFC 3986, 6.2.2.1).
    5. `%7E` becomes `~`, and so for all unreserved characters (RFC 3986, 6.2.2.2), unless the URL also has a `%` that is no
       triplet: decoding could then make a new triplet (`%%36%31`).
    6. Query parameters whose key is in `strip_query` are dropped, with the `?` when nothing is left. An entry may end with
       `*`: `utm_*`. Keys are compared as they are written, case included.

    `/a` and `/a/`, `/a` and `/a?`, the order of parameters, `+` and `%20`, doubled slashes and a dot after the host stay
    different. URLs of other schemes, which nobody asks for, keep rules 1 and 2, and `***` for a login. Raises ValueError when the
    standard refuses the URL.
    """
    resolved = resolve(url, "")
    if resolved is None:
        raise ValueError(f"not a URL: {url!r}")
    return _tidy(resolved, strip_query)


def _tidy(url: str, strip_query: frozenset[str]) -> str:
    """Rules 2 to 6 for a URL that the standard has serialised."""
    url = url.partition("#")[0]
    if not url.startswith(("http://", "https://")):
        return redact(url)
    if "@" in url:
        scheme, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        url = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    if "%" in url:
        url = _TRIPLET.sub(_upper if _BARE_PERCENT.search(url) else _upper_or_decoded, url)
    return _without_parameters(url, strip_query) if strip_query and "?" in url else url


def _upper(triplet: re.Match[str]) -> str:
    return triplet[0].upper()


def _upper_or_decoded(triplet: re.Match[str]) -> str:
    character = chr(int(triplet[0][1:], 16))
    return character if character in _UNRESERVED else triplet[0].upper()


def _without_parameters(url: str, strip_query: frozenset[str]) -> str:
    path, _, query = url.partition("?")
    prefixes = tuple(key[:-1] for key in strip_query if key.endswith("*"))
    pairs = query.split("&")
    kept = [pair for pair in pairs if (key := pair.partition("=")[0]) not in strip_query and not key.startswith(prefixes)]
    if len(kept) == len(pairs):
        return url
    return f"{path}?{'&'.join(kept)}" if kept else path


def fingerprint(url: str) -> int:
    """The id of a canonical URL: its 64-bit xxh3 as a signed number, which fits SQLite's INTEGER."""
    number = xxhash.xxh3_64_intdigest(url.encode())
    return number - (1 << 64) if number >= 1 << 63 else number


def host_key(url: str) -> str:
    """The unit of politeness of a canonical http(s) URL: its hostname, and its port unless it is the scheme's own.

    `http://h/` and `https://h/` share "h"; `http://h:8080/` gives "h:8080"; IPv6 stays in brackets. "" for other schemes.
    """
    if url.startswith("https://"):
        return url[8:].partition("/")[0]
    if url.startswith("http://"):
        return url[7:].partition("/")[0]
    return ""


def origin(url: str) -> str:
    """`scheme://host[:port]` of a canonical http(s) URL: what robots.txt, credentials and cookies belong to."""
    return url[: url.index("/", 8)]


_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=:)", re.IGNORECASE | re.ASCII)
_HOST_AND_PORT = re.compile(r"[^/?#:\s]+:\d+(?=[/?#]|$)", re.ASCII)
_LOOPBACK = re.compile(r"(?:localhost|[^/?#:]+\.localhost|127(?:\.\d+){3}|\[::1\])(?=[:/?#]|$)", re.IGNORECASE | re.ASCII)
_WITHOUT_COLON = re.compile(r"(https?)//+", re.IGNORECASE | re.ASCII)
_PORT = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*):(.+)")
_EXAMPLE = "crawler https://example.org"
_SERVED = "python3 -m http.server, and crawler http://127.0.0.1:8000/"
_CREDENTIALS = re.compile(r"(?:https?:)?(?://)?[^/?#]*@([^/?#]*)", re.IGNORECASE | re.ASCII)


def normalize_seed(text: object) -> str:
    """The canonical URL of what somebody typed as a seed.

    Without a scheme it is a host: https, or http on this machine (`localhost:8000`, `127.0.0.1`), where certificates are
    rare. White space around it is dropped, spaces in a path are encoded, international names become punycode. Raises
    UsageError for what is no text, other schemes (naming the likely one), invisible characters, credentials, and what the
    standard refuses.
    """
    if not isinstance(text, str):
        raise UsageError(f"seed {text!r} is no text", "a seed is a URL or a host name", _EXAMPLE)
    seed = text.strip()
    shown = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in seed)
    if shown != seed:
        raise UsageError(f"seed '{shown}' holds an invisible character", "no URL has one; a line may have been broken", "type it anew")
    if not seed or (seed[0] in "./?#\\" and not seed.startswith("//")):
        raise UsageError(f"seed '{seed}' names no host", "a seed is a URL or a host name", _EXAMPLE)
    scheme = match[0].lower() if (match := _SCHEME.match(seed)) else ""
    if scheme != "mailto" and (found := _CREDENTIALS.match(seed)):
        why = "URLs are stored and shown, so they carry none"
        raise UsageError(f"seed for {found[1]} holds a user name or password", why, "--auth-env NAME, with user:password in $NAME")
    if not scheme or _HOST_AND_PORT.match(seed):
        if without_colon := _WITHOUT_COLON.match(seed):
            raise _not_a_seed(seed, "a colon is missing", f"{without_colon[1]}://{seed[without_colon.end() :]}")
        rest = seed.removeprefix("//")
        seed = f"{'http' if _LOOPBACK.match(rest) else 'https'}://{rest}"
    elif scheme not in ("http", "https"):
        likely = get_close_matches(scheme, ("http", "https"), 1) or ["https"] * ("://" in seed and ":///" not in seed)
        hint = f"{likely[0]}://{seed[len(scheme) + 1 :].lstrip('/')}" if likely else _EXAMPLE
        hint = _SERVED if scheme == "file" else hint
        raise _not_a_seed(seed, f"only http and https can be crawled, not {scheme}", hint)
    try:
        return canonical(seed)
    except ValueError:
        raise _not_a_seed(text.strip(), _fault(seed), _EXAMPLE) from None


def _not_a_seed(seed: str, why: str, hint: str) -> UsageError:
    return UsageError(f"seed '{seed}' cannot be crawled", why, hint)


def _fault(url: str) -> str:
    """Why the standard refuses an http(s) URL, as far as it can be told."""
    authority = re.split(r"[/?#\\]", url.partition(":")[2].lstrip("/\\"), maxsplit=1)[0]
    port = match[1] if (match := _PORT.fullmatch(authority)) else ""
    if not authority:
        return "it names no host"
    if " " in authority:
        return f"there is a space in the host '{authority}'"
    if port and not (port.isascii() and port.isdigit() and int(port[:9]) < 65536):
        return f"the port '{port}' is no number up to 65535"
    return f"the host '{authority}' is none by the URL standard"


class Target(NamedTuple):
    """Where a link leads: the canonical URL with its id and host ("" unless http(s)), and why it is refused, or None."""

    id: int
    url: str
    host: str
    refusal: Verdict | None


# Stands for "not in the cache", where None is an answer.
_UNKNOWN = Target(0, "", "", None)

# These hold their content themselves: there is no address that somebody could ask for.
_HOLDS_CONTENT = re.compile(r"(?:javascript|data|about|blob):", re.IGNORECASE | re.ASCII).match

# A relative path is what the standard's path state would append to the directory of the base. Only a colon, or its first character, could
# make an href anything else: a scheme, a host, a query, a fragment, dots, white space that is stripped; or nothing, which is in here too.
_NO_PATH = "".join(map(chr, range(33))) + "/\\?#."
# What the standard changes nothing of, but for dot segments and two slashes at the start.
_PLAIN = re.compile(r"/[A-Za-z0-9/_.~?=&-]*+").fullmatch
_OTHER_SCHEME = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*:", re.IGNORECASE | re.ASCII).match

# Longer hrefs are not remembered: one cache entry should not weigh as much as a page.
_LONGEST_KEY = 2048
# Nobody serves longer ones: they are no addresses.
_LONGEST_HREF = 64 * 1024

_Answers = dict[str, Target | None]


class Resolver:
    """Turns the hrefs of a page into targets, remembering those it has seen.

    A site repeats its links on every page, so most answers are one look-up. Equal to
    `canonical(resolve(href, base), strip_query)` for every base and href, only faster. `judge(url, host)` is asked once for
    an entry and its verdict is kept with it: call `forget` when the verdicts change.

    The cache holds at most `max_entries` and drops the older half when it is full. Its keys are absolute hrefs and paths
    from the root of the base's origin: a key with the directory in it would miss on every new directory. A query or nothing
    (`?x`, `#x`, empty) resolves against the page itself, so those keys hold the path of the page.
    """

    def __init__(
        self, judge: Callable[[str, str], Verdict | None], strip_query: frozenset[str] = frozenset(), max_entries: int = 65536
    ) -> None:
        self._judge = judge
        self._strip_query = strip_query
        self._half = max(1, max_entries // 2)
        self.forget()

    def forget(self) -> None:
        """Drops every answer, so that `judge` is asked anew."""
        self._young: dict[str, _Answers] = {}
        self._old: dict[str, _Answers] = {}
        self._count = 0

    def __len__(self) -> int:
        return sum(len(answers) for generation in (self._young, self._old) for answers in generation.values())

    def targets(self, base: str, hrefs: Sequence[str]) -> list[Target | None]:
        """One target for each href, in order. None: the standard refuses it, or it is no address (`javascript:`, `data:`,
        `about:`, `blob:`, more than 64 KiB). `base` is the document's base URL as `resolve` spells it. URLs of other schemes are
        refused as `scheme`, unjudged.
        """
        if not base.startswith(("http://", "https://")):
            return [self._slow(base, href) for href in hrefs]
        page = _Page(base)
        look_up = self._young.get(page.origin, {}).get
        found = list(map(look_up, hrefs))  # rooted and absolute hrefs are their own keys
        for index, target in enumerate(found):
            if target is not None:
                continue
            href = hrefs[index]
            if "#" in href:
                href = _without_fragment(href)
            key = page.key(href)
            target = self._slow(base, href) if key is None else look_up(key, _UNKNOWN)
            if target is _UNKNOWN:
                target = self._learn(page.origin, key or "")
                look_up = self._young[page.origin].get
            found[index] = target
        return found

    def _learn(self, origin: str, key: str) -> Target | None:
        """Moves an answer over from the older half, or works it out. The key means the same on every page of the origin."""
        target = self._old.get(origin, {}).get(key, _UNKNOWN)
        if target is _UNKNOWN:
            target = self._judged(origin + key) if self._is_plain(key) else self._target(resolve(key, origin + "/"))
        if self._count >= self._half:
            self._old, self._young, self._count = self._young, {}, 0
        self._count += 1
        shared = target.url if target and target.url == key else key
        self._young.setdefault(origin, {})[shared] = target
        return target

    def _slow(self, base: str, href: str) -> Target | None:
        """The answer for what has no key of its own: rare spellings, long ones, bases that are no http(s) URLs."""
        if len(href) > _LONGEST_HREF or _HOLDS_CONTENT(href):
            return None
        url = resolve(href, base)
        if url is None or len(url) > _LONGEST_KEY or not url.startswith(("http://", "https://")):
            return self._target(url)
        url = _tidy(url, self._strip_query)
        place = origin(url)
        target = self._young.get(place, {}).get(url, _UNKNOWN)
        return self._learn(place, url) if target is _UNKNOWN else target

    def _target(self, url: str | None) -> Target | None:
        if url is None or _HOLDS_CONTENT(url):
            return None
        return self._judged(_tidy(url, self._strip_query))

    def _is_plain(self, key: str) -> bool:
        """Whether a key is a path that makes a canonical URL behind its origin, as most of them are: there is nothing to resolve."""
        is_path = _PLAIN(key) is not None and key[1:2] != "/" and "/." not in key
        return is_path and not (self._strip_query and "?" in key)

    def _judged(self, url: str) -> Target:
        host = host_key(url)
        refusal = self._judge(url, host) if host else ("scheme", url.partition(":")[0])
        return Target(fingerprint(url), url, host, refusal)


def _without_fragment(href: str) -> str:
    whole, hash_sign, _ = href.partition("#")
    # White space before the hash belongs to the URL, white space at the end does not: then the hash has to stay.
    return whole + hash_sign if whole[-1:] <= " " and whole else whole


class _Page:
    """A base URL in the pieces that keys are made of."""

    __slots__ = ("directory", "origin", "parent", "path", "rooted")

    def __init__(self, base: str) -> None:
        base = base.partition("#")[0]
        scheme, _, rest = base.partition("://")
        authority, _, path = rest.partition("/")
        self.origin = f"{scheme}://{authority.rpartition('@')[2]}"
        self.rooted = "/" + path
        self.path = self.rooted.partition("?")[0]
        # Read alone, the path `//x/y` would be a host: no keys can be made from it.
        self.directory = "" if path.startswith("/") else self.path[: self.path.rindex("/") + 1]
        self.parent = _above(self.directory)

    def key(self, href: str) -> str | None:
        """An href that means the same URL on every page of the origin; None when there is none. Takes no fragment."""
        if len(href) > _LONGEST_KEY:
            return None
        if self.directory and ":" not in href:  # nearly all, hence without a call
            if href[:1] not in _NO_PATH:
                return self.directory + href
            if href[:3] == "../" and href[3:4] not in _NO_PATH:
                return self.parent + href[3:]
        if href.startswith(("/", "http://", "https://")):
            return href
        if self.directory and (below := self._below(href)):
            return below
        return href if _OTHER_SCHEME(href) and not _HOLDS_CONTENT(href) else None

    def _below(self, href: str) -> str | None:
        if not href:
            return self.rooted
        if href[0] == "?":
            return self.path + href
        directory = self.directory
        while href[:1] == ".":
            dots, slash, href = href.partition("/")
            if not slash or dots not in (".", ".."):
                return None
            if dots == "..":
                directory = _above(directory)
        return directory + href if not href or (":" not in href and href[0] not in _NO_PATH) else None


def _above(directory: str) -> str:
    """The directory that `../` leads to; there is nothing above the root."""
    return directory[: directory.rfind("/", 0, -1) + 1] or "/"
