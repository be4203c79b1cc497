"""What each type of state does: one step at a time, from whatever point it has reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from aiowfm.asl import model
from aiowfm.asl.errors import EvaluationError, Failure
from aiowfm.asl.messages import ScheduleActivity
from aiowfm.asl.payload import Payload

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
    visit.failure = Failure(error, cause, run.now)
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
    payload = run.work_input(visit)
    timeout = visit.dialect.number(run, visit, "TimeoutSeconds", least=1)
    heartbeat = visit.dialect.number(run, visit, "HeartbeatSeconds", least=1)
    details: dict[str, object] = {"input": payload, "resource": state.resource}
    if timeout is not None:
        details["timeoutInSeconds"] = int(timeout)
    if heartbeat is not None:
        details["heartbeatInSeconds"] = int(heartbeat)
    event = run.record(visit.branch, "ActivityScheduled", details, memo=visit.attempts or None)
    run.commands.append(ScheduleActivity(event.id, state.resource, payload))


def _parallel(run: Interpreter, visit: Visit) -> None:
    state = visit.state
    assert isinstance(state, model.ParallelState)
    if not visit.is_started:
        run.work_input(visit)  # what fails, fails before the branches start
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
    items = run.items(visit)
    if not visit.is_started:
        details = {"length": len(items)}
        run.record(visit.branch, "MapStateStarted", details, memo=visit.attempts or None)
    limit = visit.dialect.number(run, visit, "MaxConcurrency", least=0)
    if not limit or limit > INLINE_MAP_CONCURRENCY:
        limit = INLINE_MAP_CONCURRENCY
    while visit.started_count < len(items) and len(visit.children) < limit:
        run.go_on(run.start_iteration(visit))
    if len(visit.results) == len(items):
        if not visit.is_succeeded:
            run.record(visit.branch, "MapStateSucceeded")
        result = _joined(visit.results[index] for index in range(len(items)))
        run.leave(visit, visit.dialect.left(run, visit, result), state.next)


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
