"""What comes next for one worker, as the workbench answers it."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.model import Failed, HostState, Lease, Request, Skipped

Renewal = tuple[Lease, HostState]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may start before `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to start until an answer, an acknowledgement or new URLs arrive."""


@dataclass(frozen=True, slots=True)
class Need:
    """A trip to the frontier: give back `release`, renew `renew`, renew and top up `extend`, then lease up to `hosts` further
    hosts."""

    hosts: int
    per_host: int
    renew: tuple[Lease, ...] = ()
    extend: tuple[Lease, ...] = ()
    release: tuple[Renewal, ...] = ()


Step = Request | Skipped | Failed | Need | Wait | Idle

IDLE = Idle()
