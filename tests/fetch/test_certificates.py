"""TLS: what is trusted, what is not, and the sentence for each."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from raw_server import RawServer, close, http

from crawler.errors import UsageError
from crawler.fetch.blocking import BlockingFetcher
from crawler.fetch.failures import explain
from crawler.fetch.http import HttpFetcher
from crawler.fetch.options import FetchOptions
from crawler.fetch.tls import tls_context
from crawler.model import Response

Fetch = Callable[..., Response]


@pytest.fixture(scope="module")
def good(certificates: Callable[..., Path]) -> Path:
    return certificates("DNS:localhost,IP:127.0.0.1")


@pytest.fixture
def secure(new_server: Callable[..., RawServer]) -> Callable[..., RawServer]:
    def start(certificate: Path, **settings: ssl.TLSVersion) -> RawServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # which old versions need
        for name, value in settings.items():
            setattr(context, name, value)
        return new_server(context)

    return start


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_that_is_trusted(secure: Callable[..., RawServer], good: Path, fetch: Fetch, host: str) -> None:
    """With its issuer in `ca_certificate`, a server is believed, by name and by address."""
    response = fetch(secure(good).answer(http(b"safe"), host=host), ca_certificate=good)

    assert (response.error, response.body.data) == (None, b"safe")


def test_connections_are_kept(secure: Callable[..., RawServer], good: Path, fetch_all: Callable[..., list[Response]]) -> None:
    """A TLS connection serves many requests."""
    server = secure(good)

    fetch_all([server.answer(http(b"safe"))] * 3, ca_certificate=good)

    assert (server.connections, len(server.heads)) == (1, 3)


def test_a_self_signed_certificate(secure: Callable[..., RawServer], good: Path, fetch: Fetch) -> None:
    """Nobody vouches for it: `tls`, not a byte of HTTP is sent; with `verify=False` it is taken."""
    server = secure(good)
    url = server.answer(http(b"who knows"))

    refused = fetch(url)

    assert (refused.status, str(refused.error)) == (0, "tls: the certificate is self-signed")
    assert server.heads == []
    assert fetch(url, verify=False).body.data == b"who knows"


def test_an_expired_certificate(secure: Callable[..., RawServer], certificates: Callable[..., Path], fetch: Fetch) -> None:
    """Its time is over: `tls`, and it says so."""
    expired = certificates("DNS:localhost,IP:127.0.0.1", "20200101", "20200102")

    response = fetch(secure(expired).answer(http(b"")), ca_certificate=expired)

    assert str(response.error) == "tls: the certificate has expired"


def test_a_certificate_of_tomorrow(secure: Callable[..., RawServer], certificates: Callable[..., Path], fetch: Fetch) -> None:
    """Its time has not come: `tls`, and it says so."""
    early = certificates("DNS:localhost,IP:127.0.0.1", "20990101", "20991231")

    response = fetch(secure(early).answer(http(b"")), ca_certificate=early)

    assert str(response.error) == "tls: the certificate is not valid yet"


@pytest.mark.parametrize(("host", "what"), [("localhost", "host"), ("127.0.0.1", "address")])
def test_a_certificate_for_somebody_else(
    secure: Callable[..., RawServer], certificates: Callable[..., Path], fetch: Fetch, host: str, what: str
) -> None:
    """It names another host: `tls`, and it says so."""
    other = certificates("DNS:other.example")

    response = fetch(secure(other).answer(http(b""), host=host), ca_certificate=other)

    assert str(response.error) == f"tls: the certificate is for another {what}"


def test_a_command_reads_the_certificates_of_the_system_once(secure: Callable[..., RawServer], good: Path, tmp_path: Path) -> None:
    """It trusts whom the system trusts and nobody else, although the contexts that aiohttp makes for itself are empty then: they trust
    nobody."""
    url = secure(good).answer(http(b"safe"))
    crawl = f"main(['crawl', '{url}', '-o', '{tmp_path}', '-q', '--sitemap', 'off', '--robots', 'ignore'])"
    code = (
        f"from crawler.cli.main import main; print({crawl}); import ssl; from aiohttp import connector\n"
        "for context in connector._SSL_CONTEXT_VERIFIED, ssl.create_default_context():"
        "    print(context.verify_mode.name, context.cert_store_stats()['x509'])"
    )
    trusted = os.environ | {"SSL_CERT_FILE": str(good), "SSL_CERT_DIR": str(tmp_path / "none")}

    done = subprocess.run([sys.executable, "-c", code], env=trusted, capture_output=True, text=True, check=False, timeout=60)

    assert (done.stdout.split("\n"), done.stderr) == (["0", "CERT_REQUIRED 0", "CERT_REQUIRED 1", ""], "")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_tls_version(secure: Callable[..., RawServer], good: Path, fetch: Fetch) -> None:
    """TLS 1.1 is too old to be trusted."""
    server = secure(good, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)

    response = fetch(server.answer(http(b"")), ca_certificate=good)

    assert str(response.error) == "tls: the server speaks only an old TLS version"


@pytest.mark.parametrize("lowest", [ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_3])
def test_the_lowest_tls_version(monkeypatch: pytest.MonkeyPatch, lowest: ssl.TLSVersion) -> None:
    """It is 1.2, whatever this build of Python takes by itself; a system that wants more gets more."""
    made = ssl.create_default_context()
    made.minimum_version = lowest
    monkeypatch.setattr(ssl, "create_default_context", lambda: made)

    assert tls_context(FetchOptions()).minimum_version == max(lowest, ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ssl.SSLError(1, "[SSL] tlsv1 alert protocol version (_ssl.c:992)"), "the server speaks only an old TLS version"),
        (ssl.SSLError(1, "[SSL] record layer failure (_ssl.c:992)"), "the server does not speak TLS on this port"),
        (ssl.SSLError(1, "[SSL] ssl/tls alert handshake failure (_ssl.c:1032)"), "the server refused the handshake: no cipher in common"),
        (ssl.SSLError(1, "[SSL] something new (_ssl.c:1032)"), "the TLS handshake failed: something new"),
        (ssl.SSLError("unexpected"), "the TLS handshake failed: unexpected"),
        (ssl.SSLEOFError(8, "EOF occurred (_ssl.c:1)"), "the server closed the connection during the handshake"),
        (ssl.SSLZeroReturnError(6, "closed (EOF) (_ssl.c:992)"), "the server closed the connection during the handshake"),
    ],
)
def test_words_of_other_openssls(error: ssl.SSLError, sentence: str) -> None:
    """A Python that has no name for what its OpenSSL says still tells the cause; nobody is shown a line of `_ssl.c`."""
    explained = explain(error)

    assert explained.kind == "tls"
    assert explained.detail.startswith(sentence)
    assert "_ssl" not in explained.detail


def test_no_tls_at_all(new_server: Callable[..., RawServer], fetch: Fetch) -> None:
    """Plain HTTP on the port that https names: `tls`, and it says so."""
    server = new_server(None, http(b"", status="400 Bad Request"))

    response = fetch(f"https://127.0.0.1:{server.port}/")

    assert str(response.error) == "tls: the server does not speak TLS on this port"


def test_a_body_cut_off_inside_tls(secure: Callable[..., RawServer], good: Path, fetch: Fetch) -> None:
    """TLS or not, fewer bytes than promised is `truncated`."""
    url = secure(good).answer(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", close)

    response = fetch(url, ca_certificate=good)

    assert (response.status, response.error and response.error.kind) == (200, "truncated")


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    """A file without certificates is an error of usage that names it, as soon as the fetcher is made."""
    file = tmp_path / "ca.pem"
    file.write_text("nothing")

    for fetcher in (HttpFetcher, BlockingFetcher):
        with pytest.raises(UsageError, match=r"ca\.pem"):
            fetcher(FetchOptions(ca_certificate=file))
