"""A site cannot lead a crawler into the network it runs in: canaries listen there, and nobody knocks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from fetching import resolved
from running import no_surroundings, rows

from crawler import Crawler, crawl
from crawler.fetch import guard
from crawler.testing import Site, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]
SITE, PUBLIC, CANARIES = "127.0.0.2", "127.0.0.7", ("127.0.0.1", "127.0.0.5", "::1")


def asynchronously(folder: Path, *seeds: str, **settings: object) -> None:
    async def main() -> None:
        async with Crawler(output=folder, **settings) as crawler:
            async for _ in crawler.crawl(*seeds):
                pass

    asyncio.run(main())


def synchronously(folder: Path, *seeds: str, **settings: object) -> None:
    for _ in crawl(*seeds, output=folder, **settings):
        pass


Mode = Callable[..., None]


@pytest.fixture(params=[asynchronously, synchronously])
def mode(request: pytest.FixtureRequest) -> Mode:
    way: Mode = request.param
    return way


class Canaries:
    """Sockets that listen where nobody may connect to: on other addresses at the site's own port, and on its address at another."""

    def __init__(self, stack: ExitStack, site: Site) -> None:
        self._listening = []
        for address in CANARIES:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                self._listening.append(stack.enter_context(socket.create_server((address, site.port), family=family)))
            except OSError:
                assert family == socket.AF_INET6, f"cannot listen at {address}"
        beside = stack.enter_context(socket.create_server((SITE, 0)))
        self._listening.append(beside)
        self.other_port: int = beside.getsockname()[1]

    def visited(self) -> list[str]:
        """Where somebody has connected to."""
        found = []
        for listening in self._listening:
            listening.setblocking(False)
            try:
                visitor, _ = listening.accept()
            except BlockingIOError:
                continue
            visitor.close()
            found.append(str(listening.getsockname()))
        return found


@pytest.fixture
def site(new_site: NewSite) -> Site:
    return new_site(address=SITE)


@pytest.fixture
def canaries(site: Site) -> Iterator[Canaries]:
    with ExitStack() as stack:
        yield Canaries(stack, site)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What names resolve to: the first answer for the first question, and so on; the last one stays."""
    known: dict[str, list[list[str]]] = {
        "inside.test": [["127.0.0.5"]],
        "mixed.test": [["10.0.0.1", "127.0.0.5", "::1"]],
        "mapped.test": [["::ffff:127.0.0.5"]],
        "metadata.test": [["169.254.169.254"]],
    }
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *arguments: Any, **keywords: Any) -> list[Any]:
        answers = known.get(host if isinstance(host, str) else "")
        if answers is None:
            return real(host, port, *arguments, **keywords)
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return resolved(addresses, port)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


# Every way to write an address, or a name for one; {p} is the port at which canaries listen.
FORMS = [
    "http://127.0.0.5:{p}/", "http://127.0.0.1:{p}/", "http://2130706437:{p}/", "http://0177.0.0.05:{p}/", "http://0x7f.0.0.5:{p}/",
    "http://0x7f000005:{p}/", "http://127.5:{p}/", "http://127.0.5:{p}/", "http://017700000005:{p}/", "http://127.0.0.5.:{p}/",
    "http://[::1]:{p}/", "http://[::ffff:127.0.0.5]:{p}/", "http://[::ffff:7f00:5]:{p}/", "http://[0:0:0:0:0:ffff:7f00:5]:{p}/",
    "http://[64:ff9b::7f00:5]:{p}/", "http://[2002:7f00:5::]:{p}/", "http://[::127.0.0.5]:{p}/", "http://[::]:{p}/",
    "http://0.0.0.0:{p}/", "http://0:{p}/", "http://localhost:{p}/", "http://a.localhost:{p}/", "http://127。0。0。5:{p}/",
    "http://１２７.0.0.5:{p}/", "http://%31%32%37.0.0.5:{p}/", "http:\\\\127.0.0.5:{p}\\", "//127.0.0.5:{p}/",
    "http://127.0.0.2@127.0.0.5:{p}/", "http:/127.0.0.5:{p}/", "http://127.0.0.2:{p}@127.0.0.5:{p}/", "ht\ntp://127.0.0.5:{p}/",
    " http://127.0.0.5:{p}/x ", "https://127.0.0.5:{p}/", "http://inside.test:{p}/", "http://INSIDE.test:{p}/",
    "http://mixed.test:{p}/", "http://mapped.test:{p}/", "http://metadata.test/", "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/", "http://192.168.0.1/", "http://172.16.0.1/", "http://100.64.0.1/", "http://224.0.0.1/",
    "http://255.255.255.255/", "http://[fd00::1]/", "http://[fe80::1]/", "http://[ff02::1]/", "http://127.0.0.2:{o}/",
    "http://127.0.0.2:22/", "file:///etc/passwd", "ftp://127.0.0.5:{p}/", "gopher://127.0.0.5:{p}/x", "ws://127.0.0.5:{p}/",
    "dict://127.0.0.5:{p}/", "jar:http://127.0.0.5:{p}/!/", "view-source:http://127.0.0.5:{p}/", "ldap://127.0.0.5:{p}/",
    "unix:/run/docker.sock",
]  # fmt: skip


def forms(site: Site, canaries: Canaries) -> list[str]:
    return [form.format(p=site.port, o=canaries.other_port) for form in FORMS]


def escaped(url: str) -> str:
    return url.replace("&", "&amp;").replace('"', "&quot;")


def refused(folder: Path, base: str) -> list[tuple[str, str]]:
    """Every URL but those of the site, with the reason or the kind of error that kept it from being asked for."""
    query = """SELECT u.url, coalesce(u.reason, p.error, p.outcome, u.state) FROM urls u LEFT JOIN pages p ON p.id = u.id
               WHERE u.url NOT LIKE ? || '/%'"""
    return rows(folder, query, base)


def everything_is_refused(folder: Path, site: Site) -> None:
    reasons = refused(folder, site.url(""))
    assert reasons
    assert {reason for _, reason in reasons} <= {"private", "scheme", "blocked"}, reasons


def test_no_link_leads_inside(site: Site, canaries: Canaries, mode: Mode, tmp_path: Path) -> None:
    """Literals in every spelling, names with private addresses, other ports of the seed's own address, other schemes."""
    urls = forms(site, canaries)
    site.page("/", "".join(f'<a href="{escaped(url)}">x</a>' for url in urls) + "<a href=/last>x</a>")
    site.page("/last")
    mode(tmp_path / "out", site.url(), scope="any", retries=0)

    assert canaries.visited() == []
    everything_is_refused(tmp_path / "out", site)
    assert len(refused(tmp_path / "out", site.url(""))) > 35
    assert site.count("/last") == 1


def test_no_redirect_leads_inside(site: Site, canaries: Canaries, mode: Mode, tmp_path: Path) -> None:
    """The same behind every redirect, one of a seed included: that widens no scope."""
    urls = forms(site, canaries)
    site.page("/", links=[f"/to/{number}" for number in range(len(urls))])
    for number, url in enumerate(urls):
        # A header's value has no line ends, and its bytes are Latin-1 here.
        location = url.replace("\n", "").encode().decode("latin-1")
        site.page(f"/to/{number}", answer(302 if number % 2 else 301, headers=[("Location", location)]))
    site.page("/moved", answer(301, headers=[("Location", urls[0])]))
    mode(tmp_path / "out", site.url(), site.url("/moved"), scope="any", retries=0)

    assert canaries.visited() == []
    everything_is_refused(tmp_path / "out", site)
    assert all(site.count(f"/to/{number}") == 1 for number in range(len(urls)))


def test_nothing_else_leads_inside(site: Site, canaries: Canaries, mode: Mode, tmp_path: Path) -> None:
    """Frames, refreshes, bases, headers, sitemaps in robots.txt, in indexes and in pages, and names whose address is inside."""
    inside = [f"http://127.0.0.5:{site.port}", f"http://inside.test:{site.port}", f"http://[::ffff:127.0.0.5]:{site.port}"]
    sitemap = "".join(f"<sitemap><loc>{url}/index.xml</loc></sitemap>" for url in inside)
    listed = "".join(f"<url><loc>{url}/listed</loc></url>" for url in inside)
    site.page("/robots.txt", "".join(f"Sitemap: {url}/robots.xml\n" for url in inside) + f"Sitemap: {site.url('/index.xml')}\n")
    site.page("/index.xml", f"<sitemapindex>{sitemap}<sitemap><loc>{site.url('/list.xml')}</loc></sitemap></sitemapindex>")
    site.page("/list.xml", f"<urlset>{listed}</urlset>")
    site.page("/", links=["/page", *(f"/base/{number}" for number in range(len(inside)))])
    page = "".join(
        f"<iframe src='{url}/frame'></iframe><link rel=next href='{url}/link'><map><area href='{url}/area'></map><img src='{url}/image'>"
        f"<script src='{url}/script'></script><meta http-equiv=refresh content='0;url={url}/refresh'><form action='{url}/form'></form>"
        for url in inside
    )
    headers = [("Link", ", ".join(f"<{url}/header>; rel=next" for url in inside)), ("Refresh", f"0; url={inside[0]}/header-refresh")]
    site.page("/page", answer(body=page, headers=headers))
    for number, url in enumerate(inside):
        site.page(f"/base/{number}", f"<base href='{url}/'><a href=relative>x</a>")
    mode(tmp_path / "out", site.url(), scope="any", retries=0)

    assert canaries.visited() == []
    reasons = refused(tmp_path / "out", site.url(""))
    assert {reason for _, reason in reasons} <= {"private", "scheme", "blocked", "requisite"}
    paths = {url.rpartition("/")[2] for url, _ in reasons}
    assert {"robots.xml", "index.xml", "listed", "frame", "link", "area", "refresh", "header", "header-refresh", "relative"} <= paths
    assert site.count("/list.xml") == 1


@pytest.mark.parametrize("location", ["http://127.0.0.5:{p}/robots.txt", "http://inside.test:{p}/x", "http://127.0.0.2:{o}/robots.txt"])
def test_no_robots_txt_leads_inside(site: Site, canaries: Canaries, mode: Mode, tmp_path: Path, location: str) -> None:
    """A robots.txt that redirects inside cannot be had, so nothing of its host may be asked for; the crawl says so at once."""
    site.page("/robots.txt", answer(302, headers=[("Location", location.format(p=site.port, o=canaries.other_port))]))
    site.page("/", links=["/other"])
    mode(tmp_path / "out", site.url(), scope="any")

    assert canaries.visited() == []
    assert (site.count("/robots.txt"), site.count("/")) == (1, 0)
    [(error, detail)] = rows(tmp_path / "out", "SELECT error, error_detail FROM pages")
    assert error == "robots_unavailable"
    assert detail.startswith("blocked: robots.txt redirects to http://")


def test_a_name_that_changes_its_address_gains_nothing(
    new_site: NewSite, names: dict[str, list[list[str]]], mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the name is public when it is first asked, and inside from then on. Each socket is judged by its own address."""
    real = guard.private_kind

    def private_kind(address: IPv4Address | IPv6Address) -> str | None:
        return None if str(address) == PUBLIC else real(address)

    monkeypatch.setattr(guard, "private_kind", private_kind)
    outside = new_site(address=PUBLIC, otherwise=answer(headers=[("Connection", "close")], links=[f"/{number}" for number in range(8)]))
    names["rebinding.test"] = [[PUBLIC], ["127.0.0.5"]]
    with ExitStack() as stack:
        canaries = Canaries(stack, outside)
        start = new_site({"/": answer(links=[f"http://rebinding.test:{outside.port}/"])}, address="127.0.0.3")
        mode(tmp_path / "out", start.url(), scope="any", retries=0)
        assert canaries.visited() == []
    assert outside.count() > 0


def test_what_was_typed_may_be_inside(site: Site, canaries: Canaries, mode: Mode, tmp_path: Path) -> None:
    """A seed is asked wherever it is, and with `allow_private` so is everything else."""
    site.page("/", links=[f"http://127.0.0.1:{site.port}/"])
    mode(tmp_path / "1", site.url(), scope="any", retries=0)
    assert (site.count("/"), canaries.visited()) == (1, [])

    mode(tmp_path / "2", site.url(), scope="any", retries=0, allow_private=True, timeout=0.5, read_timeout=0.5)
    assert canaries.visited() == [str(("127.0.0.1", site.port))]
