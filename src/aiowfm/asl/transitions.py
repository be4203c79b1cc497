"""Between two states: how a line of control enters the next one, and what follows its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.asl import model, recovery
from aiowfm.asl.errors import EvaluationError, Failure
from aiowfm.asl.frames import Branch
from aiowfm.asl.payload import Payload

if TYPE_CHECKING:
    from aiowfm.asl.interpreter import Interpreter


def enter(run: Interpreter, branch: Branch) -> None:
    """Enter the next state of *branch*."""
    name = branch.next
    assert name is not None
    state = branch.machine.states[name]
    try:
        payload = _entry(run, branch)
    except EvaluationError as exc:
        # A Map's ItemSelector failed for this item: the failure is the Map's own.
        parent = branch.parent
        assert parent is not None
        failure = Failure(exc.error, recovery.located(parent, exc.cause), run.now)
        recovery.fail_branch(run, branch, failure)
        return
    run.record(branch, state.type + "StateEntered", {"name": name, "input": payload})
    run.go_on(branch)


def _entry(run: Interpreter, branch: Branch) -> Payload:
    """What the next state of *branch* gets."""
    if branch.data is not None:
        return branch.data
    parent = branch.parent
    assert parent is not None
    if not isinstance(parent.state, model.MapState):
        return run.work_input(parent)
    item = run.items(parent)[branch.index]
    payload = parent.dialect.item_input(run, parent, branch.index, item)
    return payload.written("The input of the iteration")


def finish(run: Interpreter, branch: Branch) -> None:
    """Hand on what a branch that has come to its end gave."""
    parent = branch.parent
    if parent is None:
        run.record(branch, "ExecutionSucceeded", {"output": branch.data})
        return
    if isinstance(parent.state, model.MapState):
        run.record(
            parent.branch,
            "MapIterationSucceeded",
            {"name": parent.name, "index": branch.index},
            after=branch.tail,
        )
    run.go_on(parent.branch)
