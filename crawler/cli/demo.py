"""`crawler demo`: serves the demo site on loopback, or crawls it at once."""

from __future__ import annotations

import errno
import shlex
import signal
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING

from crawler.cli.messages import say
from crawler.errors import UsageError
from crawler.text import printable

if TYPE_CHECKING:
    from crawler.testing import Site

PORT = 8000


def run(arguments: Namespace) -> int:
    """Serves until SIGINT or SIGTERM, which are the way to end it: exit 0. Prints the address on standard output."""
    site = _started(arguments)
    try:
        return crawl_the_demo(site, arguments) if arguments.crawl else _serve(site, arguments)
    finally:
        site.stop()


def crawl_the_demo(site: Site, arguments: Namespace) -> int:
    """Crawls the running site with the flags of `crawler crawl` that were typed, and returns that command's exit code."""
    from crawler.cli.crawl import run_settings
    from crawler.cli.parser import settings_from

    say(f"the built-in demo site of {arguments.pages:,} pages is at {site.url()} on this machine; crawling that")
    arguments.seeds = [site.url()]
    return run_settings(settings_from(arguments), same=_same_command(arguments, site.port))


def _same_command(arguments: Namespace, port: int) -> str:
    """The command that serves the same site again and goes on with its crawl: with the site, its address is gone, and a crawl is one
    of an address."""
    typed = [word for word in arguments.words if word != "--fresh"]
    return printable(shlex.join(["crawler", "demo", *typed, *([] if arguments.port else ["--port", str(port)])]))


def _serve(site: Site, arguments: Namespace) -> int:
    bound = ip_address(arguments.bind)
    url = site.url(address="127.0.0.1" if bound == ip_address("0.0.0.0") else str(bound))
    whose = "on this machine alone" if bound.is_loopback else "for whoever reaches this machine"
    with _stop_signal() as stopped:
        print(url, flush=True)
        say(f"a demo site of {arguments.pages:,} pages {whose}; Ctrl-C stops it\n  try: crawler {url}   (in another terminal)")
        # Waiting without a timeout cannot be interrupted on Windows.
        while not stopped.wait(1.0):
            pass
    say(f"stopped after {site.count():,} requests")
    return 0


def _started(arguments: Namespace) -> Site:
    from crawler.demo import serve_demo

    if arguments.crawl and not ip_address(arguments.bind).is_loopback:
        raise UsageError("`--bind` and `--crawl` cannot go together", "a crawl of one's own machine needs no door", "without --bind")
    port = arguments.port if arguments.port is not None else 0 if arguments.crawl else PORT
    try:
        return serve_demo(port, arguments.pages, arguments.latency, arguments.size, arguments.bind).start()
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            why = "this machine has no such address"
            raise UsageError(f"{arguments.bind} cannot be used", why, "crawler demo --bind 0.0.0.0") from error
        raise UsageError(f"port {port} cannot be used", error.strerror or str(error), "crawler demo --port 0") from error


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set instead of what they did before."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
