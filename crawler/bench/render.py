"""A comparison as a table for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from crawler import __version__
from crawler.bench.compare import Comparison, Row, mode_name, warnings
from crawler.text import printable

_HEAD = ("mode", "wall s (median, min-max)", "pages/s", "CPU ms/page", "peak MB", "p50 / p95 ms", "speed-up")
_MB = 1024 * 1024


def table(found: Comparison) -> str:
    """The modes one below the other, and what all of them have in common; without a final line end."""
    rows = [_HEAD, *(_cells(row) for row in found.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for cells, note in zip(rows, ["", *(_mark(row) for row in found.rows)], strict=True):
        pads = (str.ljust, str.ljust, *[str.rjust] * (len(_HEAD) - 2))
        aligned = [pad(cell, width) for pad, cell, width in zip(pads, cells, widths, strict=True)]
        lines.append(f"  {'   '.join(aligned)}{note}".rstrip())
    return "\n".join([*lines, "", *_same(found), *(f"  warning: {printable(warning)}" for warning in warnings(found))])


def _cells(row: Row) -> tuple[str, ...]:
    low, high = row.walls
    p50, p95 = row.ttfb
    return (
        mode_name(row.mode),
        f"{_figure(row.wall)} ({_figure(low)}-{_figure(high)})",
        _figure(row.pages_per_second),
        f"{row.cpu_per_page:.2f}",
        "?" if row.peak is None else f"{row.peak / _MB:.0f}",
        " / ".join("?" if value is None else _figure(value) for value in (p50, p95)),
        f"{row.speed_up:.1f}x",
    )


def _figure(value: float) -> str:
    """Three figures or more: 0.123, 1.23, 12.3, 123."""
    return f"{value:.{3 if value < 0.9995 else 2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def _mark(row: Row) -> str:
    return ("  <- best" if row.is_best else "") + (f"  ({row.note})" if row.note else "")


def _same(found: Comparison) -> list[str]:
    line = f"  All modes fetched the same {found.pages:,} URLs with the same bytes (digests compared)."
    more = "  The site has more: a first crawl, which is not in the table, chose them, and no mode followed links."
    return [line] if found.whole else [line, more]


def to_json(found: Comparison, site: dict[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """All figures and all runs as plain values: seconds, milliseconds per page, bytes. `site` tells what was crawled."""
    return {
        "crawler": __version__,
        "date": (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": found.load,
        "site": site,
        "own": found.plan.own,
        "repeat": found.plan.repeat,
        "pages": found.pages,
        "whole_site": found.whole,
        "digest": found.digest,
        "warnings": warnings(found),
        "modes": [_row_to_json(row) for row in found.rows],
    }


def _row_to_json(row: Row) -> dict[str, Any]:
    low, high = row.walls
    p50, p95 = row.ttfb
    runs = [asdict(run) for run in row.runs]
    return {
        "mode": row.mode,
        "name": mode_name(row.mode),
        "wall": {"median": row.wall, "min": low, "max": high},
        "pages_per_second": row.pages_per_second,
        "cpu_ms_per_page": row.cpu_per_page,
        "peak": row.peak,
        "ttfb_ms": {"p50": p50, "p95": p95},
        "speed_up": row.speed_up,
        "best": row.is_best,
        "note": row.note,
        "runs": [{name: run[name] for name in ("wall", "cpu", "peak", "ttfb_p50", "ttfb_p95")} for run in runs],
    }
