"""The crawl that a folder holds, as one goes on with it: from the words of a command to its stored settings."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from crawler.cli.parser import settings_from
from crawler.effective import Effective
from crawler.errors import OutputError
from crawler.settings import Settings


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
        if not (folder / "crawl.db").is_file():
            from crawler.store.merge import shards_of

            if shards := shards_of(folder):
                what, why = f"{folder}/ holds the folders of workers", "each of them goes on by itself"
                raise OutputError(what, why, f"crawler worker --frontier URL --name NAME -o {shards[0]}")
            why = "it has no crawl.db" if folder.is_dir() else "there is no such folder"
            raise OutputError(f"{folder}/ is not a crawl folder", why, "crawler crawl URL")
        _write_again(folder)
    effective = settings_from(arguments, file=toml)
    return replace(effective, settings=replace(effective.settings, output=str(folder)))


def _write_again(folder: Path) -> None:
    """Writes the crawl.toml that a folder has lost, as its database knows the settings of the last run."""
    from crawler.effective import to_toml
    from crawler.report.export.whole import write_whole
    from crawler.report.folder import open_folder, seeds_of

    with closing(open_folder(folder)) as connection:
        row = connection.execute("SELECT settings FROM runs ORDER BY run DESC LIMIT 1").fetchone()
    settings = Settings.from_keywords(**json.loads(row[0] if row else "{}"))
    write_whole(folder / "crawl.toml", [to_toml(replace(settings, seeds=tuple(seeds_of(folder)), input_file=None))])
