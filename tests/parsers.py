"""A parser that does what a page says, for the process in which pages are read."""

from __future__ import annotations

OBEDIENT = """
import sys; sys.path[:] = {path!r}
import os, pathlib, signal, threading
from crawler.engine import parser_process
from crawler.engine.reading import read
def obey(request, response, wanted):
    words = response.body.read().decode("latin-1").split()
    match words:
        case ["kill", name]: os.kill(os.getpid(), getattr(signal, name))
        case ["kill-once", path]:
            if not pathlib.Path(path).exists():
                pathlib.Path(path).touch()
                os._exit(3)
        case ["hang", *_]: threading.Event().wait()
        case ["lie", *lies]: parser_process.pieces = lambda reading: [lie.encode() for lie in lies]
        case ["raise"]: raise ValueError("what nobody foresaw")
    return read(request, response, wanted)
parser_process.read = obey
parser_process.main()
"""
