"""The settings that are in effect, with where each came from; and how they are written down again, without secrets."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crawler.configuration import toml
from crawler.configuration.layers import environment_layer, flag_layer, merge, with_files
from crawler.errors import UsageError
from crawler.redaction import has_login, is_secret, without_login
from crawler.settings import OPTIONS, Settings, checked

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Effective:
    """Settings, and for each of them where its value came from: `default`, `preset fast`, `crawl.toml:3`,
    `environment CRAWLER_DELAY`, `flag --delay`."""

    settings: Settings
    sources: Mapping[str, str]


def load(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    file: str | os.PathLike[str] | None = None,
    preset: str | None = None,
    typed: Mapping[str, str] | None = None,
) -> Effective:
    """The settings of flags (by name, only those that were given) over environment, file, preset and defaults.

    `file` and `preset` are used when neither flags nor environment name one; `typed` holds flags as they were typed, for
    messages. Raises UsageError that names the place and the value.
    """
    layers = [flag_layer(OPTIONS, flags, typed or {}), environment_layer(OPTIONS, environment)]
    config = next((layer.values["config"] for layer in layers if "config" in layer.values), file)
    merged, sources = merge(OPTIONS, list(with_files(OPTIONS, layers, config, preset)))
    settings = checked(Settings(**merged))
    for name in ("input_file", "cookies", "ca_certificate"):
        path = getattr(settings, name)
        if path not in (None, "-") and not os.access(path, os.R_OK):
            raise UsageError(f"cannot read {path}", f"which `{name}` names ({sources[name]})", f"ls -l {shlex.quote(path)}")
    return Effective(settings, sources)


# What a crawl that goes on does not take over from the start before.
_OF_ONE_START = frozenset({"preset", "quiet", "verbose", "progress", "jsonl", "color", "json"})


def to_plain(settings: Settings) -> dict[str, Any]:
    """What a file can say of the settings, as JSON and TOML hold it, without secrets; what is not set is missing.

    Left out: headers that authorise (Authorization, Cookie, names with token, key, secret …), user and password of proxy and
    seeds, what belongs to one start only (`config`, `preset`, `fresh`, standard input), and how it was shown (`quiet`, `jsonl` …).
    `Settings.from_keywords` reads it.
    """
    plain = {}
    for name, option in OPTIONS.items():
        value = _public(name, getattr(settings, name))
        if option.in_file and name not in _OF_ONE_START and value not in (None, (), {}) and (name, value) != ("input_file", "-"):
            plain[name] = option.kind.write(value)
    return plain


def _public(name: str, value: Any) -> Any:
    if name == "header":
        return _public_headers(value)
    if name == "hosts":
        from dataclasses import replace

        return {host: replace(table, header=_public_headers(table.header)) for host, table in value.items()}
    if name == "proxy":
        return value and without_login(value)
    if name == "frontier":
        return value and ",".join(map(_without_password, value.split(",")))
    if name == "seeds":
        return tuple(without_login(seed) for seed in value)
    return value


def _without_password(server: str) -> str:
    """The address of a server without user and password."""
    scheme, _, rest = server.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _public_headers(headers: Headers) -> Headers:
    return tuple(header for header in headers if not is_secret(header[0]))


def secrets_of(settings: Settings) -> list[str]:
    """What `to_plain` leaves out as secret, by name and without values: `header Authorization`, `proxy password`."""
    named = [("", settings.header), *((f" of host {host}", table.header) for host, table in settings.hosts.items())]
    found = [f"header {name}{where}" for where, headers in named for name, _ in headers if is_secret(name)]
    if settings.proxy and has_login(settings.proxy):
        found.append("user and password of the proxy")
    if settings.frontier and "@" in settings.frontier:
        found.append("user and password of the frontier")
    if any(has_login(seed) for seed in settings.seeds):
        found.append("user and password of a seed")
    return found


def to_toml(settings: Settings) -> str:
    """The settings as a TOML file that `-C` reads, so that it repeats the crawl; without secrets, which it names in a comment."""
    plain = to_plain(settings)
    lines = ["# The settings of this crawl, without secrets. It is repeated by: crawler crawl -C crawl.toml"]
    lines += [f"# Left out as a secret, to be given again: {secret}" for secret in secrets_of(settings)]
    group = ""
    for name, value in plain.items():
        if OPTIONS[name].group != group and name != "hosts":
            group = OPTIONS[name].group
            lines += ["", f"# {group}"]
        if name != "hosts":
            lines.append(f"{name} = {toml.literal(value)}")
    for host, table in plain.get("hosts", {}).items():
        lines += ["", f"[hosts.{toml.key(host)}]", *(f"{name} = {toml.literal(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"
