"""What the site that benchmarks run on promises: the same pages everywhere, all reachable, every request counted."""

from __future__ import annotations

import hashlib
import http.client
import re
import subprocess
import sys

import pytest

from crawler.bench.pages import KINDS, Shape, generate, missing_path, path_of, planted
from crawler.bench.site import SLOW, BenchSite
from crawler.testing import reachable

SMALL = Shape(pages=30, links=20, size=4096)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pages", [1, 2, 7, 120])
def test_every_page_is_reachable_and_nothing_else(kind: str, pages: int) -> None:
    """Following links from / leads to exactly the generated pages."""
    shape = Shape(pages, KINDS[kind].links, KINDS[kind].size, layout=KINDS[kind].layout)
    site = dict(generate(shape))
    assert reachable(site) == set(site) == {path_of(number, shape.layout) for number in range(pages)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_the_asked_size_and_number_of_links(kind: str) -> None:
    """Pages are of one size to the byte, each with the same number of hrefs and a title of its own."""
    shape = Shape(60, KINDS[kind].links, KINDS[kind].size, layout=KINDS[kind].layout)
    bodies = [body for _, body in generate(shape)]
    assert {len(body) for body in bodies} == {shape.size}
    assert {len(re.findall(rb"<a href=", body)) for body in bodies} == {shape.links}
    assert len({re.search(rb"<title>(.*?)</title>", body)[1] for body in bodies}) == 60  # type: ignore[index]


def test_a_page_too_small_for_its_links_has_the_links() -> None:
    """The links come before the size."""
    assert all(body.count(b"<a href=") == 50 for _, body in generate(Shape(5, links=50, size=100)))


def test_missing_pages_are_linked_and_not_there() -> None:
    """`missing` further URLs are reachable, and are no pages."""
    site = dict(generate(Shape(10, links=20, size=4096, missing=25)))
    assert reachable(site) - set(site) == {missing_path(number) for number in range(25)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("pages", "trouble", "count"), [(120, 12, 12), (7, 3, 3), (2, 1, 1), (1, 1, 0), (50, 50, 25)])
def test_planted_trouble_hides_no_page(kind: str, pages: int, trouble: int, count: int) -> None:
    """As many pages as asked for, a half at most, answer with trouble of each kind in turn; all others are reached without them."""
    shape = Shape(pages, KINDS[kind].links, KINDS[kind].size, layout=KINDS[kind].layout, planted=trouble)
    troubled = planted(shape)
    assert len(troubled) == count
    assert [*troubled.values()] == [("missing", "failing", "slow")[number % 3] for number in range(count)]
    site = dict(generate(shape))
    assert reachable({path: body for path, body in site.items() if path not in troubled}) >= set(site) - set(troubled)


def test_the_same_bytes_on_every_machine() -> None:
    """A figure measured elsewhere was measured on these very pages."""
    digest = hashlib.sha256(b"".join(path.encode() + body for path, body in generate(SMALL))).hexdigest()
    assert digest == "61fc86f372c77a61cb317a94f9e1009f77c1203bd3f71672b2257c3f94991deb"


def ask(site: BenchSite, *paths: str) -> list[int]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    statuses = []
    for path in paths:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    return statuses


def test_the_process_serves_the_pages_and_counts() -> None:
    """Its counts are those of the requests for pages; a reset begins anew."""
    with BenchSite(Shape(pages=3, links=4, size=2048, missing=1)) as site:
        assert site.stats().requests == 0
        assert ask(site, "/", path_of(1), path_of(2), "/", missing_path(0), "/robots.txt") == [200, 200, 200, 200, 404, 404]
        stats = site.reset()
        assert (stats.requests, stats.paths, stats.repeated, stats.in_flight_peak) == (6, 5, {"/": 2}, 1)
        assert stats.first is not None
        assert stats.last is not None
        assert stats.first <= stats.last
        after = site.stats()
        assert (after.requests, after.repeated, after.in_flight_peak, after.first) == (0, {}, 0, None)


def test_the_process_waits_its_latency_and_ends_with_its_stdin() -> None:
    """Latency is added to pages and not to the counts; closing stdin is enough to stop it."""
    command = [sys.executable, "-m", "crawler.bench.site", "--pages=2", "--links=2", "--size=1KB", "--latency=20ms"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        site = BenchSite(SMALL)
        assert process.stdout is not None
        site.port = int(process.stdout.readline())
        assert ask(site, "/", "/", "/") == [200, 200, 200]
        stats = site.stats()
        assert stats.first is not None
        assert stats.last is not None
        assert stats.last - stats.first >= 0.04
        process.communicate(timeout=10)
        assert process.returncode == 0


def test_planted_trouble_is_answered() -> None:
    """404, 500 that may be tried again at once, and a page that is late: each from the page it was planted on."""
    shape = Shape(pages=12, links=8, size=1024, planted=3)
    kinds = {kind: path for path, kind in planted(shape).items()}
    with BenchSite(shape) as site:
        assert ask(site, kinds["missing"], kinds["failing"], kinds["slow"], "/") == [404, 500, 200, 200]
        stats = site.stats()
        assert stats.first is not None
        assert stats.last is not None
        assert stats.last - stats.first >= SLOW
        assert stats.cpu > 0


def test_a_site_that_does_not_start_is_an_error() -> None:
    """Nobody waits for a port that never comes."""
    with pytest.raises(RuntimeError, match="did not start"), BenchSite(Shape(pages=1, layout="no such")):  # type: ignore[arg-type]
        pass
