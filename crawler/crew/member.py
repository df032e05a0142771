"""One worker of several on a folder that another process holds: a whole crawler of its own on the same database."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from crawler.app import run_asynchronously, run_in_loop
from crawler.assembly import Assembly
from crawler.crew.channel import Channel, Ended, Place, Sight, Stop, Suspects
from crawler.engine.asynchronous import AsynchronousEngine
from crawler.engine.hooks import Hooks
from crawler.fetch.options import FetchOptions
from crawler.frontier.sharing import Sharing
from crawler.heap import collect_rarely
from crawler.model import FinishReason, Record
from crawler.settings import Settings
from crawler.store.database import FILE_NAME, Database
from crawler.store.files import PageFiles
from crawler.store.results import ResultStore
from crawler.wiring import part_of, processes_of, sharing_of

Starting = asyncio.Future[AsynchronousEngine]
"""The engine, once there is one."""

TELL = 0.25
"""Seconds between two words on what is in flight."""

_IGNORED = ("SIGINT", "SIGTERM", "SIGHUP")  # whoever holds the folder hears them too, and says what is to be done


class Member(Assembly):
    """The parts of one worker. The run, its beginning and its end belong to whoever holds the folder."""

    look_around = 0.5  # others find hosts all the time
    per_host = 64  # at the end of a site nobody is to have much left that others could do

    def __init__(self, settings: Settings, place: Place, number: int, of: int) -> None:
        self._place = place
        self._whole = settings
        self.number = number
        own = part_of(settings.concurrency, number, of)
        super().__init__(replace(settings, concurrency=own, max_time=None, fresh=False, release=()), Hooks(), shows_links=False)

    def _hold(self, again: bool) -> None:
        assert self.path is not None
        place = self._place
        self.folder = None
        self.database = Database(self.path / FILE_NAME)
        self._stack.callback(self.database.close)
        self.files = PageFiles(self.path / "pages") if self.settings.save == "files" else None
        self.frontier = self._new_frontier()
        self.is_new, self.is_finished = False, False
        self.run, self.update, self.suspects = place.run, place.update, set(place.suspects)
        self._make_conditional()

    def _sharing(self) -> Sharing:
        return sharing_of(self._whole, self.rules)

    def _new_store(self) -> ResultStore:
        keep_links, min_free = self.settings.links == "all", self.settings.min_free_disk
        return _Unsynced(self.database, self.files, self.run, keep_links=keep_links, min_free=min_free, shows_links=False)

    def fetch_options(self) -> FetchOptions:
        """See `Assembly`. To sites that set cookies every worker is a visitor of its own; those of the first one are kept. Each has its
        part of the rate."""
        options = super().fetch_options()
        rate = options.limit_rate / processes_of(self._whole) if options.limit_rate is not None else None
        return replace(options, keeps_cookies=self.number == 0, limit_rate=rate)

    def finish(self, reason: FinishReason) -> None:
        """Nothing: the run goes on without this worker."""


class _Unsynced(ResultStore):
    def flush(self) -> None:
        """Nothing: whoever holds the folder syncs it for all."""


def serve(end: socket.socket, settings: Settings, number: int, of: int) -> int:
    """Works until the crawl is over, and returns an exit code. For a process that was just forked; waits for its place. It ends at once,
    wherever it is, when the other end is gone: what it had in hand is free as soon as the folder has another holder."""
    for name in _IGNORED:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # The lock of the folder: it lasts as long as any process that has it.
    if not socket.recv_fds(end, 1, 1)[0]:
        return 0
    return run_in_loop(_work(end, settings, number, of))


async def _work(end: socket.socket, settings: Settings, number: int, of: int) -> int:
    channel = await Channel.open(end)
    place = await channel.receive()
    if not isinstance(place, Place):
        return 0
    engine: Starting = asyncio.get_running_loop().create_future()
    last: FinishReason = "error"
    listening: asyncio.Task[None] | None = None
    telling: asyncio.Task[None] | None = None
    try:
        with Member(settings, place, number, of) as opened:
            if place.tells_refusals:
                opened.judge.on_refusal = channel.put
            opened.judge.on_trouble = channel.put
            listening = asyncio.create_task(_listen(channel, opened, engine))
            telling = asyncio.create_task(_tell(channel, opened, engine))
            collect_rarely()
            last = await run_asynchronously(opened, _nobody, engine.set_result)
        await channel.send(Ended(last))
    except Exception as error:
        await channel.send(Ended("error", _sendable(error)))
        return 1
    finally:
        for task in (listening, telling):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        channel.close()
    return 0


async def _nobody(records: Sequence[Record]) -> None:
    """Whoever holds the folder reads what is stored where it is stored."""


async def _listen(channel: Channel, opened: Member, engine: Starting) -> None:
    """Does what it is told."""
    while (message := await channel.receive()) is not None:
        match message:
            case Stop(reason, grace):
                (await engine).stop(reason, grace)
            case Suspects(ids):
                opened.suspects |= ids
    os._exit(1)


async def _tell(channel: Channel, opened: Member, engine: Starting) -> None:
    at_work = await engine
    while True:
        await asyncio.sleep(TELL)
        await channel.send(Sight(tuple(at_work.flying()), opened.workbench.progress(5)[0]))


def _sendable(error: Exception) -> Exception:
    """An error as another process can raise it, with the place where it was raised here."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        import pickle

        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error


def fork(settings: Settings, number: int, of: int, elsewhere: list[socket.socket]) -> tuple[int, socket.socket]:
    """Starts a worker: its process id and our end of its channel. `elsewhere` are our ends of others' channels, which are not for it.

    A fork costs a few milliseconds where a new interpreter takes a third of a second to import what is here already. It is safe as long
    as this process has one thread, no database open and no loop, which is so before a crawl is opened and nowhere else.
    """
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        theirs.close()
        return process, ours
    code = 1
    try:
        for end in (ours, *elsewhere):
            end.close()
        code = serve(theirs, settings, number, of)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
