"""The manifest against the fetchers: every fault of a server is named as what it is, and nothing broken is called a page."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from faults.manifest import MAX_BODY, Fault, hosts_of, manifest
from faults.server import FaultServer
from fetching import FetchAll

from crawler.model import Response

Table = dict[str, tuple[str, int | None, bytes | None]]


def promised(faults: Sequence[Fault]) -> Table:
    """What a fetcher has to say of each fault: the kind of error, the status if one is promised, the body of a page."""
    return {fault.path: (fault.fetched_as or "", fault.status, fault.body) for fault in faults}


def said(faults: Sequence[Fault], responses: Sequence[Response]) -> Table:
    """What a fetcher said, as far as something is promised."""
    return {
        fault.path: (
            response.error.kind if response.error else "",
            None if fault.status is None else response.status,
            None if fault.body is None else response.body.read(),
        )
        for fault, response in zip(faults, responses, strict=True)
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_every_fault_is_named(fetch_all: FetchAll, seed: int) -> None:
    """One fetcher, all faults of the manifest one after the other: each is the error that it is, each whole body is what was
    sent, nothing of a broken one is kept, and no connection carries anything over from one to the next."""
    faults = [fault for fault in manifest(Random(seed)) if not fault.is_slow and not fault.passes]
    with FaultServer(hosts_of(faults)) as server:
        responses = fetch_all([server.url(fault.host, fault.path) for fault in faults], max_body=MAX_BODY, timeout=5.0, read_timeout=5.0)

        assert said(faults, responses) == promised(faults)
        assert not [response.url for response in responses if response.error and response.body.size]
        assert max(response.elapsed for response in responses) < 2, "what is broken is waited for"
        # A kept connection that ends before the answer begins may have been closed just before: there it is asked once more.
        assert all(1 <= server.count(fault.host, fault.path) <= 1 + (fault.kind == "reset") for fault in faults)
