"""Plain values for the inner parts, from the settings: the one place where settings become rules, options and limits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from pathlib import Path
from typing import Any

from crawler.core.media_types import MediaTypes
from crawler.core.politeness import Politeness
from crawler.core.scope import Scope
from crawler.core.urls import CANONICAL_RULES, canonical, host_key, normalize_seed, origin
from crawler.engine.reading import Wanted
from crawler.errors import UsageError
from crawler.fetch.headers import basic
from crawler.fetch.options import FetchOptions
from crawler.frontier.sharing import Sharing
from crawler.host_settings import HostSettings
from crawler.model import Limits
from crawler.settings import OPTIONS, Settings
from crawler.store.folder import COOKIES_NAME

# What decides which URLs belong to a crawl and which are the same: it may not change when the crawl goes on.
_IDENTITY = tuple(name for name, option in OPTIONS.items() if option.fixed and name not in ("seeds", "input_file"))


def read_seeds(settings: Settings) -> tuple[str, ...]:
    """The canonical URLs of all seeds, those of the input file too, each once, in their order. Raises UsageError, which names the
    line of a file."""
    seeds = [normalize_seed(seed) for seed in settings.seeds]
    if settings.input_file is not None:
        seeds += _listed(settings.input_file)
    if not seeds:
        raise UsageError("no seed was given", "a crawl begins with at least one URL", "crawler crawl https://example.org")
    return tuple(dict.fromkeys(canonical(seed, frozenset(settings.strip_query)) for seed in seeds))


def _listed(name: str) -> Iterator[str]:
    """The seeds of a file, one on each line; what is empty or begins with # is none."""
    for number, line in enumerate(_lines(name), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            yield normalize_seed(line)
        except UsageError as error:
            raise UsageError(f"{'standard input' if name == '-' else name}:{number}: {error.what}", error.why, error.hint) from None


def _lines(name: str) -> Sequence[str]:
    """The lines of a file without what is white around them; "-" is standard input. Raises UsageError when it cannot be read."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        return [line.strip() for line in text.removeprefix("\ufeff").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read seeds from {name}", str(error), "crawler crawl -i FILE, one URL on each line") from error


def identity_of(settings: Settings, seeds: Sequence[str]) -> dict[str, Any]:
    """What makes a crawl this crawl, as plain values."""
    return {"seeds": list(seeds), "canonical_rules": CANONICAL_RULES} | {name: getattr(settings, name) for name in _IDENTITY}


def wanted_of(settings: Settings) -> Wanted:
    """What is read of pages. Selectors are read once, so that a bad one is said before anything is asked for. Raises UsageError."""
    from crawler.core.extract import parse_extract

    try:
        extract = dict(parse_extract(f"{name}={selector}") for name, selector in settings.extract)
    except ValueError as error:
        why = "a selector of CSS, which may end with ::text or ::attr(NAME)"
        raise UsageError(f"`extract`: {error}", why, "--extract 'price=span.price::text'") from error
    return Wanted(extract, settings.page_requisites, settings.forms)


def scope_of(settings: Settings, seeds: Sequence[str]) -> Scope:
    """Which URLs belong to the crawl. Raises UsageError for a pattern that is no regular expression."""
    return Scope(
        seeds,
        settings.scope,
        settings.include,
        settings.exclude,
        max_url_length=settings.max_url_length,
        allow_private=settings.allow_private,
    )


ASIDE = 0.1
"""Seconds between two requests to a host that is only asked about links that lead there, at least. One at a time."""


def politeness_of(
    settings: Settings, named: AbstractSet[str] | None = None, is_outside: Callable[[str], bool] = lambda host: False
) -> Callable[[str], Politeness]:
    """The rules for each host: the general ones, changed by its `[hosts."…"]` table. `named` are the hosts of the seeds; without it
    the user named all. Those that are `is_outside` are asked one URL at a time, and given up as soon as one that was mistyped."""

    tables = host_tables(settings)

    def rules(host: str) -> Politeness:
        table, outside = tables.get(host), is_outside(host)
        delay, per_host = (max(settings.delay, ASIDE), 1) if outside else (settings.delay, settings.per_host)
        return Politeness(
            delay=table.delay if table is not None and table.delay is not None else delay,
            per_host=table.per_host if table is not None and table.per_host is not None else per_host,
            adaptive=settings.adaptive,
            random_wait=settings.random_wait,
            max_crawl_delay=settings.max_crawl_delay,
            retries=settings.retries,
            is_named=named is None or host in named or outside,
        )

    return rules


def processes_of(settings: Settings) -> int:
    """How many workers there are: each has at least one request at once."""
    return min(settings.processes, settings.concurrency)


def part_of(whole: int, number: int, of: int) -> int:
    """The part of one of so many workers; the parts of all are the whole."""
    return whole // of + (number < whole % of)


def sharing_of(settings: Settings, rules: Callable[[str], Politeness]) -> Sharing:
    """How workers share hosts: one with a delay has a single slot, any other as many as there are workers, as far as it may be asked
    for so many pages at once."""
    workers = processes_of(settings)

    @lru_cache(maxsize=10_000)
    def shares(host: str) -> tuple[int, ...]:
        of_host = rules(host)
        slots = 1 if of_host.delay else min(workers, of_host.per_host)
        return tuple(part_of(of_host.per_host, number, slots) for number in range(slots))

    return Sharing(shares, settings.robots == "obey")


def limits_of(settings: Settings) -> Limits:
    """Where the crawl stops by itself."""
    return Limits(settings.max_pages, settings.max_depth, settings.max_size)


def fetch_options_of(
    settings: Settings, seeds: Sequence[str], *, allowed: AbstractSet[str] | None = None, folder: Path | None = None
) -> FetchOptions:
    """How to ask; credentials go to the seeds' origins, private addresses are open to the seeds' hosts (or `allowed`). Cookies
    are kept in the crawl's folder between runs."""
    return FetchOptions(
        user_agent=settings.agent,
        headers=settings.header,
        host_headers=_host_headers(settings),
        timeout=settings.timeout,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        max_body=settings.max_body,
        proxy=settings.proxy,
        verify=not settings.insecure,
        ca_certificate=Path(settings.ca_certificate) if settings.ca_certificate else None,
        cookies=settings.cookie_jar,
        cookies_kept=folder / COOKIES_NAME if folder is not None and settings.cookie_jar else None,
        cookies_file=Path(settings.cookies) if settings.cookies else None,
        auth=_credentials(settings.auth_env),
        auth_origins=frozenset(origin(seed) for seed in seeds),
        allowed_private=frozenset(host_key(seed) for seed in seeds) if allowed is None else allowed,
        allow_private=settings.allow_private,
        types=types_of(settings),
        limit_rate=settings.limit_rate,
    )


def types_of(settings: Settings) -> MediaTypes:
    """Which answers are read."""
    return MediaTypes(settings.accept_type, settings.reject_type)


def _host_headers(settings: Settings) -> dict[str, tuple[tuple[str, str], ...]]:
    """What the `[hosts."…"]` tables add to requests, by host key."""
    added = {}
    for host, table in host_tables(settings).items():
        login = _credentials(table.auth_env)
        if headers := (*table.header, *((("Authorization", basic(*login)),) if login else ())):
            added[host] = headers
    return added


def host_tables(settings: Settings) -> dict[str, HostSettings]:
    """The `[hosts."…"]` tables by host key. Raises UsageError for what is no host, and for two tables of one."""
    tables = {}
    for host, table in settings.hosts.items():
        try:
            key = host_key(canonical(f"{'http' if host.endswith(':80') else 'https'}://{host}"))
        except ValueError:
            key = ""
        if not key:
            raise UsageError(f"`hosts`: '{host}' is no host", "a host name, with its port if that is unusual", '[hosts."example.org"]')
        if key in tables:
            raise UsageError(
                f"`hosts`: '{host}' has two tables", f"both are of the host {key}: ports 80 and 443 are one", "one table for both"
            )
        tables[key] = table
    return tables


def _credentials(name: str | None) -> tuple[str, str] | None:
    """User and password out of an environment variable, which is where secrets are not seen by others."""
    if name is None:
        return None
    value = os.environ.get(name)
    if value is None or ":" not in value:
        raise UsageError(f"environment variable {name} does not hold user:password", "--auth-env names it", f"export {name}=user:password")
    user, _, password = value.partition(":")
    return user, password
