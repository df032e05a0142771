"""When files run short a crawl gets slower; when a disk is full it stops, says which, and goes on later."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from disks import fill, mounted
from running import Capture, assert_at_rest, ended, error_lines, no_surroundings, rows, run, running, stored, value

from crawler.fetch import descriptors
from crawler.testing import Site, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]
FEW = 64


def few_files() -> None:
    """`ulimit -n 64`, for a process of its own."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, FEW))


WIDE = ["-c", 256, "--per-host", 256, "--no-adaptive"]


@pytest.mark.parametrize(
    ("mode", "hosts", "pages", "size"), [("async", 1, 80, 10), ("async", 50, 1, 10), ("sync", 70, 1, 10), ("async", 1, 30, 400_000)]
)
def test_few_files_make_a_crawl_slower(new_site: NewSite, tmp_path: Path, mode: str, hosts: int, pages: int, size: int) -> None:
    """64 files for 256 requests at once, to one host and to many, with large bodies that go through files: every page arrives, no
    host is given up, and no attempt is counted."""
    body = answer(body="<p>" + "x" * size, delay=0.01)
    site = new_site(
        {"/": answer(links=[f"/{n}" for n in range(pages)])} | {f"/{n}": body for n in range(pages)},
        address=[f"127.0.0.{n + 1}" for n in range(hosts)],
    )
    seeds = [site.url("/", address) for address in site.addresses]
    with running(*seeds, "-o", tmp_path / "out", "--mode", mode, *WIDE, preexec_fn=few_files) as process:
        left = ended(process)
    assert left.code == 0
    assert mode == "sync" or "requests at once (ulimit -n)" in left.err
    assert_at_rest(tmp_path / "out")
    assert len(stored(tmp_path / "out")) == hosts * (pages + 1)
    assert rows(tmp_path / "out", "SELECT DISTINCT outcome, attempts, error_detail FROM pages") == [("ok", 1, None)]
    assert site.in_flight_peak < FEW


def test_the_limit_is_raised_as_far_as_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the hard limit and never beyond 65,536; what is higher already stays."""
    now = (1024, 4096)

    def set_limit(_: int, limits: tuple[int, int]) -> None:
        nonlocal now
        now = limits

    monkeypatch.setattr(resource, "getrlimit", lambda _: now)
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    for limits, raised in {
        (1024, 4096): (4096, 4096),
        (1024, resource.RLIM_INFINITY): (65_536, resource.RLIM_INFINITY),
        (100_000, 200_000): (100_000, 200_000),
        (64, 64): (64, 64),
    }.items():
        now = limits
        descriptors.raise_limit()
        assert now == raised
    assert descriptors.most_requests() == 24


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_sockets_leave_files_for_pages() -> None:
    """The last descriptors are for the crawl's own files: a new socket that would take one of them is refused."""
    most = descriptors.limit()
    descriptors.check(most - descriptors.FOR_FILES - 1, descriptors.FOR_FILES)
    with pytest.raises(OSError, match="Too many open files"):
        descriptors.check(most - descriptors.FOR_FILES, descriptors.FOR_FILES)


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("where", ["--log-file", "--jsonl"])
def test_a_disk_of_its_own_may_be_full(new_site: NewSite, tmp_path: Path, capfd: Capture, mode: str, where: str) -> None:
    """The log and the rows may go elsewhere. When there is no room the crawl stops and names the file; the folder goes on."""
    with mounted(tmp_path / "disk", "size=1m") as disk:
        pages = {f"/{n}": "<p>page" for n in range(40)}
        site = new_site({"/": answer(links=[*pages], after=lambda: fill(disk) if where == "--jsonl" else None), **pages})
        if where == "--log-file":
            fill(disk)
        words = [site.url(), "-o", tmp_path / "out", "--mode", mode, "-q", where, disk / "there"]
        ran = run(capfd, *words)
        assert ran.code == 6
        assert error_lines(ran.err) == [
            f"error: cannot write {disk / 'there'}",
            "  the disk is full",
            "  try: make room and run the same command again",
        ]
        assert value(tmp_path / "out", "SELECT finish_reason FROM runs") == "disk full"
        (disk / "filler").unlink()
        assert run(capfd, *words).code == 0
    assert_at_rest(tmp_path / "out")
    assert stored(tmp_path / "out") == sorted(site.reachable())
