"""Automatic heartbeats: one timer for all running tasks."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import random
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from aiowfm.backoff import Backoff
from aiowfm.errors import AiowfmError, TaskTokenExpiredError
from aiowfm.tasks.context import CancelReason, TaskContext

log = logging.getLogger("aiowfm.worker")

# Where the state names no HeartbeatSeconds a beat still tells whether it is cancelled.
DEFAULT_HEARTBEAT_SECONDS = 60.0
LONGEST_INTERVAL_SECONDS = 60.0
LEAST_ATTEMPT_SECONDS = 5.0  # the first request on a new connection takes a while

MAX_OVER = 64  # tasks that are over and still in the queue of beats


@dataclass(slots=True, eq=False)
class RunningTask:
    """A task that is being handled.

    Attributes:
        default_seconds: How long Step Functions waits for a sign of life, unless the
            context says.
        scope: Cancelling it cancels the handler.
        is_handled: The handler has ended.
        is_over: What came of it was taken, or is given up.
        beaten_at: The last sign of life, on the loop's clock; first when it is watched.
    """

    context: TaskContext
    default_seconds: float = DEFAULT_HEARTBEAT_SECONDS
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    is_handled: bool = False
    is_over: bool = False
    beaten_at: float = -math.inf

    @property
    def interval_seconds(self) -> float:
        """A third of what is allowed, jittered downwards."""
        allowed = self.context.heartbeat_seconds or self.default_seconds
        return min(allowed / 3, LONGEST_INTERVAL_SECONDS) * random.uniform(0.8, 1.0)

    @property
    def has_lapsed(self) -> bool:
        """Whether Step Functions has given the task up; False where it has not said when."""
        allowed = self.context.heartbeat_seconds
        return allowed is not None and anyio.current_time() >= self.beaten_at + allowed

    def give_up(self) -> None:
        """Cancel the handler, unless it has ended: nobody waits for it any more."""
        if not self.is_handled:
            log.warning(
                "task %s was cancelled or timed out; stopping its handler",
                self.context.task_name,
                extra=self.context.log_facts,
            )
            self.cancel(CancelReason.TASK_GONE)

    def cancel(self, reason: CancelReason) -> None:
        """Cancel the handler, which finds *reason* in its context."""
        self.context.cancellation.because(reason)
        self.scope.cancel()


class Heartbeats:
    """Beats for the tasks it watches."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, RunningTask]] = []
        self._order = itertools.count()
        self._wake: asyncio.Future[None] | None = None
        self._over_count = 0

    def watch(self, task: RunningTask) -> None:
        """Beat for *task*, at once and then until `forget`."""
        task.beaten_at = anyio.current_time()
        self._schedule(task, task.beaten_at)

    def forget(self, task: RunningTask) -> None:
        """Stop beating for *task*."""
        task.is_over = True
        self._over_count += 1
        # Those that are over stay in the heap until they are half of it.
        if self._over_count > MAX_OVER and 2 * self._over_count > len(self._due):
            self._due = [entry for entry in self._due if not entry[2].is_over]
            heapq.heapify(self._due)
            self._over_count = 0

    async def run(self) -> None:
        """Send what is due until cancelled."""
        async with anyio.create_task_group() as group:
            while True:
                self._send_due(group)
                await self._until_due()

    async def _until_due(self) -> None:
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        alarm = loop.call_at(self._due[0][0], self._ring) if self._due else None
        try:
            await self._wake
        finally:
            if alarm is not None:
                alarm.cancel()

    def _ring(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _send_due(self, group: TaskGroup) -> None:
        now = anyio.current_time()
        while self._due and (self._due[0][0] <= now or self._due[0][2].is_over):
            task = heapq.heappop(self._due)[2]
            if task.is_over:
                continue
            # Most reports are taken at once: until one is late, it is the sign of life.
            due_at = task.beaten_at + task.interval_seconds if task.is_handled else now
            if due_at > now:
                self._schedule(task, due_at)
            else:
                group.start_soon(self._beat, task)

    def _schedule(self, task: RunningTask, at: float) -> None:
        entry = (at, next(self._order), task)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:
            self._ring()

    async def _beat(self, task: RunningTask) -> None:
        """Beat once, trying again while a beat can still arrive in time."""
        name, facts = task.context.task_name, task.context.log_facts
        backoff = Backoff()
        while not task.is_over:
            sent_at = anyio.current_time()
            try:
                with anyio.fail_after(max(task.interval_seconds, LEAST_ATTEMPT_SECONDS)):
                    await task.context.heartbeat()
            except TaskTokenExpiredError:
                task.give_up()
                return
            except (AiowfmError, TimeoutError) as exc:
                if task.has_lapsed and task.is_handled:
                    return
                if task.has_lapsed:
                    log.error(
                        "heartbeats of task %s failed for too long; stopping its handler",
                        name,
                        extra=facts,
                    )
                    task.cancel(CancelReason.HEARTBEATS_FAILED)
                    return
                why = str(exc) or "no answer"
                log.warning("a heartbeat of task %s failed: %s", name, why, extra=facts)
                await anyio.sleep(min(backoff.next_delay(), task.interval_seconds))
            except Exception:  # a defect ends this task's heartbeats, and so the task alone
                log.exception(
                    "heartbeats of task %s broke; stopping its handler", name, extra=facts
                )
                task.cancel(CancelReason.HEARTBEATS_FAILED)
                return
            else:
                task.beaten_at = sent_at
                self._schedule(task, anyio.current_time() + task.interval_seconds)
                return
