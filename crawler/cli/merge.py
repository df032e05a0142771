"""`crawler merge OUT SHARD…`: the folders of workers as one crawl."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing
from pathlib import Path

from crawler.cli.messages import say
from crawler.cli.screen_text import plural
from crawler.errors import OutputError
from crawler.report.folder import open_folder
from crawler.store.database import FILE_NAME
from crawler.store.merge import merge_into, shards_of
from crawler.text import printable


def run(arguments: Namespace) -> int:
    """Merges folders, or all folders of workers inside of them, into a new one. Raises OutputError."""
    out, shards = Path(arguments.out), list[Path]()
    for name in arguments.shards:
        folder = Path(name)
        inside = [folder] if (folder / FILE_NAME).is_file() else shards_of(folder)
        if not inside:
            why = f"it has no {FILE_NAME}, and no folder of a worker" if folder.is_dir() else "there is no such folder"
            raise OutputError(f"{printable(name)} is not a crawl", why, "crawler worker --frontier URL --name NAME -o DIR")
        shards += [shard for shard in inside if shard not in shards]
    merge_into(out, shards)
    with closing(open_folder(out)) as connection:
        pages = connection.execute("SELECT count(*) FROM pages WHERE role = 'page'").fetchone()[0]
    say(f"{printable(arguments.out)} holds {plural(pages, 'page')} of {plural(len(shards), 'shard')}.")
    return 0
