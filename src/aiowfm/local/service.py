"""The operations of the Step Functions API, on this machine.

Each does what AWS documents for the operation of its name and raises
`ServiceError` with AWS's code. A call is acknowledged when its events are kept.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio

from aiowfm.asl.history import HistoryEvent
from aiowfm.asl.messages import ActivityStarted, TaskEvent, TaskFailed, TaskHeartbeat, TaskSucceeded
from aiowfm.asl.payload import Payload
from aiowfm.local.activities import Activities, Activity
from aiowfm.local.errors import ServiceError
from aiowfm.local.executions import Executions, Run
from aiowfm.local.machines import Machine, Machines
from aiowfm.local.store import MemoryStore, Store
from aiowfm.local.tokens import TaskId, TokenMint
from aiowfm.names import StateMachineArn
from aiowfm.ports import MAX_PAYLOAD_BYTES, ActivityTask


class Service:
    """Step Functions for one account and region."""

    def __init__(
        self,
        *,
        region: str,
        account_id: str,
        store: Store | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        prefix = f"arn:aws:states:{region}:{account_id}"
        self.role_arn = f"arn:aws:iam::{account_id}:role/aiowfm"
        self._now = now
        self._store = store or MemoryStore()
        self._mint = TokenMint(secrets.token_bytes(32))
        self.activities = Activities(prefix)
        self.machines = Machines(prefix)
        self.executions = Executions(prefix, self._store, self.activities, now)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let time pass on the running loop: timers fire while this is entered."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.executions.run_timers)
            yield
            group.cancel_scope.cancel()

    async def create_activity(self, name: str) -> Activity:
        activity = self.activities.create(name, self._now())
        await self._store.flushed()
        return activity

    async def get_activity_task(self, arn: str, worker_name: str | None) -> ActivityTask | None:
        taken = await self.activities.get(arn).take()
        if taken is None:
            return None
        task, payload = taken
        self.executions.apply(task, ActivityStarted(task.event_id, worker_name))
        await self._store.flushed()
        return ActivityTask(token=self._mint.token(task), input=payload.text)

    async def send_task_success(self, token: str, output: str) -> None:
        value = _json(output, "InvalidOutput")
        task = self._task(token)
        await self._finish_task(task, TaskSucceeded(task.event_id, value))

    async def send_task_failure(self, token: str, error: str | None, cause: str | None) -> None:
        task = self._task(token)
        await self._finish_task(task, TaskFailed(task.event_id, error, cause))

    async def send_task_heartbeat(self, token: str) -> None:
        task = self._task(token)
        await self._finish_task(task, TaskHeartbeat(task.event_id))

    async def create_state_machine(
        self,
        name: str,
        definition: str,
        role_arn: str,
        tags: Mapping[str, str],
        *,
        publish: bool = False,
    ) -> StateMachineArn:
        """Make a state machine; its ARN or, with *publish*, that of its version."""
        machine = self.machines.create(name, definition, role_arn, tags, self._now())
        arn = machine.published() if publish else machine.arn
        await self._store.flushed()
        return arn

    async def update_state_machine(
        self, arn: str, definition: str, role_arn: str, *, publish: bool = False
    ) -> StateMachineArn:
        """Replace a definition; the ARN or, with *publish*, that of the new version."""
        machine = self.machines.update(arn, definition, role_arn)
        updated = machine.published() if publish else machine.arn
        await self._store.flushed()
        return updated

    async def tag_resource(self, arn: str, tags: Mapping[str, str]) -> None:
        self.machines.get(arn).tags.update(tags)
        await self._store.flushed()

    def describe_state_machine(self, arn: str) -> Machine:
        return self.machines.get(arn)

    async def start_execution(self, machine_arn: str, name: str, input: str) -> Run:
        value = _json(input, "InvalidExecutionInput")
        machine, revision = self.machines.resolve(machine_arn)
        run = self.executions.find(self.executions.arn(machine.name, name))
        if run is None:
            run = self.executions.start(machine, revision, name, value)
        elif run.status != "RUNNING" or run.input != value:
            raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{run.arn}'")
        await self._store.flushed()
        return run

    def describe_execution(self, arn: str) -> Run:
        return self.executions.get(arn)

    async def execution_finished(self, arn: str) -> Run:
        """Wait until an execution has finished; no operation of AWS's."""
        run = self.executions.get(arn)
        await self.executions.finished(run)
        await self._store.flushed()
        return run

    async def stop_execution(self, arn: str, error: str | None, cause: str | None) -> Run:
        run = self.executions.get(arn)
        self.executions.stop(run, error, cause)
        await self._store.flushed()
        return run

    def list_executions(self, machine_arn: str) -> Sequence[Run]:
        """All executions of a machine, oldest first."""
        return self.executions.of_machine(self.machines.get(machine_arn).name)

    def get_execution_history(self, arn: str) -> Sequence[HistoryEvent]:
        return self._store.history(self.executions.get(arn).number)

    def _task(self, token: str) -> TaskId:
        task = self._mint.read(token)
        if task is None:
            raise ServiceError("InvalidToken", "Invalid Token: 'Invalid token'")
        return task

    async def _finish_task(self, task: TaskId, event: TaskEvent) -> None:
        if not self.executions.apply(task, event):
            raise ServiceError(
                "TaskTimedOut",
                "Task Timed Out: 'Provided task does not exist anymore'",
            )
        await self._store.flushed()


def _json(text: str, code: str) -> Payload:
    if len(text.encode()) > MAX_PAYLOAD_BYTES:
        raise ServiceError(
            "ValidationException", f"the payload exceeds {MAX_PAYLOAD_BYTES} bytes of UTF-8"
        )
    try:
        return Payload.parsed(text)
    except (ValueError, RecursionError) as exc:
        raise ServiceError(code, f"Invalid JSON: {exc}") from exc
