"""The crawlers that are compared: how each is started for the same work, what it keeps of it, and where it comes from.

The work: begin at the seeds, obey robots.txt, follow every link of their hosts, save every body. The two `floor` runners do less on
purpose: they show what nobody on aiohttp can be cheaper than.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).resolve().parent / "peers"
_OURS = f"{sys.executable} -m crawler crawl -i {{seeds}} -o {{out}} -q --preset fast"


@dataclass(frozen=True, slots=True)
class Runner:
    """One of them. `line` is filled in with `{seeds}` (a file with the URLs to begin at), `{urls}` (a file with all of them), `{out}`
    (a folder that is not there yet) and `{venvs}`. `saves`: every page is a file afterwards, which is checked."""

    name: str
    line: str
    keeps: str
    comes_from: str
    version: str
    saves: bool = True

    def program(self, venvs: Path) -> str:
        """What has to be there to run it."""
        return self.line.split()[0].format(venvs=venvs)

    def is_there(self, venvs: Path) -> bool:
        """Whether it can be run on this machine."""
        return shutil.which(self.program(venvs)) is not None


def _in_venv(name: str, package: str) -> dict[str, str]:
    return {
        "comes_from": f"python3 -m venv VENVS/{name} && VENVS/{name}/bin/pip install '{package}', and --venvs VENVS",
        "version": f"{{venvs}}/{name}/bin/python -c \"from importlib.metadata import version; print('{name}', version('{name}'))\"",
    }


_SELF = {"comes_from": "make setup", "version": f"{sys.executable} -m crawler --version"}
_AIOHTTP = {"comes_from": "make setup", "version": f"{sys.executable} -c \"import aiohttp; print('aiohttp', aiohttp.__version__)\""}

RUNNERS = {
    runner.name: runner
    for runner in (
        Runner("crawler", _OURS, "bodies, links, database, digests", **_SELF),
        Runner("crawler-no-links", f"{_OURS} --links none", "bodies, database, digests", **_SELF),
        Runner("wget2", "wget2 -q -r -l inf -i {seeds} -P {out}", "bodies", "apt-get install wget2", "wget2 --version"),
        Runner("wget", "wget -q -r -l inf -i {seeds} -P {out}", "bodies", "apt-get install wget", "wget --version"),
        Runner(
            "httrack",
            # No limit of its own on rate, connections or time; robots.txt obeyed; neither index nor log.
            "httrack -%L {seeds} -O {out} -q -r99999 -A100000000 --disable-security-limits -%c0 -c32 -s2 -I0 -Q",
            "bodies with links rewritten, its cache of them",
            "apt-get install httrack",
            "httrack --version",
        ),
        Runner("scrapy", f"{{venvs}}/scrapy/bin/python {PEERS}/scrapy_site.py {{seeds}} {{out}}", "bodies", **_in_venv("scrapy", "scrapy")),
        Runner(
            "crawlee",
            f"{{venvs}}/crawlee/bin/python {PEERS}/crawlee_site.py {{seeds}} {{out}}",
            "bodies, queue of requests",
            **_in_venv("crawlee", "crawlee[parsel]"),
        ),
        Runner("floor", f"{sys.executable} {PEERS}/floor.py --urls {{urls}}", "nothing, follows nothing", **_AIOHTTP, saves=False),
        Runner("floor-lexbor", f"{sys.executable} {PEERS}/floor.py --seeds {{seeds}}", "nothing, follows links", **_AIOHTTP, saves=False),
    )
}
"""By name."""
