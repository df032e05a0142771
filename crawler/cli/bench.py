"""`crawler bench`: the synchronous mode against the asynchronous one, on a site of the user's or a generated one."""

from __future__ import annotations

import ipaddress
import json
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from crawler.bench.compare import Comparison, Plan, Tell
from crawler.bench.compare import run as run_plan
from crawler.bench.pages import KINDS, Shape
from crawler.bench.render import table, to_json
from crawler.bench.site import BenchSite
from crawler.cli.messages import say
from crawler.cli.screen_text import encodable
from crawler.core.urls import normalize_seed
from crawler.errors import CrawlerError, OutputError, UsageError
from crawler.text import human_duration, human_size, printable

FILE = "bench.json"
MOST_PAGES_OF_OTHERS = 100
"""More pages of a host that is not this machine are fetched only when the user says that it is theirs."""


def run(arguments: Namespace) -> int:
    """Measures, prints the table (or JSON), and writes bench.json.

    Raises UsageError for too many pages of somebody else's site, OutputError when bench.json cannot be written, SeedError when the
    site gives no page, CrawlerError when the modes did not fetch the same.
    """
    file = _output(arguments)
    url = _checked_url(arguments) if arguments.url else None
    with _site(arguments, url) as (at, shown):
        plan = Plan(at, tuple(dict.fromkeys(arguments.modes)), arguments.pages, arguments.repeat, url is None or _is_own(arguments, url))
        say(f"{_headline(shown)}\n{_conditions(plan)}")
        with tempfile.TemporaryDirectory(prefix="crawler-bench-") as folder, _progress(sys.stderr) as tell:
            found = run_plan(plan, Path(folder), tell)
    text = json.dumps(to_json(found, shown), indent=2)
    try:
        file.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {file}", str(error.strerror), "crawler bench -o DIR") from error
    print(text if arguments.json else _shown(found))
    say(f"  {printable(str(file))}")
    return 0


def _shown(found: Comparison) -> str:
    return encodable(f"\n{table(found)}", sys.stdout.encoding)


# -- what is asked for -------------------------------------------------------------------------------------------------------


def _checked_url(arguments: Namespace) -> str:
    """The site's URL. Nobody's server is measured without being asked."""
    url = normalize_seed(arguments.url)
    if not _is_own(arguments, url) and arguments.pages > MOST_PAGES_OF_OTHERS:
        crawls = 1 + arguments.repeat * len(arguments.modes)
        raise UsageError(
            f"{arguments.pages:,} pages of {urlsplit(url).hostname} are more than {MOST_PAGES_OF_OTHERS}",
            f"each is fetched {crawls} times, as quickly as the server can; only its owner should ask for that",
            f"--pages {MOST_PAGES_OF_OTHERS}, or --yes when the site is yours",
        )
    return url


def _is_own(arguments: Namespace, url: str) -> bool:
    return arguments.yes or is_loopback(urlsplit(url).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself, told without asking a name server."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _output(arguments: Namespace) -> Path:
    """Where the figures go; found out before the measuring, which takes minutes. Only a bench.json of ours is replaced."""
    folder = Path(arguments.output or ".")
    file = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(file, "a+", encoding="utf-8") as opened:
            opened.seek(0)
            before = opened.read()
        is_ours = not before or "crawler" in json.loads(before)
    except (ValueError, TypeError):
        is_ours = False
    except OSError as error:
        raise OutputError(f"cannot write {file}", str(error.strerror), "crawler bench -o DIR") from error
    if not is_ours:
        raise OutputError(f"{file} is not of this program", "it is not replaced", "crawler bench -o DIR")
    if not before:
        file.unlink()
    return file


@contextmanager
def _site(arguments: Namespace, url: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """The URL to crawl, and what it is, for the reader. Without a URL a site is served for as long as this is entered."""
    if url is not None:
        yield url, {"url": url}
        return
    shape = Shape(arguments.pages, KINDS["standard"].links, arguments.size)
    try:
        with BenchSite(shape, arguments.latency) as site:
            yield site.url, {"url": None, "pages": shape.pages, "links": shape.links, "size": shape.size, "latency": site.latency}
    except RuntimeError as error:
        raise CrawlerError(str(error), "it needs a port of 127.0.0.1") from error


# -- what is said ------------------------------------------------------------------------------------------------------------


def _headline(site: dict[str, Any]) -> str:
    if site["url"] is not None:
        return f"Measuring {printable(site['url'])}"
    return f"Measuring on a generated site: {site['pages']:,} pages of {human_size(site['size'])} with {site['links']} links, " + (
        f"{human_duration(site['latency'])} before every answer" if site["latency"] else "answered at once"
    )


def _conditions(plan: Plan) -> str:
    pace = "the requests at once are all for its host" if plan.own else "politely, at most 4 requests at once"
    return f"  robots.txt obeyed, no delay, {pace}; {1 + plan.repeat * len(plan.modes)} crawls, interleaved, the first one dropped"


@contextmanager
def _progress(stream: TextIO) -> Iterator[Tell]:
    """Says how far it is: on a terminal in one line that is wiped at the end, elsewhere in a line for each crawl."""
    begun = time.monotonic()
    live = stream.isatty()

    def tell(done: int, total: int, what: str) -> None:
        left = f"   about {human_duration(ceil((time.monotonic() - begun) / done * (total - done)))} left" if done > 1 else ""
        line = f"  {done + 1}/{total}  {what}{left}"
        if live:
            stream.write(f"\r\x1b[K{line}")
            stream.flush()
        else:
            say(line, stream)

    try:
        yield tell
    finally:
        if live:
            stream.write("\r\x1b[K")
            stream.flush()
