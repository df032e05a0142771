"""A workbench with leases, and a frontier that has nothing more: what the stories of retries and workbenches begin with."""

from __future__ import annotations

from crawler.core.leased import Veto
from crawler.core.politeness import Politeness
from crawler.core.turns import Idle, Need, Wait
from crawler.core.urls import fingerprint, host_key
from crawler.core.workbench import Workbench
from crawler.model import Failed, HostState, Lease, Leases, Request, RobotsFacts, Skipped

NEVER = float("inf")
"""The deadline of a lease that needs no renewal, and when to look around if nobody else is there."""

ALL_ALLOWED = b""


def page(url: str, attempts: int = 0) -> Request:
    """A request for a URL, or for a path of https://a.test."""
    url = f"https://a.test{url}" if url.startswith("/") else url
    return Request(url, fingerprint(url), host_key(url), attempts=attempts)


def pages(*urls: str) -> tuple[Request, ...]:
    return tuple(page(url) for url in urls)


def lease_of(*requests: Request, token: int = 1, deadline: float = NEVER, state: HostState | None = None) -> Lease:
    """A lease of the host of these requests."""
    return Lease(requests[0].host, token, deadline, requests, state or HostState())


def knowing_robots(text: bytes = ALL_ALLOWED, at: float = 0.0, answered: bool = True, **state: float) -> HostState:
    """The state of a.test whose https robots.txt was read at that time."""
    return HostState(answered=answered, robots=(RobotsFacts("https://a.test", 200, text, at),), **state)  # type: ignore[arg-type]


def bench_of(
    *leases: Lease,
    rules: Politeness | None = None,
    agent: str | None = "asyncrawl",
    now: float = 0.0,
    ttl: float = 60.0,
    per_host: int = 128,
    look_around: float = NEVER,
    veto: Veto | None = None,
) -> Workbench:
    """A workbench that has got these leases from a frontier that had nothing more."""
    bench = Workbench(lambda host: rules or Politeness(), agent, ttl=ttl, per_host=per_host, look_around=look_around, veto=veto)
    need = bench.next(now)
    assert isinstance(need, Need)
    bench.take(need, Leases(), Leases(leases), now)
    return bench


def answer_need(bench: Workbench, need: Need, now: float) -> None:
    """A frontier that renews for ever what it is asked to and has nothing more."""
    kept = tuple(Lease(each.host, each.token, NEVER, (), each.state) for each in need.renew + need.extend)
    bench.take(need, Leases(kept), Leases(), now)


def step(bench: Workbench, now: float) -> Request | Skipped | Failed | Wait | Idle:
    """What the workbench says once its needs are met. More than three trips in a row without progress fail: that is spinning."""
    for _ in range(4):
        match bench.next(now):
            case Need() as need:
                answer_need(bench, need, now)
            case other:
                return other
    raise AssertionError(f"{bench!r} spins")


def settle(bench: Workbench, now: float) -> Request:
    """The request that starts now."""
    request = step(bench, now)
    assert isinstance(request, Request), request
    return request
