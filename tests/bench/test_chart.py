"""bench.svg promises: the figures of the table, legible anywhere, nothing loaded, nothing of the web taken for markup."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from crawler.bench.chart import MARK, chart
from crawler.bench.compare import Comparison, Plan, Row, rated
from crawler.bench.measure import Measurement

SVG = "{http://www.w3.org/2000/svg}"


def row(mode: str, *walls: float, **more: object) -> Row:
    """Runs of 500 pages in so many seconds."""
    run = Measurement(mode, 1.0, 0.5, 60 << 20, 500, 500, "same", 50.5, 52.0, "queue empty")
    return Row(mode, tuple(replace(run, wall=wall, **more) for wall in walls))  # type: ignore[arg-type]


def drawn(*rows: Row, about: str = "500 pages") -> ElementTree.Element:
    return ElementTree.fromstring(chart(Comparison(Plan("http://127.0.0.1/"), rated(rows), True), [about]))


def texts(picture: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def test_figures_and_spread() -> None:
    """Every mode has its pages per second, its speed-up and a whisker from its slowest to its quickest run, in the order of requests."""
    picture = drawn(row("32", 1.25, 1.0, 2.0), row("1", 25.0), row("sync", 25.0))
    assert [text for text in texts(picture) if text in ("sync", "1", "32")] == ["sync", "1", "32"] * 2
    assert [text for text in texts(picture) if re.fullmatch(r"[\d.]+x", text)] == ["1.0x", "1.0x", "20.0x"]
    assert "400" in texts(picture)
    ends = [re.findall(r"[MV]([\d. ]+)", each.get("d", "")) for each in picture.iter(f"{SVG}path")]
    heights = [float(low.split()[1]) - float(high) for low, high, *_ in ends]
    assert heights[:2] == [0.0, 0.0]
    assert heights[2] == pytest.approx((500 - 250) * (286 - 104) / 600, abs=0.1)


def test_it_is_light_or_dark_and_loads_nothing() -> None:
    """As its reader's system is; no script, no link, no font, no image."""
    text = chart(Comparison(Plan("http://127.0.0.1/"), rated([row("8", 1.0)]), True), ["one mode"])
    assert "@media (prefers-color-scheme: dark)" in text
    assert MARK in text
    assert not re.search(r"script|href|url\(|@import|<image", text)


def test_what_the_web_names_is_text() -> None:
    """A URL closes no element and holds no control character; a long one is cut off."""
    picture = drawn(row("8", 1.0), about="http://a.org/</text><script>x</script>\x1b]0;" + "y" * 200)
    assert not [element.tag for element in picture.iter() if "script" in element.tag]
    (shown,) = [text for text in texts(picture) if text.startswith("http")]
    assert shown.startswith("http://a.org/</text><script>x</script>\\x1b]0;yy")
    assert shown.endswith("y…")


def test_many_modes_and_no_answer() -> None:
    """Names thin out rather than overlap; a mode without a time to the headers has no point below."""
    picture = drawn(*(row(str(2**number), 10.0 / (number + 1)) for number in range(12)))
    assert [text for text in texts(picture) if text in ("1", "2", "4", "1024")][:3] == ["1", "4", "1024"]
    assert len([text for text in texts(picture) if text.endswith("x")]) == 1
    assert "0" in texts(drawn(row("8", 1.0, ttfb_p50=None, ttfb_p95=None)))
