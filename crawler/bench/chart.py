"""A comparison as a picture: pages per second over requests at once with their spread, and the latency below. SVG, nothing loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from crawler.bench.compare import Comparison, Row, requests
from crawler.bench.measure import SYNC
from crawler.text import printable

MARK = "drawn by crawler bench"
"""Stands in every picture: how one of ours is told from a file of others."""

_WIDTH, _HEIGHT = 440, 480
_LEFT, _RIGHT = 50, _WIDTH - 26
_MANY = 7
_LONGEST = 62
_STYLE = """
  svg { --paper: #ffffff; --ink: #1f2328; --soft: #59636e; --line: #d8dee4; --first: #0550ae; --second: #bc4c00; color-scheme: light dark }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --line: #30363d; --first: #58a6ff; --second: #f0883e }
  }
  text { font: 13px system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; fill: var(--ink) }
  .title { font-size: 16px; font-weight: 600 } .soft { fill: var(--soft); font-size: 12px } .axis { fill: var(--soft) }
  .end { text-anchor: end } .middle { text-anchor: middle } .strong { font-weight: 600 }
  .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round }
  .grid { stroke: var(--line) } .zero { stroke: var(--soft) }
  .first { stroke: var(--first) } .second { stroke: var(--second) } .path { fill: none; stroke-width: 2.5; stroke-linejoin: round }
  .dot { fill: var(--first); stroke: var(--paper); stroke-width: 1.5 } .sync { fill: var(--paper); stroke: var(--first); stroke-width: 2.5 }
  .dot2 { fill: var(--second); stroke: var(--paper); stroke-width: 1.5 } .small { fill: var(--paper); stroke-width: 2 }
  .band { fill: var(--first); opacity: .16 } .spread { stroke: var(--first); stroke-width: 1.5 }
"""


@dataclass(frozen=True, slots=True)
class _Panel:
    """A part of the picture with an axis from 0 to `highest`."""

    top: int
    bottom: int
    highest: float

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * value / self.highest

    def grid(self, parts: int) -> Iterator[str]:
        for tick in range(parts + 1):
            value = self.highest * tick / parts
            y = self.y(value)
            yield f'<line class="{"grid" if tick else "zero"}" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class="axis end" x="{_LEFT - 8}" y="{y + 4:.1f}">{value:,.10g}</text>'


def chart(found: Comparison, about: Sequence[str]) -> str:
    """The picture as the text of an SVG file, light or dark as its reader's system is. `about` are the lines below the title, of
    which what does not fit is cut off."""
    rows = sorted(found.rows, key=lambda row: requests(row.mode))
    step = (_RIGHT - _LEFT) / len(rows)
    places = [_LEFT + step * (number + 0.5) for number in range(len(rows))]
    summary = "; ".join(f"{_name(row.mode)} {_figure(row.pages_per_second)} pages a second" for row in rows)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="title summary">',
            f"<!-- {MARK} -->",
            '<title id="title">Pages per second by requests at once</title>',
            f'<desc id="summary">{escape(summary)}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="var(--paper)"/>',
            '<text class="title" x="16" y="28">Pages per second by requests at once</text>',
            *(f'<text class="soft" x="16" y="{47 + 16 * line}">{_fitting(text)}</text>' for line, text in enumerate(about)),
            *_pace(rows, places),
            *_latency(rows, places),
            "</svg>",
            "",
        ]
    )


def _pace(rows: Sequence[Row], places: Sequence[float]) -> Iterator[str]:
    """Pages per second: the band of all runs, the line of their medians, a whisker and a figure at every point."""
    panel = _Panel(104, 286, _round_up(max(_paces(row)[1] for row in rows) * 1.1))
    yield from panel.grid(4)
    many = [(x, row) for x, row in zip(places, rows, strict=True) if row.mode != SYNC]
    upper = [(x, panel.y(_paces(row)[1])) for x, row in many]
    lower = [(x, panel.y(_paces(row)[0])) for x, row in reversed(many)]
    if len(many) > 1:
        yield f'<polygon class="band" points="{_points([*upper, *lower])}"/>'
        yield f'<polyline class="path first" points="{_points([(x, panel.y(row.pages_per_second)) for x, row in many])}"/>'
    for x, row in zip(places, rows, strict=True):
        low, high = (panel.y(pace) for pace in _paces(row))
        y = panel.y(row.pages_per_second)
        yield f'<path class="spread" d="M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8"/>'
        yield f'<circle class="{"sync" if row.mode == SYNC else "dot"}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        if len(rows) <= _MANY or row.is_best:
            yield f'<text class="middle strong halo" x="{x:.1f}" y="{high - 24:.1f}">{_figure(row.pages_per_second)}</text>'
            yield f'<text class="middle soft halo" x="{x:.1f}" y="{high - 10:.1f}">{row.speed_up:.1f}x</text>'
    yield from _names(rows, places, 304)


def _latency(rows: Sequence[Row], places: Sequence[float]) -> Iterator[str]:
    """Milliseconds to the headers: the median, and what one answer in twenty exceeds."""
    yield '<text class="strong" x="16" y="334">Milliseconds to the headers</text>'
    yield '<circle class="dot2" cx="258" cy="330" r="4.5"/><text class="soft" x="267" y="334">median</text>'
    yield '<circle class="second small" cx="326" cy="330" r="4"/><text class="soft" x="335" y="334">95 of 100</text>'
    known = [(x, *row.ttfb) for x, row in zip(places, rows, strict=True)]
    panel = _Panel(352, 434, _round_up(max([p95 for _, _, p95 in known if p95 is not None], default=1.0) * 1.05))
    yield from panel.grid(2)
    for part, style, circle in ((2, "path second", "second small"), (1, "path second", "dot2")):
        points = [(each[0], panel.y(value)) for each in known if (value := each[part]) is not None]
        dashes = ' stroke-dasharray="1 5" stroke-linecap="round"' if part == 2 else ""
        yield f'<polyline class="{style}"{dashes} points="{_points(points)}"/>'
        yield from (f'<circle class="{circle}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in points)
    yield from _names(rows, places, 452)
    yield f'<text class="soft middle" x="{(_LEFT + _RIGHT) / 2:.1f}" y="470">requests at once</text>'


def _names(rows: Sequence[Row], places: Sequence[float], y: int) -> Iterator[str]:
    step = -(-len(rows) // _MANY)
    for x, row in list(zip(places, rows, strict=True))[::step]:
        yield f'<text class="axis middle" x="{x:.1f}" y="{y}">{escape(row.mode)}</text>'


def _name(mode: str) -> str:
    return "one at a time" if mode == SYNC else f"{mode} at once"


def _paces(row: Row) -> tuple[float, float]:
    """Pages per second of the slowest and of the quickest run."""
    quick, slow = row.walls
    return row.runs[0].pages / slow, row.runs[0].pages / quick


def _round_up(value: float) -> float:
    """The next number that divides into quarters well: 1, 2, 4, 6 or 8 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next((step * power for step in (1, 2, 4, 6, 8) if step * power >= value), 10 * power)


def _figure(value: float) -> str:
    return f"{value:,.{0 if value >= 99.5 else 1}f}"


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _fitting(text: str) -> str:
    shown = printable(text)
    return escape(shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…")
