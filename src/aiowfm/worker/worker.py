"""The worker: polls for tasks, runs them, and stops without losing any."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType

import anyio
from anyio.abc import TaskGroup

from aiowfm.config import EngineConfig
from aiowfm.names import ActivityArn
from aiowfm.ports import TaskRecalls, TaskReporter, TaskSource
from aiowfm.tasks.handlers import TaskHandler
from aiowfm.tasks.middleware import Middleware
from aiowfm.worker.heartbeats import Heartbeats
from aiowfm.worker.poller import Poller
from aiowfm.worker.runner import Runner
from aiowfm.worker.slots import Slots
from aiowfm.worker.statistics import Tally, TaskStats
from aiowfm.worker.threads import Threads
from aiowfm.worker.watchdog import Watchdog

log = logging.getLogger("aiowfm.worker")


def slot_limits(handlers: Mapping[str, TaskHandler], config: EngineConfig) -> dict[str, int]:
    """How many tasks of each name may run at once."""
    return {name: handler.concurrency or config.concurrency for name, handler in handlers.items()}


def most_polls(handlers: Mapping[str, TaskHandler], config: EngineConfig) -> int:
    """How many polls a worker has open at once at most."""
    limits = slot_limits(handlers, config).values()
    return sum(min(config.max_pollers, limit) for limit in limits)


class Worker:
    """Runs the handlers of one engine."""

    def __init__(
        self,
        handlers: Mapping[str, TaskHandler],
        activities: Mapping[str, ActivityArn],
        *,
        config: EngineConfig,
        source: TaskSource,
        reporter: TaskReporter,
        create_again: Callable[[str], Awaitable[None]],
        heartbeat_seconds: Mapping[str, float],
        middlewares: Sequence[Middleware] = (),
        recalls: TaskRecalls | None = None,
    ) -> None:
        """Make a worker that does nothing yet.

        Args:
            handlers: By task name.
            activities: By task name.
            config: Limits and names.
            source: Where tasks come from.
            reporter: Where outcomes go.
            create_again: Makes the activity of a task name that is gone.
            heartbeat_seconds: By task name, for tasks that do not tell their own.
            middlewares: What runs around every handler, the first outermost.
            recalls: Who tells at once which tasks are no longer wanted; None: heartbeats do.

        Raises:
            ConfigError: the limits do not allow every task to be polled for.
        """
        limits = slot_limits(handlers, config)
        # An idle poll holds its slot for up to a minute. Where slots are shared, each task
        # polls with one loop, which then holds no more than the slot that is its own.
        is_shared = config.max_concurrency is not None
        self._slots = slots = Slots(limits, config.max_concurrency)
        self._tallies = {name: Tally() for name in handlers}
        self._heartbeats = Heartbeats()
        self._watchdog = Watchdog(self._tallies, config.max_lag_seconds)
        self._runner = Runner(
            reporter,
            heartbeats=self._heartbeats,
            threads=Threads(config.max_threads),
            worker_name=config.worker_name,
            heartbeat_seconds=heartbeat_seconds,
            tallies=self._tallies,
            middlewares=middlewares,
            recalls=recalls,
        )
        self._pollers = [
            Poller(
                name,
                activities[name],
                source=source,
                slots=slots,
                worker_name=config.worker_name,
                max_loops=1 if is_shared else min(config.max_pollers, limits[name]),
                poll_rate=config.poll_rate,
                create_again=functools.partial(create_again, name),
                run=functools.partial(self._runner.run, handler),
            )
            for name, handler in handlers.items()
        ]
        self._polls = anyio.CancelScope()
        self._grace = anyio.CancelScope()
        self._is_done = anyio.Event()

    async def run(self) -> None:
        """Work until `stop` has been called and all is done."""
        async with anyio.create_task_group() as beats:
            beats.start_soon(self._heartbeats.run)
            beats.start_soon(self._watchdog.run)
            try:
                # Handlers outlive the polls that brought them.
                async with anyio.create_task_group() as handlers:
                    try:
                        await self._poll(handlers)
                    except BaseException:
                        self._runner.cancel_all()  # so that handlers learn why
                        raise
            finally:
                self._is_done.set()
            beats.cancel_scope.cancel()

    async def _poll(self, handlers: TaskGroup) -> None:
        with self._polls:
            async with anyio.create_task_group() as polls:
                for poller in self._pollers:
                    poller.start(polls, handlers)

    async def stop(self, grace: float) -> None:
        """Stop polling, let tasks finish for *grace* seconds, hand the others back.

        A poll that is open on a network is awaited as well, since Step Functions may
        have handed out a task in answer to it; past *grace* it is abandoned.
        """
        for poller in self._pollers:
            poller.stop()
        self._slots.close()
        with self._grace:
            self._grace.deadline = anyio.current_time() + grace
            await self._is_done.wait()
            return
        self.abandon()
        await self._is_done.wait()

    def abandon(self) -> None:
        """Stop at once: at the end of the grace, or when the engine is cancelled."""
        if not self._polls.cancel_called:
            self._count_abandoned()
        self._polls.cancel()
        self._runner.cancel_all()

    def hurry(self) -> None:
        """End the grace that `stop` gives."""
        self._grace.cancel()

    def stats(self) -> Mapping[str, TaskStats]:
        """What is done and was done, by task name."""
        tasks = {
            poller.name: TaskStats(
                pollers=poller.loops,
                open_polls=poller.open_polls,
                slots_in_use=self._slots.in_use(poller.name),
                **asdict(self._tallies[poller.name]),
            )
            for poller in self._pollers
        }
        return MappingProxyType(tasks)

    def _count_abandoned(self) -> None:
        for poller in self._pollers:
            self._tallies[poller.name].polls_abandoned += poller.open_polls
        open_polls = sum(poller.open_polls for poller in self._pollers)
        if open_polls:
            log.warning(
                "abandoning %d open polls: a task handed out to one of them is lost until"
                " its heartbeat runs out",
                open_polls,
            )
