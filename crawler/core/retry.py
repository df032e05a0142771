"""Which failure deserves another try, and when.

| what happened                                   | tried again      | after                                  |
|-------------------------------------------------|------------------|----------------------------------------|
| 408, 425, 500, 502, 503, 504, other 5xx         | `retries` times  | 1, 2, 4 … 30 s, or Retry-After         |
| 429                                             | `retries` + 4    | Retry-After, else 1, 2, 4 … 30 s       |
| reset, timeout, truncated                       | `retries` times  | 1, 2, 4 … 30 s                         |
| refused, dns, connect timeout                   | with its host    | the host pauses (`crawler.core.politeness`) |
| no file left for a socket (EMFILE)              | always           | 1 s                                    |
| tls, protocol, too_big, decode, redirect_loop,  |                  |                                        |
| blocked, hook, internal, other 4xx              | never            |                                        |

Delays are spread by ±25 % so that what failed together does not come back together.
"""

from __future__ import annotations

from crawler.model import ErrorKind, PageError

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
# A server that says "later" with a Retry-After of a week is not waited for.
LONGEST_RETRY_AFTER = 300.0

RETRIED_STATUS = frozenset({408, 425, 429})
RETRIED_KINDS: frozenset[ErrorKind] = frozenset({"reset", "timeout", "truncated"})
NO_CONNECTION = "no connection"
"""How the detail of a timeout begins when it ended the wait for a connection."""

HOST_KINDS: frozenset[ErrorKind] = frozenset({"refused", "dns"})


def is_retried_status(status: int) -> bool:
    """Whether this status may be different the next time."""
    return 500 <= status < 600 or status in RETRIED_STATUS


def is_host_failure(error: PageError) -> bool:
    """Whether no connection could be made at all, so that the host, not the URL, is in trouble."""
    return error.kind in HOST_KINDS or (error.kind == "timeout" and error.detail.startswith(NO_CONNECTION))


def is_out_of_files(error: PageError) -> bool:
    """Whether this process had no file left for a socket or a body: nobody else is to blame."""
    return error.kind == "internal" and error.detail.startswith("EMFILE")


def tries(status: int, retries: int) -> int:
    """How many further tries a URL gets after this status (0: no answer). Being asked to slow down is no fault of the URL."""
    return retries + 4 if status == 429 and retries else retries


def backoff(failures: int, salt: int = 0) -> float:
    """Seconds to wait after the n-th failure in a row: 1, 2, 4 … 30, spread by ±25 % by `salt` (an id)."""
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** max(0, failures - 1))
    return delay * spread(salt + failures)


def spread(salt: int) -> float:
    """A factor from 0.75 to 1.25 that depends on `salt` alone (Fibonacci hashing), so that the core needs no randomness."""
    return 0.75 + ((salt * 0x9E3779B97F4A7C15) & 0xFFFF) / 0x1FFFF
