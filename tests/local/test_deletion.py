"""State machines that are deleted: they go when the last of their executions has ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

from aiowfm.local.errors import ServiceError
from aiowfm.local.runs import Run
from aiowfm.local.service import Service
from aiowfm.local.storage.database import Database

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"
PASS = {"pass": {"Type": "Pass", "End": True}}
WAIT = {"wait": {"Type": "Wait", "Seconds": 600, "End": True}}

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[Service]]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Opens the file anew, each time as another process would."""

    @asynccontextmanager
    async def open_it() -> AsyncIterator[Service]:
        database = Database(str(tmp_path / "workflows.db"), "commit")
        service = Service(region="eu-west-1", account_id="123456789012", database=database)
        async with service.running():
            yield service

    return open_it


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service(region="eu-west-1", account_id="123456789012")
    async with made.running():
        yield made


async def machine(service: Service, states: Mapping[str, Any], name: str = "m") -> str:
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    return await service.create_state_machine(name, definition, ROLE, {})


async def work(service: Service, following: str = "wait") -> dict[str, Any]:
    """A task, and what follows it."""
    activity = (await service.create_activity("work")).arn
    return {"work": {"Type": "Task", "Resource": activity, "Next": following}}


async def finish_work(service: Service) -> None:
    task = await service.get_activity_task(str(service.activities.arn("work")), None)
    assert task is not None
    await service.send_task_success(task.token, "{}")
    await anyio.wait_all_tasks_blocked()


async def delete(service: Service, arn: str) -> None:
    await service.call("DeleteStateMachine", {"stateMachineArn": arn})


async def status(service: Service, arn: str) -> object:
    try:
        shown = await service.call("DescribeStateMachine", {"stateMachineArn": arn})
    except ServiceError as exc:
        return exc.code
    return shown["status"]


async def refusal(service: Service, operation: str, **request: Any) -> str:
    with pytest.raises(ServiceError) as caught:
        await service.call(operation, request)
    return caught.value.code


async def types(service: Service, run: Run) -> list[str]:
    return [event.type for event in await service.get_execution_history(run.arn)]


async def test_a_machine_on_which_nothing_runs_is_gone_at_once(service: Service) -> None:
    arn = await machine(service, PASS)
    await service.start_execution(arn, "x", "{}")
    await delete(service, arn)
    assert await status(service, arn) == "StateMachineDoesNotExist"
    await delete(service, arn)
    await service.start_execution(await machine(service, PASS), "y", "{}")


async def test_a_machine_is_deleting_until_its_last_execution_has_ended(service: Service) -> None:
    arn = await machine(service, WAIT)
    first, second = [await service.start_execution(arn, name, "{}") for name in "ab"]
    await delete(service, arn)
    await delete(service, arn)
    for run in (first, second):
        assert await status(service, arn) == "DELETING"
        assert run.status == "RUNNING"
        await service.stop_execution(run.arn, None, None)
        await anyio.wait_all_tasks_blocked()
    assert await status(service, arn) == "StateMachineDoesNotExist"


async def test_nothing_begins_on_a_machine_that_is_deleting(service: Service) -> None:
    definition = json.dumps({"StartAt": "wait", "States": WAIT})
    made: Any = await service.call(
        "CreateStateMachine",
        {"name": "m", "definition": definition, "roleArn": ROLE, "publish": True},
    )
    arn, version = made["stateMachineArn"], made["stateMachineVersionArn"]
    routes = [{"stateMachineVersionArn": version, "weight": 100}]
    alias: Any = await service.call(
        "CreateStateMachineAlias", {"name": "live", "routingConfiguration": routes}
    )
    alias_arn = alias["stateMachineAliasArn"]
    await service.start_execution(arn, "x", "{}")
    await delete(service, arn)
    for operation, request in (
        ("StartExecution", {"stateMachineArn": arn}),
        ("StartExecution", {"stateMachineArn": arn, "name": "x", "input": "{}"}),
        ("StartExecution", {"stateMachineArn": version}),
        ("StartExecution", {"stateMachineArn": alias_arn}),
        ("StartSyncExecution", {"stateMachineArn": arn}),
        ("CreateStateMachine", {"name": "m", "definition": definition, "roleArn": ROLE}),
        ("UpdateStateMachine", {"stateMachineArn": arn, "roleArn": ROLE}),
        ("PublishStateMachineVersion", {"stateMachineArn": arn}),
        ("CreateStateMachineAlias", {"name": "other", "routingConfiguration": routes}),
        ("UpdateStateMachineAlias", {"stateMachineAliasArn": alias_arn, "description": "d"}),
        ("ListStateMachineAliases", {"stateMachineArn": arn}),
    ):
        assert await refusal(service, operation, **request) == "StateMachineDeleting"
    with pytest.raises(ServiceError, match="StateMachineDeleting"):
        await service.update_state_machine(arn, definition, ROLE)
    listed: Any = await service.call("ListStateMachines", {})
    assert [each["stateMachineArn"] for each in listed["stateMachines"]] == [arn]
    assert await status(service, version) == "DELETING"


async def test_an_execution_ends_when_it_comes_to_another_state(service: Service) -> None:
    arn = await machine(service, await work(service) | WAIT)
    run = await service.start_execution(arn, "x", "{}")
    await delete(service, arn)
    assert run.status == "RUNNING"
    await finish_work(service)
    assert run.status == "ABORTED"
    assert (await types(service, run))[-1] == "ExecutionAborted"
    assert await status(service, arn) == "StateMachineDoesNotExist"


async def test_an_execution_may_end_by_itself(service: Service) -> None:
    task = (await work(service))["work"]
    del task["Next"]
    arn = await machine(service, {"work": task | {"End": True}})
    run = await service.start_execution(arn, "x", "{}")
    await delete(service, arn)
    await finish_work(service)
    assert run.status == "SUCCEEDED"
    assert await status(service, arn) == "StateMachineDoesNotExist"


async def test_what_the_next_state_would_do_is_not_done(service: Service) -> None:
    send = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": "q", "MessageBody": "late"},
        "End": True,
    }
    arn = await machine(service, await work(service, "send") | {"send": send})
    await service.start_execution(arn, "x", "{}")
    await delete(service, arn)
    await finish_work(service)
    assert service.queues.take("q") is None


async def test_the_children_of_a_map_run_end_with_it(service: Service) -> None:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "work",
        "States": await work(service) | WAIT,
    }
    each = {"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": processor, "End": True}
    arn = await machine(service, {"each": each})
    run = await service.start_execution(arn, "x", "[1, 2]")
    await anyio.wait_all_tasks_blocked()
    await delete(service, arn)
    await finish_work(service)
    assert run.status == "FAILED"
    assert await status(service, arn) == "StateMachineDoesNotExist"


async def test_nothing_is_redriven_on_a_machine_that_is_deleted(service: Service) -> None:
    arn = await machine(service, WAIT)
    ended, running = [await service.start_execution(arn, name, "{}") for name in "ab"]
    await service.stop_execution(ended.arn, None, None)
    await delete(service, arn)
    for _ in range(2):
        described = await service.call("DescribeExecution", {"executionArn": ended.arn})
        assert described["redriveStatus"] == "NOT_REDRIVABLE"
        assert described["redriveStatusReason"] == "State machine is in DELETING status"
        refused = await refusal(service, "RedriveExecution", executionArn=ended.arn)
        assert refused == "ExecutionNotRedrivable"
        await service.stop_execution(running.arn, None, None)
        await anyio.wait_all_tasks_blocked()


async def test_a_deletion_goes_on_when_the_file_is_opened_again(opened: Open) -> None:
    async with opened() as service:
        arn = await machine(service, await work(service) | WAIT)
        run = await service.start_execution(arn, "x", "{}")
        await delete(service, arn)
    async with opened() as service:
        assert await status(service, arn) == "DELETING"
        assert await refusal(service, "StartExecution", stateMachineArn=arn) == (
            "StateMachineDeleting"
        )
        await finish_work(service)
        assert (await service.describe_execution(run.arn)).status == "ABORTED"
        assert await status(service, arn) == "StateMachineDoesNotExist"
    async with opened() as service:
        assert await status(service, arn) == "StateMachineDoesNotExist"


async def test_a_machine_whose_last_execution_has_ended_goes_when_its_file_is_opened(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as service:
        arn = await machine(service, WAIT)
        run = await service.start_execution(arn, "x", "{}")
        await delete(service, arn)
        monkeypatch.setattr(service.integrations, "finished", lambda run: None)  # it dies before
        await service.stop_execution(run.arn, None, None)
        assert await status(service, arn) == "DELETING"
    async with opened() as service:
        assert await status(service, arn) == "StateMachineDoesNotExist"
