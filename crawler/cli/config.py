"""`crawler config`: the settings in effect and where each came from; and whether a file is good."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from crawler.cli.parser import settings_from
from crawler.configuration import toml
from crawler.effective import Effective, load, secrets_of, to_plain
from crawler.errors import UsageError
from crawler.settings import OPTIONS
from crawler.text import as_json, printable
from crawler.wiring import host_tables


def run(arguments: argparse.Namespace) -> int:
    """`show [PRESET]` prints TOML (or JSON) to standard output, `check FILE` says that a file is good or raises UsageError."""
    if arguments.action == "check":
        return check(arguments.subject)
    if arguments.subject is not None:
        arguments.preset = arguments.subject
        arguments.typed = {**getattr(arguments, "typed", {}), "preset": "PRESET"}
    effective = settings_from(arguments)
    print(as_json(_values_of(effective), indent=2, ascii=True) if arguments.as_json else text_of(effective))
    return 0


def check(file: str | None) -> int:
    """Reads a file with the preset it names, as a crawl would. Raises UsageError for what is wrong in it."""
    if file is None:
        raise UsageError("FILE is missing", "usage: crawler config check FILE", "crawler config check crawl.toml")
    effective = load({"config": file}, {})
    host_tables(effective.settings)
    name = "standard input" if file == "-" else file
    said = [key for key, source in effective.sources.items() if source.startswith(name)]
    print(f"{printable(name)} is good: {len(said)} setting{'' if len(said) == 1 else 's'}")
    return 0


def in_groups() -> Iterator[tuple[str, str]]:
    """The names of what a settings file may say beside its tables, in their order; each with the group that it begins, if it does."""
    group = ""
    for name, option in OPTIONS.items():
        if option.in_file and name != "hosts":
            yield option.group if option.group != group else "", name
            group = option.group


def text_of(effective: Effective) -> str:
    """All settings as a TOML file that can be used with `-C`, each with where it came from; without secrets."""
    plain = to_plain(effective.settings)
    lines = [f"# Left out as a secret: {printable(secret)}" for secret in secrets_of(effective.settings)]
    for heading, name in in_groups():
        lines += ["", f"# {heading}"] if heading else []
        lines.append(_line(name, plain, printable(effective.sources[name]), getattr(effective.settings, name)))
    for host, table in plain.get("hosts", {}).items():
        lines += ["", f"[hosts.{toml.key(host)}]  # {printable(effective.sources['hosts'])}"]
        lines += [f"{name} = {toml.literal(value)}" for name, value in table.items()]
    return "\n".join(lines).strip()


def _line(name: str, plain: dict[str, Any], source: str, value: Any) -> str:
    if name == "preset" and value is not None:  # as a comment: what it holds is written out
        return f"{f'# preset = {toml.literal(value)}':<40}  # {source}"
    said = f"{name} = {toml.literal(plain[name])}" if name in plain else f"# {name} is not {'set' if value in (None, (), {}) else 'shown'}"
    return f"{said:<40}  # {source}"


def _values_of(effective: Effective) -> dict[str, Any]:
    plain = to_plain(effective.settings)
    named = [name for name, option in OPTIONS.items() if option.in_file]
    return {name: {"value": plain.get(name), "source": effective.sources[name]} for name in named}
