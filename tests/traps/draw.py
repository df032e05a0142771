"""Draws sites by chance and crawls them: `python tests/traps/draw.py 1000 1200` prints what came of these seeds. The last lines are the
figures of docs/concepts/traps.md."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

sys.path[:0] = [str(Path(__file__).parents[2])]

from calendars import blog, sparse  # noqa: E402
from endless import trapped  # noqa: E402
from honest import Web, honest  # noqa: E402
from walk import Walked, walk  # noqa: E402

from crawler import Crawler  # noqa: E402
from crawler.core.shapes import shape_of  # noqa: E402
from crawler.core.traps import Traps  # noqa: E402
from crawler.engine.watch import Watch  # noqa: E402
from crawler.testing import answer, site  # noqa: E402


class RecordedWatch(Watch):
    """A watch that keeps what it was told and asked, with what it learnt meanwhile, so that all of it can be done again alone."""

    calls: ClassVar[list[tuple[str, tuple[Any, ...]]]] = []


def _recorded(name: str) -> Callable[..., Any]:
    plain = getattr(Watch, name)

    def call(watch: Watch, *given: Any) -> Any:
        if name == "waits":
            given = (given[0], frozenset(given[1]))
        if name != "page":
            RecordedWatch.calls.append((name, given))
            return plain(watch, *given)
        *rest, unknown = given
        answers: list[set[int]] = []

        def answered(ids: set[int]) -> set[int]:
            answers.append(unknown(ids))
            return answers[-1]

        RecordedWatch.calls.append((name, (*rest, answers)))
        return plain(watch, *rest, answered)

    return call


for _name in ("page", "answer", "link", "refusal", "waits"):
    setattr(RecordedWatch, _name, _recorded(_name))


def seconds_alone() -> float:
    """CPU time of all that was recorded since the last time, without the crawl around it: the least of three times."""
    times = []
    for _ in range(3):
        shape_of.cache_clear()
        watch = Watch(Traps())
        calls = [
            (getattr(watch, name), (*given[:-1], _replay(given[-1])) if name == "page" else given) for name, given in RecordedWatch.calls
        ]
        begun = time.process_time()
        for call, given in calls:
            call(*given)
        times.append(time.process_time() - begun)
    RecordedWatch.calls.clear()
    return min(times)


def _replay(answers: list[set[int]]) -> Callable[[set[int]], set[int]]:
    following = iter(answers)
    return lambda ids: next(following)


def walk_sockets(web: Web) -> Walked:
    """A real crawl of a web, over sockets."""

    async def crawl(url: str) -> None:
        async with Crawler(output=None, max_pages=20 * len(web.pages)) as crawler:
            async for _ in crawler.crawl(url):
                pass

    with site(otherwise=lambda request: web.page(request.target) or answer(404, "none")) as served:
        asyncio.run(crawl(served.url()))
        asked = Counter(path for path in served.paths if path not in ("/robots.txt", "/sitemap.xml"))
    real = {target: web.real(target) for target in asked}
    wasted = Counter(web.owner(target) for target, shown in real.items() if shown is None)
    return Walked(asked, {shown for shown in real.values() if shown is not None}, wasted)


def drawn(seed: int, options: argparse.Namespace) -> Web:
    """The site of a seed."""
    if options.blog:
        return blog(seed)
    if options.days:
        return sparse(seed, options.days)
    return honest(seed, options.honest) if options.honest else trapped(seed)


def main() -> None:
    """Prints a line for each site, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("end", type=int, help="the seed behind the last one")
    parser.add_argument("--honest", type=int, default=0, metavar="ITEMS", help="honest sites with so many numbered pages, without traps")
    parser.add_argument("--blog", action="store_true", help="archives by day, each day with its own articles, without traps")
    parser.add_argument(
        "--days", type=float, default=0.0, metavar="SHARE", help="calendars with entries on a share of the days, without traps"
    )
    parser.add_argument("--run", type=int, default=1_000_000, metavar="PAGES", help="stop and resume after so many requests")
    parser.add_argument("--sockets", action="store_true", help="real crawls instead of simulated ones")
    options = parser.parse_args()
    waste, failed, left_out, kinds = list[float](), list[int](), Counter[str](), Counter[str]()
    requests, seconds = 0, 0.0
    for seed in range(options.first, options.end):
        web = drawn(seed, options)
        most = 20 * len(web.pages)
        walked = walk_sockets(web) if options.sockets else walk(web, most=most, run=options.run, watch=RecordedWatch)
        missing = web.pages - walked.found
        is_honest = bool(options.honest or options.blog or options.days)
        is_bad = bool(missing) or not walked.is_over or (bool(walked.quarantined) if is_honest else walked.waste > 0.05)
        said = f"{len(web.pages)} pages, {len(missing)} missing, waste {walked.waste:.1%}"
        print(seed, "BAD" if is_bad else "ok", said, dict(walked.wasted))
        failed += [seed] if is_bad else []
        waste.append(walked.waste)
        left_out.update(walked.quarantined)
        kinds.update(walked.wasted)
        requests += walked.requests
        seconds += seconds_alone() if RecordedWatch.calls and options.run > walked.requests else 0.0
    count = len(waste)
    print(f"\n{count} sites, {requests} requests; waste: mean {sum(waste) / count:.1%}, most {max(waste):.1%}; failed: {failed or 'none'}")
    print(f"refused for a trap: {left_out.total()} URLs; wasted requests by kind: {dict(kinds.most_common(12))}")
    if seconds:
        print(f"CPU time of the watch: {seconds / requests * 1e6:.1f} µs a page")


if __name__ == "__main__":
    main()
