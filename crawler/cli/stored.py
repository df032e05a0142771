"""The crawl that a folder holds, as one goes on with it: from the words of a command to its stored settings."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from crawler.cli.parser import settings_from
from crawler.effective import Effective
from crawler.errors import OutputError


def folder_to_update(arguments: Namespace) -> Path | None:
    """The folder of a crawl that was typed in place of the URL, with `--update`. Raises OutputError for another folder."""
    seeds: Sequence[str] = getattr(arguments, "seeds", ())
    if not getattr(arguments, "update", False) or len(seeds) != 1 or "://" in seeds[0] or not (folder := Path(seeds[0])).is_dir():
        return None
    if not (folder / "crawl.db").is_file():
        raise OutputError(f"{folder}/ is not a crawl folder", "it has no crawl.db", f"crawler crawl --update URL -o {folder}")
    return folder


def stored_settings(folder: Path, arguments: Namespace) -> Effective:
    """The settings that a crawl's folder holds, and the flags that were typed. Raises OutputError."""
    toml = folder / "crawl.toml"
    if not toml.is_file():
        why = "it has no crawl.toml" if folder.is_dir() else "there is no such folder"
        raise OutputError(f"{folder}/ is not a crawl folder", why, "crawler crawl URL")
    effective = settings_from(arguments, file=toml)
    return replace(effective, settings=replace(effective.settings, output=str(folder)))
