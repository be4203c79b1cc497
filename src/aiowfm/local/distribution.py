"""Distributed Maps: each item, or batch of items, in a child execution of its own."""

from __future__ import annotations

import functools
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiowfm.asl.messages import StartMapRun, TaskFailed, TaskSucceeded
from aiowfm.asl.model import MapState, StateMachine
from aiowfm.asl.payload import Payload
from aiowfm.local.executions import definition_at
from aiowfm.local.machines import Revision
from aiowfm.local.map_runs import MapRun, item_count
from aiowfm.local.runs import Origin, Run
from aiowfm.local.tokens import TaskId

if TYPE_CHECKING:
    from aiowfm.local.service import Service

# AWS runs at most so many child executions at once.
MAX_AT_ONCE = 10_000
# Children that are begun before others work again: a millisecond or two.
BEGUN_PER_TURN = 10

_COUNTS = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
}


@dataclass(slots=True, eq=False)
class _Distributed:
    """A Map run that is going on.

    Attributes:
        definition: What the children run.
        place: Where in the definition of the parent's machine that is.
        pending: Children that are yet to be started or, if `redrivable`, taken up again.
    """

    task: TaskId
    parent: Run
    record: MapRun
    command: StartMapRun
    revision: Revision
    definition: StateMachine
    is_batched: bool
    pending: deque[tuple[int, Payload]] = field(default_factory=deque)
    running: dict[int, Run] = field(default_factory=dict)
    outputs: dict[int, Payload] = field(default_factory=dict)
    failures: int = 0
    redrivable: dict[int, Run] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str | int, ...]:
        return self.parent.origin.place + self.command.place


class Distribution:
    """Runs the children of distributed Maps."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._by_task: dict[TaskId, _Distributed] = {}
        self._by_child: dict[int, tuple[_Distributed, int]] = {}

    async def start(self, run: Run, command: StartMapRun) -> None:
        """Begin a Map run, take one up that was read from the store, or redrive one."""
        task = TaskId(run.number, command.event_id)
        revision = await self._service.machines.revision(run.revision)
        record = self._service.map_runs.live(command.arn)
        is_new = record is None and not command.is_redrive
        children: list[Run] = []
        if not is_new:
            record = record or await self._service.map_runs.find(command.arn)
            children = await self._service.executions.select("map_run = ?", (command.arn,))
        if task in self._by_task or not self._service.executions.awaits(task):
            return
        if record is None:
            record = self._record(run, command)
        elif record.status != "RUNNING":
            record.status, record.stopped_at = "RUNNING", None
            record.redrive_count += 1
            record.redriven_at = self._service.now()
        going_on = self._by_task[task] = _Distributed(
            task,
            run,
            record,
            command,
            revision,
            _definition(run, command),
            _is_batched(run, command),
        )
        self._sort(going_on, children)
        self._service.map_runs.save(record)
        self._go_on(going_on)

    def changed(self, record: MapRun) -> None:
        """Go on under the limits that *record* has now."""
        self._service.map_runs.save(record)
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
        elif not going_on.running:
            self._service.map_runs.save(going_on.record)

    def _record(self, run: Run, command: StartMapRun) -> MapRun:
        return MapRun(
            arn=command.arn,
            execution=run.number,
            execution_arn=run.arn,
            state_machine_arn=f"{run.machine.arn}/{command.label}",
            started_at=self._service.now(),
            max_concurrency=command.max_concurrency,
            tolerated_failure_count=command.tolerated_count,
            tolerated_failure_percentage=command.tolerated_percentage,
        )

    def _sort(self, going_on: _Distributed, children: Iterable[Run]) -> None:
        """Find out which children there are, and which are yet to be started or taken up."""
        record, by_index = going_on.record, {run.origin.map_index: run for run in children}
        record.forget_counts()
        for index, payload in enumerate(going_on.command.inputs):
            child = by_index.get(index)
            state = "pending" if child is None else _COUNTS[child.status]
            if child is None:
                going_on.pending.append((index, payload))
            elif child.status == "SUCCEEDED" and child.output is not None:
                going_on.outputs[index] = child.output
            elif child.status == "RUNNING":
                going_on.running[index] = child
                self._by_child[child.number] = (going_on, index)
            elif child.origin.map_attempt + child.redrive_count < record.redrive_count:
                state = "pending"
                going_on.pending.append((index, payload))
                going_on.redrivable[index] = child
                record.pending_redrive += 1
            else:
                going_on.failures += 1
            self._count(going_on, state, 1, payload)

    def _go_on(self, going_on: _Distributed) -> None:
        """Start as many children as may run, or give the result if all are done."""
        if going_on.record.is_exceeded_by(going_on.failures):
            self._fail(going_on)
            return
        limit = going_on.record.max_concurrency or MAX_AT_ONCE
        for _ in range(BEGUN_PER_TURN):
            if not going_on.pending or len(going_on.running) >= limit:
                break
            index, payload = going_on.pending.popleft()
            self._count(going_on, "pending", -1, payload)
            self._count(going_on, "running", 1, payload)
            child = self._begin_child(going_on, index, payload)
            going_on.running[index] = child
            self._by_child[child.number] = (going_on, index)
        else:
            self._service.executions.later(functools.partial(self._begin_more, going_on))
        if not going_on.pending and not going_on.running:
            del self._by_task[going_on.task]
            self._end(going_on, "SUCCEEDED")
            outputs = [going_on.outputs[index].value for index in sorted(going_on.outputs)]
            event = TaskSucceeded(going_on.task.event_id, Payload(outputs))
            self._service.executions.apply(going_on.task, event)

    def _begin_more(self, going_on: _Distributed) -> None:
        if going_on.task in self._by_task:
            self._go_on(going_on)

    def _begin_child(self, going_on: _Distributed, index: int, payload: Payload) -> Run:
        redrivable = going_on.redrivable.pop(index, None)
        if redrivable is not None:
            going_on.record.pending_redrive -= 1
            take_up = functools.partial(self._take_up, going_on, redrivable)
            self._service.executions.beside(take_up)
            return redrivable
        name = str(uuid.uuid4())
        machine = going_on.parent.machine
        return self._service.executions.start(
            machine,
            going_on.revision,
            name,
            payload,
            arn=self._service.executions.arn(f"{machine.name}/{going_on.command.label}", name),
            origin=Origin(
                map_run_arn=going_on.record.arn,
                map_index=index,
                map_attempt=going_on.record.redrive_count,
                place=going_on.place,
            ),
            definition=going_on.definition,
        )

    async def _take_up(self, going_on: _Distributed, child: Run) -> None:
        """Redrive a child, unless the Map run is over by now."""
        if going_on.task in self._by_task:
            child = await self._service.executions.redrive(child)
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
        record = going_on.record
        record.status = status
        record.stopped_at = self._service.now()
        for _, payload in going_on.pending:
            self._count(going_on, "pending", -1, payload)
            self._count(going_on, "aborted", 1, payload)
        going_on.pending.clear()
        record.pending_redrive = 0
        self._service.map_runs.save(record)
        for child in going_on.running.values():
            self._service.executions.later(
                functools.partial(self._service.executions.stop, child, None, None)
            )

    def _count(self, going_on: _Distributed, state: str, change: int, payload: Payload) -> None:
        """Count a child and its items as being, or no longer being, in *state*."""
        going_on.record.executions[state] += change
        items = item_count(payload, is_batched=going_on.is_batched)
        going_on.record.items[state] += change * items


def _is_batched(run: Run, command: StartMapRun) -> bool:
    visit = run.interpreter and run.interpreter.tasks.get(command.event_id)
    return bool(visit and isinstance(visit.state, MapState) and visit.state.item_batcher)


def _definition(run: Run, command: StartMapRun) -> StateMachine:
    assert run.interpreter is not None  # it waits for the Map run
    return definition_at(run.interpreter.machine, command.place)
