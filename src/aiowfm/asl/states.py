"""What each type of state does: one step at a time, from whatever point it has reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from aiowfm.asl import fields, model, tasks
from aiowfm.asl.errors import DATA_LIMIT_EXCEEDED, EvaluationError, Failure
from aiowfm.asl.map_runs import map_run_command, max_concurrency
from aiowfm.asl.messages import CallService, ScheduleActivity
from aiowfm.asl.payload import Payload
from aiowfm.asl.resources import ServiceResource, service_resource

if TYPE_CHECKING:
    from aiowfm.asl.frames import Visit
    from aiowfm.asl.interpreter import Interpreter

# AWS runs at most so many inline iterations at once, whatever MaxConcurrency says.
INLINE_MAP_CONCURRENCY = 40


def step(run: Interpreter, visit: Visit) -> None:
    """Do the next thing in the state that is visited.

    Raises:
        EvaluationError: the state's definition cannot be evaluated on its data.
    """
    _STEPS[visit.state.type](run, visit)


def _pass(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.PassState)
    result = run.work_input(visit)
    if state.gives("result"):
        result = Payload(state.result)
    run.leave(visit, visit.dialect.left(run, visit, result), state.next)


def _choice(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.ChoiceState)
    rule = visit.dialect.chosen(run, visit)
    target = state.default if rule is None else rule.next
    if target is None:
        raise EvaluationError(
            "Failed to transition out of the state. The state does not point to a next state."
        )
    run.leave(visit, visit.dialect.left(run, visit, run.work_input(visit), rule), target)


def _wait(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.WaitState)
    until = visit.dialect.wait_until(run, visit)
    if run.now >= until:
        run.leave(visit, visit.dialect.left(run, visit, run.work_input(visit)), state.next)
    elif not visit.has_timer:
        run.start_timer(visit, until)


def _succeed(run: Interpreter, visit: Visit) -> None:
    run.leave(visit, visit.dialect.left(run, visit, run.work_input(visit)), None)


def _fail(run: Interpreter, visit: Visit) -> None:
    error = visit.dialect.text(run, visit, "Error")
    cause = visit.dialect.text(run, visit, "Cause")
    visit.failure = Failure(error, cause, visit.latest_at)
    run.go_on(visit.branch)


def _task(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.TaskState)
    if visit.result is not None:
        run.leave(visit, visit.dialect.left(run, visit, visit.result), state.next)
        return
    if visit.task is not None:
        return
    refusal = run.refuses(state.resource)
    if refusal is not None:
        raise EvaluationError(refusal)
    payload = run.work_input(visit).written("The input of the task")
    most = fields.MAX_SECONDS
    timeout = visit.dialect.number(run, visit, "TimeoutSeconds", least=1, most=most)
    heartbeat = visit.dialect.number(run, visit, "HeartbeatSeconds", least=1, most=most)
    details: dict[str, object] = {}
    if timeout is not None:
        details["timeoutInSeconds"] = int(timeout)
    if heartbeat is not None:
        details["heartbeatInSeconds"] = int(heartbeat)
    resource = service_resource(state.resource)
    if resource is None:
        _schedule_activity(run, visit, state.resource, payload, details)
    else:
        _call_service(run, visit, resource, payload, details)


def _schedule_activity(
    run: Interpreter, visit: Visit, arn: str, payload: Payload, limits: Mapping[str, object]
) -> None:
    if payload.is_too_large:
        raise EvaluationError(
            f"The state/task '{visit.name}' tried to schedule a task with an input of a size"
            " exceeding the maximum number of bytes service limit.",
            DATA_LIMIT_EXCEEDED,
        )
    details = {"input": payload, "resource": arn, **limits}
    event = run.record(visit.branch, "ActivityScheduled", details, memo=visit.attempts or None)
    run.commands.append(ScheduleActivity(event.id, arn, payload))


def _call_service(
    run: Interpreter,
    visit: Visit,
    resource: ServiceResource,
    payload: Payload,
    limits: Mapping[str, object],
) -> None:
    shown = {"resource": resource.shown_action, "resourceType": resource.service}
    details: dict[str, object] = {
        "parameters": payload,
        "region": run.facts.execution_arn.split(":")[3],
        **shown,
        **limits,
    }
    role_arn = visit.dialect.credentials(run, visit)
    if role_arn is not None:
        details["taskCredentials"] = {"roleArn": role_arn}
    event = run.record(visit.branch, "TaskScheduled", details, memo=visit.attempts or None)
    run.record(visit.branch, "TaskStarted", shown)
    tasks.start_timers(run, visit)
    run.commands.append(CallService(event.id, resource, payload))


def _parallel(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.ParallelState)
    if not visit.is_started:
        # What fails, fails before the branches start.
        run.work_input(visit).written("The input of the branches")
        run.record(visit.branch, "ParallelStateStarted", memo=visit.attempts or None)
        for child in visit.children.values():
            run.go_on(child)
    elif all(child.is_finished for child in visit.children.values()):
        if not visit.is_succeeded:
            run.record(visit.branch, "ParallelStateSucceeded")
        result = _joined(child.data for child in visit.children.values())
        run.leave(visit, visit.dialect.left(run, visit, result), state.next)


def _map(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.MapState)
    for part in (state.item_reader, state.result_writer):
        if part is not None and part.resource is not None:
            refusal = run.refuses(part.resource)
            if refusal is not None:
                raise EvaluationError(refusal)
    items = run.items(visit)
    if not visit.is_started:
        details = {"length": len(items)}
        run.record(visit.branch, "MapStateStarted", details, memo=visit.attempts or None)
    limit = max_concurrency(run, visit)
    if state.processor.processor_config.mode == "DISTRIBUTED":
        _map_run(run, visit, state)
        return
    if not limit or limit > INLINE_MAP_CONCURRENCY:
        limit = INLINE_MAP_CONCURRENCY
    while visit.started_count < len(items) and len(visit.children) < limit:
        run.go_on(run.start_iteration(visit))
    if len(visit.results) == len(items):
        result = _joined(visit.results[index] for index in range(len(items)))
        _leave_map(run, visit, result, state.next)


def _map_run(run: Interpreter, visit: Visit, state: model.MapState) -> None:
    """Run the items of a distributed Map in executions of their own."""
    if visit.result is not None:
        _leave_map(run, visit, visit.result, state.next)
    elif visit.task is None:
        # What cannot be evaluated fails before the run begins.
        command = map_run_command(run, visit, run.last_event_id + 1)
        details: dict[str, object] = {"mapRunArn": command.arn}
        if visit.map_run_arn is None:
            run.record(visit.branch, "MapRunStarted", details)
        else:
            details["redriveCount"] = visit.map_run_redrives + 1
            run.record(visit.branch, "MapRunRedriven", details)
        run.commands.append(command)


def _leave_map(run: Interpreter, visit: Visit, result: Payload, target: str | None) -> None:
    if not visit.is_succeeded:
        run.record(visit.branch, "MapStateSucceeded")
    run.leave(visit, visit.dialect.left(run, visit, result), target)


def _joined(parts: Iterable[Payload | None]) -> Payload:
    return Payload([part.value for part in parts if part is not None])


_STEPS: Mapping[str, Callable[[Interpreter, Visit], None]] = {
    "Pass": _pass,
    "Choice": _choice,
    "Wait": _wait,
    "Succeed": _succeed,
    "Fail": _fail,
    "Task": _task,
    "Parallel": _parallel,
    "Map": _map,
}
