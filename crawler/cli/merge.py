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
from crawler.store.merge import MERGED, merge_into, shards_of
from crawler.text import printable


def run(arguments: Namespace) -> int:
    """Merges folders, or all folders of workers inside of them, into a new one. Raises OutputError."""
    out, shards = Path(arguments.out), list[Path]()
    for name in arguments.shards:
        folder = Path(name)
        if folder.name == MERGED and set(arguments.shards) != {name}:
            continue  # what readers of the folder have made, beside the shards: DIR/* of a shell names it too
        inside = [folder] if (folder / FILE_NAME).is_file() else shards_of(folder)
        if not inside:
            raise _no_shard(folder, printable(arguments.out))
        shards += [shard for shard in inside if shard not in shards]
    for shard in shards:
        open_folder(shard).close()  # says what is wrong with it
    merge_into(out, shards)
    with closing(open_folder(out)) as connection:
        pages = connection.execute("SELECT count(*) FROM pages WHERE role = 'page'").fetchone()[0]
    say(f"{printable(arguments.out)} holds {plural(pages, 'page')} of {plural(len(shards), 'shard')}.")
    return 0


def _no_shard(path: Path, out: str) -> OutputError:
    """The error of a SHARD that is none."""
    if path.name == MERGED and path.is_file():
        why, hint = "it is made of the shards beside it", f"crawler merge {out} {printable(str(path.parent))}"
    else:
        hint = "crawler worker --frontier URL --name NAME -o DIR"
        if path.is_dir():
            why = f"it has no {FILE_NAME}, and no folder of a worker"
        else:
            why = "it is a file" if path.exists() else "there is no such folder"
    return OutputError(f"{printable(str(path))} is not a crawl", why, hint)
