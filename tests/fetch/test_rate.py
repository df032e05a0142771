"""How fast bodies are read, all together."""

from crawler.fetch.answer import Answer
from crawler.fetch.options import FetchOptions
from crawler.fetch.rate import RateLimit
from crawler.model import Request


def test_bytes_are_paid_for_one_after_the_other() -> None:
    """Whoever reads waits for all that was read before; a pause saves nothing up."""
    now = 5.0
    rate = RateLimit(100, lambda: now)
    assert [rate.take(50), rate.take(50)] == [0.5, 1.0]
    now = 5.75
    assert rate.take(25) == 0.5
    now = 60.0
    assert rate.take(100) == 1.0


def test_waiting_for_the_rate_is_not_the_servers_time() -> None:
    """Time in which we held up an answer counts for no timeout, and not as the server's."""
    request = Request("http://a.test/", 1, "a.test")
    answer = Answer(request, FetchOptions(timeout=30.0))
    answer.held_up(100.0)
    assert answer.left() > 129.0
    assert answer.age() < 0.0
