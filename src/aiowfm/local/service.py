"""The Step Functions API, on this machine.

`call` does any operation by its name, in AWS's shapes. The methods beside it are the
same work for callers in the program, with types. A refusal is a `ServiceError` with
AWS's code; a call is acknowledged when its events are kept.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from aiowfm.asl import rules
from aiowfm.asl.history import HistoryEvent
from aiowfm.asl.messages import TaskEvent, TaskFailed, TaskHeartbeat, TaskSucceeded
from aiowfm.asl.payload import Payload
from aiowfm.errors import ConfigError
from aiowfm.local import definitions, redrives
from aiowfm.local.activities import Activities, Activity
from aiowfm.local.arns import Arns, checked_name
from aiowfm.local.calls import ServiceCalls
from aiowfm.local.errors import ServiceError
from aiowfm.local.executions import Executions
from aiowfm.local.integrations import Integrations
from aiowfm.local.machines import Machine, Machines, Settings, Target
from aiowfm.local.map_runs import MapRun, MapRuns
from aiowfm.local.operations.table import OPERATIONS
from aiowfm.local.paging import Pages
from aiowfm.local.queues import MessageSender, Queues
from aiowfm.local.recovery import recover
from aiowfm.local.retention import Retention
from aiowfm.local.runs import NO_ORIGIN, Origin, Run
from aiowfm.local.storage.database import MEMORY, RETENTION_SECONDS, Database
from aiowfm.local.storage.store import Store
from aiowfm.local.tags import merged
from aiowfm.local.tokens import TaskId, TokenMint
from aiowfm.local.waits import Waits
from aiowfm.names import StateMachineArn
from aiowfm.ports import MAX_PAYLOAD_BYTES, ActivityTask, TaskToken


class Service:
    """Step Functions for one account and region."""

    def __init__(
        self,
        *,
        region: str,
        account_id: str,
        database: Database | None = None,
        sender: MessageSender | None = None,
        now: Callable[[], float] = time.time,
        retention: float | None = RETENTION_SECONDS,
    ) -> None:
        """Make a service; nothing runs yet.

        Args:
            region: Part of the ARNs.
            account_id: Part of the ARNs.
            database: Where all is kept; None: in memory.
            sender: Where the messages of `sqs:sendMessage` go; None: to `queues`.
            now: The time in seconds since the epoch.
            retention: How many seconds after their end executions are removed; None: never.

        Raises:
            ConfigError: *retention* is not usable.
        """
        rules.prepare()
        self.arns = Arns(region, account_id)
        self.role_arn = f"arn:aws:iam::{account_id}:role/aiowfm"
        self.now = now
        self.store = Store(database or Database(MEMORY, "none"))
        self._mint = TokenMint()
        self.pages = Pages()
        self.activities = Activities(self.arns, self.store)
        self.machines = Machines(self.arns, self.store)
        self.map_runs = MapRuns(self.store)
        self.executions = Executions(
            self.arns.prefix, self.store, self.machines, self.activities, now, self._mint.token
        )
        self.retention = Retention(self.store, self.executions, self.machines, now, retention)
        self.queues = Queues(self.store, now)
        self.waits = Waits(self.store, now)
        self._is_loaded = False
        self.integrations = Integrations(self)
        self.calls = ServiceCalls(
            self.executions,
            self.queues,
            self.begin_execution,
            self.integrations.nested.await_end,
            sender,
        )
        self.executions.surround(self.integrations)

    async def open(self) -> None:
        """Open the database, and take up what it has.

        Raises:
            ConfigError: it cannot be used, and why.
        """
        try:
            await self.store.open()
            if not self._is_loaded:
                await recover(self)
                await self.retention.load()
                self._is_loaded = True
        except (OSError, sqlite3.Error) as exc:
            raise ConfigError(f"LocalBackend({self.store.path!r}): {exc}") from exc
        except ServiceError as exc:
            raise ConfigError(f"LocalBackend({self.store.path!r}): {exc.message}") from exc

    async def run(self) -> None:
        """Let time pass on the running loop, until cancelled: timers fire, and all is kept."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.store.run)
            group.start_soon(self.executions.run)
            group.start_soon(self.retention.run)
            group.start_soon(self.waits.run)
            group.start_soon(self.queues.run)

    async def close(self) -> None:
        """Keep all there is, and close a file."""
        self.queues.close()
        await self.store.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open it and let it run while this is entered."""
        try:
            await self.open()
            async with anyio.create_task_group() as group:
                group.start_soon(self.run)
                yield
                group.cancel_scope.cancel()
        finally:
            await self.close()

    def use_secret(self, secret: bytes) -> None:
        """Sign task tokens and those of pages with *secret*."""
        self._mint.secret = self.pages.secret = secret

    async def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, object]:
        """Do *operation* of the API.

        Args:
            operation: Its name, as `StartExecution`.
            request: Its parameters, which have the types of the API. What else they
                must fulfil is checked here only where the API has an error for it.

        Returns:
            The answer in AWS's shape; times in seconds since the epoch.

        Raises:
            ServiceError: The answer is a refusal.
            KeyError: There is no such operation, or a parameter it needs is missing.
        """
        return await OPERATIONS[operation](self, request)

    async def flushed(self) -> None:
        """Wait until all that was done is kept.

        Raises:
            ServiceError: ServiceUnavailable; it will be kept as soon as that is possible.
        """
        await self.store.flushed()

    # Activities and tasks.

    async def create_activity(self, name: str) -> Activity:
        activity = self.activities.create(name, self.now())
        await self.flushed()
        return activity

    async def get_activity_task(self, arn: str, worker_name: str | None) -> ActivityTask | None:
        """A task, the moment there is one; None if none comes within a minute.

        Cancelling this loses no task; `take_back` is for what cannot be delivered later.
        """
        self.store.check()
        taken = await self.activities.take(arn, worker_name)
        if taken is None:
            return None
        task, payload = taken
        handed_out = ActivityTask(token=self._mint.token(task), input=payload.text)
        try:
            await self.flushed()
        except BaseException:
            self.take_back(arn, handed_out)
            raise
        return handed_out

    def take_back(self, arn: str, taken: ActivityTask) -> None:
        """Offer a task again that never reached the worker it was handed out to.

        Its clocks go on running, and its history knows of one start only.
        """
        task = self._task(taken.token)
        if self.executions.awaits(task):
            self.activities.give_back(arn, task, Payload(text=taken.input))

    async def send_task_success(self, token: str, output: str) -> None:
        value = _json(output, "InvalidOutput", "Invalid Output")
        task = self._task(token)
        await self._finish_task(task, TaskSucceeded(task.event_id, value))

    async def send_task_failure(self, token: str, error: str | None, cause: str | None) -> None:
        task = self._task(token)
        await self._finish_task(task, TaskFailed(task.event_id, error, cause))

    async def send_task_heartbeat(self, token: str) -> None:
        task = self._task(token)
        await self._finish_task(task, TaskHeartbeat(task.event_id))

    def expect_recall(self, token: str, call: Callable[[], None]) -> TaskId:
        """Call *call* when an activity's task is not awaited any more; which task that is."""
        task = self._task(token)
        if self.executions.awaits(task):
            self.activities.expect_recall(task, call)
        else:
            call()
        return task

    # State machines.

    async def create_state_machine(
        self,
        name: str,
        definition: str,
        role_arn: str,
        tags: Mapping[str, str],
        *,
        publish: bool = False,
        description: str | None = None,
    ) -> StateMachineArn:
        """Make a state machine; its ARN or, with *publish*, that of its version."""
        settings = Settings(text=definition, role_arn=role_arn)
        model = await definitions.parsed(definition)
        machine = self.machines.add(
            checked_name(name), "STANDARD", settings, model, tags, self.now()
        )
        arn = self._published(machine, description) if publish else machine.arn
        await self.flushed()
        return arn

    async def update_state_machine(
        self,
        arn: str,
        definition: str,
        role_arn: str,
        *,
        publish: bool = False,
        description: str | None = None,
    ) -> StateMachineArn:
        """Replace a definition; the ARN or, with *publish*, that of the new version."""
        machine = self.machines.own(arn)
        machine.check()
        model = await definitions.parsed(definition, machine.type)
        self.machines.change(
            machine, Settings(text=definition, role_arn=role_arn), model, self.now()
        )
        updated = self._published(machine, description) if publish else machine.arn
        await self.flushed()
        return updated

    async def tag_resource(self, arn: str, tags: Mapping[str, str]) -> None:
        machine = self.machines.own(arn)
        machine.tags = merged(arn, machine.tags, tags)
        self.machines.save(machine)
        await self.flushed()

    def describe_state_machine(self, arn: str) -> Machine:
        return self.machines.get(arn)

    # Executions.

    async def start_execution(self, machine_arn: str, name: str | None, input: str) -> Run:
        """Start an execution; the same name and input while it runs is the same one."""
        run = await self.begin_execution(machine_arn, name, input)
        await self.flushed()
        return run

    async def begin_execution(self, machine_arn: str, name: str | None, input: str) -> Run:
        """As `start_execution`, without waiting until that is kept."""
        self.store.check()
        value = _json(input, "InvalidExecutionInput", "Invalid State Machine Execution Input")
        target = self.machines.active(machine_arn)
        name = checked_name(name or str(uuid.uuid4()))
        run = None
        if not target.machine.is_express:
            run = await self._running(target, name, value)
        # Asking may have taken a while: the machine can be another by now, or gone.
        return run or self._start(self.machines.active(machine_arn), name, value)

    async def describe_execution(self, arn: str) -> Run:
        return await self.executions.get(arn)

    async def execution_finished(self, arn: str) -> Run:
        """Wait until an execution has finished; no operation of AWS's."""
        run = await self.executions.get(arn)
        await self.executions.finished(run)
        await self.flushed()
        return run

    async def stop_execution(self, arn: str, error: str | None, cause: str | None) -> Run:
        self.store.check()
        run = await self.executions.get(arn)
        self.executions.stop(run, error, cause)
        await self.flushed()
        return run

    async def redrive_execution(self, arn: str, token: str | None = None) -> Run:
        """Take up again an execution that has not succeeded.

        Args:
            arn: The execution.
            token: The client's; the same one again is the same call again.

        Raises:
            ServiceError: ExecutionDoesNotExist, ExecutionNotRedrivable.
        """
        self.store.check()
        with self.retention.holding(arn):
            run = await redrives.redrive(self, arn, token)
        await self.flushed()
        return run

    def map_run_changed(self, run: MapRun) -> None:
        """Let a Map run go on under the limits it has now."""
        self.integrations.map_run_changed(run)

    async def get_execution_history(self, arn: str) -> Sequence[HistoryEvent]:
        return await self.store.history((await self.executions.get(arn)).number)

    # How they do it.

    def _published(self, machine: Machine, description: str | None) -> StateMachineArn:
        number = machine.publish(self.now(), description).number
        self.machines.save(machine)
        return machine.version_arn(number)

    async def _running(self, target: Target, name: str, input: Payload) -> Run | None:
        run = await self.executions.find(self.executions.arn(target.machine.name, name))
        if run is None or run.machine is not target.machine:
            return None  # that was another machine's, deleted since
        if run.status != "RUNNING" or run.input != input:
            raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{run.arn}'")
        return run

    def _start(self, target: Target, name: str, input: Payload) -> Run:
        machine, revision, version, alias = target
        arn = None
        if machine.is_express:
            arn = self.arns.express(machine.name, name, str(uuid.uuid4()))
        origin = NO_ORIGIN
        if version is not None:
            alias_arn = None if alias is None else alias.arn
            origin = Origin(version_arn=machine.version_arn(version.number), alias_arn=alias_arn)
        return self.executions.start(machine, revision, name, input, arn=arn, origin=origin)

    def _task(self, token: str) -> TaskId:
        task = self._mint.read(TaskToken(token))
        if task is None:
            raise ServiceError("InvalidToken", "Invalid Token: 'Invalid token'")
        return task

    async def _finish_task(self, task: TaskId, event: TaskEvent) -> None:
        self.store.check()
        await self.calls.called(task)
        if not self.executions.apply(task, event):
            raise ServiceError(
                "TaskTimedOut",
                "Task Timed Out: 'Provided task does not exist anymore'",
            )
        await self.flushed()


def _json(text: str, code: str, what: str) -> Payload:
    if len(text.encode(errors="replace")) > MAX_PAYLOAD_BYTES:
        raise ServiceError(
            "ValidationException", f"the payload exceeds {MAX_PAYLOAD_BYTES} bytes of UTF-8"
        )
    try:
        text.encode()
        return Payload.parsed(text)
    except (ValueError, RecursionError) as exc:
        raise ServiceError(code, f"{what}: '{exc}'") from exc
