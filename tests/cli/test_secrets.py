"""What is secret stays with whom it is for: not in logs, files, tables, rows or messages, and never sent to another origin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import Capture, no_surroundings, rows, run

from crawler.core.urls import origin
from crawler.engine.bounds import seed_request
from crawler.fetch.headers import RequestHeaders
from crawler.host_settings import HostSettings
from crawler.settings import Settings
from crawler.testing import Site, answer
from crawler.wiring import fetch_options_of

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]

AUTHORIZATION, COOKIE, KEY, LOGIN, PROXY = "Bearer 1hUsH", "sid=2hUsH", "3hUsH", "user:4hUsH", "5hUsH"
GIVEN, SET, LINKED, OF_HOST, OF_TABLE = "6hUsH", "7hUsH", "8hUsH", "9hUsH", "0hUsH"
SECRET = re.compile("hU ?sH")
"""What is in every secret, and in nothing else."""

MODES = ("async", "sync")

SPELLINGS = (
    "//{login}@:99999/", "//{login}@127.0.0.2:{port}/a", "//{login}@127.0.0.9/a",
    "http://{login} hU sH@:99999/", "http://{login}\"hU sH@127.0.0.2:{port}/b", "http://user:<{login}>@127.0.0.2:{port}/c",
    "http:\\\\{login}@127.0.0.2:{port}/d", "/\\{login}@127.0.0.2:{port}/e", "http:\\\\{login}@:99999/", "https:{login}@127.0.0.9/f",
    "https:/{login}@127.0.0.9/g", "http:////{login}@127.0.0.9/h", "http://user:a/b?{login}@127.0.0.2/", "http://me@here:a#{login}@127.0.0.2/",
    "http://{login}" + "x" * 300 + "@:99999/",
    "ftp://{login}@127.0.0.2/i", "FTP:\\\\{login}@127.0.0.2/", "ssh://{login}@127.0.0.2/j", "git+ssh://user:a\\{login}@127.0.0.2/",
    "mailto:{login}@there.test", "sip:{login}@there.test;a=b", "{login}@127.0.0.2:99999/k", "view-source:http://{login}@127.0.0.2/",
)  # fmt: skip
"""Locations and links that hold a login, as a site may write them: what is no URL, and schemes that nobody asks for, among them."""


@pytest.fixture
def elsewhere(new_site: NewSite) -> Site:
    """Another origin."""
    return new_site(address="127.0.0.3", otherwise=answer(body="<a href=/more>x</a>"))


@pytest.fixture
def site(new_site: NewSite, elsewhere: Site) -> Site:
    """A site that wants everything: logins, cookies; and sends whoever comes to another origin, in every way."""
    made = new_site(address="127.0.0.2")
    away = elsewhere.url("/from")
    linked = f"http://user:{LINKED}@127.0.0.2:{made.port}/linked"
    refused = f"http://user:{LINKED}@127.0.0.9/"
    spelt = [spelling.format(login=f"user:{LINKED}", port=made.port) for spelling in SPELLINGS]
    links = ("/redirect", "/loop", "/bad", linked, refused, away + "/link", *(f"/spelt{n}" for n in range(len(spelt))), *spelt)
    page = "".join(f"<a href='{link}'>x</a>" for link in links)
    for n, spelling in enumerate(spelt):
        made.page(f"/spelt{n}", answer(302, headers=[("Location", spelling), ("Refresh", f"9;url={spelling}")]))
    lines = [f"{line} {spelling}\n" for spelling in spelt for line in ("Sitemap:", "#", "Disallow: x")]
    elsewhere.page("/robots.txt", "User-agent: *\n" + "".join(lines))
    made.page("/", answer(body=page, headers=[("Set-Cookie", f"a={SET}; Path=/")]))
    made.page("/redirect", answer(302, headers=[("Location", away + "/redirect"), ("Set-Cookie", f"b={SET}; Domain=127.0.0.3")]))
    made.page("/bad", answer(302, headers=[("Location", f"http://user:{LINKED}@:99999/"), ("Set-Cookie2", f"c={SET}")]))
    made.page("/loop", answer(302, headers=[("Location", f"http://user:{LINKED}@127.0.0.2:{made.port}/loop")]))
    made.page("/linked", "<p>linked")
    made.page("/robots.txt", answer(302, headers=[("Location", away + "/robots.txt")]))
    elsewhere.page("/from/robots.txt", answer(404))
    return made


def everything(folder: Path, site: Site) -> tuple[list[str], str]:
    """Flags that carry every secret there is, and a file with more."""
    cookies = folder / "cookies.txt"
    cookies.write_text(f"127.0.0.2\tFALSE\t/\tFALSE\t0\tgiven\t{GIVEN}\n")
    config = folder / "given.toml"
    table = f'[hosts."127.0.0.2:{site.port}"]\nheader = ["X-Token: {OF_HOST}"]\nauth_env = "OF_TABLE"\n'
    config.write_text(f'header = ["X-Secret-Thing: {KEY}"]\n\n{table}')
    flags = ["-H", f"Authorization: {AUTHORIZATION}", "-H", f"Cookie: {COOKIE}", "-H", f"X-Api-Key: {KEY}", "--cookies", str(cookies)]
    return ["-C", str(config), *flags, "--scope", "any", "--allow-private", "--retries", "0"], str(config)


def files_of(folder: Path) -> Iterator[Path]:
    """All files of a crawl but the jar, which is for its owner alone, and bodies, which are as they were served."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "cookies.json" and path.parent.parent.name != "pages":
            yield path


def nothing_secret(folder: Path, *texts: str) -> None:
    for path in files_of(folder):
        text = path.read_bytes().decode("latin-1")
        found = SECRET.search(text)
        assert found is None, f"{path.name}: …{text[max(0, found.start() - 80) : found.end() + 20]!r}…"
    for text in texts:
        assert not SECRET.search(text), text


@pytest.mark.parametrize("mode", MODES)
def test_nothing_secret_is_written_or_said(site: Site, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Given as flags, in files, in the environment, or by a site: secrets are in no file but the jar, and on no screen."""
    monkeypatch.setenv("OF_TABLE", f"table:{OF_TABLE}")
    flags, _ = everything(tmp_path, site)
    for ways in (["-vv", "--progress", "plain", "--json"], ["--jsonl", "-", "--progress", "json"]):
        ran = run(capfd, site.url(), "-o", tmp_path / "out", "--fresh", "--mode", mode, *flags, *ways)
        assert ran.code == 0, ran.err
        sent = {hit.path: hit.headers for hit in site.log}["/linked"]
        assert AUTHORIZATION not in sent["authorization"], "the table of the host is more special"
        assert all(secret in str(sent) for secret in (COOKIE, KEY, OF_HOST, GIVEN, SET))
        nothing_secret(tmp_path / "out", ran.out, ran.err)
    assert (tmp_path / "out" / "cookies.json").stat().st_mode & 0o777 == 0o600
    resumed = run(capfd, "resume", tmp_path / "out", "-vv")
    status = run(capfd, "status", tmp_path / "out", "--json")
    nothing_secret(tmp_path / "out", resumed.out, resumed.err, status.out, status.err)


def test_looking_shows_no_login(site: Site, elsewhere: Site, tmp_path: Path, capfd: Capture) -> None:
    """`links`, `robots` and `show`, as text and as JSON."""
    run(capfd, site.url(), "-o", tmp_path / "out", "-q", "--allow-private")
    looks = [["links", site.url()], ["robots", elsewhere.url()], ["show", tmp_path / "out", site.url("/spelt1")]]
    for words in looks:
        for more in ([], ["--json"]):
            ran = run(capfd, *words, *more)
            assert ran.code in (0, 4), ran.err
            assert ran.out
            nothing_secret(tmp_path / "none", ran.out, ran.err)


@pytest.mark.parametrize("mode", MODES)
def test_a_cookie_is_named_and_its_value_left_out(site: Site, tmp_path: Path, capfd: Capture, mode: str) -> None:
    """The headers of a page are kept as they came, but for the values of the cookies that they set."""
    run(capfd, site.url(), "-o", tmp_path / "out", "-q", "--mode", mode, "--allow-private")
    [(headers,)] = rows(tmp_path / "out", "SELECT headers FROM pages WHERE url = ?", site.url())
    assert '["Set-Cookie", "a=***; Path=/"]' in headers


@pytest.mark.parametrize("mode", MODES)
def test_nothing_secret_goes_to_another_origin(
    site: Site, elsewhere: Site, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Neither by a link nor by a redirect, of a page or of robots.txt: what another origin is sent is what anybody would send."""
    monkeypatch.setenv("LOGIN", LOGIN)
    monkeypatch.setenv("OF_TABLE", f"table:{OF_TABLE}")
    flags, _ = everything(tmp_path, site)
    for auth in ([], ["--auth-env", "LOGIN"]):
        ran = run(capfd, site.url(), "-o", tmp_path / "out", "--fresh", "--mode", mode, "-q", *flags, *auth)
        assert ran.code == 0, ran.err
    assert {"/from/link", "/from/redirect", "/from/robots.txt", "/robots.txt"} <= {hit.path for hit in elsewhere.log}
    usual = {"host", "user-agent", "accept", "accept-encoding", "connection"}
    for hit in elsewhere.log:
        assert set(hit.headers) <= usual, f"{hit.path}: {hit.headers}"
    assert any("authorization" in hit.headers for hit in site.log)


@pytest.mark.parametrize("mode", MODES)
def test_credentials_stay_on_the_scheme_they_were_given_for(new_site: NewSite, tmp_path: Path, capfd: Capture, mode: str) -> None:
    """Another port of the same machine is another origin, and so is the same one without TLS."""
    other = new_site(address="127.0.0.2", otherwise=answer(body="x"))
    first = new_site(
        {"/": answer(links=[other.url("/link")]), "/r": answer(302, headers=[("Location", other.url("/moved"))])}, address="127.0.0.2"
    )
    words = [first.url(), first.url("/r"), "-o", tmp_path / "out", "-q", "--scope", "any", "--allow-private", "--mode", mode]
    run(capfd, *words, "-H", f"Authorization: {AUTHORIZATION}", "-H", f"Cookie: {COOKIE}", "-H", f"X-Api-Key: {KEY}")
    assert {"/link", "/moved"} <= {hit.path for hit in other.log}
    assert not any(SECRET.search(str(hit.headers)) for hit in other.log)
    assert all(SECRET.search(str(hit.headers)) for hit in first.log)


WRONG: list[tuple[str, ...]] = [
    ("http://user:{secret}@a.test/",),
    ("ftp://user:{secret}@a.test/",),
    ("htp://user:{secret} {secret}@a.test/",),
    ("http:\\\\user:{secret}@a.test/",),
    ("http:user:{secret}@a.test:99999/",),
    ("//user:a/{secret}@a.test/",),
    ("mailto:user:{secret}@a.test",),
    ("a.test", "--proxy", "socks5://user:{secret}@127.0.0.1:1"),
    ("a.test", "--proxy", "http://user:{secret}@"),
    ("a.test", "--proxy", "user:{secret}@:x"),
    ("a.test", "-H", "Authorization {secret}"),
    ("a.test", "-H", "Author\nization: {secret}"),
    ("a.test", "-H", "Authorization: a\n{secret}"),
    ("a.test", "--auth-env", "WITHOUT_COLON"),
    ("a.test", "--cookies", "{folder}/cookies.txt"),
    ("a.test", "-C", "{folder}/broken.toml"),
    ("a.test", "-C", "{folder}/unknown.toml"),
    ("a.test", "-C", "{folder}/wrong.toml"),
    ("a.test", "-C", "{folder}/header.toml"),
    ("a.test", "--authorisation", "{secret}"),
]


@pytest.mark.parametrize("words", WRONG)
def test_errors_show_no_secret(words: tuple[str, ...], tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be used is refused without repeating it, in files too."""
    monkeypatch.setenv("WITHOUT_COLON", "hUsH")
    (tmp_path / "cookies.txt").write_text("127.0.0.1\thUsH\n")
    (tmp_path / "broken.toml").write_text('header = ["Authorization: hUsH"\nproxy = "http://user:hUsH@h"\n')
    (tmp_path / "unknown.toml").write_text('headers = ["Authorization: hUsH"]\n')
    (tmp_path / "wrong.toml").write_text('proxy = ["http://user:hUsH@h"]\n')
    (tmp_path / "header.toml").write_text('header = ["Authorization hUsH"]\n')
    typed = [word.format(secret="xhUsH", folder=tmp_path) for word in words]
    ran = run(capfd, *typed, "-o", tmp_path / "out", "--debug")
    assert ran.code == 2, ran.err
    assert not SECRET.search(ran.out + ran.err), ran.err


@pytest.mark.parametrize("mode", MODES)
def test_a_proxy_that_fails_keeps_its_password(tmp_path: Path, capfd: Capture, site: Site, mode: str) -> None:
    """Whether it cannot be reached, says no, or speaks something else: its URL is not in the error."""
    refusing = site.url("").removeprefix("http://")
    for proxy in (f"http://user:{PROXY}@127.0.0.1:9", f"http://user:{PROXY}@{refusing}"):
        for seed in ("http://a.test/", "https://a.test/"):
            ran = run(capfd, seed, "-o", tmp_path / "out", "--fresh", "--proxy", proxy, "-vv", "--retries", "0", "--mode", mode, "--debug")
            assert ran.code in (0, 3), ran.err
            nothing_secret(tmp_path / "out", ran.out, ran.err)


def test_settings_are_shown_without_secrets(tmp_path: Path, capfd: Capture, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """`config show`, as TOML and as JSON, names what it leaves out."""
    _, config = everything(tmp_path, site)
    monkeypatch.setenv("CRAWLER_PROXY", f"http://user:{PROXY}@proxy.test")
    for more in ([], ["--json"]):
        ran = run(capfd, "config", "show", "-C", config, "-H", f"Authorization: {AUTHORIZATION}", *more)
        assert ran.code == 0, ran.err
        nothing_secret(tmp_path / "none", ran.out, ran.err)
        assert "proxy.test" in ran.out


def test_a_table_of_a_host_is_secret_without_tls_too() -> None:
    """`[hosts."h"]` stands for http and https: what is secret in it goes unencrypted only where a seed was typed so."""

    def sent(url: str, *seeds: str, host: str = "h.test") -> set[str]:
        table = HostSettings(header=(("X-Api-Key", KEY), ("Accept-Language", "de")))
        headers = RequestHeaders(fetch_options_of(Settings(hosts={host: table}), seeds), None)
        return set(headers.added(seed_request(url), origin(url), "/"))

    everything = {"X-Api-Key", "Accept-Language"}
    assert sent("https://h.test/", "https://h.test/") == everything
    assert sent("http://h.test/", "https://h.test/") == {"Accept-Language"}
    assert sent("http://h.test/x", "http://h.test/") == everything
    assert sent("http://h.test:8080/", "https://a.test/", host="h.test:8080") == everything
    assert sent("http://other.test/", "http://h.test/") == set()
