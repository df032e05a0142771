"""Writes a static site to measure crawlers on: `python benchmarks/site.py --pages 5000 -o site`, then let any server serve the folder.

Equal arguments write equal bytes. Every page is reachable from `/` (`index.html`), and `site.json` in the folder says what it is.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

from crawler.bench.pages import KINDS, Shape, generate
from crawler.configuration.values import read_size


def write(shape: Shape, folder: Path) -> None:
    """One file per page, and the shape as site.json. Raises FileExistsError when the folder holds anything."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    for path, body in generate(shape):
        file = folder / ("index.html" if path == "/" else path[1:])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    (folder / "site.json").write_text(json.dumps(asdict(shape), indent=1) + "\n", "utf-8")


def main() -> None:
    """Reads the arguments and writes the site."""
    parser = argparse.ArgumentParser(description="Writes a static site to measure crawlers on.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="an empty or new folder")
    parser.add_argument(
        "--kind", choices=KINDS, default="standard", help="small: 4 KB, 20 links; folders: relative hrefs; flat: one folder"
    )
    parser.add_argument("--pages", type=int, default=5000)
    parser.add_argument("--size", type=read_size, help="bytes of every page, e.g. 30KB")
    parser.add_argument("--links", type=int, help="hrefs on every page")
    given = parser.parse_args()
    kind = KINDS[given.kind]
    shape = replace(kind, pages=given.pages, size=given.size or kind.size, links=given.links or kind.links)
    try:
        write(shape, given.output)
    except OSError as error:
        parser.error(str(error))
    print(f"{shape.pages:,} pages of {shape.size:,} bytes and {shape.links} links in {given.output}")


if __name__ == "__main__":
    main()
