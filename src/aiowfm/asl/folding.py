"""Folding: how each history event changes what an execution is doing.

This is the one place where that happens, for events that are being recorded and
for those read back from a stored history alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias, cast

from aiowfm.asl import model, variables
from aiowfm.asl.errors import DATA_LIMIT_EXCEEDED, Failure
from aiowfm.asl.frames import Branch, PendingTask, Visit
from aiowfm.asl.history import HistoryEvent
from aiowfm.asl.payload import Payload

if TYPE_CHECKING:
    from aiowfm.asl.interpreter import Interpreter

_Fold: TypeAlias = "Callable[[Interpreter, HistoryEvent, Branch], None]"


def fold(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    """Change *run* as *event*, which belongs to *branch*, says."""
    run.last_event_id = event.id
    branch.active_at = event.timestamp
    _FOLDS[event.type](run, event, branch)


def _started(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    run.started_at = run.timed_from = event.timestamp
    run.input = cast("Payload", event.details["input"])


def _entered(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    name = cast("str", event.details["name"])
    payload = cast("Payload", event.details["input"])
    branch.visit = Visit(
        branch,
        name,
        branch.machine.states[name],
        payload,
        event.previous_event_id,
        event.id,
        event.timestamp,
    )
    branch.next = None
    branch.data = payload
    branch.tail = event.id


def _exited(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    """The memo is the state to go to next, None at the end of the branch."""
    run.abandon_children(_visit(branch))
    branch.data = cast("Payload", event.details["output"])
    branch.next = cast("str | None", event.memo)
    branch.visit = None
    branch.tail = event.id
    if assigned := cast("Mapping[str, str]", event.details.get("assignedVariables")):
        variables.assign(run, branch, assigned)
    if branch.next is None:
        branch.is_finished = True
        if branch.parent is not None and isinstance(branch.parent.state, model.ParallelState):
            branch.parent.branch.tail = event.id


def _activity_scheduled(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    visit = _begun(run, event, branch)
    visit.effective_input = cast("Payload", event.details["input"])
    _scheduled(run, event, visit, "Activity")


def _task_scheduled(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    facts = {name: event.details[name] for name in ("resource", "resourceType")}
    visit = _begun(run, event, branch)
    visit.effective_input = cast("Payload", event.details["parameters"])
    _scheduled(run, event, visit, "Task", facts)


def _map_run_started(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    visit = _visit(branch)
    visit.map_run_arn = cast("str", event.details["mapRunArn"])
    visit.map_run_redrives = cast("int", event.details.get("redriveCount", 0))
    _scheduled(run, event, visit, "MapRun", {"mapRunArn": visit.map_run_arn})
    branch.tail = event.id


def _scheduled(
    run: Interpreter,
    event: HistoryEvent,
    visit: Visit,
    kind: str,
    facts: Mapping[str, object] | None = None,
) -> None:
    visit.task = PendingTask(
        event.id,
        kind,
        facts or {},
        cast("int | None", event.details.get("timeoutInSeconds")),
        cast("int | None", event.details.get("heartbeatInSeconds")),
    )
    run.tasks[event.id] = visit


def _task_started(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    task = _visit(branch).task
    assert task is not None
    task.started_at = event.timestamp
    branch.tail = event.id


def _task_submitted(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    visit = _visit(branch)
    task = visit.task
    assert task is not None
    task.answer = cast("Payload", event.details["output"])
    visit.effective_input = None  # the service has it, and may keep its answer for days
    branch.tail = event.id


def _task_succeeded(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    visit = _task_ended(run, branch)
    visit.result = cast("Payload", event.details["output"])
    branch.tail = event.id


def _map_run_succeeded(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    """The memo is what the children gave, which AWS does not show here."""
    visit = _task_ended(run, branch)
    visit.result = cast("Payload", event.memo)
    branch.tail = event.id


def _task_failed(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    """The memo is true for a timeout that is one of the heartbeat."""
    visit = _task_ended(run, branch)
    visit.failure = Failure(
        cast("str | None", event.details.get("error")),
        cast("str | None", event.details.get("cause")),
        event.timestamp,
        is_heartbeat=event.memo is True,
        is_of_child=event.type == "MapRunFailed",
    )
    branch.tail = event.id


def _evaluation_failed(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    _visit(branch).failure = Failure(
        cast("str", event.details["error"]), cast("str", event.details["cause"]), event.timestamp
    )
    branch.tail = event.id


def _task_ended(run: Interpreter, branch: Branch) -> Visit:
    visit = _visit(branch)
    assert visit.task is not None
    del run.tasks[visit.task.event_id]
    visit.task = None
    return visit


def _parallel_started(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    visit = _begun(run, event, branch)
    visit.is_started = True
    assert isinstance(visit.state, model.ParallelState)
    for index, machine in enumerate(visit.state.branches):
        visit.children[index] = run.new_branch(machine, visit, index, tail=event.id)


def _map_started(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    visit = _begun(run, event, branch)
    visit.is_started = True


def _iteration_started(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    visit = _visit(branch)
    assert isinstance(visit.state, model.MapState)
    index = cast("int", event.details["index"])
    if event.previous_event_id in visit.free_after:
        visit.free_after.remove(event.previous_event_id)
    visit.started_count += 1
    visit.children[index] = run.new_branch(visit.state.processor, visit, index, tail=event.id)


def _iteration_succeeded(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    visit = _visit(branch)
    child = visit.children.pop(cast("int", event.details["index"]))
    assert child.data is not None
    visit.results[child.index] = child.data
    visit.free_after.append(child.tail)
    run.branches.pop(child.number)
    child.is_abandoned = True  # it may still be in the queue, twice even
    branch.tail = event.id


def _iteration_failed(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    """The memo is error and cause, which AWS does not show here."""
    error, cause = cast("tuple[str | None, str | None]", event.memo)
    visit = _visit(branch)
    branch.tail = visit.children[cast("int", event.details["index"])].tail
    visit.failure = Failure(error, cause, event.timestamp, is_of_child=True)


def _begun(run: Interpreter, event: HistoryEvent, branch: Branch) -> Visit:
    """The memo is how often each retrier was used by now, None for the first attempt."""
    visit = _visit(branch)
    run.abandon_children(visit)
    visit.reset()
    visit.attempts = list(cast("list[int] | None", event.memo) or ())
    branch.tail = event.id
    return visit


def _composite_succeeded(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    _visit(branch).is_succeeded = True


def _composite_failed(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    """The memo is error and cause, which AWS does not show here."""
    visit = _visit(branch)
    error, cause = cast("tuple[str | None, str | None]", event.memo)
    if visit.failure is None:
        visit.failure = Failure(error, cause, event.timestamp)
    visit.is_failed = True
    branch.tail = event.id


def _execution_succeeded(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    run.output = cast("Payload", event.details["output"])
    _ended(run, event, "SUCCEEDED")


def _execution_failed(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    run.failure = Failure(
        cast("str | None", event.details.get("error")),
        cast("str | None", event.details.get("cause")),
        event.timestamp,
    )
    _ended(run, event, _FINAL_STATUSES[event.type])


def _ended(run: Interpreter, event: HistoryEvent, status: str) -> None:
    run.status = status
    run.stopped_at = event.timestamp


def _redriven(run: Interpreter, event: HistoryEvent, branch: Branch) -> None:
    """All that has not been left begins anew: what failed, and what that cut off."""
    was_too_large = run.failure is not None and run.failure.error == DATA_LIMIT_EXCEEDED
    run.status = "RUNNING"
    run.failure = run.stopped_at = None
    run.redrive_count = cast("int", event.details["redriveCount"])
    run.timed_from = event.timestamp
    run.execution_context = None
    run.tasks.clear()
    for each in list(run.branches.values()):
        visit = each.visit
        if each.is_abandoned or each.is_finished:
            continue
        each.tail = event.id
        if visit is not None:
            # What its parts gave is kept, unless just that was too large.
            has_parts = bool(visit.children or visit.results or visit.map_run_arn)
            if not has_parts or (was_too_large and visit.is_succeeded):
                run.abandon_children(visit)
                visit.reset()
            visit.redrive(event.timestamp)


def _visit(branch: Branch) -> Visit:
    assert branch.visit is not None
    return branch.visit


_FINAL_STATUSES = {
    "ExecutionFailed": "FAILED",
    "ExecutionAborted": "ABORTED",
    "ExecutionTimedOut": "TIMED_OUT",
}

_FOLDS: dict[str, _Fold] = {
    "ExecutionStarted": _started,
    **{name + "StateEntered": _entered for name in model.STATE_TYPES},
    **{name + "StateExited": _exited for name in model.STATE_TYPES},
    "ActivityScheduled": _activity_scheduled,
    "TaskScheduled": _task_scheduled,
    **dict.fromkeys(("ActivityStarted", "TaskStarted"), _task_started),
    "TaskSubmitted": _task_submitted,
    **dict.fromkeys(("ActivitySucceeded", "TaskSucceeded"), _task_succeeded),
    **dict.fromkeys(
        ("ActivityFailed", "ActivityTimedOut", "TaskFailed", "TaskTimedOut", "MapRunFailed"),
        _task_failed,
    ),
    **dict.fromkeys(("MapRunStarted", "MapRunRedriven"), _map_run_started),
    "MapRunSucceeded": _map_run_succeeded,
    "EvaluationFailed": _evaluation_failed,
    "ParallelStateStarted": _parallel_started,
    "ParallelStateSucceeded": _composite_succeeded,
    "ParallelStateFailed": _composite_failed,
    "MapStateStarted": _map_started,
    "MapIterationStarted": _iteration_started,
    "MapIterationSucceeded": _iteration_succeeded,
    "MapIterationFailed": _iteration_failed,
    "MapStateSucceeded": _composite_succeeded,
    "MapStateFailed": _composite_failed,
    "ExecutionSucceeded": _execution_succeeded,
    **dict.fromkeys(_FINAL_STATUSES, _execution_failed),
    "ExecutionRedriven": _redriven,
}
