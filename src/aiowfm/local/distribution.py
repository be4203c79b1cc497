"""Distributed Maps: each item, or batch of items, in a child execution of its own."""

from __future__ import annotations

import functools
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiowfm.asl.messages import StartMapRun, TaskFailed, TaskSucceeded
from aiowfm.asl.model import MapState, StateMachine
from aiowfm.asl.payload import Payload
from aiowfm.local.executions import Run
from aiowfm.local.machines import Revision
from aiowfm.local.map_runs import MapRun
from aiowfm.local.tokens import TaskId

if TYPE_CHECKING:
    from aiowfm.local.service import Service

# AWS runs at most so many child executions at once.
MOST_AT_ONCE = 10_000

_COUNTS = {
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
}


@dataclass(slots=True, eq=False)
class _Distributed:
    """A Map run that is going on.

    Attributes:
        pending: Children that are yet to be started or, if `redrivable`, taken up again.
    """

    task: TaskId
    parent: Run
    record: MapRun
    command: StartMapRun
    revision: Revision
    pending: deque[tuple[int, Payload]]
    running: dict[int, Run] = field(default_factory=dict)
    outputs: dict[int, Payload] = field(default_factory=dict)
    failures: int = 0
    redrivable: dict[int, Run] = field(default_factory=dict)
    is_batched: bool = False

    def items(self, payload: Payload) -> int:
        """How many items a child gets."""
        value = payload.value
        if self.is_batched and isinstance(value, dict):
            items = value.get("Items")
            return len(items) if isinstance(items, list) else 1
        return 1


class Distribution:
    """Runs the children of distributed Maps."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._by_task: dict[TaskId, _Distributed] = {}
        self._by_child: dict[int, tuple[_Distributed, int]] = {}

    def start(self, run: Run, command: StartMapRun) -> None:
        task = TaskId(run.number, command.event_id)
        if not self._service.executions.awaits(task):
            return
        record = self._service.map_runs.find(command.arn)
        if record is not None:
            self._redrive(task, run, record, command)
            return
        record = MapRun(
            arn=command.arn,
            execution_arn=run.arn,
            state_machine_arn=f"{run.machine.arn}/{command.label}",
            started_at=self._service.now(),
            max_concurrency=command.max_concurrency,
            tolerated_failure_count=command.tolerated_count,
            tolerated_failure_percentage=command.tolerated_percentage,
        )
        self._service.map_runs.add(record)
        going_on = _Distributed(
            task,
            run,
            record,
            command,
            _revision(run, command),
            deque(enumerate(command.inputs)),
            is_batched=_is_batched(run, command),
        )
        for payload in command.inputs:
            self._count(going_on, "pending", 1, payload)
        self._by_task[task] = going_on
        self._fill(going_on)

    def _redrive(self, task: TaskId, run: Run, record: MapRun, command: StartMapRun) -> None:
        """Take up again the children that did not succeed, and start those that never were."""
        record.status, record.stopped_at = "RUNNING", None
        record.redrive_count += 1
        record.redriven_at = self._service.now()
        going_on = _Distributed(
            task,
            run,
            record,
            command,
            _revision(run, command),
            deque(),
            is_batched=_is_batched(run, command),
        )
        for index, payload in enumerate(command.inputs):
            child = self._service.executions.find(record.children.get(index, ""))
            if child is None:
                self._count(going_on, "aborted", -1, payload)
            elif child.status == "SUCCEEDED" and child.output is not None:
                going_on.outputs[index] = child.output
                continue
            else:
                self._count(going_on, _COUNTS[child.status], -1, payload)
                going_on.redrivable[index] = child
                record.pending_redrive += 1
            self._count(going_on, "pending", 1, payload)
            going_on.pending.append((index, payload))
        self._by_task[task] = going_on
        self._fill(going_on)

    def changed(self, record: MapRun) -> None:
        """Go on under the limits that *record* has now."""
        for going_on in list(self._by_task.values()):
            if going_on.record is record:
                self._go_on(going_on)

    def cancel(self, task: TaskId) -> None:
        going_on = self._by_task.pop(task, None)
        if going_on is not None:
            self._end(going_on, "ABORTED")

    def finished(self, run: Run) -> None:
        """A child may have ended: go on with its Map run."""
        going_on, index = self._by_child.pop(run.number, (None, 0))
        if going_on is None:
            return
        going_on.running.pop(index, None)
        self._count(going_on, "running", -1, run.input)
        self._count(going_on, _COUNTS[run.status], 1, run.input)
        if run.status == "SUCCEEDED" and run.output is not None:
            going_on.outputs[index] = run.output
        else:
            going_on.failures += 1
        if going_on.task in self._by_task:
            self._go_on(going_on)

    def _go_on(self, going_on: _Distributed) -> None:
        if going_on.record.is_exceeded_by(going_on.failures):
            self._fail(going_on)
        else:
            self._fill(going_on)

    def _fill(self, going_on: _Distributed) -> None:
        """Start as many children as may run, or give the result if all are done."""
        limit = going_on.record.max_concurrency or MOST_AT_ONCE
        while going_on.pending and len(going_on.running) < limit:
            index, payload = going_on.pending.popleft()
            self._count(going_on, "pending", -1, payload)
            self._count(going_on, "running", 1, payload)
            child = self._begin_child(going_on, index, payload)
            going_on.running[index] = child
            self._by_child[child.number] = (going_on, index)
        if not going_on.pending and not going_on.running:
            del self._by_task[going_on.task]
            self._end(going_on, "SUCCEEDED")
            outputs = [going_on.outputs[index].value for index in sorted(going_on.outputs)]
            event = TaskSucceeded(going_on.task.event_id, Payload(outputs))
            self._service.executions.apply(going_on.task, event)

    def _begin_child(self, going_on: _Distributed, index: int, payload: Payload) -> Run:
        redrivable = going_on.redrivable.pop(index, None)
        if redrivable is not None:
            going_on.record.pending_redrive -= 1
            take_up = functools.partial(self._take_up, going_on, redrivable)
            self._service.executions.beside(take_up)
            return redrivable
        name = str(uuid.uuid4())
        machine = going_on.parent.machine
        arn = self._service.executions.arn(f"{machine.name}/{going_on.command.label}", name)
        going_on.record.children[index] = arn
        return self._service.executions.start(
            machine, going_on.revision, name, payload, arn=arn, map_run_arn=going_on.record.arn
        )

    async def _take_up(self, going_on: _Distributed, child: Run) -> None:
        """Redrive a child, unless the Map run is over by now."""
        if going_on.task in self._by_task:
            await self._service.executions.redrive(child)
        if going_on.task not in self._by_task:
            self._service.executions.stop(child, None, None)
            if child.interpreter is None:
                self.finished(child)

    def _fail(self, going_on: _Distributed) -> None:
        del self._by_task[going_on.task]
        self._end(going_on, "FAILED")
        event = TaskFailed(
            going_on.task.event_id,
            "States.ExceedToleratedFailureThreshold",
            "The specified tolerated failure threshold was exceeded",
        )
        self._service.executions.apply(going_on.task, event)

    def _end(self, going_on: _Distributed, status: str) -> None:
        going_on.record.status = status
        going_on.record.stopped_at = self._service.now()
        for _, payload in going_on.pending:
            self._count(going_on, "pending", -1, payload)
            self._count(going_on, "aborted", 1, payload)
        going_on.pending.clear()
        for child in list(going_on.running.values()):
            self._service.executions.stop(child, None, None)

    def _count(self, going_on: _Distributed, state: str, change: int, payload: Payload) -> None:
        """Count a child and its items as being, or no longer being, in *state*."""
        going_on.record.executions[state] += change
        going_on.record.items[state] += change * going_on.items(payload)


def _is_batched(run: Run, command: StartMapRun) -> bool:
    visit = run.interpreter and run.interpreter.tasks.get(command.event_id)
    return bool(visit and isinstance(visit.state, MapState) and visit.state.item_batcher)


def _revision(run: Run, command: StartMapRun) -> Revision:
    """What the children run: the processor, as a machine of its own."""
    machine = StateMachine.model_construct(
        start_at=command.processor.start_at,
        states=command.processor.states,
        query_language=run.revision.definition.query_language,
    )
    return Revision(run.revision.settings, machine, run.revision.updated_at)
