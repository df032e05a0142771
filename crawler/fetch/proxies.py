"""Which proxy a URL goes through: the one that was given, or the environment's (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from crawler.errors import UsageError
from crawler.fetch.options import FetchOptions


class Proxies:
    """The proxies as they were when the fetcher was made. UsageError for one that is neither http:// nor https://."""

    def __init__(self, options: FetchOptions) -> None:
        environment = getproxies_environment() if options.trust_env else {}
        self._direct = [entry.strip().lower() for entry in environment.get("no", "").split(",") if entry.strip()]
        self._by_scheme: dict[str, str] = {}
        for scheme in ("http", "https"):
            proxy = options.proxy or environment.get(scheme) or environment.get("all")
            if proxy:
                self._by_scheme[scheme] = _usable(proxy)

    def __bool__(self) -> bool:
        return bool(self._by_scheme)

    def find(self, scheme: str, host: str, port: int | None) -> str | None:
        """The URL of the proxy for a request to this host, or None: ask it directly."""
        proxy = self._by_scheme.get(scheme)
        if proxy is None or not self._direct:
            return proxy
        return None if any(_names(entry, host, port) for entry in self._direct) else proxy


def _names(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY names a host: `*`, a domain with its subdomains, an address, a network, each with a port or not."""
    if entry == "*":
        return True
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and ":" not in name.strip("[]"):
        if int(number) != port:
            return False
        entry = name
    if "/" in entry:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    entry = entry.strip("[]").lstrip("*.")
    return host == entry or host.endswith(f".{entry}")


def _usable(proxy: str) -> str:
    url = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        shown = f"{parts.scheme}://{parts.hostname or ''}"  # not the whole of it: it may hold a password
        raise UsageError(f"the proxy {shown} cannot be used", "only http:// and https:// proxies can", "--proxy http://HOST:PORT")
    return url
