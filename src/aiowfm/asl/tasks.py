"""Tasks that are under way: what happens to them, their clocks, and taking them up again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiowfm.asl import messages, model
from aiowfm.asl.errors import TIMEOUT, EvaluationError, Failure
from aiowfm.asl.map_runs import map_run_command
from aiowfm.asl.messages import (
    CallService,
    CancelTask,
    ScheduleActivity,
    StartTimer,
    StopTimer,
    Timer,
    TimerKind,
)
from aiowfm.asl.resources import service_resource

if TYPE_CHECKING:
    from aiowfm.asl.frames import PendingTask, Visit
    from aiowfm.asl.interpreter import Interpreter


def apply_to_task(run: Interpreter, event: messages.TaskEvent, visit: Visit) -> None:
    """Record what happened to the task of *visit*, and go on if it has ended."""
    branch, task = visit.branch, _task(visit)
    details: dict[str, object]
    match event:
        case messages.ActivityStarted(_, worker_name):
            details = {} if worker_name is None else {"workerName": worker_name}
            run.record(branch, "ActivityStarted", details)
            start_timers(run, visit)
            return
        case messages.TaskHeartbeat():
            _start_timer(run, task, TimerKind.HEARTBEAT, run.now)
            return
        case messages.TaskSubmitted(_, output):
            run.record(branch, "TaskSubmitted", {**task.facts, "output": output})
            return
        case messages.TaskSucceeded(_, output):
            stop_timers(run, visit)
            if task.kind == "MapRun":
                run.record(branch, "MapRunSucceeded", memo=output)
            else:
                details = {**task.facts, "output": output}
                run.record(branch, task.kind + "Succeeded", details)
        case messages.TaskFailed(_, error, cause):
            stop_timers(run, visit)
            details = Failure(error, cause, run.now).details()
            if task.kind != "MapRun":
                details = {**task.facts, **details}
            run.record(branch, task.kind + "Failed", details)
    run.go_on(branch)


def written(event: messages.TaskEvent) -> messages.TaskEvent:
    """*event*, or a failure in its place if what came is nested too deep to go on with."""
    if isinstance(event, messages.TaskSucceeded | messages.TaskSubmitted):
        try:
            event.output.written("The result of the task")
        except EvaluationError as exc:
            return messages.TaskFailed(event.event_id, exc.error, exc.cause)
    return event


def time_out(run: Interpreter, visit: Visit, kind: TimerKind) -> None:
    """End the task of *visit*, whose timer of this *kind* has fired."""
    task = _task(visit)
    stop_timers(run, visit)
    run.commands.append(CancelTask(task.event_id))
    details = {**task.facts, "error": TIMEOUT}
    memo = kind is TimerKind.HEARTBEAT
    run.record(visit.branch, task.kind + "TimedOut", details, memo=memo)
    run.go_on(visit.branch)


def start_timers(run: Interpreter, visit: Visit) -> None:
    """Let the clocks of the task run from now on."""
    for kind in (TimerKind.TASK, TimerKind.HEARTBEAT):
        _start_timer(run, _task(visit), kind, run.now)


def stop_timers(run: Interpreter, visit: Visit) -> None:
    task = _task(visit)
    for kind in (TimerKind.TASK, TimerKind.HEARTBEAT):
        if _seconds(task, kind) is not None:
            run.commands.append(StopTimer(Timer(kind, task.event_id)))


def resume(run: Interpreter, visit: Visit, heartbeats: Mapping[int, float]) -> None:
    """Ask for the task of *visit* again, which was under way when the execution was stored."""
    task, state = _task(visit), visit.state
    if isinstance(state, model.MapState):
        run.commands.append(map_run_command(run, visit, task.event_id))
        return
    assert isinstance(state, model.TaskState)
    resource = service_resource(state.resource)
    if task.started_at is not None:
        _start_timer(run, task, TimerKind.TASK, task.started_at)
        alive_at = max(task.started_at, heartbeats.get(task.event_id, 0.0))
        _start_timer(run, task, TimerKind.HEARTBEAT, alive_at)
    elif resource is not None:
        run.record(visit.branch, "TaskStarted", task.facts)
        start_timers(run, visit)
    else:
        payload = run.work_input(visit)
        run.commands.append(ScheduleActivity(task.event_id, state.resource, payload))
    if resource is not None and not task.is_submitted:
        run.commands.append(CallService(task.event_id, resource, run.work_input(visit)))


def _task(visit: Visit) -> PendingTask:
    assert visit.task is not None
    return visit.task


def _seconds(task: PendingTask, kind: TimerKind) -> int | None:
    return task.heartbeat_seconds if kind is TimerKind.HEARTBEAT else task.timeout_seconds


def _start_timer(run: Interpreter, task: PendingTask, kind: TimerKind, since: float) -> None:
    seconds = _seconds(task, kind)
    if seconds is not None:
        run.commands.append(StartTimer(Timer(kind, task.event_id), since + seconds))
