"""Fetches the tasks of one name: a slot first, then a poll."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio
from anyio.abc import TaskGroup

from aiowfm.backoff import Backoff
from aiowfm.errors import AiowfmError, NotFoundError
from aiowfm.names import ActivityArn
from aiowfm.ports import ActivityTask, TaskSource
from aiowfm.worker.slots import Slots

log = logging.getLogger("aiowfm.worker")


class Poller:
    """The poll loops of one task name: one when idle, more while polls bring work."""

    def __init__(
        self,
        name: str,
        activity: ActivityArn,
        *,
        source: TaskSource,
        slots: Slots,
        worker_name: str,
        max_loops: int,
        poll_rate: float | None,
        create_again: Callable[[], Awaitable[None]],
        run: Callable[[ActivityTask], Awaitable[None]],
    ) -> None:
        self.name = name
        self.activity = activity
        self.loops = 0
        self.open_polls = 0
        self._source = source
        self._slots = slots
        self._worker_name = worker_name
        self._max_loops = max_loops
        self._pause_seconds = 0.0 if poll_rate is None else 1.0 / poll_rate
        self._next_poll_at = 0.0
        self._create_again = create_again
        self._run = run
        self._is_stopping = False
        self._intakes: set[anyio.CancelScope] = set()

    def start(self, polls: TaskGroup, handlers: TaskGroup) -> None:
        """Begin to poll in *polls* and to run what comes in *handlers*."""
        self.loops += 1
        polls.start_soon(self._loop, polls, handlers)

    def stop(self) -> None:
        """Begin no more polls; those that are open are not cut short."""
        self._is_stopping = True
        for intake in self._intakes:
            intake.cancel()
        self._source.interrupt(self.activity)

    async def _loop(self, polls: TaskGroup, handlers: TaskGroup) -> None:
        backoff = Backoff()
        try:
            while await self._may_poll():
                try:
                    task = await self._poll_in_slot(handlers)
                except AiowfmError as exc:
                    await self._recover(exc, backoff.next_delay())
                    continue
                backoff.reset()
                if task is None and self.loops > 1:
                    return
                if task is not None and self.loops < self._max_loops:
                    self.start(polls, handlers)
        finally:
            self.loops -= 1

    async def _may_poll(self) -> bool:
        """Wait for the poll rate and for a slot; False when stopping."""
        if self._pause_seconds and not self._is_stopping:
            with self._intake():
                now = anyio.current_time()
                at = max(now, self._next_poll_at)
                self._next_poll_at = at + self._pause_seconds
                await anyio.sleep(at - now)
        if self._is_stopping or not await self._slots.acquire(self.name):
            return False
        if self._is_stopping:
            self._slots.release(self.name)
        return not self._is_stopping

    async def _poll_in_slot(self, handlers: TaskGroup) -> ActivityTask | None:
        """Poll, and hand the slot on to what comes."""
        task: ActivityTask | None = None
        self.open_polls += 1
        try:
            task = await self._source.poll(self.activity, self._worker_name)
        finally:
            self.open_polls -= 1
            if task is None:
                self._slots.release(self.name)
        if task is not None:
            handlers.start_soon(self._run_in_slot, task)
        return task

    async def _run_in_slot(self, task: ActivityTask) -> None:
        try:
            await self._run(task)
        finally:
            self._slots.release(self.name)

    async def _recover(self, exc: AiowfmError, delay: float) -> None:
        facts = {"activity": self.name}
        log.warning("polling for task %s failed: %s", self.name, exc, extra=facts)
        if self._is_stopping:
            return
        with self._intake():
            if isinstance(exc, NotFoundError):
                try:
                    await self._create_again()
                except AiowfmError as second:
                    log.warning(
                        "creating the activity of task %s again failed: %s",
                        self.name,
                        second,
                        extra=facts,
                    )
            await anyio.sleep(delay)

    @contextmanager
    def _intake(self) -> Iterator[None]:
        """What `stop` may cut short."""
        with anyio.CancelScope() as scope:
            self._intakes.add(scope)
            try:
                yield
            finally:
                self._intakes.discard(scope)
