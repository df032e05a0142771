"""A site to be crawled under blows: every page another body and another size, a log that judges, and a moment to strike at."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

from crawler.testing import Answer, Site, SiteRequest, answer


class Orchard:
    """So many pages in a tree, from `/0`; every fortieth is so large that it goes through a file. `strike` is called when the n-th
    request arrives after `arm(n, strike)`."""

    def __init__(self, pages: int, new_site: Callable[..., Site], latency: float = 0.003) -> None:
        self.bodies = {f"/{number}": self._body(number, pages) for number in range(pages)}
        self.asked: Counter[str] = Counter()
        self.asked_now: set[str] = set()
        self._left = 0
        self._strike: Callable[[], object] | None = None
        self.site = new_site(otherwise=self._page, latency=latency)

    def arm(self, moment: int, strike: Callable[[], object]) -> None:
        """Begins to look at the requests of another run."""
        self.asked_now.clear()
        self._left, self._strike = moment, strike

    @property
    def seed(self) -> str:
        """Where a crawl begins."""
        return self.site.url("/0")

    @property
    def digests(self) -> dict[str, str]:
        """The URL of every page, and the SHA-256 of what is served there."""
        return {self.site.url(path): hashlib.sha256(body).hexdigest() for path, body in self.bodies.items()}

    def asked_in_vain(self, stored: dict[str, str]) -> int:
        """How many pages this run has asked for that are not among the stored ones: they have to be asked for again."""
        return len({self.site.url(path) for path in self.asked_now} - stored.keys())

    def asked_again(self, stored: dict[str, str]) -> set[str]:
        """The pages that this run has asked for although they were stored before it."""
        return {self.site.url(path) for path in self.asked_now} & stored.keys()

    @staticmethod
    def _body(number: int, pages: int) -> bytes:
        links = "".join(f'<a href="/{target}">{target}</a>' for target in (2 * number + 1, 2 * number + 2) if target < pages)
        links += f'<a href="https://other.invalid/{number}">elsewhere</a>'
        return f"<title>{number}</title>{links}".encode() + b"%d " % number * (120_000 if number % 40 == 7 else number % 1000)

    def _page(self, request: SiteRequest) -> bytes | Answer:
        if request.target in self.bodies:
            self.asked[request.target] += 1
            self.asked_now.add(request.target)
        self._left -= 1
        if self._left == 0 and self._strike is not None:
            self._strike()
        return self.bodies.get(request.target) or answer(404)
