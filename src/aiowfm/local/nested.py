"""Executions that Tasks started and wait for: `startExecution.sync` and `.sync:2`.

An execution that ends is its task's result; a task that is given up stops its execution.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import TYPE_CHECKING

from aiowfm.asl.messages import TaskFailed, TaskSucceeded
from aiowfm.asl.payload import JsonValue, Payload, dump
from aiowfm.local.calls import milliseconds
from aiowfm.local.runs import Run
from aiowfm.local.tokens import TaskId

if TYPE_CHECKING:
    from aiowfm.local.service import Service

_STOPPING = "stopping"  # the kind of documents that note which execution is yet to be stopped


class NestedExecutions:
    """The executions that Tasks wait for."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._waiting: defaultdict[int, list[TaskId]] = defaultdict(list)
        self._started: dict[TaskId, str] = {}

    async def load(self) -> None:
        """Stop what was to be stopped when the process died."""
        for arn, parent in await self._service.store.documents(_STOPPING):
            self._service.executions.beside(functools.partial(self._stop, arn, int(parent)))

    def note(self, task: TaskId, arn: str) -> None:
        """Learn which execution a task started that was read from the store."""
        self._started[task] = arn

    def await_end(self, task: TaskId, child: Run) -> None:
        """Tell a task when the execution that it started has ended."""
        if not self._service.executions.awaits(task):
            self._give_up(task, child.arn)  # it ended while the execution was being started
        elif child.interpreter is None:
            self._answer(task, child)
        else:
            self._started[task] = child.arn
            self._waiting[child.number].append(task)

    def waits_for(self, run: Run) -> bool:
        """Whether tasks wait for *run*."""
        return run.number in self._waiting

    def finished(self, run: Run) -> None:
        """Tell the tasks that wait for *run*."""
        for task in self._waiting.pop(run.number, ()):
            self._answer(task, run)

    def cancel(self, task: TaskId) -> None:
        """Nobody waits for *task* any more: nor for its execution, if it has one."""
        arn = self._started.pop(task, None)
        if arn is not None:
            self._give_up(task, arn)

    def _give_up(self, task: TaskId, arn: str) -> None:
        # Kept together with the end of the task: whatever happens now, it will be stopped.
        self._service.store.put(_STOPPING, arn, str(task.execution))
        self._service.executions.beside(functools.partial(self._stop, arn, task.execution))

    async def _stop(self, arn: str, parent: int) -> None:
        executions = self._service.executions
        child = await executions.find(arn)
        if child is not None and child.interpreter is not None:
            starter = executions.live(parent)
            found = [starter] if starter else await executions.select("number = ?", (parent,))
            shown = "".join(f" execution [{each.arn}]" for each in found)
            executions.stop(
                child,
                None,
                f"The Task state in AWS Step Functions{shown} which was managing this resource"
                " was aborted",
            )
        self._service.store.put(_STOPPING, arn, None)

    def _answer(self, task: TaskId, child: Run) -> None:
        self._started.pop(task, None)
        visit = self._service.executions.waiting_for(task)
        if visit is None:
            return  # it does not wait any more
        resource = getattr(visit.state, "resource", "")
        shown = _described(child, as_json=resource.endswith(".sync:2"))
        if child.status == "SUCCEEDED":
            event = TaskSucceeded(task.event_id, Payload(shown))
            self._service.executions.apply(task, event)
        else:
            failed = TaskFailed(task.event_id, "States.TaskFailed", dump(shown))
            self._service.executions.apply(task, failed)


def _described(run: Run, *, as_json: bool) -> JsonValue:
    """DescribeExecution, as its integration gives it."""

    def data(payload: Payload) -> JsonValue:
        return payload.value if as_json else payload.text

    shown: dict[str, JsonValue] = {
        "ExecutionArn": run.arn,
        "Input": data(run.input),
        "InputDetails": {"Included": True},
        "Name": run.name,
        "RedriveCount": run.redrive_count,
        "RedriveStatus": "NOT_REDRIVABLE" if run.status == "SUCCEEDED" else "REDRIVABLE",
        "StartDate": milliseconds(run.started_at),
        "StateMachineArn": run.machine.arn,
        "Status": run.status,
        "StopDate": milliseconds(run.stopped_at or run.started_at),
    }
    if run.status == "SUCCEEDED":
        shown["RedriveStatusReason"] = "Execution is SUCCEEDED and cannot be redriven"
    if run.output is not None:
        shown["Output"] = data(run.output)
        shown["OutputDetails"] = {"Included": True}
    if run.error is not None:
        shown["Error"] = run.error
    if run.cause is not None:
        shown["Cause"] = run.cause
    return shown
