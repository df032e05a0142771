"""Fixtures for the whole project."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from certificates import make_certificate
from hypothesis import settings

import crawler.testing


def pytest_addoption(parser: pytest.Parser) -> None:
    """For tests/torture and tests/fuzz."""
    parser.addoption("--torture", action="store_true", help="long draws of the torture tests, and the table of their figures")
    parser.addoption(
        "--seed", type=int, default=None, help="what the torture tests roll (default: the same always; with --torture another each time)"
    )
    parser.addoption("--fuzz-minutes", type=float, default=0, help="how long the laws of tests/fuzz are tried (default: a few inputs each)")


_CORPORA = pytest.StashKey[dict[str, str]]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keeps what the tests of this process have told of the public test data, or passes it on to the process that reports."""
    module = sys.modules.get("corpora")
    told = module.all_told() if module is not None else {}
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["corpora"] = told
    else:
        session.config.stash.setdefault(_CORPORA, {}).update(told)


_LONG = ("torture", "traps", "crew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that take seconds come first: of several processes none is left with one of them at the end while the others have nothing."""
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


def pytest_collection_finish() -> None:
    """What there is by now stays to the end: no garbage collection, of which tests ask for hundreds, has to look through it again."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hears what the tests of another process have told."""
    node.config.stash.setdefault(_CORPORA, {}).update(getattr(node, "workeroutput", {}).get("corpora", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says at the end of a run how many cases of the public test data have passed: a line for each corpus that was asked."""
    told = config.stash.get(_CORPORA, {})
    if told:
        terminalreporter.section("corpora")
    for name, result in sorted(told.items()):
        terminalreporter.write_line(f"corpora: {name:<45} {result}")


# Where the surroundings keep no bytecode, every process that a test starts would compile all modules anew, which takes most of its time.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

# Under nohup, or in the background of a script, signals are ignored that the processes of the tests have to hear.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

settings.register_profile("crawler", derandomize=True, deadline=None, database=None)
settings.load_profile("crawler")


@pytest.fixture
def site() -> Iterator[crawler.testing.Site]:
    """An empty site on 127.0.0.1 that runs; pages are declared with `site.page(path, ...)`."""
    with crawler.testing.site() as running:
        yield running


@pytest.fixture
def new_site() -> Iterator[Callable[..., crawler.testing.Site]]:
    """Starts any number of sites, with the arguments of `crawler.testing.site`; all end with the test."""
    with ExitStack() as stack:

        def start(*arguments: Any, **options: Any) -> crawler.testing.Site:
            return stack.enter_context(crawler.testing.site(*arguments, **options))

        yield start


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of test data from elsewhere, beside the checkout; a test that needs it is skipped where it is absent."""
    folder = Path(__file__).resolve().parent.parent.parent / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip(f"no corpora at {folder}")
    return folder


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes self-signed certificates with their key in one file: `certificates("DNS:localhost", "20200101", "20200102")`."""
    return lambda *arguments: make_certificate(tmp_path_factory.mktemp("ca"), *arguments)
