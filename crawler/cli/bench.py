"""`crawler bench`: the synchronous mode against the asynchronous one, on a site of the user's or a generated one."""

from __future__ import annotations

import ipaddress
import json
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from crawler import __version__
from crawler.bench.chart import MARK, chart
from crawler.bench.compare import Comparison, Plan
from crawler.bench.compare import run as run_plan
from crawler.bench.pages import shape_of
from crawler.bench.render import table, to_json
from crawler.bench.site import BenchSite
from crawler.cli.bench_screen import telling
from crawler.cli.messages import say
from crawler.cli.screen_text import encodable, paragraph
from crawler.cli.signals import interruptible
from crawler.core.urls import normalize_seed
from crawler.errors import CrawlerError, OutputError, UsageError
from crawler.text import human_duration, human_size, printable

FILE, PICTURE = "bench.json", "bench.svg"
MOST_PAGES_OF_OTHERS = 100
"""More pages of a host that is not this machine are fetched only when the user says that it is theirs."""

_OF_GENERATED = ("latency", "size", "errors")


def run(arguments: Namespace) -> int:
    """Measures, prints the table (or JSON), and writes bench.json and bench.svg.

    Raises UsageError for too many pages of somebody else's site and for what only a generated one can be told, OutputError when the
    files cannot be written, SeedError when the site gives no page, CrawlerError when the modes did not fetch the same.
    """
    url = _checked_url(arguments) if arguments.url else None
    folder = Path(arguments.output or ".")
    figures, picture = _writable(folder / FILE, _is_ours), _writable(folder / PICTURE, lambda text: MARK in text)
    with interruptible(), _site(arguments, url) as (at, shown, server):
        plan = Plan(at, tuple(dict.fromkeys(arguments.modes)), arguments.pages, arguments.repeat, url is None or _is_own(arguments, url))
        say("\n".join(_fitting([_headline(shown), _conditions(plan)], sys.stderr)))
        with tempfile.TemporaryDirectory(prefix="crawler-bench-") as scratch, telling(plan, sys.stderr) as tell:
            found = run_plan(plan, Path(scratch), tell, server)
    values = to_json(found, shown)
    text = json.dumps(values, indent=2)
    _write(figures, text + "\n")
    _write(picture, chart(found, [_what(shown), _when(found, values["date"])]))
    print(text if arguments.json else _shown(found))
    say(f"  {printable(str(figures))} · {printable(str(picture))}")
    return 0


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {file}", str(error.strerror), "crawler bench -o DIR") from error


def _shown(found: Comparison) -> str:
    """The table as it fits; where nobody looks at it, as wide as it is."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return encodable("\n".join(["", *_fitting(table(found, width).split("\n"), sys.stdout)]), sys.stdout.encoding)


def _fitting(lines: Sequence[str], stream: TextIO) -> Iterator[str]:
    """The lines, those that are wider than a terminal parted between words."""
    width = shutil.get_terminal_size().columns if stream.isatty() else sys.maxsize
    for line in lines:
        yield from [line] if len(line) <= width else paragraph(line.strip(), width, line[: len(line) - len(line.lstrip())], "  ")


# -- what is asked for -------------------------------------------------------------------------------------------------------


def _checked_url(arguments: Namespace) -> str:
    """The site's URL. Nobody's server is measured without being asked, and none answers otherwise than it does."""
    url = normalize_seed(arguments.url)
    for name, flag in arguments.typed.items():
        if name in _OF_GENERATED:
            what, hint = f"{flag} is of a generated site, not of {url}", f"crawler bench {flag} …, without a URL"
            raise UsageError(what, "it answers as it does", hint)
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


def _is_ours(text: str) -> bool:
    try:
        return "crawler" in json.loads(text)
    except (ValueError, TypeError):
        return False


def _writable(file: Path, is_ours: Callable[[str], bool]) -> Path:
    """The file itself; found out before the measuring, which takes minutes, and nothing is left of that. Only a file of ours is
    replaced."""
    made = [each for each in (file.parent, *file.parent.parents) if not each.exists()]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "a+", encoding="utf-8") as opened:
            opened.seek(0)
            before = opened.read()
        replaced = not before or is_ours(before)
    except ValueError:  # no UTF-8
        replaced = False
    except OSError as error:
        raise OutputError(f"cannot write {file}", str(error.strerror), "crawler bench -o DIR") from error
    if not replaced:
        raise OutputError(f"{file} is not of this program", "it is not replaced", "crawler bench -o DIR")
    if not before:
        file.unlink()
    for each in made:
        each.rmdir()
    return file


@contextmanager
def _site(arguments: Namespace, url: str | None) -> Iterator[tuple[str, dict[str, Any], Callable[[], float] | None]]:
    """The URL to crawl, what it is, for the reader, and what tells the CPU time that its server takes of this machine, if anything
    does. Without a URL a site is served for as long as this is entered."""
    if url is not None:
        yield url, {"url": url}, None if is_loopback(urlsplit(url).hostname or "") else lambda: 0.0
        return
    shape = shape_of(arguments.pages, arguments.size, planted=round(arguments.pages * arguments.errors))
    about = {"url": None, "pages": shape.pages, "links": shape.links, "size": shape.size, "latency": arguments.latency}
    try:
        with BenchSite(shape, arguments.latency) as site:
            yield site.url, about | {"errors": shape.planted}, lambda: site.stats().cpu
    except RuntimeError as error:
        raise CrawlerError(str(error), "it needs a port of 127.0.0.1") from error


# -- what is said ------------------------------------------------------------------------------------------------------------


def _headline(site: dict[str, Any]) -> str:
    if site["url"] is not None:
        return f"Measuring {printable(site['url'])}"
    links = f" with {site['links']} links"
    troubles = f"; {site['errors']:,} of them fail or are slow" if site["errors"] else ""
    return f"Measuring on a generated site: {_what(site, links)}{troubles}"


def _what(site: dict[str, Any], links: str = "") -> str:
    """The site in a few words."""
    if site["url"] is not None:
        return str(site["url"])
    latency = f"{human_duration(site['latency'])} before every answer" if site["latency"] else "answered at once"
    return f"{site['pages']:,} pages of {human_size(site['size'])}{links}, {latency}"


def _when(found: Comparison, date: str) -> str:
    """What the picture says of the measuring."""
    runs = f"{found.plan.repeat} interleaved runs" if found.plan.repeat > 1 else "one run"
    return f"{runs} each; crawler {__version__}, {date[:10]}"


def _conditions(plan: Plan) -> str:
    pace = "the requests at once are all for its host" if plan.own else "politely, at most 4 requests at once"
    return f"  robots.txt obeyed, no other delay, {pace}; {1 + plan.repeat * len(plan.modes)} crawls, interleaved, the first one dropped"
