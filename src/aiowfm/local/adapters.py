"""The ports, on a service that is open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from aiowfm import ports
from aiowfm.local import histories
from aiowfm.local.callbacks import LocalCallbackStorage
from aiowfm.local.diagnostics import LocalDiagnostics
from aiowfm.local.errors import translated
from aiowfm.local.runs import shown
from aiowfm.local.searches import LocalSearch, of_machine
from aiowfm.local.service import Service
from aiowfm.local.state_machines import LocalMachineVersions, LocalStateMachines
from aiowfm.local.tokens import TaskId
from aiowfm.names import ActivityArn, ExecutionArn, StateMachineArn

LISTED_AT_ONCE = 100


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
