"""The embedded backend on a virtual clock, with faults at its ports."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiowfm.errors import BackendUnavailableError
from aiowfm.local import LocalBackend
from aiowfm.names import ActivityArn, StateMachineArn, last_part
from aiowfm.ports import (
    ActivityTask,
    CallbackStorage,
    Execution,
    OpenBackend,
    TaskReporter,
    TaskSource,
    TaskToken,
)
from aiowfm.tasks.context import TaskContext
from aiowfm.tasks.envelope import opened
from aiowfm.testing.callbacks import FaultyCallbackStorage
from aiowfm.testing.faults import Faults
from aiowfm.waits import Wait


class VirtualBackend:
    """A `LocalBackend` whose time is *clock*'s; what runs on it outlives each opening of it."""

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float], faults: Faults
    ) -> None:
        self._local = LocalBackend(path, clock=clock, retention=None)
        self._faults = faults
        self.task_of: Callable[[str], str] = str  # by the name of the activity

    @asynccontextmanager
    async def open(self, *, max_polls: int) -> AsyncIterator[OpenBackend]:
        """Open it on the running loop."""
        async with self._local.open(max_polls=max_polls) as local:
            tasks = FaultyTasks(local.tasks, local.reporter, self._faults, self.task_of)
            yield FaultyBackend(local, tasks, self._faults)

    async def wait_under(self, storage: str, key: str) -> Wait | None:
        """What is kept under *key* in the table named *storage*."""
        return await self._local.service.waits.find(storage, key)


class FaultyBackend:
    """An open backend with other ports for tasks and callbacks, and for starting executions."""

    def __init__(self, backend: OpenBackend, tasks: FaultyTasks, faults: Faults) -> None:
        self.tasks: TaskSource = tasks
        self.reporter: TaskReporter = tasks
        self.activities = backend.activities
        self.state_machines = backend.state_machines
        self.machine_versions = backend.machine_versions
        self.executions = _FaultyExecutions(backend.executions, faults)
        self.diagnostics = backend.diagnostics
        self.search = backend.search
        self.recalls = backend.recalls
        self.now = backend.now
        self._backend = backend
        self._faults = faults

    def callbacks(self, name: str) -> CallbackStorage:
        """The queue and the table of an application's callbacks, with faults."""
        return FaultyCallbackStorage(self._backend.callbacks(name), self._faults)


class FaultyTasks:
    """Tasks to take and to answer, as far as no fault was ordered."""

    def __init__(
        self,
        source: TaskSource,
        reporter: TaskReporter,
        faults: Faults,
        task_of: Callable[[str], str],
    ) -> None:
        self._source = source
        self._reporter = reporter
        self._faults = faults
        self._task_of = task_of
        self._contexts: dict[TaskToken, TaskContext] = {}
        self._unheard: set[TaskToken] = set()
        self.interrupt = source.interrupt

    async def poll(self, activity: ActivityArn, worker_name: str) -> ActivityTask | None:
        name = self._task_of(last_part(activity))
        self._faults.throttled("poll", name)
        task = await self._source.poll(activity, worker_name)
        if task is not None:
            context = _context(task, name, worker_name)
            self._contexts[task.token] = context
            if self._faults.hits("heartbeats", context):
                self._unheard.add(task.token)
        return task

    async def succeed(self, token: TaskToken, output: str) -> None:
        if self._is_heard(token):
            await self._reporter.succeed(token, output)
            self._answer(token)

    async def fail(self, token: TaskToken, error: str, cause: str) -> None:
        if self._is_heard(token):
            await self._reporter.fail(token, error, cause)
            self._answer(token)

    async def heartbeat(self, token: TaskToken) -> None:
        self._faults.throttled("heartbeat", *self._names(token))
        if token not in self._unheard:
            await self._reporter.heartbeat(token)

    def _is_heard(self, token: TaskToken) -> bool:
        """Whether the report that is made now arrives."""
        self._faults.throttled("report", *self._names(token))
        return not self._faults.hits("result", self._contexts.get(token))

    def _answer(self, token: TaskToken) -> None:
        if self._faults.hits("answer", self._contexts.get(token)):
            raise BackendUnavailableError(
                "SendTaskSuccess", "ConnectionClosedError", "the answer got lost, as ordered"
            )
        self._contexts.pop(token, None)

    def _names(self, token: TaskToken) -> tuple[str | None, ...]:
        context = self._contexts.get(token)
        return () if context is None else (context.task_name, context.state_name)


class _FaultyExecutions:
    def __init__(self, executions: Any, faults: Faults) -> None:
        self._executions = executions
        self._faults = faults

    async def start(self, machine: StateMachineArn, name: str, input: str) -> Execution:
        self._faults.throttled("start")
        execution: Execution = await self._executions.start(machine, name, input)
        return execution

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executions, name)


def _context(task: ActivityTask, name: str, worker_name: str) -> TaskContext:
    async def beat() -> None: ...

    return opened(task, task_name=name, worker_name=worker_name, beat=beat)
