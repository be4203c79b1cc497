"""What a state did to its data, step by step (InspectionData).

The steps in between leave no trace in the interpreter: the state is evaluated again
without the fields of the later steps.
"""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from aiowfm.asl import model
from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.frames import DIALECTS, Visit
from aiowfm.asl.payload import Payload, dump

if TYPE_CHECKING:
    from aiowfm.local.trials.probe import Probe


def inspection(probe: Probe) -> dict[str, str]:
    """The data at each step that *probe* came to, as JSON texts by AWS's names."""
    shown = {"input": probe.subject.input.text}
    visit = probe.visit
    if visit is not None:
        is_jsonpath = visit.dialect is DIALECTS["JSONPath"]
        steps = _of_jsonpath(probe, visit) if is_jsonpath else _of_jsonata(visit)
        shown.update((name, data.text) for name, data in steps if data is not None)
    if probe.variables:
        shown["variables"] = dump(dict(probe.variables))
    return shown


def _of_jsonata(visit: Visit) -> Iterator[tuple[str, Payload | None]]:
    if isinstance(visit.state, model.TaskState):
        yield "afterArguments", visit.effective_input
        yield "result", visit.result


def _of_jsonpath(probe: Probe, visit: Visit) -> Iterator[tuple[str, Payload | None]]:
    state = visit.state
    if isinstance(state, model.FailState):
        yield "afterInputPath", visit.input
        return
    if isinstance(state, model.PassState) and state.gives("result"):
        # AWS shows nothing of what a fixed result makes irrelevant.
        result: Payload | None = Payload(state.result)
        yield "result", result
    else:
        before = _without(probe, visit, parameters=None)
        yield "afterInputPath", _evaluated(lambda: before.dialect.work_input(probe, before))
        result = visit.effective_input
        if isinstance(state, model.PassState | model.TaskState):
            yield "afterParameters", result
        if isinstance(state, model.TaskState):
            result = visit.result
            yield "result", result
    if result is not None and isinstance(state, model.PassState | model.TaskState):
        yield from _of_result(probe, visit, result)


def _of_result(probe: Probe, visit: Visit, result: Payload) -> Iterator[tuple[str, Payload | None]]:
    whole = {"output_path": "$", "assign": None}
    selected = _without(probe, visit, result_path="$", **whole)
    combined = _without(probe, visit, **whole)
    for name, cut in (("afterResultSelector", selected), ("afterResultPath", combined)):
        yield name, _left(probe, cut, result)


def _left(probe: Probe, visit: Visit, result: Payload) -> Payload | None:
    return _evaluated(lambda: visit.dialect.left(probe, visit, result).output)


def _without(probe: Probe, visit: Visit, **defaults: object) -> Visit:
    """*visit* as it began, to a state in which the fields named have these values."""
    known = type(visit.state).model_fields
    update = {field: value for field, value in defaults.items() if field in known}
    variables = ChainMap(dict(probe.subject.variables))
    return dataclasses.replace(
        visit,
        state=visit.state.model_copy(update=update),
        branch=dataclasses.replace(visit.branch, variables=variables),
    )


def _evaluated(data: Callable[[], Payload]) -> Payload | None:
    """*data*, or None where it cannot be evaluated."""
    try:
        return data()
    except EvaluationError:
        return None
