"""Retry: which failure deserves another try, and when. The table is the promise."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from benches import bench_of, lease_of, page, settle

from crawler.core import retry
from crawler.core.politeness import Politeness
from crawler.model import ErrorKind, Failed, PageError, Retry

RETRIES = 2


def row_of(what: int | PageError) -> tuple[str, str, str]:
    """The row of the table that decides about a status or an error, as it is printed."""
    rule = retry.of_status(what) if isinstance(what, int) else retry.of_error(what)
    return rule.what, rule.times, rule.after


def verdicts(status: int = 0, error: PageError | None = None, retry_after: float | None = None, retries: int = RETRIES) -> list[float]:
    """The waits after which one URL is tried again until nobody tries any more; at most 20."""
    waits: list[float] = []
    for attempts in range(20):
        bench = bench_of(lease_of(page("/", attempts=attempts)), rules=Politeness(retries=retries, per_host=1), agent=None)
        request = settle(bench, 0.0)
        verdict = bench.failed(request, 0.0, error) if error else bench.answered(request, 0.0, status, 0.1, retry_after)  # type: ignore[arg-type]
        if not isinstance(verdict, Retry) or not verdict.counted:
            return waits
        waits.append(verdict.at)
    return waits


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_statuses_of_the_table_are_tried_again(status: int) -> None:
    """Each status that the table names is tried `retries` times, after 1, 2, 4 … 30 s or when Retry-After says."""
    assert row_of(status) == ("408, 425, 5xx", "`retries` times", "Retry-After, else 1, 2, 4 … 30 s")
    waits = verdicts(status)
    assert [round(wait) for wait in waits] == pytest.approx([1, 2], abs=1)
    assert all(0.75 * nominal <= wait <= 1.25 * nominal for wait, nominal in zip(waits, (1, 2), strict=True))
    assert verdicts(status, retry_after=7.0) == [7.0, 7.0]


def test_every_other_5xx_is_tried_again() -> None:
    """What a server calls its own fault may pass."""
    assert {row_of(status) for status in range(500, 600)} == {row_of(503)}
    assert all(len(verdicts(status)) == RETRIES for status in (501, 505, 507, 511, 520, 599))


def test_asking_to_slow_down_costs_a_url_little() -> None:
    """429 is tried four times more than other failures, because it is no fault of the URL."""
    assert row_of(429) == ("429", "`retries` + 4 times", "Retry-After, else 1, 2, 4 … 30 s")
    assert len(verdicts(429)) == RETRIES + 4
    assert verdicts(429, retry_after=3.0) == [3.0] * (RETRIES + 4)
    assert verdicts(429, retries=0) == []


@pytest.mark.parametrize("kind", ["reset", "timeout", "truncated"])
def test_broken_answers_are_tried_again(kind: ErrorKind) -> None:
    """A connection that breaks or stalls is tried `retries` times."""
    assert row_of(PageError(kind)) == ("reset, timeout, truncated", "`retries` times", "1, 2, 4 … 30 s")
    assert len(verdicts(error=PageError(kind, "while reading"))) == RETRIES
    assert verdicts(error=PageError(kind), retries=0) == []


@pytest.mark.parametrize(
    "error", [PageError("refused"), PageError("dns", "no such host"), PageError("timeout", "no connection within 10 s")]
)
def test_a_host_that_lets_nobody_in_is_tried_as_a_host(error: PageError) -> None:
    """When no connection is made the URL loses no attempt; its host pauses, and fails as a whole."""
    assert row_of(error) == ("refused, dns, timeout of a connection", "not counted", "when its host is asked again")
    bench = bench_of(lease_of(page("/", attempts=7)), rules=Politeness(retries=RETRIES), agent=None)
    verdict = bench.failed(settle(bench, 0.0), 0.0, error)
    assert isinstance(verdict, Retry)
    assert not verdict.counted


@pytest.mark.parametrize("kind", ["tls", "protocol", "too_big", "decode", "redirect_loop", "blocked", "hook", "internal"])
def test_what_will_not_pass_is_not_tried_again(kind: ErrorKind) -> None:
    """Errors that the next try would meet again end the URL at once."""
    assert row_of(PageError(kind))[1] == "never"
    bench = bench_of(lease_of(page("/")), rules=Politeness(retries=RETRIES), agent=None)
    request = settle(bench, 0.0)
    assert bench.failed(request, 0.0, PageError(kind)) == Failed(request, PageError(kind))


@pytest.mark.parametrize("status", [200, 204, 301, 304, 400, 401, 403, 404, 410, 418, 451, 600, 999])
def test_an_answer_is_an_answer(status: int) -> None:
    """Success, redirects, the other 4xx and what is no status of HTTP stand."""
    assert row_of(status)[1] == "never"
    assert verdicts(status) == []


def test_our_own_outage_costs_nothing() -> None:
    """When this process has no file left the URL is asked again a second later, and no try is used up."""
    error = PageError("internal", "EMFILE: Too many open files")
    assert row_of(error) == (
        "no file left for a socket or a body (EMFILE); a lease that ended before its request was sent",
        "not counted",
        "1 s",
    )
    bench = bench_of(lease_of(page("/", attempts=RETRIES)), rules=Politeness(retries=RETRIES), agent=None)
    request = settle(bench, 0.0)
    assert bench.failed(request, 0.0, error) == Retry(request, 1.0, str(error), counted=False)


def test_the_table_names_every_error() -> None:
    """No kind of the closed set is missing, each has one row, and what a row says in words is what it does."""
    for rule in retry.TABLE:
        print(f"{rule.what:<80} {rule.times:<22} {rule.after}")
        assert set(re.findall(r"\b\d{3}\b", rule.what)) <= set(map(str, rule.statuses))
        assert {kind for kind in get_args(ErrorKind) if kind in re.findall(r"[a-z_]+", rule.what)} - {"timeout"} <= set(rule.kinds)
    kinds = [kind for rule in retry.TABLE for kind in rule.kinds]
    assert sorted(kinds) == sorted(get_args(ErrorKind))


def test_backoff_doubles_up_to_its_cap_and_is_spread() -> None:
    """1, 2, 4, 8, 16, 30, 30 … seconds, each within ±25 %, and different for different ids."""
    nominal = [1, 2, 4, 8, 16, 30, 30, 30]
    for salt in range(0, 5000, 97):
        waits = [retry.backoff(number, salt) for number in range(1, 9)]
        assert all(0.75 * base <= wait <= 1.25 * base for wait, base in zip(waits, nominal, strict=True))
    assert len({retry.backoff(1, salt) for salt in range(100)}) == 100
    assert retry.backoff(1, -(1 << 63)) == retry.backoff(1, -(1 << 63))


def test_a_retry_after_of_a_week_is_not_waited_for() -> None:
    """Five minutes are the longest wait that a server can ask for."""
    assert verdicts(503, retry_after=7 * 86400.0) == [300.0] * RETRIES
