"""Retention: what ended long ago goes, and nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import pytest

from aiowfm.errors import ConfigError
from aiowfm.local import LocalBackend, retention
from aiowfm.local.errors import ServiceError
from aiowfm.local.service import Service
from aiowfm.local.storage.database import MEMORY, Database
from aiowfm.testing import VIRTUAL_TIME, virtual_time

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"
DAY = 24 * 60 * 60.0
KEPT = 90 * DAY
PASS = {"p": {"Type": "Pass", "End": True}}


class Clock:
    """A clock that is moved by hand."""

    seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


Open: TypeAlias = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "workflows.db"


@pytest.fixture
def opened(path: Path, clock: Clock) -> Open:
    """Opens the file anew, each time as another process would."""

    @asynccontextmanager
    async def open_it(*, seconds: float | None = KEPT) -> AsyncIterator[Service]:
        service = Service(
            region="eu-west-1",
            account_id="123456789012",
            database=Database(str(path), "commit"),
            now=clock,
            retention=seconds,
        )
        async with service.running():
            yield service

    return open_it


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0)


async def call(service: Service, operation: str, **request: Any) -> dict[str, Any]:
    with anyio.fail_after(10):
        return await service.call(operation, request)


async def machine(
    service: Service, states: Mapping[str, Any], name: str = "m", *, publish: bool = False
) -> str:
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    return await service.create_state_machine(name, definition, ROLE, {}, publish=publish)


async def ended(service: Service, machine_arn: str, name: str = "x", input: str = "{}") -> str:
    """The ARN of an execution that has ended."""
    arn = (await service.start_execution(machine_arn, name, input)).arn
    with anyio.fail_after(10):
        await service.execution_finished(arn)
    return arn


async def exists(service: Service, arn: str) -> bool:
    try:
        await call(service, "DescribeExecution", executionArn=arn)
    except ServiceError as exc:
        if exc.code != "ExecutionDoesNotExist":
            raise
        return False
    return True


async def work(service: Service, **fields: Any) -> dict[str, Any]:
    arn = (await service.create_activity("work")).arn
    return {"work": {"Type": "Task", "Resource": arn, "End": True} | fields}


async def task_of(service: Service) -> dict[str, Any]:
    return await call(service, "GetActivityTask", activityArn=str(service.activities.arn("work")))


async def types(service: Service, arn: str) -> list[str]:
    return [event.type for event in await service.get_execution_history(arn)]


async def count(service: Service, table: str) -> int:
    return await service.store.ask(
        lambda connection: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    )


async def documents(service: Service, kind: str) -> int:
    return len(await service.store.documents(kind))


def distributed(states: Mapping[str, Any], name: str = "each") -> dict[str, Any]:
    """A state that has each of its items in a child execution of its own."""
    return {
        name: {
            "Type": "Map",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": next(iter(states)),
                "States": states,
            },
            "End": True,
        }
    }


# What goes, and when.


async def test_what_is_older_than_the_retention_goes_and_what_is_younger_stays(
    opened: Open, clock: Clock
) -> None:
    async with opened() as service:
        arn = await machine(service, PASS)
        old = await ended(service, arn, "old")
        clock.seconds += 1
        young = await ended(service, arn, "young")
        clock.seconds += KEPT
        await service.retention.check()
        assert not await exists(service, old)
        assert await exists(service, young)
        assert await count(service, "executions") == 1
        assert await types(service, young)
        with pytest.raises(ServiceError, match="ExecutionDoesNotExist"):
            await call(service, "GetExecutionHistory", executionArn=old)
        listed = await call(service, "ListExecutions", stateMachineArn=arn)
        assert [each["name"] for each in listed["executions"]] == ["young"]
        clock.seconds += 1
        await service.retention.check()
        for table in ("executions", "history", "map_runs"):
            assert await count(service, table) == 0


@pytest.mark.parametrize("path", [MEMORY, None], ids=["memory", "file"])
async def test_a_name_may_be_used_again(path: str | None, tmp_path: Path, clock: Clock) -> None:
    database = Database(path or str(tmp_path / "workflows.db"), "commit")
    service = Service(
        region="eu-west-1", account_id="123456789012", database=database, now=clock, retention=60
    )
    async with service.running():
        arn = await machine(service, PASS)
        first = await ended(service, arn, "x", "1")
        clock.seconds += 61
        with pytest.raises(ServiceError, match="ExecutionAlreadyExists"):
            await service.start_execution(arn, "x", "2")
        await service.retention.check()
        assert await ended(service, arn, "x", "2") == first
        described = await call(service, "DescribeExecution", executionArn=first)
        assert described["input"] == "2"
        with pytest.raises(ServiceError, match="ExecutionAlreadyExists"):
            await service.start_execution(arn, "x", "1")


async def test_what_runs_stays_however_long_it_has(opened: Open, clock: Clock) -> None:
    async with opened() as service:
        arn = await machine(service, await work(service))
        running = (await service.start_execution(arn, "x", "{}")).arn
        clock.seconds += 2 * KEPT
        await service.retention.check()
    async with opened() as service:
        await service.retention.check()
        token = (await task_of(service))["taskToken"]
        await call(service, "SendTaskSuccess", taskToken=token, output="1")
        described = await call(service, "DescribeExecution", executionArn=running)
        assert described["status"] == "SUCCEEDED"
        await service.retention.check()
        assert await exists(service, running)


async def test_nothing_goes_where_everything_is_to_be_kept(opened: Open, clock: Clock) -> None:
    async with opened(seconds=None) as service:
        arn = await ended(service, await machine(service, PASS))
        clock.seconds += 1000 * KEPT
        await service.retention.check()
    async with opened(seconds=math.inf) as service:
        await service.retention.check()
        assert await exists(service, arn)


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan])
def test_a_retention_is_positive(seconds: float) -> None:
    with pytest.raises(ConfigError, match=r"retention: give a positive number of seconds"):
        LocalBackend(retention=seconds)


async def test_many_go_in_several_turns(
    opened: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "READ_AT_ONCE", 5)
    monkeypatch.setattr(retention, "REMOVED_AT_ONCE", 3)
    monkeypatch.setattr(retention, "LONGEST_TURN_SECONDS", 0)  # one at a time
    async with opened() as service:
        arn = await machine(service, PASS)
        for number in range(12):
            await ended(service, arn, f"x{number}")
        clock.seconds += KEPT + 1
        last = await ended(service, arn, "last")
        await service.retention.check()
        assert await count(service, "executions") == 1
        assert await exists(service, last)


async def test_it_looks_at_the_start_and_then_every_hour(opened: Open, clock: Clock) -> None:
    async with opened() as service:
        await ended(service, await machine(service, PASS))
    clock.seconds += KEPT + 1
    async with opened() as service:
        with anyio.fail_after(10):
            while await count(service, "executions"):
                await anyio.lowlevel.checkpoint()


class HourlyClock:
    """The time of the event loop."""

    def __call__(self) -> float:
        return 1_700_000_000.0 + anyio.current_time()


@pytest.mark.parametrize("anyio_backend", [VIRTUAL_TIME], ids=["virtual time"])
async def test_an_hour_later_it_looks_again() -> None:
    service = Service(
        region="eu-west-1", account_id="123456789012", now=HourlyClock(), retention=600
    )
    with virtual_time() as time:
        async with service.running():
            arn = await ended(service, await machine(service, PASS))
            await time.advance(retention.CHECK_SECONDS - retention.LOOK_SECONDS)
            assert await exists(service, arn)
            await time.advance(2 * retention.LOOK_SECONDS)
            assert not await exists(service, arn)


@pytest.mark.parametrize("anyio_backend", [VIRTUAL_TIME], ids=["virtual time"])
async def test_a_clock_that_was_set_back_does_not_stop_it(clock: Clock) -> None:
    service = Service(region="eu-west-1", account_id="123456789012", now=clock, retention=600)
    with virtual_time() as time:
        async with service.running():
            arn = await ended(service, await machine(service, PASS))
            clock.seconds -= 10 * DAY
            old = await ended(service, await machine(service, PASS), "old")
            clock.seconds += 601
            await time.advance(retention.LOOK_SECONDS + 1)
            clock.seconds += retention.CHECK_SECONDS
            await time.advance(retention.LOOK_SECONDS + 1)
            assert not await exists(service, old)
            assert await exists(service, arn)


# What belongs together.


async def test_children_of_map_runs_go_with_their_parent(opened: Open, clock: Clock) -> None:
    async with opened() as service:
        inner = distributed(PASS, "inner")
        arn = await machine(service, distributed(inner))
        parent = await ended(service, arn, "x", "[[1,2],[3]]")
        (run,) = (await call(service, "ListMapRuns", executionArn=parent))["mapRuns"]
        assert await count(service, "executions") == 6
        clock.seconds += KEPT + 1
        await service.retention.check()
        assert not await exists(service, parent)
        with pytest.raises(ServiceError, match="ResourceNotFound"):
            await call(service, "DescribeMapRun", mapRunArn=run["mapRunArn"])
        for table in ("executions", "history", "map_runs"):
            assert await count(service, table) == 0


async def test_children_stay_while_their_parent_runs(opened: Open, clock: Clock) -> None:
    async with opened() as service:
        states = distributed(PASS)
        states["each"] |= {"Next": "work"}
        del states["each"]["End"]
        arn = await machine(service, states | await work(service))
        parent = (await service.start_execution(arn, "x", "[1,2,3]")).arn
        token = (await task_of(service))["taskToken"]
        clock.seconds += 2 * KEPT
        await service.retention.check()
        (run,) = (await call(service, "ListMapRuns", executionArn=parent))["mapRuns"]
        children = await call(service, "ListExecutions", mapRunArn=run["mapRunArn"])
        assert len(children["executions"]) == 3
        await call(service, "SendTaskSuccess", taskToken=token, output="1")
        await service.retention.check()
        assert await count(service, "executions") == 4
        clock.seconds += KEPT + 1
        await service.retention.check()
        assert await count(service, "executions") == 0
        assert await count(service, "map_runs") == 0


async def test_what_a_killed_process_left_of_a_map_run_goes_later(
    opened: Open, clock: Clock
) -> None:
    async with opened() as service:
        parent = await ended(service, await machine(service, distributed(PASS)), "x", "[1,2,3]")
        number = (await service.describe_execution(parent)).number
        await service.store.change(
            lambda connection: connection.execute(
                "DELETE FROM executions WHERE number = ?", (number,)
            )
        )
    clock.seconds += KEPT + 1
    async with opened() as service:
        await service.retention.check()
        assert await count(service, "executions") == 0
        assert await count(service, "map_runs") == 0


# Redriving.


async def failed(service: Service) -> str:
    arn = (await service.start_execution(await machine(service, await work(service)), "x", "1")).arn
    token = (await task_of(service))["taskToken"]
    await call(service, "SendTaskFailure", taskToken=token, error="No")
    return arn


async def test_what_is_being_redriven_stays(opened: Open, clock: Clock) -> None:
    """Whoever comes first: either it is gone and cannot be redriven, or it goes on to its end."""
    for turns in range(12):
        async with opened(seconds=DAY) as service:
            arn = await failed(service)
            clock.seconds += DAY + 1
            redriven: list[bool] = []

            async def redrive(service: Service, arn: str, redriven: list[bool]) -> None:
                try:
                    await call(service, "RedriveExecution", executionArn=arn)
                    redriven.append(True)
                except ServiceError as exc:
                    if exc.code != "ExecutionDoesNotExist":
                        raise
                    redriven.append(False)

            async with anyio.create_task_group() as group:
                group.start_soon(service.retention.check)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                group.start_soon(redrive, service, arn, redriven)
            assert await exists(service, arn) is redriven[0]
            if redriven[0]:
                token = (await task_of(service))["taskToken"]
                await call(service, "SendTaskSuccess", taskToken=token, output="2")
                happened = await types(service, arn)
                assert (happened[0], happened[-1]) == ("ExecutionStarted", "ExecutionSucceeded")
                clock.seconds += DAY + 1
                await service.retention.check()
                assert not await exists(service, arn)


async def test_what_is_read_to_be_redriven_is_held(
    opened: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(seconds=DAY) as service:
        arn = await failed(service)
        clock.seconds += DAY + 1
        restored = service.executions.restored

        async def slowly(*arguments: Any) -> Any:
            await service.retention.check()  # it begins and ends while the history is read
            return await restored(*arguments)

        monkeypatch.setattr(service.executions, "restored", slowly)
        await call(service, "RedriveExecution", executionArn=arn)
        await service.retention.check()
        token = (await task_of(service))["taskToken"]
        await call(service, "SendTaskSuccess", taskToken=token, output="2")
        assert await types(service, arn) == [
            "ExecutionStarted",
            "TaskStateEntered",
            "ActivityScheduled",
            "ActivityStarted",
            "ActivityFailed",
            "ExecutionFailed",
            "ExecutionRedriven",
            "ActivityScheduled",
            "ActivityStarted",
            "ActivitySucceeded",
            "TaskStateExited",
            "ExecutionSucceeded",
        ]


# Machines and revisions.


async def test_a_deleted_machine_goes_with_its_last_execution(opened: Open, clock: Clock) -> None:
    async with opened() as service:
        arn = await machine(service, PASS)
        first = await ended(service, arn, "first")
        clock.seconds += DAY
        second = await ended(service, arn, "second")
        other = json.dumps({"StartAt": "q", "States": {"q": {"Type": "Pass", "End": True}}})
        await service.update_state_machine(arn, other, ROLE)
        await call(service, "DeleteStateMachine", stateMachineArn=arn)
        clock.seconds += KEPT - DAY + 1
        await service.retention.check()
        assert not await exists(service, first)
        assert await documents(service, "machine") == 1
        assert await documents(service, "revision") == 2
    async with opened() as service:
        assert await exists(service, second)
        clock.seconds += DAY
        await service.retention.check()
        assert await documents(service, "machine") == await documents(service, "revision") == 0
        again = await ended(service, await machine(service, PASS), "first")
    async with opened() as service:
        assert await exists(service, again)
        shown = await call(service, "DescribeStateMachineForExecution", executionArn=again)
        assert json.loads(shown["definition"])["States"] == PASS


async def test_an_execution_under_the_name_of_one_of_a_deleted_machine_is_found(
    opened: Open, clock: Clock
) -> None:
    async with opened() as service:
        arn = await machine(service, PASS)
        await ended(service, arn, "x", "1")
        await call(service, "DeleteStateMachine", stateMachineArn=arn)
        clock.seconds += KEPT + 1
        await machine(service, PASS)
        await ended(service, arn, "x", "2")
        await service.retention.check()
        assert await count(service, "executions") == 1
        described = await call(
            service, "DescribeExecution", executionArn=service.executions.arn("m", "x")
        )
        assert described["input"] == "2"


async def test_a_revision_goes_when_nothing_refers_to_it(opened: Open, clock: Clock) -> None:
    async with opened() as service:
        version = await machine(service, PASS, publish=True)  # kept by its version
        arn = version.rpartition(":")[0]
        changes = {
            name: json.dumps({"StartAt": name, "States": {name: {"Type": "Pass", "End": True}}})
            for name in ("used", "unused", "present")
        }
        await service.update_state_machine(arn, changes["used"], ROLE)
        old = await ended(service, arn, "old")  # keeps the second
        await service.update_state_machine(arn, changes["unused"], ROLE)
        await service.update_state_machine(arn, changes["present"], ROLE)
        assert await documents(service, "revision") == 4
        await service.retention.check()
        assert await documents(service, "revision") == 3
        shown = await call(service, "DescribeStateMachineForExecution", executionArn=old)
        assert json.loads(shown["definition"])["StartAt"] == "used"
        clock.seconds += KEPT + 1
        await service.retention.check()
        assert await documents(service, "revision") == 2
        await call(service, "DeleteStateMachineVersion", stateMachineVersionArn=version)
        await service.retention.check()
        assert await documents(service, "revision") == 1
    async with opened() as service:
        assert await exists(service, await ended(service, arn, "new"))
        shown = await call(service, "DescribeStateMachine", stateMachineArn=arn)
        assert json.loads(shown["definition"])["StartAt"] == "present"


async def test_a_machine_that_is_gone_is_not_kept_again(opened: Open) -> None:
    async with opened() as service:
        arn = await machine(service, PASS)
        known = service.describe_state_machine(arn)
        await call(service, "DeleteStateMachine", stateMachineArn=arn)
        await service.retention.check()
        service.machines.save(known)  # by a call that began before
        await machine(service, PASS, "other")
        assert await documents(service, "machine") == 1
    async with opened() as service:
        assert service.machines.names() == ["other"]


# Numbers.


async def test_tokens_of_what_is_gone_stay_dead(opened: Open, clock: Clock) -> None:
    async with opened() as service:
        arn = await machine(service, await work(service))
        await service.start_execution(arn, "x", "1")
        old = (await task_of(service))["taskToken"]
        await call(service, "SendTaskSuccess", taskToken=old, output="1")
        clock.seconds += KEPT + 1
        await service.retention.check()
        assert await count(service, "executions") == 0
    async with opened() as service:
        await service.start_execution(arn, "x", "2")
        assert (await task_of(service))["taskToken"] != old
        with pytest.raises(ServiceError, match="TaskTimedOut"):
            await call(service, "SendTaskSuccess", taskToken=old, output="1")


# Faults.


async def test_a_fault_stops_neither_the_service_nor_what_comes_later(
    opened: Open, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as service:
        arn = await machine(service, PASS)
        old = await ended(service, arn, "old")
    clock.seconds += KEPT + 1
    remove = retention._REMOVE_HISTORY
    monkeypatch.setattr(retention, "_REMOVE_HISTORY", "DELETE FROM nowhere WHERE execution = ?")
    async with opened() as service:
        with anyio.fail_after(10):
            while "old executions could not be removed" not in caplog.text:
                await anyio.lowlevel.checkpoint()
        assert await exists(service, old)  # all of it, or nothing
        assert await types(service, old)
        await ended(service, arn, "new")
        monkeypatch.setattr(retention, "_REMOVE_HISTORY", remove)
        await service.retention.check()
        assert not await exists(service, old)
