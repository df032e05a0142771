"""Kinds of values that name a shared crawl: the servers of its frontier, and its name there."""

from __future__ import annotations

import re
from typing import Any

from crawler.configuration.values import Kind

_REDIS = re.compile(r"(rediss?://|unix://)[^\s,]+", re.IGNORECASE)


def _frontier(value: Any) -> str:
    if not isinstance(value, str) or not all(map(_REDIS.fullmatch, value.split(","))):
        raise ValueError
    return value


FRONTIER = Kind("a Redis server, or several with commas, e.g. redis://localhost:6379/0", _frontier, metavar="URL", secret=True)


def _crawl_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value, re.ASCII):
        raise ValueError
    return value


CRAWL_NAME = Kind("a name of letters, digits, dots and dashes, e.g. web", _crawl_name, metavar="NAME")
