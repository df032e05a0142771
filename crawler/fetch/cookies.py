"""Cookies that stay where they were set: each origin has its own, and none ever follows to another host (RFC 6265, made stricter).

Only a cookie from the user's own file may serve a domain with its subdomains, when its line says so.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple, dataclass
from email.utils import mktime_tz, parsedate_tz
from pathlib import Path

from crawler.errors import UsageError
from crawler.fetch.options import FetchOptions

_MAX_LENGTH = 4096  # of one cookie, RFC 6265, 6.1
_MAX_PER_ORIGIN = 50
_MAX_ORIGINS = 20_000
_LONGEST = 1e10  # seconds that a cookie may last
_NUMBER = re.compile(r"-?[0-9]+")  # what Max-Age has to be, else it is passed over (RFC 6265, 5.2.2)


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie: it is sent to paths below `path` until `expires` (Unix seconds; None: as long as the crawl runs)."""

    name: str
    value: str
    path: str
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class _Given:
    """A line of the user's file."""

    domain: str
    subdomains: bool
    secure: bool
    cookie: Cookie

    def serves(self, origin: str) -> bool:
        host = _host(origin)
        fits = host == self.domain or (self.subdomains and host.endswith(f".{self.domain}"))
        return fits and (not self.secure or origin.startswith("https:"))


def origin_of(scheme: str, host: str, port: int | None) -> str:
    """An origin as text: `https://example.org`, with the port unless it is the usual one (RFC 6454, 6.2)."""
    name = f"[{host}]" if ":" in host else host
    usual = port is None or (scheme, port) in (("http", 80), ("https", 443))
    return f"{scheme}://{name}" if usual else f"{scheme}://{name}:{port}"


class CookieJar:
    """The cookies of a crawl by origin. `file` is a Netscape cookie file to begin with; UsageError when it cannot be read."""

    def __init__(self, file: Path | None = None) -> None:
        self._given = _load(file) if file is not None else []
        self._ahead = time.time() - time.monotonic()
        self._kept: dict[str, dict[tuple[str, str], Cookie]] = {}

    def __bool__(self) -> bool:
        """Whether there is a cookie to be sent to anybody."""
        return bool(self._kept or self._given)

    def restore(self, file: Path) -> None:
        """Takes the cookies that `save` wrote. What cannot be read is as good as absent: sites set their cookies anew."""
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            restored = {origin: [_restored(*fields) for fields in cookies] for origin, cookies in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return
        for origin, cookies in restored.items():
            self._kept[origin] = {(cookie.name, cookie.path): cookie for cookie in cookies}

    def save(self, file: Path) -> None:
        """Writes all cookies that sites have set to a file that only its owner can read. A full disk is passed over."""
        kept = {origin: [astuple(cookie) for cookie in cookies.values()] for origin, cookies in self._kept.items() if cookies}
        part = file.with_name(f"{file.name}.part")
        with suppress(OSError):
            try:
                with open(part, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as written:
                    json.dump(kept, written)
                part.replace(file)
            finally:  # a signal may come in between
                part.unlink(missing_ok=True)

    def keep(self, origin: str, path: str, lines: Iterable[str]) -> None:
        """Takes the Set-Cookie lines of an answer for `path` of `origin`. What cannot be used is dropped."""
        host = _host(origin)
        cookies = self._of(origin)
        for line in lines:
            cookie = _parse(line, host, path, self._now())
            if cookie is None:
                continue
            cookies.pop((cookie.name, cookie.path), None)  # a new one goes to the end
            if cookie.expires is None or cookie.expires > self._now():
                cookies[cookie.name, cookie.path] = cookie
            while len(cookies) > _MAX_PER_ORIGIN:
                del cookies[next(iter(cookies))]
        if cookies or self._given:
            self._kept[origin] = cookies
            while len(self._kept) > _MAX_ORIGINS:
                del self._kept[next(iter(self._kept))]

    def header(self, origin: str, path: str) -> str | None:
        """The value of the Cookie header for `path` of `origin`: longest paths first (RFC 6265, 5.4); None: no header."""
        cookies = self._of(origin)
        if not cookies:
            return None
        now = self._now()
        fitting = [c for c in cookies.values() if _matches(path, c.path) and (c.expires is None or c.expires > now)]
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" if cookie.name else cookie.value for cookie in fitting) or None

    def _now(self) -> float:
        """Unix seconds, by the clock as it was set when the jar was made: what sets it later must not end a session."""
        return self._ahead + time.monotonic()

    def _of(self, origin: str) -> dict[tuple[str, str], Cookie]:
        kept = self._kept.get(origin)
        if kept is None:
            kept = {(given.cookie.name, given.cookie.path): given.cookie for given in self._given if given.serves(origin)}
        return kept


def open_jar(options: FetchOptions) -> CookieJar | None:
    """The jar that the options ask for, with the cookies of its files."""
    if not options.cookies and options.cookies_file is None:
        return None
    jar = CookieJar(options.cookies_file)
    if options.cookies_kept is not None:
        jar.restore(options.cookies_kept)
    return jar


def _load(file: Path) -> list[_Given]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read the cookie file {file}", error.strerror or str(error), "--cookies FILE") from error
    given = []
    for number, line in enumerate(lines, 1):
        line = line.removeprefix("#HttpOnly_")
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 7 or not (fields[4] or "0").isdecimal():
            raise UsageError(
                f"{file} is not a cookie file: line {number} has not the seven fields of one",
                "domain, with subdomains, path, secure, expires, name, value; with a tab between them",
                "export the cookies in the Netscape format (cookies.txt)",
            )
        domain, subdomains, path, secure, expires, name, value = fields
        # 0 is what browsers write for a cookie that lasts as long as they run.
        cookie = Cookie(name, value, path or "/", float(expires or 0) or None)
        given.append(_Given(domain.lstrip(".").lower(), subdomains.upper() == "TRUE", secure.upper() == "TRUE", cookie))
    return given


def _restored(name: object, value: object, path: object, expires: object) -> Cookie:
    """A cookie as `save` wrote it. TypeError when it is none."""
    if isinstance(name, str) and isinstance(value, str) and isinstance(path, str) and isinstance(expires, float | None):
        return Cookie(name, value, path, expires)
    raise TypeError


def _host(origin: str) -> str:
    """The host of an origin, without its port."""
    name = origin.partition("://")[2]
    return name[1 : name.index("]")] if name.startswith("[") else name.partition(":")[0]


def _parse(line: str, host: str, path: str, now: float) -> Cookie | None:
    """One Set-Cookie line (RFC 6265, 5.2 and 5.3); None when it is not for this host or not usable."""
    pair, *attributes = line.split(";")
    name, equals, value = pair.partition("=")
    name, value = (name.strip(), value.strip()) if equals else ("", pair.strip())
    if not (name or value) or len(name) + len(value) > _MAX_LENGTH or not _is_clean(name + value):
        return None
    expires: float | None = None
    max_age: float | None = None
    where = _default_path(path)
    for attribute in attributes:
        key, _, text = (part.strip() for part in attribute.partition("="))
        match key.lower():
            case "domain":
                domain = text.lstrip(".").lower()
                if domain and host != domain and not host.endswith(f".{domain}"):
                    return None
            case "path":
                where = text if text.startswith("/") else _default_path(path)
            case "expires":
                expires = _date(text)
            case "max-age" if _NUMBER.fullmatch(text):
                seconds = float(text)  # of any length, where int() has its limit
                max_age = now + min(seconds, _LONGEST) if seconds > 0 else 0.0
    return Cookie(name, value, where, expires if max_age is None else max_age)


def _date(text: str) -> float | None:
    """An Expires date as Unix seconds; None, which makes a cookie of this session, when it is none."""
    try:
        parsed = parsedate_tz(text)
        return float(mktime_tz(parsed)) if parsed else None
    except (ValueError, OverflowError):
        return None


def _is_clean(text: str) -> bool:
    return text.isprintable() and text.isascii()


def _default_path(path: str) -> str:
    """The folder of the path that set a cookie (RFC 6265, 5.1.4)."""
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


def _matches(path: str, prefix: str) -> bool:
    """Whether a cookie for `prefix` goes to `path` (RFC 6265, 5.1.4)."""
    path = path or "/"
    return path == prefix or (path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix)] == "/"))
