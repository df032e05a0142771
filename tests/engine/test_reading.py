"""How much it takes to read a response is known at a glance."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from crawler.engine.reading import LARGE_BODY, effort
from crawler.model import Body, PageError, Request, Response

ROW = b"<p>some words and <a href=/x>a link</a>"
XML = "application/xml"
ENTRY = b"<url><loc>/a</loc></url>"


def effort_for(body: bytes, content_type: str = "text/html", role: str = "page", status: int = 200, error: PageError | None = None) -> str:
    headers = (("Content-Type", content_type),) if content_type else ()
    response = Response("http://a.test/", status, headers, Body(len(body), body, None, "aa"), error)
    return effort(Request("http://a.test/", 1, "a.test", role), response)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "facts", "expected"),
    [
        (ROW * 500, {}, "now"),
        (ROW * 2_000, {}, "aside"),
        (ROW * 10_000, {}, "apart"),
        (b"<div>" * 30_000, {}, "apart"),
        (b"<b " + b"".join(b"a%d " % number for number in range(9_000)), {}, "apart"),
        (ROW * 300, {"content_type": ""}, "now"),
        (ROW * 10_000, {"content_type": "image/png"}, "none"),
        (ROW * 10_000, {"content_type": XML}, "none"),
        (ROW * 10_000, {"status": 404}, "none"),
        (ROW * 10_000, {"error": PageError("truncated")}, "none"),
        (b"<urlset>" + ENTRY * 400, {"content_type": XML}, "now"),
        (b"<urlset>" + ENTRY * 5_000, {"content_type": XML}, "aside"),
        (b"<urlset>" + ENTRY * 50_000, {"content_type": XML}, "apart"),
        (ENTRY * 100, {"role": "sitemap"}, "now"),
        (gzip.compress(ENTRY * 50_000, mtime=0), {"role": "sitemap"}, "apart"),
    ],
)
def test_the_effort(body: bytes, facts: dict[str, object], expected: str) -> None:
    """Small pages are read at once, others in a thread, large and strange ones in a process; what is not parsed takes none."""
    assert effort_for(body, **facts) == expected  # type: ignore[arg-type]


def test_a_body_in_a_file_is_read_apart(tmp_path: Path) -> None:
    """What was too large for the memory is not read on the loop; of what is not parsed the first bytes at most."""
    (tmp_path / "body").write_bytes(b"<html>")
    for content_type, expected in (("text/html", "apart"), ("", "apart"), (XML, "none"), ("video/mp4", "none")):
        body = Body(LARGE_BODY + 1, None, tmp_path / "body", "aa")
        response = Response("http://a.test/", 200, (("Content-Type", content_type),), body)
        assert effort(Request("http://a.test/", 1, "a.test"), response) == expected
