"""What is different for single hosts: the `[hosts."example.org"]` tables, read and written like every other setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crawler.configuration import toml, values
from crawler.configuration.option import HTTP, SPEED, as_toml, options_of, setting
from crawler.configuration.values import Kind, duration, integer, optional, several
from crawler.errors import UsageError


@dataclass(frozen=True)
class HostSettings:
    """What is different for one host: a `[hosts."example.org"]` table. None and () leave the general setting as it is."""

    delay: float | None = setting(None, "Seconds between two requests to this host.", SPEED, optional(duration("2s")), example='"2s"')
    per_host: int | None = setting(None, "Requests at once to this host.", SPEED, optional(integer(1, 2)), example="2")
    header: tuple[tuple[str, str], ...] = setting(
        (), "Headers sent to this host beside the general ones.", HTTP, several(values.HEADER), example='["X-Team: docs"]'
    )
    auth_env: str | None = setting(
        None, "Name of the environment variable that holds user:password for this host.", HTTP, optional(values.ENVIRONMENT_NAME),
        example='"DOCS_LOGIN"',
    )  # fmt: skip


HOST_OPTIONS = options_of(HostSettings)


def _read_hosts(tables: Any) -> dict[str, HostSettings]:
    if not isinstance(tables, Mapping) or not all(isinstance(host, str) and host for host in tables):
        raise ValueError
    return {host.lower(): table if isinstance(table, HostSettings) else _read_host(host, table) for host, table in tables.items()}


def _read_host(host: str, table: Any) -> HostSettings:
    values.check_host(host)
    if not isinstance(table, Mapping):
        what, why = f"host {host} cannot be {values.wrong(table)}", f"expected a table of {', '.join(HOST_OPTIONS)}"
        raise values.Inside((host,), what, why, f'{toml.key(host)} = {{ delay = "2s" }}')
    read = {}
    for key, value in table.items():
        name = str(key).replace("-", "_")
        if name not in HOST_OPTIONS:
            near = values.nearest(name, list(HOST_OPTIONS))
            why = f"did you mean `{near}`?" if near else f"a host has {', '.join(HOST_OPTIONS)}"
            meant = HOST_OPTIONS[near or "delay"]
            what = f"`{key}` is no setting of host {host}"
            raise values.Inside((host, str(key)), what, why, as_toml(meant, meant.suggestion), unknown=True)
        try:
            read[name] = HOST_OPTIONS[name].read(value, f"`{key}` of host {host}", as_toml)
        except UsageError as error:
            raise values.Inside((host, key), error.what, error.why, error.hint) from None
    return HostSettings(**read)


def _write_hosts(hosts: Mapping[str, HostSettings]) -> dict[str, dict[str, Any]]:
    return {
        host: {key: o.kind.write(getattr(of, key)) for key, o in HOST_OPTIONS.items() if getattr(of, key) not in (None, ())}
        for host, of in hosts.items()
    }


HOSTS = Kind('tables, e.g. [hosts."example.org"]', _read_hosts, _write_hosts)
