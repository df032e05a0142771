"""One crawl of the whole manifest, and what has to be true after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import NamedTuple
from unittest.mock import patch

from faults.manifest import MAX_BODY, Fault, closed_doors, hosts_of, http, manifest
from faults.server import FaultServer, Host, Script
from running import Capture, assert_at_rest, rows, run

# Seconds: long enough for whoever answers at all, on a busy machine too.
PATIENCE = {"async": 1.5, "sync": 0.4}
RETRIES = 1


class Ended(NamedTuple):
    """What came of one URL; None where nothing is promised."""

    outcome: str
    kind: str | None
    status: int | None
    attempts: int | None
    body: str | None


Table = dict[str, Ended]


def crawl_the_site(random: Random, mode: str, output: Path, capfd: Capture, certificate: Callable[..., Path]) -> tuple[Table, float]:
    """Crawls every fault of the manifest, as rolled, from an index that links to all of them. Holds the result to the promises;
    returns the table of outcomes and the seconds it took."""
    rolled = manifest(random)
    closed, doors, trusted = closed_doors(certificate)
    faults, index = rolled + closed, dict[str, tuple[Script, ...]]()
    output.parent.mkdir(exist_ok=True)
    trust = output.with_suffix(".pem")
    trust.write_text("".join(path.read_text() for path in trusted))
    with FaultServer([Host("index", index), *doors, *hosts_of(rolled)]) as server:
        urls = {server.url(fault.host, fault.path): fault for fault in faults}
        index["/"] = ((http("".join(f"<a href={url}>x</a>" for url in urls).encode(), "Content-Type: text/html"),),)
        began = time.monotonic()
        # A host that lets nobody in gets its eight probes, but here no pause is longer than a tenth of a second.
        with patch("crawler.core.retry.LONGEST_DELAY", 0.1):
            ran = run(
                capfd, "crawl", server.url("index"), "-o", output, "--mode", mode, "--scope", "any", "--allow-private", "--sitemap", "off",
                "--timeout", PATIENCE[mode], "--connect-timeout", PATIENCE[mode], "--read-timeout", PATIENCE[mode] / 2,
                "--retries", RETRIES, "--max-body", MAX_BODY, "--ca-certificate", trust, "--per-host", 8, "-c", 64,
            )  # fmt: skip
        seconds = time.monotonic() - began

    assert (ran.code, "finished: queue empty" in ran.err) == (0, True), ran.err
    assert not [word for word in ("Traceback", "Unclosed", "never retrieved") if word in ran.err]
    table = {fault.name: _ended(output, url, fault) for url, fault in urls.items()}
    said = dict(rows(output, "SELECT url, error_detail FROM pages"))
    wrong = {
        fault.name: (_promised(fault), table[fault.name], said[url]) for url, fault in urls.items() if table[fault.name] != _promised(fault)
    }
    assert not wrong, f"promised and found: {wrong}"
    _check_sentences(output, urls)
    _check_requests(server, faults)
    assert_at_rest(output)
    return table, seconds


def _promised(fault: Fault) -> Ended:
    attempts = 1 + (RETRIES if fault.retried or fault.passes else 0)
    body = None if fault.body is None else _digest(fault.body)
    return Ended(fault.outcome, fault.kind, fault.status, attempts if fault.scripts else None, body)


def _ended(output: Path, url: str, fault: Fault) -> Ended:
    [(outcome, kind, status, attempts, file)] = rows(output, "SELECT outcome, error, status, attempts, file FROM pages WHERE url = ?", url)
    body = _digest((output / file).read_bytes()) if file else _digest(b"") if outcome == "ok" else None
    if fault.kind == kind == "timeout" and not status:
        status = fault.status  # the head was late as well: that happens on a busy machine
    return Ended(outcome, kind, status if fault.status is not None else None, attempts if fault.scripts else None, body)


def _digest(body: bytes) -> str:
    return f"{len(body)} bytes, {sha256(body).hexdigest()[:16]}"


def _check_sentences(output: Path, urls: dict[str, Fault]) -> None:
    """Every error says why, and says what is promised that it says."""
    said = dict(rows(output, "SELECT url, error_detail FROM pages WHERE outcome = 'error'"))
    wrong = {url: sentence for url, sentence in said.items() if not sentence or urls[url].words not in sentence}
    assert not wrong, wrong


def _check_requests(server: FaultServer, faults: list[Fault]) -> None:
    """The server was asked as often as it takes, and for robots.txt first."""
    wrong = {}
    for fault in faults:
        wanted = _promised(fault).attempts
        # A kept connection that ends before the answer begins may have been closed just before: there it is asked once more.
        again = 2 if fault.kind == "reset" else 1
        count = server.count(fault.host, fault.path)
        if wanted is not None and not wanted <= count <= again * wanted:
            wrong[fault.name] = (wanted, count)
    assert not wrong, f"wanted and asked: {wrong}"
    first = {asked.host: asked.path for asked in reversed(server.log)}
    assert set(first.values()) == {"/robots.txt"}
