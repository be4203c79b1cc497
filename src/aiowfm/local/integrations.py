"""What executions reach beyond themselves and their activities."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from aiowfm.asl.messages import CallService, StartMapRun
from aiowfm.local import deletion
from aiowfm.local.distribution import Distribution
from aiowfm.local.map_runs import MapRun
from aiowfm.local.nested import NestedExecutions
from aiowfm.local.runs import Run
from aiowfm.local.tokens import TaskId

if TYPE_CHECKING:
    from aiowfm.local.service import Service


class Integrations:
    """Other services, child executions of Maps, and executions that others wait for."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._distribution = Distribution(service)
        self.nested = NestedExecutions(service)

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
        self.nested.cancel(task)

    def waits_for(self, run: Run) -> bool:
        is_child = run.origin.map_run_arn is not None
        return is_child or run.machine.is_deleting or self.nested.waits_for(run)

    def finished(self, run: Run) -> None:
        self._distribution.finished(run)
        self.nested.finished(run)
        deletion.go_on(self._service, run.machine)
