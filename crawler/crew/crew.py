"""Several workers on one folder, from the side of whoever holds it: started, watched, shown, and what one leaves behind is given to the
others."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from crawler.app import AFTER_THE_LIMIT, end_written_down
from crawler.assembly import Assembly
from crawler.crew.channel import Channel, Ended, Place, Sight, Stop, Suspects
from crawler.crew.member import fork
from crawler.engine.hooks import Hooks
from crawler.engine.writer import Writer
from crawler.errors import CrawlerError
from crawler.frontier.slots import in_hand
from crawler.model import FinishReason, Record, Refusal, Stats
from crawler.progress import HostProgress, Progress, Trouble
from crawler.settings import Settings
from crawler.store.latest import Latest
from crawler.waiting import first_of

LOOK = 0.25
"""Seconds between two looks at what was stored."""

LATE = 10.0
"""Seconds after which a worker that does not notice the end of the crawl is killed."""

_SLACK = (1.0, 0.4)  # the same after a stop, beyond its grace: with one, and without

Deliver = Callable[[Sequence[Record]], Awaitable[None]]


class Worker:
    """One process: what it said last, and how it ended."""

    def __init__(self, number: int, process: int, end: socket.socket) -> None:
        self.number = number
        self.process = process
        self.end = end
        self.channel: Channel | None = None
        self.sight = Sight()
        self.ended: Ended | None = None
        self.is_gone = False

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if not self.is_gone:
            with suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGKILL)


class Crew:
    """Worker processes. They are forked when this is made, which has to be before anything is opened, and wait until `run` gives them
    their places; under `with`, none of them outlives it. Between, it can be stopped and looked at as an engine can."""

    def __init__(self, settings: Settings, of: int) -> None:
        self._workers: list[Worker] = []
        for number in range(of):
            elsewhere = [worker.end for worker in self._workers]
            self._workers.append(Worker(number, *fork(settings, number, of, elsewhere)))
        self._asked: FinishReason | None = None
        self._writer: Writer | None = None
        self.stats = Stats()
        """What the frontier held at the last look."""

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()
            worker.end.close()
            self._bury(worker)

    def _bury(self, worker: Worker) -> int:
        """Waits for a process that is about to end; how it did."""
        if worker.is_gone:
            return 0
        worker.is_gone = True
        return os.waitstatus_to_exitcode(os.waitpid(worker.process, 0)[1])

    # -- as an engine ----------------------------------------------------------------------------------------------------

    def stop(self, reason: FinishReason, grace: float) -> None:
        """See `AsynchronousEngine.stop`. Who has not ended in time is killed."""
        self._asked = self._asked or reason
        for worker in self._living():
            if worker.channel is not None:
                worker.channel.put(Stop(reason, grace))
        self._kill_in(grace + _SLACK[not grace])

    def flying(self) -> Sequence[tuple[str, float]]:
        """The URLs in flight, each with the seconds since it started, a moment ago."""
        return [each for worker in self._living() for each in worker.sight.flying]

    def busiest(self, most: int) -> tuple[HostProgress, ...]:
        """The busiest hosts: what several have of one is one."""
        hosts: dict[str, HostProgress] = {}
        for host in (host for worker in self._living() for host in worker.sight.hosts):
            other = hosts.get(host.host, HostProgress(host.host, 0, 0, 0.0))
            flying, waiting = host.in_flight + other.in_flight, host.waiting + other.waiting
            hosts[host.host] = HostProgress(host.host, flying, waiting, max(host.delay, other.delay))
        return tuple(sorted(hosts.values(), key=lambda host: (-host.in_flight, -host.waiting, host.host))[:most])

    def _living(self) -> list[Worker]:
        return [worker for worker in self._workers if not worker.is_gone]

    def _kill_in(self, seconds: float) -> None:
        for worker in self._living():
            asyncio.get_running_loop().call_later(seconds, worker.kill)

    # -- a run -----------------------------------------------------------------------------------------------------------

    async def run(self, opened: Assembly, deliver: Deliver | None, warn: Callable[[str], object]) -> FinishReason:
        """Gives the workers their places, and returns when all are gone; why the crawl ended. `deliver` is awaited with what was stored,
        all of it, in order; None: nobody looks. `warn` is told of workers that were lost. Raises the error that ended one of them."""
        latest = Latest(opened.database)
        with Writer("crawler-crew") as self._writer:
            for worker in self._workers:
                await self._begin(worker, opened)
            over = asyncio.Event()
            following = asyncio.create_task(self._follow(opened, latest, deliver, over))
            following.add_done_callback(lambda _: None if over.is_set() else self.stop("error", 0.0))
            try:
                async with asyncio.TaskGroup() as group:
                    for worker in self._workers:
                        group.create_task(self._attend(worker, opened, warn))
                over.set()
                await following
            except BaseExceptionGroup as errors:
                raise first_of(errors) from None
            finally:
                over.set()
                following.cancel()
                for worker in self._workers:
                    worker.kill()
                await asyncio.wait([following])
                await self._writer.rest()
            return await self._writer.run(lambda: self._reason(opened))

    async def _begin(self, worker: Worker, opened: Assembly) -> None:
        assert opened.folder is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # it is gone already, which `_attend` finds out
            socket.send_fds(worker.end, [b"."], [opened.folder.lock])
        worker.channel = await Channel.open(worker.end)
        worker.channel.put(Place(opened.run, opened.update, opened.suspects, opened.judge.on_refusal is not None))

    async def _attend(self, worker: Worker, opened: Assembly, warn: Callable[[str], object]) -> None:
        """Listens to a worker until it is gone."""
        assert worker.channel is not None
        assert self._writer is not None
        while (message := await worker.channel.receive()) is not None:
            match message:
                case Sight():
                    worker.sight = message
                case Refusal() if opened.judge.on_refusal is not None:
                    opened.judge.on_refusal(message)
                case Trouble() if opened.judge.on_trouble is not None:
                    opened.judge.on_trouble(message)
                case Ended():
                    worker.ended = message
        code = await asyncio.to_thread(self._bury, worker)
        worker.channel.close()
        if worker.ended is None:
            await self._writer.run(lambda: self._hand_over(worker, opened, warn, code))
        elif worker.ended.error is not None:
            self.stop("error", 0.0)
        elif self._asked is None:  # the others will notice
            self._kill_in(LATE)

    def _hand_over(self, worker: Worker, opened: Assembly, warn: Callable[[str], object], code: int) -> None:
        """Gives to the others what a worker had that was lost. A page may have brought it down: they read those with care. When nobody is
        left it stays, for the next run to do so."""
        others = self._living()
        if not others and self._asked is None:
            return
        if self._asked is None:
            suspects = in_hand(opened.database, worker.number)
            for other in others:
                if other.channel is not None:
                    other.channel.put(Suspects(suspects))
            warn(f"worker {worker.number + 1} {_how(code)}; the others go on with what it had in hand")
        opened.frontier.evict(worker.number)

    def _reason(self, opened: Assembly) -> FinishReason:
        ends = [worker.ended for worker in self._workers if worker.ended is not None]
        opened.store.flush()
        opened.commit.stats = self.stats = opened.frontier.stats()
        for end in ends:
            if end.error is not None:
                raise end.error
        if self._asked is not None and (not ends or any(end.reason == self._asked for end in ends)):
            return self._asked
        if not ends:
            raise CrawlerError(
                f"all {len(self._workers)} workers were lost",
                "they were killed, or a page brought them down; nothing that was stored is lost",
                f"crawler resume {opened.settings.output}",
            )
        return opened.frontier.finished() or ends[0].reason

    # -- what was stored -------------------------------------------------------------------------------------------------

    async def _follow(self, opened: Assembly, latest: Latest, deliver: Deliver | None, over: asyncio.Event) -> None:
        """Looks at what was stored, until all was seen."""
        assert self._writer is not None
        while True:
            is_last = over.is_set()
            self.stats = await self._writer.run(opened.frontier.stats)
            while deliver is not None and (records := await self._writer.run(latest.take)):
                opened.tally.count(records, opened.clock())
                await deliver(records)
            if is_last:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await over.wait()


class Captain(Assembly):
    """The parts of whoever holds the folder for a crew: its database, its run, its tally. It asks for nothing itself."""

    def __init__(self, settings: Settings, crew: Crew, *, again: bool = False) -> None:
        self._crew = crew
        super().__init__(settings, Hooks(), again=again)

    def progress(self, engine: object) -> Progress:
        """See `Assembly`."""
        hosts = self._crew.busiest(5)
        held = self.database.connection.execute("SELECT count(*) FROM hosts WHERE leased_until IS NOT NULL").fetchone()[0]
        return self.tally.progress(self.clock(), self._crew.stats, self._crew.flying(), (hosts, max(0, held - len(hosts))))


def _how(code: int) -> str:
    return f"was killed (signal {-code})" if code < 0 else f"has ended (exit code {code})"


async def run_together(
    crew: Crew, opened: Assembly, deliver: Deliver | None, warn: Callable[[str], object], started: Callable[[Crew], object]
) -> FinishReason:
    """Runs an opened crawl to its end with a crew and writes down why it ended; see `run_asynchronously` and `Crew.run`."""
    with end_written_down(opened):
        started(crew)
        if (limit := opened.settings.max_time) is not None:
            asyncio.get_running_loop().call_later(limit, crew.stop, "time limit", AFTER_THE_LIMIT)
        opened.reason = await crew.run(opened, deliver, warn)
    return opened.reason
