"""One measurement: a crawl in this process, alone, and what it cost.

`python -m crawler.bench.measure --mode 32 --pages 500 -o DIR` reads seeds from standard input, one on each line, and prints one
line of JSON (`Measurement`). A process of its own gives each crawl its own CPU time and its own peak of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crawler.app import run_asynchronously, run_in_loop, run_synchronously
from crawler.assembly import Assembly
from crawler.engine.hooks import Hooks
from crawler.fetch import blocking  # noqa: F401 - loaded lazily otherwise, and then its import would be measured
from crawler.heap import collect_rarely, keep_freed_memory
from crawler.model import FinishReason, Record
from crawler.report.folder import open_folder
from crawler.settings import Settings

SYNC = "sync"
"""The mode that fetches one page after the other; every other mode is a number of requests at once."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one crawl cost and brought.

    `wall` and `cpu` (user and system) are seconds from opening the folder to closing it, without the start of Python; `peak` is
    the process's largest resident memory in bytes (None: this system does not tell). `pages` counts the attempted URLs, `ok` the
    good ones; `digest` stands for all their paths and bodies. `ttfb_p50` and `ttfb_p95` are milliseconds to the headers, None
    when nothing answered. `reason` is why the crawl ended; `urls` are the attempted ones when that was the page limit.
    `error` says what was wrong with the first URL that brought no page. `delay` is the most seconds between two requests that a
    host's robots.txt asked for. `server` is the seconds of CPU that the server took
    meanwhile, and `others` the part of this machine (0 to 1) that programs took which have no part in it; None: nobody knows.
    """

    mode: str
    wall: float
    cpu: float
    peak: int | None
    pages: int
    ok: int
    digest: str
    ttfb_p50: float | None
    ttfb_p95: float | None
    reason: str
    urls: tuple[str, ...] = ()
    error: str = ""
    delay: float = 0.0
    server: float | None = None
    others: float | None = None

    @classmethod
    def from_json(cls, text: str) -> Measurement:
        """What a measuring process printed."""
        found = json.loads(text)
        return cls(**found | {"urls": tuple(found["urls"])})


def settings_of(mode: str, pages: int | None, folder: Path, *, own: bool, alone: bool) -> Settings:
    """How a mode crawls: with everything kept, as `crawler crawl` does, and with robots.txt obeyed.

    On an `own` site the requests at once are all for its host, without learning what it bears; on others the usual politeness
    holds. `alone` fetches the seeds and follows nothing.
    """
    requests = 1 if mode == SYNC else int(mode)
    return Settings.from_keywords(
        input_file="-",
        output=str(folder),
        mode="sync" if mode == SYNC else "async",
        concurrency=requests,
        sitemap="off",
        max_pages=pages,
        max_depth=0 if alone else None,
        **({"per_host": requests, "adaptive": False} if own else {}),
    )


def measure(mode: str, settings: Settings) -> Measurement:
    """Crawls and tells what it took. Raises CrawlerError."""
    assert settings.output is not None
    keep_freed_memory()
    collect_rarely()
    wall, cpu = time.perf_counter(), time.process_time()
    with Assembly(settings, Hooks(), shows_links=False) as opened:
        reason = _run_sync(opened) if mode == SYNC else _run_async(opened)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Measurement(mode, wall, cpu, peak_memory(), reason=reason, **_found(Path(settings.output), reason))


def _run_sync(opened: Assembly) -> FinishReason:
    for _ in run_synchronously(opened):
        pass
    return opened.reason


def _run_async(opened: Assembly) -> FinishReason:
    async def ignore(records: Sequence[Record]) -> None:
        """Nobody looks at the pages."""

    return run_in_loop(run_asynchronously(opened, ignore))


def _found(folder: Path, reason: FinishReason) -> dict[str, Any]:
    """What the folder holds, as the fields of a Measurement."""
    with closing(open_folder(folder)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT url, sha256, outcome, error, error_detail, status, ttfb_ms FROM pages ORDER BY row").fetchall()
        refused = connection.execute("SELECT url, reason, detail FROM skipped ORDER BY parent IS NOT NULL LIMIT 1").fetchone()
        (delay,) = connection.execute("SELECT max(delay) FROM hosts").fetchone()
    times = sorted(row["ttfb_ms"] for row in rows if row["ttfb_ms"] is not None)
    return {
        "pages": len(rows),
        "ok": sum(row["outcome"] in ("ok", "not_modified") for row in rows),
        "digest": digest((row["url"], f"{row['status']} {row['sha256'] or row['outcome']}") for row in rows),
        "ttfb_p50": percentile(times, 0.50),
        "ttfb_p95": percentile(times, 0.95),
        "urls": tuple(row["url"] for row in rows) if reason != "queue empty" else (),
        "error": next((_why(row) for row in rows if row["outcome"] in ("error", "http_error")), "") or _refusal(refused),
        "delay": delay or 0.0,
    }


def _why(row: sqlite3.Row) -> str:
    return f"{row['error']}: {row['error_detail']}" if row["error"] else f"HTTP {row['status']}"


def _refusal(row: sqlite3.Row | None) -> str:
    if row is None:
        return ""
    why = f"robots.txt {row['detail']}" if row["reason"] == "robots" else ": ".join(filter(None, (row["reason"], row["detail"])))
    return f"{row['url']} may not be asked for: {why}"


def digest(pages: Iterable[tuple[str, str]]) -> str:
    """One digest for all (URL, status and digest of the body), whatever their order. Hosts and ports do not count."""
    lines = sorted(f"{parts.path}?{parts.query} {body}\n" for url, body in pages for parts in (urlsplit(url),))
    return sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def percentile(ordered: Sequence[float], part: float) -> float | None:
    """The smallest of the sorted values that so large a part of them does not exceed (nearest rank); None without any."""
    return ordered[max(0, -int(-part * len(ordered) // 1) - 1)] if ordered else None


def peak_memory() -> int | None:
    """The largest resident memory of this process so far, in bytes."""
    try:
        # Not ru_maxrss: on Linux that begins with the memory of the process which started this one.
        status = Path("/proc/self/status").read_text("ascii")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m crawler.bench.measure", description="One crawl and its cost, as a line of JSON.")
    parser.add_argument("--mode", required=True, help="sync, or how many requests at once")
    parser.add_argument("--pages", type=int, help="stop after so many pages")
    parser.add_argument("--own", action="store_true", help="the site is the user's own: nothing but robots.txt slows the crawl down")
    parser.add_argument("--alone", action="store_true", help="fetch the seeds and follow nothing")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a new folder")
    return parser.parse_args()


def main() -> int:
    """Measures once. What is wrong is said as the command line says it."""
    from crawler.cli.messages import report

    given = _arguments()
    try:
        settings = settings_of(given.mode, given.pages, given.output, own=given.own, alone=given.alone)
        print(json.dumps(asdict(measure(given.mode, settings))))
    except (Exception, KeyboardInterrupt) as error:
        return report(error, os.environ.get("CRAWLER_DEBUG", "") != "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
