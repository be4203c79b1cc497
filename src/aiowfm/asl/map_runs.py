"""Runs of distributed Maps: what they need to be told, and what each child execution gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiowfm.asl import model
from aiowfm.asl.intrinsic_functions import uuid4
from aiowfm.asl.messages import StartMapRun
from aiowfm.asl.payload import MAX_PAYLOAD_BYTES, JsonValue, Payload

if TYPE_CHECKING:
    from aiowfm.asl.frames import Visit
    from aiowfm.asl.interpreter import Interpreter


_WHAT = "The input of a child execution"


def max_concurrency(run: Interpreter, visit: Visit) -> int:
    """How many items a Map works on at once; 0: as many as there can be."""
    return int(visit.dialect.number(run, visit, "MaxConcurrency", least=0) or 0)


def map_run_command(run: Interpreter, visit: Visit, event_id: int) -> StartMapRun:
    """What to ask for to run a distributed Map that this event starts or started."""
    state = visit.state
    assert isinstance(state, model.MapState)
    inputs = _inputs(run, visit, state, run.items(visit))
    count = visit.dialect.number(run, visit, "ToleratedFailureCount", least=0)
    percentage = visit.dialect.number(
        run, visit, "ToleratedFailurePercentage", least=0, most=100, whole=False
    )
    label = state.label or uuid4(run.entropy(1))
    arn = visit.map_run_arn
    if arn is None:
        arn = run.map_run_arn(label)
    else:
        label = arn.rpartition("/")[2].partition(":")[0]
    return StartMapRun(
        event_id,
        arn,
        label,
        _place(visit),
        visit.task is None and visit.map_run_arn is not None,
        inputs,
        max_concurrency(run, visit),
        None if count is None else int(count),
        percentage,
    )


def processor_at(machine: model.StateMachine, place: Sequence[str | int]) -> model.Branch:
    """The processor of the Map at *place*: names of states, and indexes of branches."""
    branch: model.Branch = machine
    steps = iter(place)
    for name in steps:
        state = branch.states[str(name)]
        if isinstance(state, model.ParallelState):
            branch = state.branches[int(next(steps))]
        else:
            assert isinstance(state, model.MapState)
            branch = state.processor
    return branch


def _place(visit: Visit) -> tuple[str | int, ...]:
    place: list[str | int] = [visit.name]
    branch = visit.branch
    while branch.parent is not None:
        if isinstance(branch.parent.state, model.ParallelState):
            place.append(branch.index)
        place.append(branch.parent.name)
        branch = branch.parent.branch
    return tuple(reversed(place))


def _inputs(
    run: Interpreter, visit: Visit, state: model.MapState, items: list[JsonValue]
) -> list[Payload]:
    """The inputs of the children, one for each item or, with ItemBatcher, for several."""
    payloads = [
        visit.dialect.item_input(run, visit, index, item).written(_WHAT)
        for index, item in enumerate(items)
    ]
    batcher = state.item_batcher
    if batcher is None:
        return payloads
    number = visit.dialect.number
    most_items = number(run, visit, "ItemBatcher/MaxItemsPerBatch", least=1)
    most_bytes = number(run, visit, "ItemBatcher/MaxInputBytesPerBatch", least=1)
    around: dict[str, JsonValue] = {}
    if batcher.batch_input is not None:
        around["BatchInput"] = visit.dialect.batch_input(run, visit)
    made: list[Payload] = []
    batch: list[JsonValue] = []
    empty_bytes = len(Payload({**around, "Items": []}).text.encode())
    size_bytes = empty_bytes
    for payload in payloads:
        item_bytes = len(payload.text.encode()) + 1  # and a comma
        is_full = most_items is not None and len(batch) >= most_items
        is_large = size_bytes + item_bytes > (most_bytes or MAX_PAYLOAD_BYTES)
        if batch and (is_full or is_large):
            made.append(Payload({**around, "Items": batch}).written(_WHAT))
            batch, size_bytes = [], empty_bytes
        batch.append(payload.value)
        size_bytes += item_bytes
    if batch:
        made.append(Payload({**around, "Items": batch}).written(_WHAT))
    return made
