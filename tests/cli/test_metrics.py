"""`--metrics`: what Prometheus reads while a crawl runs, and what a probe is told."""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from dataclasses import fields
from pathlib import Path

import pytest
from frontiers import Clock, SharedCrawl, request
from running import SECONDS, Capture, error_lines, no_surroundings, run, running

from crawler.cli.metrics import Metrics, MetricsServer
from crawler.configuration import values
from crawler.model import Body, HostState, Page, PageError, Record
from crawler.progress import HostProgress, Progress
from crawler.store.database import Database
from crawler.testing import Gate, Site, answer

pytest.importorskip("prometheus_client", reason="the extra `metrics` is not installed")
pytestmark = pytest.mark.usefixtures("no_surroundings")
__all__ = ["no_surroundings"]


def read(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text: str) -> dict[str, float]:
    """The samples that are not zero, but for buckets and times of creation."""
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines if float(value) and "_bucket" not in name and "_created" not in name}


def test_what_is_stored_is_counted_by_what_came_of_it() -> None:
    """Pages by status, outcome and role, errors by kind, bytes and seconds; a sitemap is no page, an unmodified body was not moved."""
    metrics = Metrics(lambda: 0.0)
    body = Body(10, b"0123456789")
    metrics.count([
        Record(Page("https://a.test/", 1, 200, "ok", content=body, ttfb=0.1, elapsed=0.3)),
        Record(Page("https://a.test/1", 2, 304, "not_modified", content=body, ttfb=0.1, elapsed=0.2)),
        Record(Page("https://a.test/2", 3, outcome="error", error=PageError("dns"), role="probe")),
        Record(Page("https://a.test/map.xml", 4, 200, "ok", role="sitemap", content=body)),
    ])  # fmt: skip
    metrics.progress(Progress(queued=7, in_flight=3, hosts=(HostProgress("a.test", 3, 4, 0.0),), more_hosts=2), 1, 0)
    metrics.progress(Progress(queued=6, in_flight=2, hosts=(HostProgress("a.test", 3, 4, 0.0),), more_hosts=2), 3, 5)

    from prometheus_client import generate_latest

    assert samples(generate_latest(metrics.registry).decode()) == {
        'crawler_pages_total{outcome="ok",role="page",status="200"}': 1,
        'crawler_pages_total{outcome="not_modified",role="page",status="304"}': 1,
        'crawler_pages_total{outcome="error",role="probe",status="0"}': 1,
        'crawler_errors_total{kind="dns"}': 1,
        "crawler_body_bytes_total": 10, "crawler_fetch_seconds_count": 2, "crawler_fetch_seconds_sum": 0.5,
        "crawler_queued_urls": 6, "crawler_in_flight_requests": 2, "crawler_hosts": 3, "crawler_due_hosts": 5,
        "crawler_leases_lost_total": 3,
    }  # fmt: skip


def test_due_hosts_are_those_that_nobody_holds() -> None:
    """What workers are added for: a host that is held is not counted, nor one that may not be asked yet."""
    clock = Clock()
    shared, database = SharedCrawl(partitions=2), Database(None)
    frontier = shared.frontier(database, None, clock)
    frontier.add([request(f"https://{name}.test/") for name in "abcd"])
    first, *_ = frontier.lease(2, 9, 60.0).leases
    frontier.release(first, HostState(next_at=clock() + 10))
    frontier.stats()
    found = [frontier.due_hosts]
    clock.advance(10)
    frontier.finished()
    found.append(frontier.due_hosts)
    shared.close()
    database.close()
    assert found == [2, 3]


def test_health_is_a_sign_of_life() -> None:
    """200 while there is one, 503 when there was none for too long, 404 for other paths; all over HTTP."""
    with MetricsServer("127.0.0.1:0", stuck=3600) as server:
        health = server.url.replace("/metrics", "/healthz")
        assert read(health) == (200, "ok\n")
        assert read(server.url.replace("/metrics", "/"))[0] == 404
        assert "crawler_queued_urls 0.0" in read(server.url)[1]
    with MetricsServer("[::1]:0", stuck=-1) as server:
        assert read(server.url.replace("/metrics", "/healthz"))[0] == 503


def test_a_crawl_serves_its_numbers_while_it_runs(site: Site, tmp_path: Path) -> None:
    """The address is said on standard error; the numbers are those of the crawl; afterwards nobody listens."""
    gate = Gate()
    site.page("/", "", links=["/a", "/b"])
    site.page("/a", "x")
    site.page("/b", "", links=["/slow"])
    site.page("/slow", answer(200, "x", gate=gate))
    with running("crawl", site.url(), "-o", tmp_path / "out", "--metrics", "0") as process:
        assert process.stderr is not None
        while not (found := re.search(r"Metrics: (http://127\.0\.0\.1:\d+/metrics)", process.stderr.readline())):
            pass
        site.wait_for("/slow", timeout=SECONDS)
        text = read(found[1])[1]
        assert samples(text)['crawler_pages_total{outcome="ok",role="page",status="200"}'] == 3
        gate.open()
        assert process.wait(30) == 0
    with pytest.raises(urllib.error.URLError):
        read(found[1])


def test_an_address_that_is_taken_is_an_error_before_there_is_a_folder(site: Site, tmp_path: Path, capfd: Capture) -> None:
    """Code 2, and nothing was asked."""
    with MetricsServer("127.0.0.1:0") as server:
        address = server.url.removeprefix("http://").removesuffix("/metrics")
        ran = run(capfd, "crawl", site.url(), "-o", tmp_path / "out", "--metrics", address)
    assert (ran.code, error_lines(ran.err)[0]) == (2, f"error: cannot listen on {address}")
    assert (list(tmp_path.iterdir()), site.log) == ([], [])


def test_without_the_extra_the_error_names_it(site: Site, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it is the hint; there is no folder yet."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    ran = run(capfd, "crawl", site.url(), "-o", tmp_path / "out", "--metrics", "0")
    assert ran.code == 2
    assert error_lines(ran.err)[::2] == ["error: --metrics needs prometheus-client", "  try: pip install 'asyncrawl[metrics]'"]
    assert list(tmp_path.iterdir()) == []


def test_addresses() -> None:
    """A port alone is open to this machine only."""
    written = {text: values.ADDRESS.read(text) for text in ("9464", ":9464", "0.0.0.0:9464", "[::]:0", "localhost:1")}
    assert list(written.values()) == ["127.0.0.1:9464", "127.0.0.1:9464", "0.0.0.0:9464", "[::]:0", "localhost:1"]
    for wrong in ("", "x", "65536", "1.2.3.4", "::1:80", "http://a:1", True):
        with pytest.raises(ValueError, match=r"^$"):
            values.ADDRESS.read(wrong)


def test_the_guide_names_every_field_of_progress() -> None:
    """What `--progress json` says is documented, each field."""
    guide = (Path(__file__).parent.parent.parent / "docs" / "guides" / "watch-a-crawl.md").read_text("utf-8")
    table = guide[guide.index("| field of `progress`") :].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:])))
    assert named == {field.name for field in fields(Progress)}
