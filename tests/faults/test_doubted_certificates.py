"""Certificates, as a crawl meets them. The whole manifest as one crawl is in `tests/torture/test_bad_servers.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from faults.manifest import closed_doors
from faults.server import FaultServer
from running import Capture, no_surroundings, rows, run

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("word", ["", "--insecure"])
def test_certificates_are_doubted_unless_we_are_told_not_to(
    mode: str, word: str, tmp_path: Path, capfd: Capture, certificates: Callable[..., Path]
) -> None:
    """Nobody vouches for these servers: not one is believed, and not a byte of HTTP is sent. With `--insecure` all are, except those
    that speak no TLS of today."""
    _, doors, _ = closed_doors(certificates)
    doubtful = {"tls-good", "tls-expired", "tls-early", "tls-other", "tls-self-signed"}
    hosts = [host for host in doors if host.name in doubtful | {"tls-old", "tls-none", "tls-closed"}]
    with FaultServer(hosts) as server:
        ran = run(capfd, "crawl", *(server.url(host.name) for host in hosts), "-o", tmp_path / "out", "--mode", mode, *word.split())
        asked = {asked.host for asked in server.log}

    believed = doubtful if word else set()
    assert ran.code == (0 if word else 3)
    assert word or "  try: --ca-certificate FILE to trust who made it, --insecure to trust anybody\n" in ran.err
    assert asked == believed
    ended = dict(rows(tmp_path / "out", "SELECT url, coalesce(error, outcome) FROM pages"))
    assert ended == {server.url(host.name): "ok" if host.name in believed else "tls" for host in hosts}
