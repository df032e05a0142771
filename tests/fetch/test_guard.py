"""Which addresses a crawler may connect to."""

from __future__ import annotations

import pytest

from crawler.fetch.failures import FetchFailure
from crawler.fetch.guard import Guard, is_literal, refusal

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "223.255.255.255",
    "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8",
]  # fmt: skip

PRIVATE = {
    "127.0.0.1": "loopback", "127.255.255.254": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback",
    "10.0.0.1": "private", "172.16.0.1": "private", "172.31.255.255": "private", "192.168.1.1": "private", "fd00::1": "private",
    "169.254.169.254": "link-local", "fe80::1": "link-local", "fe80::1%eth0": "link-local", "::ffff:169.254.169.254": "link-local",
    "100.64.0.1": "shared", "100.127.255.255": "shared",
    "224.0.0.1": "multicast", "239.255.255.250": "multicast", "ff02::1": "multicast",
    "0.0.0.0": "unspecified", "::": "unspecified",
    "0.1.2.3": "private", "240.0.0.1": "private", "255.255.255.255": "private", "192.0.2.1": "private", "198.18.0.1": "private",
    "203.0.113.7": "private", "2001:db8::1": "private",
    "64:ff9b::7f00:1": "loopback", "64:ff9b::a9fe:a9fe": "link-local", "64:ff9b:1::1": "",
    "2002:7f00:1::1": "loopback", "2002:a00:1::1": "private",
    "fec0::1": "reserved", "::127.0.0.1": "reserved", "4000::1": "reserved", "not an address": "no address",
}  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    """What is routed on the internet may be asked."""
    assert refusal(address, "example.org") is None


@pytest.mark.parametrize(("address", "sort"), PRIVATE.items())
def test_all_others_are_refused_with_their_sort(address: str, sort: str) -> None:
    """Everything else is refused, also when IPv6 wraps it, and the sentence says what it is."""
    reason = refusal(address, "example.org")

    assert reason is not None
    assert sort in reason


@pytest.mark.parametrize("address", PRIVATE)
def test_a_host_typed_as_a_seed_may_be_anywhere(address: str) -> None:
    """Whoever types a host means it; another host, or another port of it, gains nothing from that."""
    guard = Guard(frozenset({"intranet:8000"}))

    assert guard.refusal(address, "intranet", "intranet:8000") is None
    for place in ("intranet", "intranet:22", "intranet:80000", "example.org:8000"):
        assert guard.refusal(address, place.partition(":")[0], place) is not None


def test_all_may_be_allowed() -> None:
    """`allow_private` turns the guard off."""
    guard = Guard(allow_private=True)

    assert all(guard.refusal(address, "example.org", "example.org") is None for address in PRIVATE)
    guard.check_literal("127.0.0.1", "127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "169.254.169.254", "fe80::1%1"])
def test_a_literal_is_refused_before_anything_is_opened(host: str) -> None:
    """An address written into a URL is judged without a socket."""
    with pytest.raises(FetchFailure) as caught:
        Guard().check_literal(host, host)
    assert caught.value.error.kind == "blocked"
    Guard(allowed=frozenset({host})).check_literal(host, host)


@pytest.mark.parametrize(
    ("host", "literal"),
    [("127.0.0.1", True), ("::1", True), ("fe80::1%1", True), ("example.org", False), ("a1", False), ("127.1", False), ("", False)],
)
def test_what_a_literal_is(host: str, literal: bool) -> None:
    """Only a whole address is one; names are judged when they are resolved."""
    assert is_literal(host) is literal
