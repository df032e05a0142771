"""Which failure deserves another try, and when: one table, which the documentation prints and the workbench obeys."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.model import ErrorKind, PageError

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
# A server that says "later" with a Retry-After of a week is not waited for.
LONGEST_RETRY_AFTER = 300.0

NO_CONNECTION = "no connection"
"""How the detail of a timeout begins when it ended the wait for a connection."""

OUT_OF_FILES = "EMFILE"
"""How the detail of an error begins when this process had no file handle left: nobody else is to blame."""

NEVER = -1


class TooLate(Exception):
    """Nobody may send this request any more: the lease of its host is over, or was lost, while it was on its way."""


TOO_LATE = TooLate.__name__
"""How the detail of its error begins."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: what it is about, how many tries beyond `retries` it gets (`NEVER`: none at all), and after what
    time. What is not `counted` is tried again without using up a try."""

    what: str
    after: str = ""
    more: int = 0
    counted: bool = True
    statuses: tuple[int, ...] = ()
    kinds: tuple[ErrorKind, ...] = ()

    @property
    def times(self) -> str:
        """How often, in words."""
        if self.more == NEVER:
            return "never"
        if not self.counted:
            return "not counted"
        return f"`retries` + {self.more} times" if self.more else "`retries` times"


_BACKOFF = "1, 2, 4 … 30 s"
BUSY = Rule("429", f"Retry-After, else {_BACKOFF}", more=4, statuses=(429,))
PASSING = Rule("408, 425, 5xx", f"Retry-After, else {_BACKOFF}", statuses=(408, 425, *range(500, 600)))
BROKEN = Rule("reset, timeout, truncated", _BACKOFF, kinds=("reset", "timeout", "truncated"))
HOST = Rule("refused, dns, timeout of a connection", "when its host is asked again", counted=False, kinds=("refused", "dns"))
OURS = Rule("no file left for a socket or a body (EMFILE); a lease that ended before its request was sent", "1 s", counted=False)
KEPT = Rule("a kept-alive connection that was closed as it was used again", "at once", counted=False)
FINAL = Rule(
    "tls, protocol, too_big, decode, redirect_loop, blocked, hook, internal, other 4xx",
    more=NEVER,
    kinds=("tls", "protocol", "too_big", "decode", "redirect_loop", "blocked", "hook", "internal", "robots_unavailable"),
)
TABLE = (PASSING, BUSY, BROKEN, HOST, OURS, KEPT, FINAL)

_OF_STATUS = {status: rule for rule in TABLE for status in rule.statuses}
_OF_KIND = {kind: rule for rule in TABLE for kind in rule.kinds}


def of_status(status: int) -> Rule:
    """The rule for a whole answer with this status. Success, redirects and the other 4xx stand."""
    return _OF_STATUS.get(status, FINAL)


def of_error(error: PageError) -> Rule:
    """The rule for an answer that could not be used."""
    if error.kind == "timeout" and error.detail.startswith(NO_CONNECTION):
        return HOST
    if error.kind == "internal" and error.detail.startswith((OUT_OF_FILES, TOO_LATE)):
        return OURS
    return _OF_KIND[error.kind]


def is_out_of_files(error: PageError) -> bool:
    """Whether this process had no file left for a socket or a body, or came too late: nobody else is to blame."""
    return of_error(error) is OURS


def tries(rule: Rule, retries: int) -> int:
    """How many further tries a URL gets. Being asked to slow down is no fault of the URL."""
    return 0 if rule.more == NEVER or not retries else retries + rule.more


def backoff(failures: int, salt: int = 0) -> float:
    """Seconds to wait after the n-th failure in a row: 1, 2, 4 … 30, spread by ±25 % by `salt` (an id), so that what failed
    together does not come back together."""
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** max(0, failures - 1))
    return delay * spread(salt + failures)


def spread(salt: int) -> float:
    """A factor from 0.75 to 1.25 that depends on `salt` alone (Fibonacci hashing), so that the core needs no randomness."""
    return 0.75 + ((salt * 0x9E3779B97F4A7C15) & 0xFFFF) / 0x1FFFF
