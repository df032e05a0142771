"""The head of an HTML file that needs nothing else, no network and no server, and that anybody may open."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files


def style() -> str:
    """The style of all such files."""
    return files("crawler.report").joinpath("report.css").read_text("utf-8")


def head(title: str, css: str, script: str = "") -> str:
    """All of a document up to its body, for a browser in either theme. A Content-Security-Policy of its own admits nothing but this style
    and this script (CSP 3, 2.3.1: by their digests), wherever the file is opened or served. `title` is escaped already."""
    programs = f"script-src {_digest(script)}; " if script else ""
    policy = f"default-src 'none'; style-src {_digest(css)}; {programs}img-src data:; base-uri 'none'; form-action 'none'"
    return (
        f'<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta http-equiv=Content-Security-Policy content="{policy}">'
        f'<meta name=viewport content="width=device-width,initial-scale=1"><meta name=color-scheme content="light dark">'
        f'<meta name=referrer content=no-referrer><link rel=icon href="data:,"><title>{title}</title><style>{css}</style></head>'
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
