"""`LocalBackend`: the ports, on the service of this machine."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import get_args

import anyio

from aiowfm import ports
from aiowfm.errors import ConfigError, EngineStateError
from aiowfm.local import histories
from aiowfm.local.callbacks import LocalCallbackStorage
from aiowfm.local.diagnostics import LocalDiagnostics
from aiowfm.local.errors import translated
from aiowfm.local.retention import DEFAULT_SECONDS
from aiowfm.local.runs import shown
from aiowfm.local.searches import LocalSearch, of_machine
from aiowfm.local.service import Service
from aiowfm.local.state_machines import LocalMachineVersions, LocalStateMachines
from aiowfm.local.storage.database import MEMORY, Database, Durability
from aiowfm.local.tokens import TaskId
from aiowfm.names import ActivityArn, ExecutionArn, StateMachineArn

LISTED_AT_ONCE = 100

_ACCOUNT_ID = re.compile(r"[0-9]{12}")


class LocalBackend:
    """Step Functions embedded in the program.

    One object may serve several engines at once, on one event loop; what runs on it
    outlives each of them and goes on when the next one starts. A file outlives the
    process, too: what was acknowledged is in it, and goes on when it is opened again.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = MEMORY,
        *,
        durability: Durability = "commit",
        retention: float | None = DEFAULT_SECONDS,
        region: str = "us-east-1",
        account_id: str = "000000000000",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a backend; nothing is opened yet.

        Args:
            path: A SQLite file, which is made where there is none and has one owner at a
                time; `:memory:` for what need not outlive this object.
            durability: What an acknowledged call survives: `commit`, the death of the
                process; `fsync`, that of the machine; `none`, neither, but the file stays
                sound when only the process dies. Means nothing in memory.
            retention: How many seconds after their end workflows are removed, 90 days
                unless given; None: never.
            region: Part of the ARNs.
            account_id: Part of the ARNs, 12 digits.
            clock: The time in seconds since the epoch.

        Raises:
            ConfigError: an argument is not usable.
        """
        if durability not in get_args(Durability):
            known = ", ".join(map(repr, get_args(Durability)))
            raise ConfigError(f"durability: give one of {known}, not {durability!r}")
        if not isinstance(account_id, str) or not _ACCOUNT_ID.fullmatch(account_id):
            raise ConfigError(f"account_id: give 12 digits as text, not {account_id!r}")
        self._database = Database(os.fspath(path), durability)
        self._make_service = functools.partial(
            Service,
            region=region,
            account_id=account_id,
            database=self._database,
            now=clock,
            retention=retention,
        )
        self._service = self._make_service()
        self._opening = anyio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._users = 0
        self._timekeeping = anyio.Lock()

    @property
    def is_made(self) -> bool:
        """Whether opening it makes no file."""
        return not self._database.is_file or os.path.exists(self._database.path)

    @property
    def path(self) -> str | None:
        """The file; None: in memory."""
        return self._database.path if self._database.is_file else None

    @property
    def service(self) -> Service:
        """What it embeds, while it is open."""
        return self._service

    @asynccontextmanager
    async def open(self, *, max_polls: int) -> AsyncIterator[OpenLocalBackend]:
        """Open it on the running loop; *max_polls* does not matter here.

        Raises:
            ConfigError: its file cannot be used, and why.
            EngineStateError: it is open on another event loop.
        """
        loop = asyncio.get_running_loop()
        if self._users == 0:
            self._loop = loop
            self._timekeeping = anyio.Lock()
            self._opening = anyio.Lock()
            if self._database.is_file:
                # What is known of it is in the file, which others may have used meanwhile.
                self._service = self._make_service()
        elif self._loop is not loop:
            raise EngineStateError(
                "this LocalBackend is in use on another event loop: make another, or stop the"
                " engines there first"
            )
        self._users += 1
        try:
            async with self._opening:
                await self._service.open()
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep_time)
                yield OpenLocalBackend(self._service)
                group.cancel_scope.cancel()
        finally:
            self._users -= 1
            if self._users == 0:
                await self._service.close()

    async def _keep_time(self) -> None:
        # One of the engines that share a backend fires its timers; when that one stops,
        # the lock lets another go on.
        async with self._timekeeping:
            await self._service.run()


class OpenLocalBackend:
    """A local backend in use.

    Attributes:
        service: What it is made of.
    """

    def __init__(self, service: Service) -> None:
        self.tasks = LocalTasks(service)
        self.reporter = self.tasks
        self.activities = LocalActivities(service)
        self.state_machines = LocalStateMachines(service)
        self.machine_versions = LocalMachineVersions(service)
        self.executions = LocalExecutions(service)
        self.diagnostics = LocalDiagnostics(service)
        self.search = LocalSearch(service)
        self.recalls = LocalRecalls(service)
        self.service = service

    def callbacks(self, name: str) -> LocalCallbackStorage:
        return LocalCallbackStorage(self.service, name)

    def now(self) -> float:
        return self.service.now()


class LocalTasks:
    """Tasks to take and to answer."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def poll(self, activity: ActivityArn, worker_name: str) -> ports.ActivityTask | None:
        with translated("GetActivityTask"):
            return await self._service.get_activity_task(activity, worker_name)

    def interrupt(self, activity: ActivityArn) -> None:
        if self._service.activities.exists(activity):
            self._service.activities.get(activity).send_home()

    async def succeed(self, token: ports.TaskToken, output: str) -> None:
        with translated("SendTaskSuccess"):
            await self._service.send_task_success(token, output)

    async def fail(self, token: ports.TaskToken, error: str, cause: str) -> None:
        with translated("SendTaskFailure"):
            await self._service.send_task_failure(token, error, cause)

    async def heartbeat(self, token: ports.TaskToken) -> None:
        with translated("SendTaskHeartbeat"):
            await self._service.send_task_heartbeat(token)


class LocalRecalls:
    """Tasks whose workers want to know when nobody waits for them any more."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tasks: dict[ports.TaskToken, TaskId] = {}  # reading a token takes longer

    def expect(self, token: ports.TaskToken, call: Callable[[], None]) -> None:
        self._tasks[token] = self._service.expect_recall(token, call)

    def forget(self, token: ports.TaskToken) -> None:
        task = self._tasks.pop(token, None)
        if task is not None:
            self._service.activities.forget_recall(task)


class LocalActivities:
    """Activities by name."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def create(self, name: str) -> ActivityArn:
        with translated("CreateActivity"):
            return (await self._service.create_activity(name)).arn

    async def find(self, name: str) -> ActivityArn | None:
        arn = self._service.activities.arn(name)
        return arn if self._service.activities.exists(arn) else None

    async def arn(self, name: str) -> ActivityArn:
        return self._service.activities.arn(name)


class LocalExecutions:
    """Executions by ARN."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def arn(self, machine: str, name: str) -> ExecutionArn:
        return self._service.executions.arn(machine, name)

    async def start(self, machine: StateMachineArn, name: str, input: str) -> ports.Execution:
        with translated("StartExecution"):
            run = await self._service.start_execution(machine, name, input)
            return shown(run, with_data=True)

    async def describe(self, arn: ExecutionArn) -> ports.Execution:
        with translated("DescribeExecution"):
            return shown(await self._service.describe_execution(arn), with_data=True)

    async def finished(self, arn: ExecutionArn) -> ports.Execution:
        with translated("DescribeExecution"):
            return shown(await self._service.execution_finished(arn), with_data=True)

    async def stop(self, arn: ExecutionArn, cause: str) -> None:
        with translated("StopExecution"):
            await self._service.stop_execution(arn, None, cause or None)

    async def redrive(self, arn: ExecutionArn) -> None:
        with translated("RedriveExecution"):
            await self._service.redrive_execution(arn)

    def history(self, arn: ExecutionArn) -> AsyncIterator[ports.ExecutionEvent]:
        return histories.events(self._service, arn)

    def follow(self, arn: ExecutionArn) -> AsyncIterator[ports.ExecutionEvent]:
        return histories.followed(self._service, arn)

    async def list(
        self, machine: str, status: ports.ExecutionStatus | None
    ) -> AsyncIterator[ports.Execution]:
        found = self._service.machines.find(machine)
        last = 1 << 62
        while found is not None:
            ((where, values),) = of_machine(found.id, status and status.value).items()
            runs = await self._service.executions.select(
                f"{where} AND number < ?", (*values, last), limit=LISTED_AT_ONCE
            )
            for run in runs:
                yield shown(run, with_data=False)
            if len(runs) < LISTED_AT_ONCE:
                return
            last = runs[-1].number
