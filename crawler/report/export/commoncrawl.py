"""The columns of Common Crawl's URL index that a crawl of ours can fill, under their names, with their types.

Source: cc-index-schema-flat.json of commoncrawl/cc-index-table. The index is of captures: URLs without an answer are not in it. Not here,
because nothing is known of them: `content_digest` (SHA-1 of a WARC payload), `content_mime_detected`, `content_languages` (detected, not
declared), `content_truncated`, and where in which WARC file a record is (`warc_…`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from publicsuffixlist import PublicSuffixList

from crawler.store.row import PageRow


class Capture(NamedTuple):
    """A row of the index, its columns in the order of the schema."""

    url_surtkey: str
    url: str
    url_host_name: str
    url_host_tld: str | None
    url_host_2nd_last_part: str | None
    url_host_3rd_last_part: str | None
    url_host_4th_last_part: str | None
    url_host_5th_last_part: str | None
    url_host_registry_suffix: str | None
    url_host_registered_domain: str | None
    url_host_private_suffix: str | None
    url_host_private_domain: str | None
    url_host_name_reversed: str | None
    url_protocol: str
    url_port: int | None
    url_path: str
    url_query: str | None
    fetch_time: str
    fetch_status: int
    fetch_redirect: str | None
    content_mime_type: str | None
    content_charset: str | None
    crawl: str
    subset: str


def captures(pages: Iterable[PageRow], crawl: str) -> Iterator[Capture]:
    """The answers among the rows of pages, as rows of the index; `crawl` names the crawl."""
    hosts = Hosts()
    for page in pages:
        if page.status and page.fetched_at:
            yield _capture(page, hosts, crawl)


def _capture(page: PageRow, hosts: Hosts, crawl: str) -> Capture:
    protocol, _, rest = page.url.partition("://")
    authority, _, target = rest.partition("/")
    host, port = _split(authority)
    path, question, query = target.partition("?")
    return Capture._make((
        surt(page.url), page.url, host, *hosts.parts(host), protocol, port, f"/{path}", query if question else None, page.fetched_at or "",
        page.status, page.redirect_to, page.content_type, page.charset, crawl, "warc" if page.outcome == "ok" else "crawldiagnostics",
    ))  # fmt: skip


def _split(authority: str) -> tuple[str, int | None]:
    """Host name and port."""
    host, colon, port = authority.rpartition(":")
    return (host, int(port)) if colon and port.isdigit() else (authority, None)


class Hosts:
    """The names that host names are made of, each worked out once."""

    def __init__(self) -> None:
        self._registries = PublicSuffixList(only_icann=True, accept_unknown=False)
        self._all = PublicSuffixList(accept_unknown=False)
        self.parts = lru_cache(maxsize=4096)(self._parts)

    def _parts(self, host: str) -> tuple[str | None, ...]:
        """The last five labels, the suffix of the registry and the domain below it, the same with private registries, the name reversed.
        None for what a host does not have; an address has nothing of it."""
        if _is_address(host):
            return (None,) * 10
        labels = host.removesuffix(".").split(".")[::-1]
        name = ".".join(labels[::-1])
        last = [labels[number] if number < len(labels) else None for number in range(5)]
        registry = self._registries.publicsuffix(name), self._registries.privatesuffix(name)
        private = self._all.publicsuffix(name), self._all.privatesuffix(name)
        return (*last, *registry, *private, ".".join(labels))


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


# --- the key by which the index is sorted -----------------------------------------------------------------------------

_WWW = re.compile(rb"www\d*\.")
_KEPT = "".join(map(chr, range(33, 127))).replace("#", "").replace("%", "")
_PATH_SESSIONS = (
    re.compile(rb"^(.*/)(?:\((?:[a-z]\([0-9a-z]{24}\))+\)/)([^?]+\.aspx.*)$", re.IGNORECASE),
    re.compile(rb"^(.*/)(?:\([0-9a-z]{24}\)/)([^?]+\.aspx.*)$", re.IGNORECASE),
)
_QUERY_SESSIONS = (
    re.compile(rb"^(.*)(?:jsessionid=[0-9a-zA-Z]{32})(?:&(.*))?$", re.IGNORECASE),
    re.compile(rb"^(.*)(?:phpsessid=[0-9a-zA-Z]{32})(?:&(.*))?$", re.IGNORECASE),
    re.compile(rb"^(.*)(?:sid=[0-9a-zA-Z]{32})(?:&(.*))?$", re.IGNORECASE),
    re.compile(rb"^(.*)(?:ASPSESSIONID[a-zA-Z]{8}=[a-zA-Z]{24})(?:&(.*))?$", re.IGNORECASE),
    re.compile(rb"^(.*)(?:cfid=[^&]+&cftoken=[^&]+)(?:&(.*))?$", re.IGNORECASE),
)


def surt(url: str) -> str:
    """The key of a canonical URL in indexes of archives: `com,example)/path`, the same for spellings that rarely differ.

    Scheme, `www.`, letter case, session ids, doubled and final slashes and the order of parameters are levelled. Source: the rules of
    the Internet Archive, as the package surt 0.3.1 has them.
    """
    authority, _, target = url.partition("://")[2].partition("/")
    host, port = _split(authority)
    path, _, query = target.partition("?")
    name = _escaped(_unescaped(host.encode()).strip(b"."))
    name = name.strip(b"[]") if name.startswith(b"[") else name
    name = b",".join(_without_www(name).split(b".")[::-1])
    return (name + (f":{port}".encode() if port else b"") + b")" + _path_key(path.encode()) + _query_key(query.encode())).decode()


def _without_www(name: bytes) -> bytes:
    found = _WWW.match(name)
    return name[found.end() :] if found else name


def _path_key(path: bytes) -> bytes:
    kept: list[bytes] = []
    for part in _unescaped(path).split(b"/"):
        if part == b".." and kept:
            kept.pop()
        elif part != b".":
            kept.append(part)
    joined = b"/" + b"".join(part + b"/" for part in kept[:-1] if part) + (kept[-1] if kept else b"")
    lower = _escaped(joined).lower()
    for session in _PATH_SESSIONS:
        if found := session.match(lower):
            lower = found[1] + found[2]
    return lower[:-1] if lower.endswith(b"/") and len(lower) > 1 else lower


def _query_key(query: bytes) -> bytes:
    query = _escaped(_unescaped(query))
    for session in _QUERY_SESSIONS:
        if found := session.match(query):
            query = found[1] + (found[2] or b"")
    query = query.lower()
    if len(query) > 1:
        query = b"&".join(b"=".join(pair) for pair in sorted(tuple(part.split(b"=", 1)) for part in query.split(b"&")))
    return b"?" + query if query else b""


def _unescaped(text: bytes) -> bytes:
    while (once := unquote_to_bytes(text)) != text:
        text = once
    return text


def _escaped(text: bytes) -> bytes:
    return quote_from_bytes(text, safe=_KEPT).encode()
