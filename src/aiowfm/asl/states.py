"""What each type of state does: one step at a time, from whatever point it has reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiowfm.asl import choice, model, timestamps
from aiowfm.asl.dataflow import filled, looked_up, selected, whole_number
from aiowfm.asl.errors import EvaluationError, Failure
from aiowfm.asl.messages import ScheduleActivity
from aiowfm.asl.payload import JsonValue, Payload, dump

if TYPE_CHECKING:
    from aiowfm.asl.frames import Visit
    from aiowfm.asl.interpreter import Interpreter

# AWS runs at most so many inline iterations at once, whatever MaxConcurrency says.
INLINE_MAP_CONCURRENCY = 40


def effective_input(run: Interpreter, visit: Visit) -> Payload:
    """The state's input after InputPath and Parameters, computed once."""
    if visit.effective_input is None:
        state: Any = visit.state
        scope = run.scope(visit)
        payload = selected(state.input_path, visit.input, scope)
        if isinstance(state, model.TaskState | model.PassState | model.ParallelState):
            payload = filled(state, "parameters", payload, scope)
        visit.effective_input = payload
    return visit.effective_input


def step(run: Interpreter, visit: Visit) -> None:
    """Do the next thing in the state that is visited.

    Raises:
        EvaluationError: the state's definition cannot be evaluated on its data.
    """
    _STEPS[visit.state.type](run, visit)


def _pass(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.PassState)
    result = effective_input(run, visit)
    if state.gives("result"):
        result = Payload(state.result)
    run.leave(visit, result, state.next)


def _choice(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.ChoiceState)
    payload = effective_input(run, visit)
    rule = choice.matching_rule(state, run.scope(visit, payload))
    target = state.default if rule is None else rule.next
    if target is None:
        raise EvaluationError(
            "Failed to transition out of the state. The state does not point to a next state."
        )
    run.leave(visit, payload, target)


def _wait(run: Interpreter, visit: Visit) -> None:
    until = _wait_until(run, visit)
    assert isinstance(visit.state, model.WaitState)
    if run.now >= until:
        run.leave(visit, effective_input(run, visit), visit.state.next)
    elif not visit.has_timer:
        run.start_timer(visit, until)


def _wait_until(run: Interpreter, visit: Visit) -> float:
    state = visit.state
    assert isinstance(state, model.WaitState)
    if isinstance(state.seconds, int):
        return visit.entered_at + state.seconds
    if state.timestamp is not None:
        instant = timestamps.parse(state.timestamp)
        if instant is None:
            raise EvaluationError(
                "The Timestamp field cannot be parsed as an ISO-8601 extended offset"
                f" date-time format string: {state.timestamp}"
            )
        return instant / timestamps.NANOSECONDS
    scope = run.scope(visit, effective_input(run, visit))
    if state.seconds_path is not None:
        path = state.seconds_path
        seconds = looked_up(path, "SecondsPath", scope)
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
            raise EvaluationError(
                "The SecondsPath parameter cannot be parsed as a long value:"
                f" {path} == {_shown(seconds)}"
            )
        return visit.entered_at + seconds
    path = state.timestamp_path or "$"
    value = looked_up(path, "TimestampPath", scope)
    instant = timestamps.parse(value) if isinstance(value, str) else None
    if instant is None:
        raise EvaluationError(
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset"
            f" date-time format string: {path} == {_shown(value)}"
        )
    return instant / timestamps.NANOSECONDS


def _shown(value: JsonValue) -> str:
    return value if isinstance(value, str) else dump(value)


def _succeed(run: Interpreter, visit: Visit) -> None:
    run.leave(visit, effective_input(run, visit), None)


def _fail(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.FailState)
    scope = run.scope(visit)

    def text(literal: str | None, path: str | None, field: str) -> str | None:
        if path is None:
            return literal
        value = looked_up(path, field, scope)
        if not isinstance(value, str):
            raise EvaluationError(
                f"The {field} field refers to value {dump(value)} which is not a string: {path}"
            )
        return value

    error = text(state.error, state.error_path, "ErrorPath")
    cause = text(state.cause, state.cause_path, "CausePath")
    visit.failure = Failure(error, cause, run.now)
    run.go_on(visit.branch)


def _task(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.TaskState)
    if visit.result is not None:
        run.leave(visit, visit.result, state.next)
        return
    if visit.task is not None:
        return
    refusal = run.refuses(state.resource)
    if refusal is not None:
        raise EvaluationError(refusal)
    payload = effective_input(run, visit)
    scope = run.scope(visit, selected(state.input_path, visit.input, run.scope(visit)))
    timeout, heartbeat = state.timeout_seconds, state.heartbeat_seconds
    if state.timeout_seconds_path is not None:
        timeout = whole_number(state.timeout_seconds_path, "TimeoutSecondsPath", scope, least=1)
    if state.heartbeat_seconds_path is not None:
        heartbeat = whole_number(
            state.heartbeat_seconds_path, "HeartbeatSecondsPath", scope, least=1
        )
    details: dict[str, object] = {"input": payload, "resource": state.resource}
    if timeout is not None:
        details["timeoutInSeconds"] = timeout
    if heartbeat is not None:
        details["heartbeatInSeconds"] = heartbeat
    event = run.record(visit.branch, "ActivityScheduled", details, memo=visit.attempts or None)
    run.commands.append(ScheduleActivity(event.id, state.resource, payload))


def _parallel(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.ParallelState)
    if not visit.is_started:
        effective_input(run, visit)  # what fails, fails before the branches start
        run.record(visit.branch, "ParallelStateStarted", memo=visit.attempts or None)
        for child in visit.children.values():
            run.go_on(child)
    elif all(child.is_finished for child in visit.children.values()):
        if not visit.is_succeeded:
            run.record(visit.branch, "ParallelStateSucceeded")
        run.leave(visit, _joined([child.data for child in visit.children.values()]), state.next)


def _map(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.MapState)
    items = run.items(visit)
    if not visit.is_started:
        details = {"length": len(items)}
        run.record(visit.branch, "MapStateStarted", details, memo=visit.attempts or None)
    limit = state.max_concurrency
    if state.max_concurrency_path is not None:
        scope = run.scope(visit, effective_input(run, visit))
        limit = whole_number(state.max_concurrency_path, "MaxConcurrencyPath", scope, least=0)
    if not isinstance(limit, int) or not 0 < limit < INLINE_MAP_CONCURRENCY:
        limit = INLINE_MAP_CONCURRENCY
    while visit.started_count < len(items) and len(visit.children) < limit:
        child = run.start_iteration(visit)
        run.go_on(child)
    if len(visit.results) == len(items):
        if not visit.is_succeeded:
            run.record(visit.branch, "MapStateSucceeded")
        run.leave(visit, _joined([visit.results[index] for index in range(len(items))]), state.next)


def _joined(parts: list[Payload | None]) -> Payload:
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
