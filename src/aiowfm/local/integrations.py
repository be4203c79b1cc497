"""What executions reach beyond themselves and their activities."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import TYPE_CHECKING

from aiowfm.asl.messages import CallService, StartMapRun, TaskFailed, TaskSucceeded
from aiowfm.asl.payload import JsonValue, Payload, dump
from aiowfm.local.calls import milliseconds
from aiowfm.local.distribution import Distribution
from aiowfm.local.map_runs import MapRun
from aiowfm.local.runs import Run
from aiowfm.local.tokens import TaskId

if TYPE_CHECKING:
    from aiowfm.local.service import Service


class Integrations:
    """Other services, child executions of Maps, and executions that others wait for."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._distribution = Distribution(service)
        # Tasks that wait for the end of an execution, by its number.
        self._awaiting: defaultdict[int, list[TaskId]] = defaultdict(list)

    def refusal(self, resource: str) -> str | None:
        return self._service.calls.refusal(resource)

    def call(self, run: Run, command: CallService) -> None:
        self._service.calls.call(TaskId(run.number, command.event_id), command)

    def start_map_run(self, run: Run, command: StartMapRun) -> None:
        self._service.executions.beside(functools.partial(self._distribution.start, run, command))

    def map_run_changed(self, run: MapRun) -> None:
        """Let a Map run go on under the limits it has now."""
        self._distribution.changed(run)

    def cancel(self, task: TaskId) -> None:
        self._distribution.cancel(task)

    def finished(self, run: Run) -> None:
        self._distribution.finished(run)
        for task in self._awaiting.pop(run.number, ()):
            self._answer(task, run)

    def await_end(self, task: TaskId, child: Run) -> None:
        """Tell a task when the execution that it started has ended."""
        if child.interpreter is None:
            self._answer(task, child)
        else:
            self._awaiting[child.number].append(task)

    def _answer(self, task: TaskId, child: Run) -> None:
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
