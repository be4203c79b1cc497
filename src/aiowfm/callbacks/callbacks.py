"""The callbacks of one engine: provisioned when the first definition needs them."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from aiowfm.backoff import Backoff
from aiowfm.callbacks.arrivals import Arrivals
from aiowfm.callbacks.beats import Beats
from aiowfm.callbacks.completion import Completion
from aiowfm.callbacks.consumer import Consumer
from aiowfm.callbacks.deliveries import Deliveries
from aiowfm.callbacks.overdue import Overdue
from aiowfm.callbacks.results import AcceptedResult, accepted, loaded
from aiowfm.callbacks.statistics import CallbackStats, CallbackTally
from aiowfm.callbacks.tasks import CallbackTask, shown
from aiowfm.config import EngineConfig
from aiowfm.errors import AiowfmError, NotFoundError
from aiowfm.names import callbacks_name
from aiowfm.ports import OpenBackend
from aiowfm.waits import Wait, WaitStatus

log = logging.getLogger("aiowfm.callbacks")


class Callbacks:
    """Keeps tokens and finishes tasks, on the queue and the table of the application."""

    def __init__(self, backend: OpenBackend, *, config: EngineConfig, consumes: bool) -> None:
        """Make it; nothing is asked of the backend before it is needed.

        Args:
            backend: Where queue and table are.
            config: Names, and what is done about what is missing.
            consumes: Whether to read the queue, once a definition has callbacks.
        """
        self.now = backend.now
        self._config = config
        self._consumes = consumes
        self._storage = storage = backend.callbacks(callbacks_name(config.environment, config.app))
        self._tally = tally = CallbackTally()
        self._deliveries = Deliveries(
            storage.tokens, backend.reporter, now=backend.now, tally=tally
        )
        self.completion = Completion(
            storage.tokens,
            backend.reporter,
            self._deliveries,
            now=backend.now,
            early_ttl_seconds=config.early_ttl_seconds,
            tally=tally,
        )
        arrivals = Arrivals(
            storage.tokens,
            self.completion,
            self._deliveries,
            now=backend.now,
            early_ttl_seconds=config.early_ttl_seconds,
            tally=tally,
        )
        self._consumer = Consumer(storage.queue, arrivals, backend.reporter, tally=tally)
        self._overdue = Overdue(storage.tokens, self.completion, now=backend.now, tally=tally)
        self._group: TaskGroup | None = None
        self._queue_url: str | None = None
        self._preparing = anyio.Lock()
        self._is_wanted = anyio.Event()
        self._is_needed = anyio.Event()
        self._reading = anyio.CancelScope()
        self._has_read = anyio.Event()
        self._closing = anyio.Event()
        self._deadline = 0.0  # for what is being delivered then

    async def prepare(self) -> str:
        """See to queue and table, and begin to read; the URL of the queue.

        Raises:
            NotFoundError: something is missing and `provision` is `check`.
        """
        async with self._preparing:
            if self._queue_url is None:
                await self._provision()
                self._queue_url = await self._storage.queue_url()
                self._is_needed.set()
        return self._queue_url

    async def _provision(self) -> None:
        if self._config.provision == "create":
            await self._storage.create(self._config.tags)
        elif self._config.provision == "check":
            missing = await self._storage.missing()
            if missing:
                raise NotFoundError(
                    f"for callbacks these do not exist: {', '.join(missing)}; provision='check'"
                    " creates nothing: create them, or use provision='create'"
                )

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Deliver and, where that is wanted, read the queue, until `close` has been called."""
        async with anyio.create_task_group() as group:
            self._group = group
            await group.start(self._deliveries.run)
            task_status.started()
            group.start_soon(self._prepare_when_wanted)
            if self._consumes:
                group.start_soon(self._consume)
            await self._closing.wait()
            with anyio.CancelScope(deadline=self._deadline):
                await self._deliveries.idle()
            group.cancel_scope.cancel()

    def want(self) -> None:
        """Prepare soon: there is a definition with callbacks now."""
        self._is_wanted.set()

    async def _prepare_when_wanted(self) -> None:
        await self._is_wanted.wait()
        backoff = Backoff()
        while True:
            try:
                await self.prepare()
            except AiowfmError as exc:
                log.error("callbacks are not read yet: %s", exc)
                await anyio.sleep(backoff.next_delay())
            else:
                return

    async def _consume(self) -> None:
        try:
            with self._reading:
                await self._is_needed.wait()
                async with anyio.create_task_group() as group:
                    group.start_soon(self._overdue.run)
                    await self._consumer.run()
                    group.cancel_scope.cancel()
        finally:
            self._has_read.set()

    async def stop(self, grace: float) -> None:
        """Read no more, and see what was received to its end, for *grace* seconds.

        A receive that is open then is abandoned: what it brings is hidden until
        `VISIBILITY_SECONDS` are over.
        """
        self._deadline = anyio.current_time() + grace
        self._consumer.stop()
        if self._consumes and self._is_needed.is_set():
            with anyio.move_on_after(grace):
                await self._has_read.wait()
        self.abandon()

    def abandon(self) -> None:
        """Read no more at once; results are delivered all the same, until `close`."""
        self._reading.cancel()

    def close(self) -> None:
        """Let `run` end: nobody gives results any more."""
        self._closing.set()

    def beats(self, key: str) -> Beats:
        """Heartbeats for what waits under *key*."""
        assert self._group is not None, "it runs"
        return Beats(key, self._storage.tokens, self.completion, self._group)

    def stats(self) -> CallbackStats:
        return self._tally.stats()

    async def get(self, key: str) -> CallbackTask | None:
        wait = await self._kept(key)
        return None if wait is None else shown(wait, self.now())

    async def result(self, key: str) -> AcceptedResult | None:
        wait = await self._kept(key)
        if wait is None or wait.acceptance is None:
            return None
        text = await self._storage.tokens.result(key)
        return None if text is None else accepted(loaded(text))

    async def _kept(self, key: str) -> Wait | None:
        """What is kept under *key*, unless it may be removed by now."""
        wait = await self._storage.tokens.find(key)
        return None if wait is None or wait.expires_at <= self.now() else wait

    async def pending(self, limit: int | None) -> AsyncGenerator[CallbackTask, None]:
        """Those that wait and have not timed out, longest first."""
        left = limit
        waits = cast("AsyncGenerator[Wait, None]", self._storage.tokens.pending())
        async with aclosing(waits):
            while left is None or left > 0:
                wait = await anext(waits, None)
                if wait is None:
                    return
                task = shown(wait, self.now())
                if task.status is WaitStatus.WAITING:
                    yield task
                    left = None if left is None else left - 1
