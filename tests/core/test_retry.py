"""Retry: which failure deserves another try, and when. The table in the module's docstring is the promise."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from benches import bench_of, lease_of, page, settle

from crawler.core import retry
from crawler.core.politeness import Politeness
from crawler.model import ErrorKind, Failed, PageError, Retry

RETRIES = 2


def table() -> list[tuple[str, str, str]]:
    """The rows of the docstring's table: what happened, how often it is tried again, after which time."""
    assert retry.__doc__ is not None
    lines = [line for line in retry.__doc__.splitlines() if line.startswith("|") and "---" not in line][1:]
    rows: list[tuple[str, str, str]] = []
    what = ""
    for line in lines:
        first, second, third = (cell.strip() for cell in line.strip("|").split("|"))
        what = f"{what} {first}".strip()
        if second:
            rows.append((what, second, third))
            what = ""
    return rows


def row_with(what: str) -> tuple[str, str, str]:
    return next(row for row in table() if re.search(rf"\b{what}\b", row[0]))


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
    _, times, after = row_with(str(status))
    assert (times, after) == ("`retries` times", "1, 2, 4 … 30 s, or Retry-After")
    waits = verdicts(status)
    assert [round(wait) for wait in waits] == pytest.approx([1, 2], abs=1)
    assert all(0.75 * nominal <= wait <= 1.25 * nominal for wait, nominal in zip(waits, (1, 2), strict=True))
    assert verdicts(status, retry_after=7.0) == [7.0, 7.0]


def test_every_other_5xx_is_tried_again() -> None:
    """What a server calls its own fault may pass."""
    assert "other 5xx" in row_with("504")[0]
    assert all(len(verdicts(status)) == RETRIES for status in (501, 505, 507, 511, 520, 599))


def test_asking_to_slow_down_costs_a_url_little() -> None:
    """429 is tried four times more than other failures, because it is no fault of the URL."""
    assert row_with("429")[1:] == ("`retries` + 4", "Retry-After, else 1, 2, 4 … 30 s")
    assert len(verdicts(429)) == RETRIES + 4
    assert verdicts(429, retry_after=3.0) == [3.0] * (RETRIES + 4)
    assert verdicts(429, retries=0) == []


@pytest.mark.parametrize("kind", ["reset", "timeout", "truncated"])
def test_broken_answers_are_tried_again(kind: ErrorKind) -> None:
    """A connection that breaks or stalls is tried `retries` times."""
    assert row_with(kind)[1:] == ("`retries` times", "1, 2, 4 … 30 s")
    assert len(verdicts(error=PageError(kind, "while reading"))) == RETRIES
    assert verdicts(error=PageError(kind), retries=0) == []


@pytest.mark.parametrize(
    "error", [PageError("refused"), PageError("dns", "no such host"), PageError("timeout", "no connection within 10 s")]
)
def test_a_host_that_lets_nobody_in_is_tried_as_a_host(error: PageError) -> None:
    """When no connection is made the URL loses no attempt; its host pauses, and fails as a whole."""
    assert row_with("dns")[1] == "with its host"
    assert retry.is_host_failure(error)
    bench = bench_of(lease_of(page("/", attempts=7)), rules=Politeness(retries=RETRIES), agent=None)
    verdict = bench.failed(settle(bench, 0.0), 0.0, error)
    assert isinstance(verdict, Retry)
    assert not verdict.counted


@pytest.mark.parametrize("kind", ["tls", "protocol", "too_big", "decode", "redirect_loop", "blocked", "hook", "internal"])
def test_what_will_not_pass_is_not_tried_again(kind: ErrorKind) -> None:
    """Errors that the next try would meet again end the URL at once."""
    assert row_with(kind)[1] == "never"
    bench = bench_of(lease_of(page("/")), rules=Politeness(retries=RETRIES), agent=None)
    request = settle(bench, 0.0)
    assert bench.failed(request, 0.0, PageError(kind)) == Failed(request, PageError(kind))


@pytest.mark.parametrize("status", [200, 204, 301, 304, 400, 401, 403, 404, 410, 418, 451])
def test_an_answer_is_an_answer(status: int) -> None:
    """Success, redirects and the other 4xx stand."""
    assert "other 4xx" in row_with("hook")[0]
    assert verdicts(status) == []


def test_the_table_names_every_error() -> None:
    """No kind of the closed set is missing; what robots.txt does to a host is not about one URL."""
    named = set(re.findall(r"[a-z_]+", " ".join(row[0] for row in table())))
    assert set(get_args(ErrorKind)) - named == {"robots_unavailable"}


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
