"""Automatic heartbeats: one timer for all running tasks."""

from __future__ import annotations

import heapq
import itertools
import logging
import random
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from aiowfm.errors import AiowfmError, TaskTokenExpiredError
from aiowfm.tasks.context import TaskContext
from aiowfm.worker.backoff import Backoff

log = logging.getLogger("aiowfm.worker")

# Where the state names no HeartbeatSeconds a beat still tells whether it is cancelled.
DEFAULT_HEARTBEAT_SECONDS = 60.0
LONGEST_INTERVAL_SECONDS = 60.0
FIRST_BEAT_SECONDS = 1.0  # short tasks need none


@dataclass(slots=True, eq=False)
class RunningTask:
    """A task that is being handled.

    Attributes:
        default_seconds: How long Step Functions waits for a sign of life, unless the
            context says.
        scope: Cancelling it cancels the handler.
        is_revoked: Step Functions does not want the task's result any more.
    """

    context: TaskContext
    default_seconds: float = DEFAULT_HEARTBEAT_SECONDS
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    is_revoked: bool = False
    is_over: bool = False

    @property
    def interval_seconds(self) -> float:
        """A third of what is allowed, jittered downwards."""
        allowed = self.context.heartbeat_seconds or self.default_seconds
        return min(allowed / 3, LONGEST_INTERVAL_SECONDS) * random.uniform(0.8, 1.0)


class Heartbeats:
    """Beats for the tasks it watches."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, RunningTask]] = []
        self._order = itertools.count()
        self._wake = anyio.Event()

    def watch(self, task: RunningTask) -> None:
        """Beat for *task* until it is over."""
        self._schedule(task, min(FIRST_BEAT_SECONDS, task.interval_seconds))

    async def run(self) -> None:
        """Send what is due until cancelled."""
        async with anyio.create_task_group() as group:
            while True:
                self._send_due(group)
                self._wake = anyio.Event()
                pause = self._due[0][0] - anyio.current_time() if self._due else float("inf")
                with anyio.move_on_after(max(pause, 0.0)):
                    await self._wake.wait()

    def _send_due(self, group: TaskGroup) -> None:
        now = anyio.current_time()
        while self._due and (self._due[0][0] <= now or self._due[0][2].is_over):
            task = heapq.heappop(self._due)[2]
            if not task.is_over:
                group.start_soon(self._beat, task)

    def _schedule(self, task: RunningTask, delay: float) -> None:
        entry = (anyio.current_time() + delay, next(self._order), task)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:
            self._wake.set()

    async def _beat(self, task: RunningTask) -> None:
        """Beat once, trying again while a beat can still arrive in time."""
        context = task.context
        backoff = Backoff()
        while not task.is_over:
            try:
                await context.heartbeat()
            except TaskTokenExpiredError:
                if not task.is_over:
                    log.warning(
                        "task was cancelled or timed out; stopping its handler",
                        extra=context.log_facts,
                    )
                    task.is_revoked = True
                    task.scope.cancel()
                return
            except AiowfmError as exc:
                log.warning("heartbeat failed: %s", exc, extra=context.log_facts)
                await anyio.sleep(min(backoff.next_delay(), task.interval_seconds))
            else:
                self._schedule(task, task.interval_seconds)
                return
