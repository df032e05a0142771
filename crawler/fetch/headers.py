"""What is sent with a request, and to whom: the same for both fetchers."""

from __future__ import annotations

import re
from base64 import b64encode
from itertools import chain
from urllib.parse import unquote

from crawler.errors import UsageError
from crawler.fetch.body import accept_encoding
from crawler.fetch.cookies import CookieJar
from crawler.fetch.failures import FetchFailure
from crawler.fetch.options import ACCEPT, FetchOptions
from crawler.model import Request
from crawler.redaction import is_secret

Headers = tuple[tuple[str, str], ...]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110, 5.6.2
_BAD_VALUE = re.compile(r"[\0\r\n]")


class RequestHeaders:
    """The headers of every request, and what a single one adds to them.

    Credentials (`auth`, and headers whose names are those of secrets: Authorization, Cookie, X-Api-Key …) go to `auth_origins` only,
    cookies of the jar only to the origin that set them. UsageError when a header cannot be sent.
    """

    def __init__(self, options: FetchOptions, jar: CookieJar | None) -> None:
        common = {"user-agent": ("User-Agent", options.user_agent), "accept": ("Accept", ACCEPT)}
        common["accept-encoding"] = ("Accept-Encoding", accept_encoding())
        secret: list[tuple[str, str]] = []
        for name, value in chain(options.headers, *options.host_headers.values()):
            if not is_header(name, value):
                raise UsageError(f"the header {name!r} cannot be sent", "a name is one word, a value one line", "--header 'Name: value'")
        for name, value in options.headers:
            if is_secret(name):
                secret.append((name, value))
            else:
                common[name.lower()] = (name, value)
        if options.auth is not None:
            secret.append(("Authorization", basic(*options.auth)))
        self.common: Headers = tuple(common.values())
        self._secret: Headers = tuple(secret)
        self._of_host = options.host_headers
        self._origins = options.auth_origins
        self._jar = jar

    @property
    def by_origin(self) -> bool:
        """Whether it matters for the next request which origin it goes to."""
        return bool(self._secret or self._jar or self._of_host)

    def added(self, request: Request, origin: str, path: str, userinfo: str = "") -> dict[str, str]:
        """What this request adds to `common`. `userinfo` is the `user:password` written into its URL."""
        added: dict[str, tuple[str, str]] = {}
        if self._secret and origin in self._origins:
            added.update((name.lower(), (name, value)) for name, value in self._secret)
        added.update((name.lower(), (name, value)) for name, value in self._of(origin))
        if self._jar is not None and (cookies := self._jar.header(origin, path)):
            given = added.get("cookie")
            added["cookie"] = ("Cookie", f"{given[1]}; {cookies}" if given else cookies)
        if userinfo:
            user, _, password = userinfo.partition(":")
            added["authorization"] = ("Authorization", basic(unquote(user), unquote(password)))
        for name, value in request.headers:
            if not is_header(name, value):
                raise FetchFailure("internal", f"the header {name!r} cannot be sent")
            added[name.lower()] = (name, value)
        return dict(added.values())

    def _of(self, origin: str) -> Headers:
        """The headers of one host."""
        if not self._of_host:
            return ()
        scheme, _, host = origin.partition("://")
        headers = self._of_host.get(host, ())
        has_port = ":" in host.rpartition("]")[2]
        if scheme == "https" or has_port or origin in self._origins:
            return headers
        return tuple(header for header in headers if not is_secret(header[0]))

    def all(self, added: dict[str, str]) -> dict[str, str]:
        """`common` and `added`, which replaces what has the same name."""
        if not added:
            return dict(self.common)
        names = {name.lower() for name in added}
        return {name: value for name, value in self.common if name.lower() not in names} | added


def basic(user: str, password: str) -> str:
    """The value of Authorization for Basic credentials (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")


def is_header(name: str, value: str) -> bool:
    """Whether this can be a line of a header: the name one token, the value one line (RFC 9110, 5.1 and 5.5)."""
    return _NAME.fullmatch(name) is not None and _BAD_VALUE.search(value) is None
