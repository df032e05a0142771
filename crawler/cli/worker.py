"""`crawler worker`: takes part in a crawl that many machines share."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from crawler.cli.crawl import run_settings
from crawler.cli.parser import settings_from
from crawler.errors import UsageError


def run(arguments: Namespace) -> int:
    """`crawler worker --frontier URL --name NAME -o DIR`: the settings of the crawl, and the flags that were typed. Raises UsageError
    when there is no such crawl, FrontierError."""
    from crawler.shared import settings_at

    given = settings_from(arguments).settings
    if given.frontier is None:
        raise UsageError("--frontier is missing", "a worker joins a crawl that is there", "--frontier redis://localhost:6379/0")
    if given.name is None:
        raise UsageError("--name is missing", "a server may have several crawls", f"crawler status --frontier {given.frontier}")
    with tempfile.TemporaryDirectory() as folder:
        toml = Path(folder) / f"{given.name}.toml"
        toml.write_text(settings_at(given.frontier, given.name), "utf-8")
        effective = settings_from(arguments, file=toml)
    settings = replace(effective.settings, output=given.output or f"crawl-{given.name}")
    return run_settings(replace(effective, settings=settings))
