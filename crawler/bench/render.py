"""A comparison as a table for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from crawler import __version__
from crawler.bench.compare import Comparison, Row, mode_name, warnings
from crawler.text import printable

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Column:
    """One of the table: its heading, the shorter one where room is scarce, and how soon it goes when there is still none."""

    heading: str
    short: str
    goes: int
    cell: Callable[[Row], str]
    align: Callable[[str, int], str] = str.rjust

    def cells(self, rows: Sequence[Row], *, narrow: bool) -> list[str]:
        """Heading and figures, all of one width."""
        texts = [self.short if narrow else self.heading, *map(self.cell, rows)]
        return [self.align(text, max(map(len, texts))) for text in texts]


def table(found: Comparison, width: int | None = None) -> str:
    """The modes one below the other, and what all of them have in common; without a final line end. What does not fit into `width`
    columns is said shorter, or left out."""
    lines = _wide(found.rows)
    if width is not None and max(map(len, lines)) > width:
        lines = _narrow(found.rows, width)
    return "\n".join([*lines, "", *_same(found), *(f"  warning: {printable(warning)}" for warning in warnings(found))])


def _wide(rows: Sequence[Row]) -> list[str]:
    columns = [column.cells(rows, narrow=False) for column in _COLUMNS]
    marks = ["", *(("  <- best" if row.is_best else "") + (f"  ({row.note})" if row.note else "") for row in rows)]
    return [f"  {'   '.join(cells)}{mark}".rstrip() for cells, mark in zip(zip(*columns, strict=True), marks, strict=True)]


def _narrow(rows: Sequence[Row], width: int) -> list[str]:
    for kept in range(len(_COLUMNS), 1, -1):
        columns = [column.cells(rows, narrow=True) for column in _COLUMNS if column.goes < kept]
        lines = [f"  {'  '.join(cells)}".rstrip() for cells in zip(*columns, strict=True)]
        if max(map(len, lines)) <= width:
            break
    best = [f"  best: {mode_name(row.mode)}" for row in rows if row.is_best]
    return [*lines, *best, *(f"  {mode_name(row.mode)}: {row.note}" for row in rows if row.note)]


def _span(row: Row) -> str:
    low, high = row.walls
    return f"{_figure(row.wall)} ({_figure(low)}-{_figure(high)})"


_COLUMNS = (
    _Column("mode", "mode", 0, lambda row: mode_name(row.mode), str.ljust),
    _Column("wall s (median, min-max)", "wall s (min-max)", 3, _span, str.ljust),
    _Column("pages/s", "pages/s", 1, lambda row: _figure(row.pages_per_second)),
    _Column("CPU ms/page", "CPU ms", 4, lambda row: f"{row.cpu_per_page:.2f}"),
    _Column("peak MB", "MB", 6, lambda row: "?" if row.peak is None else f"{row.peak / _MB:.0f}"),
    _Column("p50 / p95 ms", "p50/95 ms", 5, lambda row: " / ".join("?" if value is None else _figure(value) for value in row.ttfb)),
    _Column("speed-up", "gain", 2, lambda row: f"{row.speed_up:.1f}x"),
)


def _figure(value: float) -> str:
    """Three figures or more: 0.123, 1.23, 12.3, 123."""
    return f"{value:.{3 if value < 0.9995 else 2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def _same(found: Comparison) -> list[str]:
    line = f"  All modes fetched the same {found.pages:,} URL{'s' * (found.pages != 1)} with the same bytes (digests compared)."
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
        "others": found.others,
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
        "runs": [{name: run[name] for name in ("wall", "cpu", "peak", "ttfb_p50", "ttfb_p95", "server", "others")} for run in runs],
    }
