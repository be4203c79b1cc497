"""In memory: where tasks come from and where their outcomes go, with faults on demand."""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import anyio
import anyio.lowlevel

from aiowfm.config import EngineConfig
from aiowfm.names import ActivityArn
from aiowfm.ports import ActivityTask, TaskToken
from aiowfm.tasks.context import TaskContext
from aiowfm.tasks.handlers import HeartbeatMode, TaskHandler, inspected

POLL_SECONDS = 60.0
MACHINE = "dev--orders--0--charge"
EXECUTION = f"arn:aws:states:us-east-1:000000000000:execution:{MACHINE}:{MACHINE}--o-17"


class Wakeup:
    """Lets a test wait until something that changes now and then is as it wants it."""

    def __init__(self) -> None:
        self._changed = anyio.Event()

    def changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()


class Tasks:
    """A `TaskSource` that is filled by the test.

    Attributes:
        opened: How many polls were begun, by activity.
        open: How many polls are open now, by activity.
        most_open: The most that were open at once, by activity.
        faults: What the next polls of an activity raise.
        interruptible: Whether `interrupt` ends open polls, as in process.
    """

    def __init__(self, *, interruptible: bool = False) -> None:
        self.opened: Counter[str] = Counter()
        self.open: Counter[str] = Counter()
        self.most_open: Counter[str] = Counter()
        self.faults: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self.interruptible = interruptible
        self.wakeup = Wakeup()
        self.worker_names: set[str] = set()
        self._tasks: defaultdict[str, deque[ActivityTask]] = defaultdict(deque)
        self._interrupted: set[str] = set()

    def add(self, activity: str, *tasks: ActivityTask) -> None:
        self._tasks[activity].extend(tasks)
        self.wakeup.changed()

    def left(self, activity: str) -> int:
        return len(self._tasks[activity])

    async def poll(self, activity: ActivityArn, worker_name: str) -> ActivityTask | None:
        self.worker_names.add(worker_name)
        self.opened[activity] += 1
        self.open[activity] += 1
        self.most_open[activity] = max(self.most_open[activity], self.open[activity])
        self.wakeup.changed()
        try:
            await anyio.lowlevel.checkpoint()
            if self.faults[activity]:
                raise self.faults[activity].popleft()
            with anyio.move_on_after(POLL_SECONDS):
                await self.wakeup.until(
                    lambda: bool(
                        self._tasks[activity]
                        or self.faults[activity]
                        or activity in self._interrupted
                    )
                )
            if self.faults[activity]:
                raise self.faults[activity].popleft()
            return self._tasks[activity].popleft() if self._tasks[activity] else None
        finally:
            self.open[activity] -= 1
            self.wakeup.changed()

    def interrupt(self, activity: ActivityArn) -> None:
        if self.interruptible:
            self._interrupted.add(activity)
            self.wakeup.changed()


@dataclass(frozen=True)
class Report:
    token: str
    kind: Literal["succeed", "fail"]
    text: str
    cause: str = ""


class Reports:
    """A `TaskReporter` that remembers.

    Attributes:
        faults: What the next reports raise; `beat_faults` the next heartbeats.
        dead: The tokens that nobody waits for.
    """

    def __init__(self) -> None:
        self.taken: list[Report] = []
        self.tried = 0
        self.beats: list[tuple[str, float]] = []
        self.faults: deque[Exception] = deque()
        self.beat_faults: deque[Exception] = deque()
        self.dead: dict[str, Exception] = {}
        self.delay_seconds = 0.0
        self.wakeup = Wakeup()

    async def succeed(self, token: TaskToken, output: str) -> None:
        await self._take(Report(token, "succeed", output))

    async def fail(self, token: TaskToken, error: str, cause: str) -> None:
        await self._take(Report(token, "fail", error, cause))

    async def heartbeat(self, token: TaskToken) -> None:
        await anyio.lowlevel.checkpoint()
        self.beats.append((token, anyio.current_time()))
        self.wakeup.changed()
        if self.beat_faults:
            raise self.beat_faults.popleft()
        if token in self.dead:
            raise self.dead[token]

    async def until_taken(self, count: int) -> None:
        await self.wakeup.until(lambda: len(self.taken) >= count)

    def of(self, token: str) -> Report:
        (report,) = [report for report in self.taken if report.token == token]
        return report

    async def _take(self, report: Report) -> None:
        self.tried += 1
        self.wakeup.changed()
        await anyio.sleep(self.delay_seconds)
        if self.faults:
            raise self.faults.popleft()
        if report.token in self.dead:
            raise self.dead[report.token]
        self.taken.append(report)
        self.wakeup.changed()


def activity_task(token: str, value: object = None, **facts: object) -> ActivityTask:
    """A task whose input came in an envelope that says *facts* as well."""
    about = {
        "execution": EXECUTION,
        "redrive": 0,
        "state": "charge",
        "entered": "2024-01-01T00:00:00.123Z",
        "attempt": 0,
    }
    text = json.dumps({"aiowfm": about | facts, "input": value})
    return ActivityTask(token=TaskToken(token), input=text)


def context(token: str = "token", **fields: Any) -> TaskContext:
    return TaskContext(task_name="charge", task_token=TaskToken(token), worker_name="me", **fields)


def handler(
    function: Callable[..., Any],
    name: str = "charge",
    *,
    concurrency: int | None = None,
    heartbeat: HeartbeatMode = "auto",
) -> TaskHandler:
    return inspected(name, function, concurrency=concurrency, retry_lost=True, heartbeat=heartbeat)


def config(**options: Any) -> EngineConfig:
    return EngineConfig.checked(
        **{"app": "app", "environment": "dev", "worker_name": "me"} | options
    )
