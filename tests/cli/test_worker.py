"""A crawl that many machines share, from the command line: seeded, joined, looked at, begun anew."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import make_certificate
from redis_server import RedisServer, needs_redis, new_name, shared_server
from running import Capture, error_lines, no_surroundings, rows, run, start

from crawler.testing import Site, SiteRequest, site

pytestmark = pytest.mark.usefixtures("no_surroundings")
__all__ = ["no_surroundings"]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """The tests' Redis."""
    needs_redis()
    server = shared_server()
    yield server
    subprocess.run(["redis-cli", "-s", str(server.socket), "flushall"], check=True, capture_output=True)


@pytest.fixture
def web() -> Iterator[Site]:
    """Five pages that link to the next, and one that does not exist."""
    pages = {f"/{number}": f"<title>{number}</title><a href=/{number + 1}>on</a>" for number in range(5)}
    with site(pages) as started:
        yield started


def keys(server: RedisServer) -> int:
    return int(subprocess.run(["redis-cli", "-s", str(server.socket), "dbsize"], check=True, capture_output=True, text=True).stdout)


def test_who_seeds_works_and_who_joins_later_finds_it_finished(capfd: Capture, server: RedisServer, web: Site, tmp_path: Path) -> None:
    """The folder of each has what it fetched, in the format of every crawl; one that comes too late has nothing to do, and ends well."""
    shared = ("--frontier", server.url, "--name", new_name())
    first, second = tmp_path / "a", tmp_path / "b"

    assert run(capfd, "crawl", web.url("/0"), *shared, "-o", first).code == 0
    assert rows(first, "SELECT count(*), sum(outcome = 'ok') FROM pages") == [(6, 5)]
    assert rows(first, "SELECT state, count(*) FROM urls WHERE reason IS NULL AND role = 'page' GROUP BY 1") == [("done", 6)]
    late = run(capfd, "worker", *shared, "-o", second)
    assert (late.code, rows(second, "SELECT count(*) FROM pages")) == (0, [(0,)])
    assert late.err == f"{second}/ holds a share of this crawl, which is finished: 0 pages. Nothing is left to do.\n"
    assert web.count("/0") == 1
    assert run(capfd, "crawl", web.url("/0"), *shared, "-o", first).code == 0
    assert web.count("/0") == 1


def test_a_worker_takes_over_where_another_one_paused(capfd: Capture, server: RedisServer, web: Site, tmp_path: Path) -> None:
    """SIGTERM pauses a worker with 143, leaves nothing leased, and the next one, in another folder, fetches the rest. The folder of both is
    being crawled while one of them is, and complete when one of them has seen the end; then also who paused ends with 0."""
    shared = ("--frontier", server.url, "--name", new_name())
    web.page("/2", "<a href=/3>on</a>", delay=30)
    process = start("crawl", web.url("/0"), *shared, "-o", tmp_path / "z", "-q")
    web.wait_for("/2", timeout=30)
    assert state_of(capfd, tmp_path) == ("running", 0)
    process.terminate()
    _, said = process.communicate()
    assert process.returncode == 143, said
    found = json.loads(run(capfd, "status", "--frontier", server.url, "--json").out)
    assert [(each["held"], each["leased"], each["queued"] > 0) for each in found] == [(0, 0, True)]
    resumed = run(capfd, "resume", tmp_path)
    assert (resumed.code, error_lines(resumed.err)[2]) == (6, f"  try: crawler worker --frontier URL --name NAME -o {tmp_path / 'z'}")

    web.page("/2", "<a href=/3>on</a>")
    assert run(capfd, "worker", *shared, "-o", tmp_path / "b", "-q").code == 0
    ok = "SELECT url FROM pages WHERE outcome = 'ok'"
    assert sorted(rows(tmp_path / "z", ok) + rows(tmp_path / "b", ok)) == [(web.url(f"/{number}"),) for number in range(5)]
    assert state_of(capfd, tmp_path) == ("complete", 0)
    assert run(capfd, "worker", *shared, "-o", tmp_path / "z", "-q").code == 0
    assert state_of(capfd, tmp_path / "z") == ("complete", 0)


def state_of(capfd: Capture, folder: Path) -> tuple[str, int]:
    """What `crawler status` says of a folder."""
    said = run(capfd, "status", folder, "--json")
    return json.loads(said.out)["state"], said.code


def test_several_crawls_have_one_server(capfd: Capture, server: RedisServer, web: Site, tmp_path: Path) -> None:
    """Each has a name; status tells them apart, in 80 columns; begun anew, one leaves no key of before, and the other is untouched."""
    for name in ("one", "two"):
        assert run(capfd, "crawl", web.url("/0"), "--frontier", server.url, "--name", name, "-o", tmp_path / name, "-q").code == 0
    before = keys(server)

    shown = run(capfd, "status", "--frontier", server.url).out
    assert [line.partition(" at ")[0] for line in shown.splitlines() if " at " in line] == ["one", "two"]
    assert shown.count("complete") == 2
    assert max(map(len, shown.splitlines())) <= 100
    again = run(capfd, "crawl", web.url("/0"), "--frontier", server.url, "--name", "one", "-o", tmp_path / "one", "-q", "--fresh")
    assert (again.code, keys(server), web.count("/0")) == (0, before, 3)


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("worker", "--name", "web"), 2, "error: --frontier is missing"),
        (("worker", "--frontier", "SERVER"), 2, "error: --name is missing"),
        (("worker", "--frontier", "SERVER", "--name", "web"), 2, "error: there is no crawl 'web' at "),
        (("worker", "--frontier", "http://x", "--name", "web"), 2, "error: `--frontier` cannot be 'http…'"),
        (("worker", "--frontier", "SERVER", "--name", "a b"), 2, "error: `--name` cannot be 'a b'"),
        (
            ("crawl", "http://127.0.0.1:9/", "--frontier", "SERVER,SERVER", "--max-pages", "5"),
            2,
            "error: `max_pages` needs a single server",
        ),
        (("crawl", "http://127.0.0.1:9/", "--frontier", "SERVER", "--mode", "sync"), 2, "error: `mode` sync and `frontier` cannot go"),
        (("status",), 2, "error: DIR is missing"),
    ],
)
def test_what_cannot_be_is_said(
    capfd: Capture, server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, what: str
) -> None:
    """Three lines, an exit code, and no folder."""
    monkeypatch.chdir(tmp_path)
    ended = run(capfd, *(word.replace("SERVER", server.url) for word in words))

    assert (ended.code, error_lines(ended.err)[0][: len(what)]) == (code, what)
    assert list(tmp_path.iterdir()) == []


def test_other_seeds_are_another_crawl(capfd: Capture, server: RedisServer, web: Site, tmp_path: Path) -> None:
    """What decides which URLs belong to a crawl is the same for all its workers."""
    shared = ("--frontier", server.url, "--name", "web", "-q")
    run(capfd, "crawl", web.url("/0"), *shared, "-o", tmp_path / "a")
    other = run(capfd, "crawl", web.url("/1"), *shared, "-o", tmp_path / "b")

    assert other.code == 2
    assert "the frontier has another crawl `web`: `seeds` is" in other.err


def test_a_frontier_that_forgets_is_refused(capfd: Capture, server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that drops keys when it is full cannot hold a frontier."""
    monkeypatch.chdir(tmp_path)
    config = ["redis-cli", "-s", str(server.socket), "config", "set", "maxmemory-policy"]
    subprocess.run([*config, "allkeys-lru"], check=True, capture_output=True)
    try:
        ended = run(capfd, "crawl", "http://127.0.0.1:9/", "--frontier", server.url)
    finally:
        subprocess.run([*config, "noeviction"], check=True, capture_output=True)

    assert ended.code == 2
    assert "maxmemory-policy is allkeys-lru" in ended.err


def test_a_frontier_that_is_not_there_is_exit_code_7(capfd: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said after a few seconds at the start; a password is not repeated."""
    needs_redis()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("crawler.frontier.shared.connection._AT_FIRST", 0.1)
    ended = run(capfd, "worker", "--frontier", "redis://user:secret@127.0.0.1:1/0", "--name", "web")

    assert ended.code == 7
    assert "redis://***@127.0.0.1:1/0 cannot be reached" in ended.err
    assert "secret" not in ended.err


def test_a_frontier_that_goes_away_for_good_ends_a_worker_with_7(
    capfd: Capture, web: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a crawl, after its patience; what was fetched is kept, and once the server is back the rest is fetched."""
    needs_redis()
    monkeypatch.setattr("crawler.frontier.shared.connection.PATIENCE", 0.3)
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis", append=True)
    shared = ("--frontier", server.url, "--name", "web", "-o", tmp_path / "a", "-q")

    def gone(request: SiteRequest) -> str:
        server.process.kill()
        return "<a href=/3>on</a>"

    web.page("/2", gone)
    ended = run(capfd, "crawl", web.url("/0"), *shared)
    assert ended.code == 7
    assert "cannot be reached" in ended.err
    web.page("/2", "<a href=/3>on</a>")
    server.kill()
    server.start()
    try:
        assert run(capfd, "worker", *shared).code == 0
    finally:
        server.stop()
    stored = [url for (url,) in rows(tmp_path / "a", "SELECT url FROM pages WHERE outcome = 'ok' ORDER BY url")]
    assert stored == [web.url(f"/{number}") for number in range(5)]


def test_a_frontier_over_tls(capfd: Capture, web: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rediss://` asks for a certificate that can be trusted: one of the user's own is named in the URL."""
    needs_redis()
    monkeypatch.setattr("crawler.frontier.shared.connection._AT_FIRST", 0.1)
    (tmp_path / "tls").mkdir()
    certificate = make_certificate(tmp_path / "tls", "IP:127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    files = [word for name in ("cert", "key", "ca-cert") for word in (f"--tls-{name}-file", str(certificate))]
    words = ["--port", "0", "--tls-port", str(port), *files, "--tls-auth-clients", "no", "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(["redis-server", *words, "--dir", str(tmp_path / "tls")], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            if not any("ready to accept connections" in line.lower() for line in process.stdout):
                pytest.skip("this redis-server knows no TLS")
            url = f"rediss://127.0.0.1:{port}/0"
            trusted = ("--frontier", f"{url}?ssl_ca_certs={certificate}", "--name", "web", "-q")
            assert run(capfd, "crawl", web.url("/0"), *trusted, "-o", tmp_path / "a").code == 0
            doubted = run(capfd, "worker", "--frontier", url, "--name", "web", "-o", tmp_path / "b")
        finally:
            process.kill()
    assert doubted.code == 7
    assert "certificate verify failed" in doubted.err
