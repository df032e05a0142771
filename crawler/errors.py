"""Everything that can end a crawl, one tree, each with its exit code.

    CrawlerError                 1   something is wrong inside; the base of all
    ├── UsageError               2   a command, flag, setting or seed that cannot be used
    │   └── DifferentCrawlError  2   the folder holds a crawl of other seeds or another scope
    ├── SeedError                3   no seed could be fetched
    ├── OutputError              6   the output folder cannot be used: unwritable, full, not ours, newer format
    │   ├── FolderInUseError     6   another process holds the folder
    │   └── DiskFullError        6   no room left
    ├── FrontierError            7   a shared frontier cannot be reached
    └── LeaseLostError           1   a lease that was thought to be held is not

One page that fails is no exception: it is a value in that page (`crawler.model.PageError`).
Every message has three lines: what (with the value), why or where, and what to try.
"""

from __future__ import annotations


class CrawlerError(Exception):
    """A crawl that cannot go on.

    `what` names the problem with its value, `why` the cause or the place, `hint` a command or change that helps.
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.why and f"  {self.why}", self.hint and f"  try: {self.hint}") if line)


class UsageError(CrawlerError):
    """A command, flag, setting or seed that cannot be used."""

    exit_code = 2


class DifferentCrawlError(UsageError):
    """The folder holds a crawl of other seeds or another scope."""


class SeedError(CrawlerError):
    """No seed could be fetched."""

    exit_code = 3


class OutputError(CrawlerError):
    """The output folder cannot be used."""

    exit_code = 6


class FolderInUseError(OutputError):
    """Another process holds the folder."""


class DiskFullError(OutputError):
    """There is no room left for the output."""

    @classmethod
    def writing(cls, what: object) -> DiskFullError:
        """The error of a write that found the disk full."""
        return cls(f"cannot write {what}", "the disk is full", "make room and run the same command again")


class FrontierError(CrawlerError):
    """A shared frontier cannot be reached."""

    exit_code = 7


class LeaseLostError(CrawlerError):
    """A lease that was thought to be held is not."""
