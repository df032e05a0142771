"""`[hosts."…"]` tables: what is different for single hosts. Laws of every way of running a crawl."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from drive import Crawled, Drive

from crawler import crawl
from crawler.errors import UsageError
from crawler.settings import Settings
from crawler.testing import Site, answer
from crawler.wiring import fetch_options_of, politeness_of

HOSTS = ("https://site.test", "https://other.test:8443")
WEB = {f"{host}/": "".join(f"<a href=/{number}>x</a>" for number in range(12)) for host in HOSTS} | {
    f"{host}/{number}": "" for host in HOSTS for number in range(12)
}


def starts(crawled: Crawled, host: str) -> list[float]:
    return sorted(asked.started for asked in crawled.requests if asked.host == host)


def test_a_delay_of_one_host(drive: Drive) -> None:
    """Its requests start that far apart, robots.txt included; those of others do not wait."""
    crawled = drive(WEB, *(f"{host}/" for host in HOSTS), hosts={"other.test:8443": {"delay": "5s"}}, sitemap="off")

    slow, quick = starts(crawled, "other.test:8443"), starts(crawled, "site.test")
    assert len(slow) == len(quick) == 14
    assert all(later - earlier >= 5 for earlier, later in pairwise(slow))
    assert quick[-1] < slow[3]


def test_slots_of_one_host(drive: Drive) -> None:
    """Of one host no more are asked for at once than its table says, however many its pace would bear."""
    crawled = drive(WEB, *(f"{host}/" for host in HOSTS), hosts={"site.test": {"per-host": 1}}, per_host=8, adaptive=False, latency=1.0)

    asked = sorted((each for each in crawled.requests if each.host == "site.test"), key=lambda each: each.started)
    assert len(asked) >= 14
    assert all(later.started >= earlier.ended for earlier, later in pairwise(asked))


def test_headers_and_login_of_one_host(new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    """They go to that host beside the general ones, with robots.txt too, and to no other."""
    monkeypatch.setenv("OF_DOCS", "me:password")
    other = new_site({"/": "other"}, address="127.0.0.2")
    site = new_site({"/": answer(links=["/a", other.url()]), "/a": "a"})
    table = {"header": ["X-Team: docs"], "auth_env": "OF_DOCS"}
    hosts = {f"127.0.0.2:{other.port}": table}
    for _ in crawl(site.url(), scope="any", allow_private=True, hosts=hosts, header=["X-All: yes"]):
        pass

    assert {name: {hit.headers.get(name) for hit in other.log} for name in ("x-team", "x-all", "authorization")} == {
        "x-team": {"docs"}, "x-all": {"yes"}, "authorization": {"Basic bWU6cGFzc3dvcmQ="},
    }  # fmt: skip
    assert {hit.headers.get(name) for hit in site.log for name in ("x-team", "authorization")} == {None}
    assert "/robots.txt" in other.paths


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("EXAMPLE.org", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("example.org:443", "example.org"),
        ("example.org:80", "example.org"),
        ("example.org:8080", "example.org:8080"),
        ("[::1]:81", "[::1]:81"),
    ],
)
def test_a_host_may_be_written_as_people_write_it(written: str, host: str) -> None:
    """A table is found by its host, however that is spelt: case, international names, a port that its scheme has anyway."""
    settings = Settings.from_keywords(hosts={written: {"delay": 7, "per_host": 3, "header": ["X-Team: docs"]}})

    rules = politeness_of(settings)
    assert (rules(host).delay, rules(host).per_host) == (7.0, 3)
    assert (rules("else.test").delay, rules("else.test").per_host) == (settings.delay, settings.per_host)
    assert fetch_options_of(settings, ()).host_headers == {host: (("X-Team", "docs"),)}


@pytest.mark.parametrize(
    "written", ["https://example.org", "example.org/docs", "me@example.org", "exa mple.org", "example.org:port", "*.example.org"]
)
def test_a_table_of_no_host_is_refused(written: str) -> None:
    """A table that no host could have is a mistake, not a table that nobody uses."""
    with pytest.raises(UsageError, match="is no host"):
        politeness_of(Settings.from_keywords(hosts={written: {"delay": 7}}))


def test_two_tables_of_one_host_are_refused() -> None:
    """Ports 80 and 443 are one host: of two tables nobody could tell which one counts."""
    with pytest.raises(UsageError, match="has two tables"):
        politeness_of(Settings.from_keywords(hosts={"example.org": {"delay": 7}, "example.org:443": {"delay": 8}}))
