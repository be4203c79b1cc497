"""What goes into the interpreter and what comes out of it, besides history events.

Events tell what happened outside; commands ask the driver to do something. Both
refer to a task or timer by the id of the history event that began it.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias

from aiowfm.asl.payload import Payload


class TimerKind(Enum):
    """What a timer is for."""

    EXECUTION = "execution"
    STATE = "state"  # a Wait, or the pause before a retry
    TASK = "task"
    HEARTBEAT = "heartbeat"


class Timer(NamedTuple):
    """Names a timer; starting one again replaces it."""

    kind: TimerKind
    event_id: int


class ActivityStarted(NamedTuple):
    """A worker took the task."""

    event_id: int
    worker_name: str | None


class TaskSucceeded(NamedTuple):
    """SendTaskSuccess was called."""

    event_id: int
    output: Payload


class TaskFailed(NamedTuple):
    """SendTaskFailure was called."""

    event_id: int
    error: str | None
    cause: str | None


class TaskHeartbeat(NamedTuple):
    """The worker said that it is still at it; leaves no trace in the history."""

    event_id: int


class TimerFired(NamedTuple):
    """The time of a timer has come."""

    timer: Timer


class Stopped(NamedTuple):
    """StopExecution was called."""

    error: str | None
    cause: str | None


TaskEvent: TypeAlias = ActivityStarted | TaskSucceeded | TaskFailed | TaskHeartbeat
Event: TypeAlias = TaskEvent | TimerFired | Stopped


class ScheduleActivity(NamedTuple):
    """Offer a task to the workers of an activity."""

    event_id: int
    activity: str
    input: Payload


class CancelTask(NamedTuple):
    """The task is no longer wanted: its token is dead."""

    event_id: int


class StartTimer(NamedTuple):
    """Apply `TimerFired(timer)` when the time has come.

    Attributes:
        at: Seconds since the epoch.
    """

    timer: Timer
    at: float


class StopTimer(NamedTuple):
    """Forget a timer."""

    timer: Timer


Command: TypeAlias = ScheduleActivity | CancelTask | StartTimer | StopTimer
