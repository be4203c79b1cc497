"""What goes into the interpreter and what comes out of it, besides history events.

Events tell what happened outside; commands ask the driver to do something. Both
refer to a task or timer by the id of the history event that began it.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias

from aiowfm.asl.payload import Payload
from aiowfm.asl.resources import ServiceResource


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


class TaskSubmitted(NamedTuple):
    """The service took the call; its answer is not yet the task's result."""

    event_id: int
    output: Payload


class TaskSucceeded(NamedTuple):
    """The task gave its result: SendTaskSuccess was called, a service or a Map run is done."""

    event_id: int
    output: Payload


class TaskFailed(NamedTuple):
    """The task failed: SendTaskFailure was called, or a service or a Map run failed."""

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


TaskEvent: TypeAlias = ActivityStarted | TaskSubmitted | TaskSucceeded | TaskFailed | TaskHeartbeat
Event: TypeAlias = TaskEvent | TimerFired | Stopped


class ScheduleActivity(NamedTuple):
    """Offer a task to the workers of an activity."""

    event_id: int
    activity: str
    input: Payload


class CallService(NamedTuple):
    """Call another service (an optimised integration).

    Attributes:
        resource: What to call and how to wait for it.
        parameters: What to call it with.
    """

    event_id: int
    resource: ServiceResource
    parameters: Payload


class StartMapRun(NamedTuple):
    """Run a machine for each of many inputs, each in an execution of its own.

    Attributes:
        arn: The ARN of the Map run.
        label: Part of the names of the child executions.
        place: Where in the state machine the Map is (see `map_runs.processor_at`).
        is_redrive: Whether the run of this ARN has ended and is taken up again.
        inputs: One for each child execution.
        max_concurrency: Children that run at once; 0: as many as there can be.
        tolerated_count: Children that may fail.
        tolerated_percentage: The share of children that may fail. Where both are given,
            both must hold; where neither is, none may.
    """

    event_id: int
    arn: str
    label: str
    place: tuple[str | int, ...]
    is_redrive: bool
    inputs: list[Payload]
    max_concurrency: int
    tolerated_count: int | None
    tolerated_percentage: float | None


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


Command: TypeAlias = (
    ScheduleActivity | CallService | StartMapRun | CancelTask | StartTimer | StopTimer
)
