"""`crawler status --watch`: the status again and again, until the crawl has ended."""

from __future__ import annotations

import os
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import TextIO

from crawler.cli.messages import INTERRUPTED
from crawler.cli.screen import is_dumb, wants_color
from crawler.cli.screen_text import encodable
from crawler.report.status import Status
from crawler.text import as_json, width_of

SECONDS = 1.0
"""Between two looks, at least; looking takes no more than a fifth of the time."""


def watch(
    look: Callable[[], Status],
    render: Callable[[Status, str, int, bool], str],
    line_of: Callable[[Status], str],
    arguments: Namespace,
    sleep: Callable[[float], object] = time.sleep,
) -> int:
    """Shows what `look` says while the crawl runs, and once more when it has ended: redrawn on a terminal, a line each elsewhere, JSON
    objects with `arguments.json`. Ctrl-C ends it without a word."""
    stream = sys.stdout
    drawn = _Redrawn(stream) if stream.isatty() and not arguments.json and not is_dumb(os.environ) else None
    color = wants_color("auto", stream, os.environ)
    try:
        while True:
            began = time.monotonic()
            found = look()
            took = time.monotonic() - began
            if drawn is not None:
                drawn.draw(render(found, arguments.folder, shutil.get_terminal_size().columns, color))
            else:
                text = as_json(found.to_json(), ascii=True) if arguments.json else line_of(found)
                print(encodable(text, stream.encoding), flush=True)
            if found.state != "running":
                return 0
            sleep(max(SECONDS, 4 * took))
    except KeyboardInterrupt:
        return INTERRUPTED


class _Redrawn:
    """Lines on a terminal that take the place of those before."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows = 0

    def draw(self, text: str) -> None:
        columns = max(1, shutil.get_terminal_size().columns)
        back = f"\x1b[{self._rows}F\x1b[J" if self._rows else ""
        self._stream.write(f"{back}{encodable(text, self._stream.encoding)}\n")
        self._stream.flush()
        plain = text.replace("\x1b[1m", "").replace("\x1b[0m", "")
        self._rows = sum(max(1, -(-width_of(line) // columns)) for line in plain.split("\n"))
