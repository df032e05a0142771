"""The leased hosts of one worker: their queues, their pace, their deadlines. Decides what comes next.

The life of a request here: it arrives in a lease, waits in its host's queue until the host's pace lets it start
(`next`), is in flight until `answered`, `failed` or `cancelled` is told, and belongs to the host until `acknowledged`:
only then is its outcome stored. A host is given back when nothing of it is waiting, in flight or unacknowledged and the
frontier had no more for it. robots.txt is the first request of each origin and goes alone.

Three short loops drive it (one at a time, many at once, many workers in virtual time): they ask `next`, which says what to start, to
store, to get from the frontier or how long to wait, and tell what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush

from crawler.core import retry
from crawler.core.leased import LeasedHost, Veto, refused_by
from crawler.core.politeness import Pace, Politeness
from crawler.core.robots import robots_url
from crawler.core.turns import IDLE, Need, Renewal, Step, Wait
from crawler.core.urls import fingerprint, origin
from crawler.model import Failed, HostState, Lease, Leases, PageError, Request, Retry, RobotsFacts, Skipped
from crawler.progress import HostProgress

Rules = Callable[[str], Politeness]

PUT_OFF = 0.25
"""Seconds for which a silent host lets others go first."""


class Workbench:
    """Holds at most `max_hosts` hosts with at most `per_host` waiting URLs each, and says what to do next.

    `rules(host)` gives the politeness of a host; `agent` is the product token looked up in robots.txt (None: robots.txt is
    neither asked for nor obeyed). Leases are renewed when half of `ttl` seconds is gone, and every `renew_every` seconds. With room for
    more it asks for hosts again after `look_around` seconds: others may have found some since. `veto` judges again what was admitted.
    """

    def __init__(
        self, rules: Rules, agent: str | None, *, veto: Veto | None = None, max_hosts: int = 256, per_host: int = 128, ttl: float = 60.0,
        look_around: float = 5.0, renew_every: float = float("inf")) -> None:  # fmt: skip
        self._rules = rules
        self.agent = agent
        self._veto = veto or Veto()
        self._max_hosts = max_hosts
        self._per_host = per_host
        self._ttl = ttl
        self._look_around = look_around
        self._renew_every = renew_every
        self._hosts: dict[str, LeasedHost] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._turn = 0
        self._now = float("-inf")
        self._asked = False
        self._renew_at = float("inf")
        self._lease_at = float("-inf")  # when asking for further hosts may bring some
        self._look_at = float("-inf")  # when others may have found some; no reason to wake up, but one not to sleep on
        self._retry_at = float("inf")  # when a held host has a URL due again
        self._over: set[str] = set()
        self._low: set[str] = set()
        self.losses = 0
        """How many leases were lost so far."""

    def __repr__(self) -> str:
        flying = sum(len(host.started) for host in self._hosts.values())
        return f"<Workbench {len(self._hosts)} hosts, {self.waiting} waiting, {flying} in flight>"

    @property
    def ttl(self) -> float:
        """Seconds for which leases are asked."""
        return self._ttl

    @property
    def waiting(self) -> int:
        """URLs in memory that have not started."""
        return sum(len(host.queue) for host in self._hosts.values())

    @property
    def has_waiting(self) -> bool:
        """Whether any URL in memory has not started."""
        return any(host.queue for host in self._hosts.values())

    # -- what comes next -------------------------------------------------------------------------------------------------

    def next(self, now: float) -> Step:
        """The one next thing to do at `now`. Never blocks, never looks at a clock."""
        self._now = now
        if not self._asked:
            if now >= self._retry_at:
                self._retry_at = float("inf")
                self.added(list(self._hosts))
            if self._over or self._low or now >= min(self._next_trip(), self._next_look()):
                return self._need(now)
        while self._ready:
            at, _, name = self._ready[0]
            if at > now:
                return Wait(min(at, self._next_trip(), self._next_look()))
            heappop(self._ready)
            host = self._hosts.get(name)
            if host is None:
                continue
            host.listed = False
            if host.is_silent(now) and self._ready and self._ready[0][0] <= now:
                self._list(host, now + PUT_OFF)
                continue
            step = self._start(host, now)
            if step is not None:
                return step
        trip = self._next_trip()
        return Wait(min(trip, self._next_look())) if trip < float("inf") and not self._asked else IDLE

    def _next_trip(self) -> float:
        if self._asked:
            return float("inf")
        return min(self._renew_at, self._retry_at, self._lease_at if len(self._hosts) < self._max_hosts else float("inf"))

    def _next_look(self) -> float:
        return self._look_at if len(self._hosts) < self._max_hosts and not self._asked else float("inf")

    def _start(self, host: LeasedHost, now: float) -> Request | Skipped | Failed | None:
        """Starts the head of a host's queue, or judges it; None when the host cannot start anything now."""
        pace = host.pace
        if pace.closed:
            return self._give_up(host)
        ready_at = pace.ready_at()
        if not host.queue or host.waiting_for is not None or ready_at is None:
            return None
        if now >= host.lease.deadline:
            return None  # a fence cannot stop a request: wait for the renewal
        if ready_at > now:
            self._list(host)
            return None
        request = host.head(self._veto)
        if request is None:
            return None  # the next answer brings us back here
        verdict = self._veto.refusal(request)
        if verdict is None and self.agent is not None and request.role != "probe":
            place = origin(request.url)
            if (robots := host.robots_of(place, now)) is None:
                return self._ask_robots(host, place, now)
            verdict = refused_by(robots, self.agent, request.url)
        host.queue.popleft()
        if verdict is None:
            host.start(request, now)
        self._settle(host)
        return request if verdict is None else Skipped(request, *verdict)

    def _ask_robots(self, host: LeasedHost, place: str, now: float) -> Request | None:
        if host.started:
            return None  # robots.txt goes alone; the next answer brings us back here
        host.waiting_for = place
        url = robots_url(place)
        request = Request(url, fingerprint(url), host.lease.host, role="robots")
        host.start(request, now)
        return request

    def _give_up(self, host: LeasedHost) -> Failed | None:
        """A closed host: its first URL is told as failed, the rest fails at the frontier when the host is given back."""
        if host.queue and not host.started:
            request = host.queue.popleft()
            host.drop_queue()
            return Failed(request, PageError(host.pace.state.closed_kind or "refused", host.pace.closed.partition(": ")[2]))
        self._settle(host)
        return None

    def _list(self, host: LeasedHost, earliest: float = float("-inf")) -> None:
        """Puts the host into the heap of ready times, at the end of those that are ready by now: whoever had to wait once is not
        behind the others for ever."""
        if host.listed or not host.queue or host.waiting_for is not None or (host.pace.closed and host.started):
            return
        at = float("-inf") if host.pace.closed else host.pace.ready_at()
        if at is None:
            return
        self._turn += 1
        host.listed = True
        heappush(self._ready, (max(at, self._now, earliest), self._turn, host.lease.host))

    def _settle(self, host: LeasedHost) -> None:
        """After every change of a host: is it ready for more, short of URLs, or over?"""
        self._list(host)
        name = host.lease.host
        is_low = not (host.exhausted or host.pace.closed) and len(host.queue) * 4 < self._per_host
        if is_low and self._lease_at <= self._now and len(self._hosts) >= self._max_hosts:
            host.exhausted, is_low = True, False  # others wait for a place: what it has, and then it is their turn
        if host.is_over:
            self._over.add(name)
        elif is_low:
            self._low.add(name)

    # -- trips to the frontier -------------------------------------------------------------------------------------------

    @property
    def renew_at(self) -> float:
        """When the leases have to be renewed, also if nobody asks what comes next: all may be busy for long."""
        return float("inf") if self._asked else self._renew_at

    def renewal(self, now: float) -> Need | None:
        """The trip that renews the leases, once it is due."""
        return self._need(now) if now >= self.renew_at else None

    def _need(self, now: float) -> Need:
        self._asked = True
        over = [host for name in self._over if (host := self._hosts.pop(name, None)) is not None]
        release = tuple((host.lease, host.pace.state) for host in over)
        self._over.clear()
        extend = tuple(self._hosts[name].lease for name in self._low if name in self._hosts)
        # A host that has enough is renewed alone: topping up all would fill the memory with the queues of slow hosts.
        due = now >= self._renew_at
        renew = tuple(host.lease for name, host in self._hosts.items() if name not in self._low) if due else ()
        self._low.clear()
        room = self._max_hosts - len(self._hosts) if now >= min(self._lease_at, self._look_at) or release else 0
        return Need(room, self._per_host, renew, extend, release)

    def take(self, need: Need, extended: Leases, leased: Leases, now: float) -> None:
        """What the frontier answered to `need`: the renewed leases, those to top up with further URLs, and new ones."""
        self._asked = False
        kept = {lease.host: lease for lease in extended.leases}
        topped_up = {lease.host for lease in need.extend}
        for old in need.renew + need.extend:
            lease, host = kept.get(old.host), self._hosts.get(old.host)
            if lease is None or host is None:  # lost: known since just now, or since before the answer was heard
                self.lost(old)
            else:
                host.take(lease, lease.host in topped_up)
                self._settle(host)
        for lease in leased.leases:
            self._admit(lease)
        if extended.next_due is not None:
            self._retry_at = min(self._retry_at, extended.next_due)
        if need.hosts:
            self._look_at = now + self._look_around
            self._lease_at = float("inf") if leased.next_due is None else max(leased.next_due, now)
            if leased.leases and len(leased.leases) >= need.hosts:
                self._lease_at = now
        self._renew_at = min((host.lease.deadline for host in self._hosts.values()), default=float("inf")) - self._ttl / 2
        if self._hosts:
            self._renew_at = min(self._renew_at, now + self._renew_every)

    def _admit(self, lease: Lease) -> None:
        host = LeasedHost(lease, Pace(self._rules(lease.host).of_slot(lease.share), lease.state), self.agent)
        self._hosts[lease.host] = host
        self._settle(host)

    def added(self, hosts: Iterable[str]) -> None:
        """The frontier got new URLs for these hosts, or got some back."""
        for name in hosts:
            host = self._hosts.get(name)
            if host is None:
                self._lease_at = float("-inf")
            elif host.exhausted:
                host.exhausted = False
                self._over.discard(name)
                self._settle(host)

    def wake(self) -> None:
        """Asks the frontier again although it had nothing: others may have added something."""
        self.added(list(self._hosts))
        self._lease_at = float("-inf")

    def leave(self, lease: Lease) -> None:
        """The host is to be given back: another of its slots has seen trouble."""
        host = self._hosts.get(lease.host)
        if host is not None and host.lease.token == lease.token:
            host.leave()
            self._settle(host)

    def lost(self, lease: Lease) -> None:
        """The lease is no longer ours: forget the host. Answers that still arrive for it are ignored."""
        host = self._hosts.get(lease.host)
        if host is not None and host.lease.token == lease.token:
            self.losses += 1
            del self._hosts[lease.host]
            self._over.discard(lease.host)
            self._low.discard(lease.host)
        self._lease_at = float("-inf")

    # -- what came back --------------------------------------------------------------------------------------------------

    def lease_of(self, request: Request) -> Lease | None:
        """The lease a request belongs to; None when it is lost."""
        host = self._hosts.get(request.host)
        return host.lease if host is not None else None

    def state_of(self, lease: Lease) -> HostState:
        """What has to be kept of a host."""
        host = self._hosts.get(lease.host)
        return host.pace.state if host is not None else lease.state

    def _landed(self, request: Request) -> tuple[LeasedHost, float] | None:
        host = self._hosts.get(request.host)
        started = host.land(request) if host is not None else None
        return None if host is None or started is None else (host, started)

    def answered(self, request: Request, now: float, status: int, ttfb: float, retry_after: float | None = None) -> Retry | None:
        """A whole answer arrived. Returns when to ask again if this status deserves another try."""
        if (landed := self._landed(request)) is None:
            return None
        host, started = landed
        rule, first = retry.of_status(status), not request.attempts
        blameless = host.pace.answered(now, started, status, ttfb, retry_after, first=first, salt=request.id)
        verdict = None
        if blameless or (not host.pace.closed and request.attempts < retry.tries(rule, host.pace.rules.retries)):
            wait = retry_after if retry_after is not None else retry.backoff(request.attempts + 1, request.id)
            at = now + min(wait, retry.LONGEST_RETRY_AFTER)
            verdict = Retry(request, at, f"status {status}", counted=not blameless)
        self._settle(host)
        return verdict

    def failed(self, request: Request, now: float, error: PageError) -> Retry | Failed:
        """No usable answer arrived. Says whether the URL is asked again."""
        if (landed := self._landed(request)) is None:
            return Retry(request, now, str(error), counted=False)
        host, started = landed
        rule = retry.of_error(error)
        blameless = host.pace.failed(now, started, error, request.id, first=not request.attempts)
        verdict: Retry | Failed = Failed(request, error)
        if blameless:
            if not host.pace.closed:
                verdict = Retry(request, now, str(error), counted=False)
        elif rule is retry.OURS:
            verdict = Retry(request, now + retry.FIRST_DELAY, str(error), counted=False)
        elif request.attempts < retry.tries(rule, host.pace.rules.retries):
            verdict = Retry(request, now + retry.backoff(request.attempts + 1, request.id), str(error))
        if host.pace.closed:
            host.drop_queue()  # fails at the frontier, in one step
        self._settle(host)
        return verdict

    def cancelled(self, request: Request) -> None:
        """A started request was cut off by us: it goes back untried when its host is released."""
        if (landed := self._landed(request)) is None:
            return
        host, started = landed
        host.waiting_for = None if request.role == "robots" else host.waiting_for
        host.pace.cancelled(started)
        self._settle(host)

    def may_leave(self, request: Request, now: float) -> bool:
        """Whether a request that was started may be sent now: no fence stops it on its way to the host, which may be another's by now if
        this process has slept."""
        host = self._hosts.get(request.host)
        return host is not None and host.started.get(request.id, (None,))[0] is request and now < host.lease.deadline

    def leaves(self, request: Request, now: float) -> bool:
        """A request that was started leaves only now: hooks, a new connection, or other work, were in between. True: ask what is next
        again, for others may have had to wait for that."""
        if (host := self._hosts.get(request.host)) is None:
            return False
        _, started = host.started.get(request.id, (request, now))
        if was_awaited := host.pace.leaves(now, started):
            self._settle(host)
        return was_awaited

    def led_on(self, request: Request, now: float) -> float:
        """A robots.txt redirects: when the next place may be asked, as politely as any other."""
        host = self._hosts.get(request.host)
        return now if host is None else host.pace.led_on(now)

    def robots(self, request: Request, now: float, facts: RobotsFacts, ttfb: float = 0.0, retry_after: float | None = None) -> None:
        """What came of a robots.txt: its text, nothing (4xx: all is allowed), or no answer (all waits, asked again later)."""
        if (landed := self._landed(request)) is None:
            return
        host, started = landed
        host.waiting_for = None
        known = facts if facts.text is not None else host.robots_kept(facts, now)
        if known is None:
            host.robots_failed(facts, now, started, request.id, retry_after)
        else:
            host.pace.answered(now, started, facts.status if known is not facts else 200, ttfb, retry_after)
            host.robots_arrived(known, self.agent)
        self._settle(host)

    def rest_of(self, host: str, now: float) -> float:
        """Seconds for which a leased host is left alone because it is in trouble; 0 when it is not."""
        leased = self._hosts.get(host)
        return max(0.0, leased.pace.state.next_at - now) if leased is not None and leased.pace.is_in_trouble else 0.0

    def acknowledged(self, lease: Lease, count: int) -> None:
        """So many outcomes of this lease are stored at the frontier."""
        host = self._hosts.get(lease.host)
        if host is not None and host.lease.token == lease.token:
            host.unacknowledged -= count
            self._settle(host)

    # -- leaving ---------------------------------------------------------------------------------------------------------

    def release_all(self) -> Sequence[Renewal]:
        """Empties the workbench; every lease with its state, to be given back."""
        renewals = [(host.lease, host.pace.state) for host in self._hosts.values()]
        for each in (self._hosts, self._ready, self._over, self._low):
            each.clear()
        return renewals

    def progress(self, most: int) -> tuple[tuple[HostProgress, ...], int]:
        """The busiest hosts, for a screen, and how many others there are."""
        busiest = sorted(self._hosts.values(), key=lambda host: (-len(host.started), -len(host.queue), host.lease.host))
        rows = tuple(HostProgress(host.lease.host, len(host.started), len(host.queue), host.pace.delay) for host in busiest[:most])
        return rows, max(0, len(busiest) - most)
