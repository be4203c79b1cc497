"""Executions that a Task started and waits for: given up with their task, and only then."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

from aiowfm.local.runs import Run
from aiowfm.local.service import Service
from aiowfm.local.storage.database import Database
from aiowfm.local.storage.rows import encoded
from aiowfm.local.storage.store import events_of

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"
START = "arn:aws:states:::states:startExecution"
WAIT = {"wait": {"Type": "Wait", "Seconds": 600, "End": True}}
SYNC = pytest.mark.parametrize("pattern", [".sync", ".sync:2"])


class Clock:
    """A clock that is moved by hand."""

    seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


Open: TypeAlias = Callable[[], AbstractAsyncContextManager[Service]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "workflows.db"


@pytest.fixture
def made(path: Path) -> Callable[[], Service]:
    clock = Clock()
    return lambda: Service(
        region="eu-west-1",
        account_id="123456789012",
        database=Database(str(path), "commit"),
        now=clock,
    )


@pytest.fixture
def opened(made: Callable[[], Service]) -> Open:
    """Opens the file anew, each time as another process would."""

    @asynccontextmanager
    async def open_it() -> AsyncIterator[Service]:
        service = made()
        async with service.running():
            yield service

    return open_it


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service(region="eu-west-1", account_id="123456789012")
    async with made.running():
        yield made


async def machine(service: Service, name: str, states: Mapping[str, Any], **fields: Any) -> str:
    definition = json.dumps({"StartAt": next(iter(states)), "States": states, **fields})
    return await service.create_state_machine(name, definition, ROLE, {})


async def calling(service: Service, pattern: str, **fields: Any) -> dict[str, Any]:
    """A state that starts an execution which waits."""
    child = await machine(service, "child", WAIT)
    parameters: dict[str, Any] = {"StateMachineArn": child, "Name": "child"}
    if pattern == ".waitForTaskToken":
        parameters["Input"] = {"token.$": "$$.Task.Token"}
    task = {"Type": "Task", "Resource": START + pattern, "Parameters": parameters, "End": True}
    return {"call": task | fields}


async def started(service: Service, states: Mapping[str, Any], **fields: Any) -> Run:
    """An execution, once the one that it starts is running."""
    run = await service.start_execution(await machine(service, "m", states, **fields), "x", "[1]")
    with anyio.fail_after(10):
        while await service.executions.find(service.executions.arn("child", "child")) is None:
            await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()
    return run


async def child_of(service: Service) -> Run:
    return await service.describe_execution(service.executions.arn("child", "child"))


async def assert_aborted(service: Service, parent: Run) -> None:
    await anyio.wait_all_tasks_blocked()
    child = await child_of(service)
    assert (child.status, child.error) == ("ABORTED", None)
    assert child.cause == (
        f"The Task state in AWS Step Functions execution [{parent.arn}] which was managing this"
        " resource was aborted"
    )


async def failing(service: Service) -> dict[str, Any]:
    """A state whose task fails when it is told to."""
    activity = (await service.create_activity("work")).arn
    return {"work": {"Type": "Task", "Resource": activity, "End": True}}


async def fail(service: Service) -> None:
    task = await service.get_activity_task(str(service.activities.arn("work")), None)
    assert task is not None
    await service.send_task_failure(task.token, "Bad", "luck")


def branch(states: Mapping[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


@SYNC
async def test_an_execution_that_is_stopped_stops_the_one_it_waits_for(
    service: Service, pattern: str
) -> None:
    run = await started(service, await calling(service, pattern))
    await service.stop_execution(run.arn, "E", "c")
    await assert_aborted(service, run)


@pytest.mark.parametrize("pattern", ["", ".waitForTaskToken"])
async def test_an_execution_that_nobody_waits_for_goes_on(service: Service, pattern: str) -> None:
    calls = await calling(service, pattern)
    del calls["call"]["End"]
    calls["call"]["Next"] = "wait"
    run = await started(service, calls | WAIT)
    await service.stop_execution(run.arn, None, None)
    await anyio.wait_all_tasks_blocked()
    assert (await child_of(service)).status == "RUNNING"


@SYNC
async def test_a_branch_that_fails_stops_what_the_others_wait_for(
    service: Service, pattern: str
) -> None:
    branches = [branch(await calling(service, pattern)), branch(await failing(service))]
    catch = {"ErrorEquals": ["Bad"], "Next": "wait"}
    parallel = {"Type": "Parallel", "Branches": branches, "Catch": [catch], "End": True}
    run = await started(service, {"both": parallel} | WAIT)
    await fail(service)
    await assert_aborted(service, run)
    assert run.status == "RUNNING"


async def test_an_iteration_that_fails_stops_what_the_others_wait_for(service: Service) -> None:
    choose = {
        "Type": "Choice",
        "Choices": [{"Variable": "$", "NumericEquals": 1, "Next": "call"}],
        "Default": "work",
    }
    states = {"choose": choose} | await calling(service, ".sync") | await failing(service)
    each = {"Type": "Map", "ItemProcessor": branch(states), "End": True}
    items = {"Type": "Pass", "Result": [1, 2], "Next": "each"}
    run = await started(service, {"items": items, "each": each})
    await fail(service)
    await assert_aborted(service, run)
    assert (run.status, run.error) == ("FAILED", "Bad")


@SYNC
async def test_a_task_that_times_out_stops_what_it_waits_for(
    service: Service, pattern: str
) -> None:
    catch = {"ErrorEquals": ["States.Timeout"], "Next": "wait"}
    states = await calling(service, pattern, TimeoutSeconds=1, Catch=[catch])
    run = await started(service, states | WAIT)
    with anyio.fail_after(10):
        await service.execution_finished((await child_of(service)).arn)
    await assert_aborted(service, run)


async def test_an_execution_that_times_out_stops_the_one_it_waits_for(service: Service) -> None:
    run = await started(service, await calling(service, ".sync"), TimeoutSeconds=1)
    with anyio.fail_after(10):
        await service.execution_finished(run.arn)
    await assert_aborted(service, run)


async def test_children_of_children_are_stopped_as_well(service: Service) -> None:
    inner = await machine(service, "inner", await calling(service, ".sync"))
    outer = {"Type": "Task", "Resource": START + ".sync", "End": True}
    outer["Parameters"] = {"StateMachineArn": inner, "Name": "inner"}
    run = await started(service, {"outer": outer})
    await service.stop_execution(run.arn, None, None)
    await anyio.wait_all_tasks_blocked()
    between = await service.describe_execution(service.executions.arn("inner", "inner"))
    assert between.status == "ABORTED"
    await assert_aborted(service, between)


async def test_an_execution_that_began_too_late_is_stopped(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = await calling(service, ".sync")
    find = service.executions.find
    asked, released = anyio.Event(), anyio.Event()

    async def slow(arn: str) -> Run | None:
        if arn.endswith(":child:child") and not asked.is_set():
            asked.set()
            await released.wait()
        return await find(arn)

    monkeypatch.setattr(service.executions, "find", slow)
    run = await service.start_execution(await machine(service, "m", states), "x", "{}")
    with anyio.fail_after(10):
        await asked.wait()
        await service.stop_execution(run.arn, None, None)
        released.set()
        await anyio.wait_all_tasks_blocked()
    await assert_aborted(service, run)


async def test_an_execution_that_ended_is_not_stopped(service: Service) -> None:
    run = await started(service, await calling(service, ".sync"))
    child = await child_of(service)
    service.executions.stop(child, "Own", None)
    await service.stop_execution(run.arn, None, None)
    await anyio.wait_all_tasks_blocked()
    assert child.error == "Own"


# Files.


async def test_what_was_to_be_stopped_when_the_process_died_is_stopped_later(
    made: Callable[[], Service], opened: Open
) -> None:
    async with opened() as service:
        parent = await started(service, await calling(service, ".sync"))
    service = made()
    await service.open()
    async with anyio.create_task_group() as group:
        group.start_soon(service.store.run)  # what keeps all runs, and nothing else
        await service.stop_execution(parent.arn, None, None)
        assert (await child_of(service)).status == "RUNNING"
        group.cancel_scope.cancel()
    await service.close()
    async with opened() as service:
        await assert_aborted(service, parent)
        assert await service.store.documents("stopping") == []


async def test_wherever_the_process_dies_a_failed_branch_stops_the_others(
    opened: Open, path: Path
) -> None:
    async with opened() as service:
        branches = [branch(await calling(service, ".sync")), branch(await failing(service))]
        parallel = {"Type": "Parallel", "Branches": branches, "End": True}
        parent = await started(service, {"both": parallel})
        await fail(service)
        await assert_aborted(service, parent)
        kinds = [event.type for event in await service.get_execution_history(parent.arn)]
        child = await child_of(service)
    submitted, failed = kinds.index("TaskSubmitted"), kinds.index("ActivityFailed")
    whole = shutil.copy(path, path.with_suffix(".whole"))
    for kept in range(submitted + 1, len(kinds)):
        shutil.copy(whole, path)
        _cut(path, parent.number, kept)
        _cut(path, child.number, 2)
        async with opened() as service:
            await anyio.wait_all_tasks_blocked()
            again = await service.describe_execution(parent.arn)
            if kept <= failed:
                assert (again.status, (await child_of(service)).status) == ("RUNNING", "RUNNING")
            else:
                assert again.status == "FAILED"
                await assert_aborted(service, again)


def _cut(path: Path, number: int, kept: int) -> None:
    """Make an execution in a file as it was after its first *kept* events."""
    with closing(sqlite3.connect(path)) as connection, connection:
        events = list(events_of(connection, number))[:kept]
        connection.execute("DELETE FROM history WHERE execution = ?", (number,))
        connection.execute("INSERT INTO history VALUES (?, 1, ?)", (number, encoded(events)))
        connection.execute(
            "UPDATE executions SET status = 'RUNNING', stopped_at = NULL WHERE number = ?",
            (number,),
        )
        connection.execute("DELETE FROM documents WHERE kind = 'stopping'")
