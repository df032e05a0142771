"""Which hosts several workers may ask at once: slots, and what speaks against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from crawler.model import HostState, RobotsFacts

Shares = Callable[[str], tuple[int, ...]]


def whole(host: str) -> tuple[int, ...]:
    """One slot, which has all that the host bears."""
    del host
    return (0,)


@dataclass(frozen=True, slots=True)
class Sharing:
    """How hosts are shared. `shares(host)` are the requests at once that each slot of a host may have: as many slots as numbers.
    `needs_robots`: a host's robots.txt has to be known first, so that it is asked for once and not once by each worker."""

    shares: Shares = whole
    needs_robots: bool = True

    def opens(self, state: HostState, share: int, now: float) -> bool:
        """Whether a further slot may open: the host is well, and its robots.txt is known."""
        return (bool(state.robots) or not self.needs_robots) and is_well(state, share, now)


def is_well(state: HostState, share: int, now: float) -> bool:
    """Whether nothing speaks against it that a host is asked by several at once: neither its word (a delay, a Retry-After, a refusal),
    nor failures, nor answers so slow that one request at a time is what it bears."""
    trouble = state.delay or state.rate or state.failures or state.refusals or state.closed or state.next_at > now
    return state.answered and not trouble and state.concurrency >= min(share, 2)


def told_by_leaver(kept: HostState, said: HostState) -> HostState:
    """What is kept of a host when somebody who was to leave it has said something: a later time, and that it is given up."""
    if said.closed and not kept.closed:
        kept = replace(kept, closed=said.closed, closed_kind=said.closed_kind)
    return replace(kept, next_at=max(kept.next_at, said.next_at))


def told_by_holder(kept: HostState, said: HostState, is_shared: bool) -> HostState:
    """The same when its holder has: all of it, but no earlier time than was said before; and if others may know more of its
    robots.txt, that too."""
    robots = known_together(kept.robots, said.robots) if is_shared and said.robots is not kept.robots else said.robots
    return replace(said, next_at=max(kept.next_at, said.next_at), robots=robots)


def known_together(kept: tuple[RobotsFacts, ...], said: tuple[RobotsFacts, ...]) -> tuple[RobotsFacts, ...]:
    """What is known of robots.txt by two slots, of each origin what was read last."""
    by_origin = {facts.origin: facts for facts in kept}
    for facts in said:
        before = by_origin.get(facts.origin)
        if before is None or before.read_at <= facts.read_at:
            by_origin[facts.origin] = facts
    return tuple(by_origin.values())
