"""`crawler health`: whether a crawl that runs gets on. For the health check of a container and the probes of a cluster."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from crawler.cli.facts import reading
from crawler.cli.screen_text import encodable
from crawler.report.health import health, running_crawls
from crawler.text import printable

STUCK = 4  # as other findings


def run(arguments: argparse.Namespace) -> int:
    """Prints a line for each crawl that runs in `arguments.folder`, or in a folder inside it. The exit code is that of findings when one of
    them is stuck; a folder in which nobody crawls is none."""
    running = running_crawls(Path(arguments.folder))
    stuck = False
    for folder in running:
        with reading(folder) as connection:
            found = health(connection, datetime.now(UTC), time.monotonic(), arguments.within)
        stuck = stuck or not found.ok
        print(encodable(printable(f"{folder}: {'ok' if found.ok else 'stuck'}: {found.words}"), sys.stdout.encoding))
    if not running:
        print("nothing is being crawled here")
    return STUCK if stuck else 0
