"""Files: what was acknowledged is there when they are opened again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import pytest

from aiowfm import LocalBackend
from aiowfm.errors import ConfigError
from aiowfm.executions import Search
from aiowfm.local.errors import ServiceError
from aiowfm.local.service import Service
from aiowfm.local.storage import schema
from aiowfm.local.storage.database import Database

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"
PASS = {"p": {"Type": "Pass", "End": True}}
START = "arn:aws:states:::states:startExecution"


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
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(path: Path, clock: Clock) -> Open:
    """Opens the file anew, each time as another process would."""

    @asynccontextmanager
    async def open_it() -> AsyncIterator[Service]:
        service = Service(
            region="eu-west-1",
            account_id="123456789012",
            database=Database(str(path), "commit"),
            now=clock,
        )
        async with service.running():
            yield service

    return open_it


async def call(service: Service, operation: str, **request: Any) -> dict[str, Any]:
    with anyio.fail_after(10):
        return await service.call(operation, request)


async def machine(service: Service, name: str, states: Mapping[str, Any]) -> str:
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    return await service.create_state_machine(name, definition, ROLE, {})


async def started(service: Service, states: Mapping[str, Any], input: str = "{}") -> str:
    arn = await machine(service, "m", states)
    return (await service.start_execution(arn, "x", input)).arn


async def ended(service: Service, arn: str) -> dict[str, Any]:
    with anyio.fail_after(10):
        await service.execution_finished(arn)
    return await call(service, "DescribeExecution", executionArn=arn)


async def types(service: Service, arn: str) -> list[str]:
    return [event.type for event in await service.get_execution_history(arn)]


async def settled() -> None:
    await anyio.wait_all_tasks_blocked()


async def task_of(service: Service, name: str = "work") -> dict[str, Any]:
    arn = str(service.activities.arn(name))
    return await call(service, "GetActivityTask", activityArn=arn)


async def counts_of(service: Service, arn: str) -> dict[str, int]:
    described: Any = await call(service, "DescribeMapRun", mapRunArn=arn)
    counts: dict[str, int] = described["executionCounts"]
    return counts


async def work(service: Service, **fields: Any) -> dict[str, Any]:
    arn = (await service.create_activity("work")).arn
    return {"work": {"Type": "Task", "Resource": arn, "End": True} | fields}


# What is kept.


async def test_finished_executions_are_found_with_all_they_had(opened: Open) -> None:
    async with opened() as service:
        arn = await started(service, PASS, '{"größe": 1}')
        before = await ended(service, arn)
        history = await call(service, "GetExecutionHistory", executionArn=arn)
    async with opened() as service:
        assert await call(service, "DescribeExecution", executionArn=arn) == before
        assert await call(service, "GetExecutionHistory", executionArn=arn) == history
        with pytest.raises(ServiceError, match="ExecutionAlreadyExists"):
            await service.start_execution(before["stateMachineArn"], "x", "{}")


async def test_machines_versions_aliases_activities_and_tags_are_kept(opened: Open) -> None:
    tags = [{"key": "team", "value": "core"}]
    calls: list[tuple[str, dict[str, Any]]] = []
    async with opened() as service:
        definition = json.dumps({"StartAt": "p", "States": PASS})
        made = await call(
            service,
            "CreateStateMachine",
            name="m",
            definition=definition,
            roleArn=ROLE,
            publish=True,
            tags=tags,
        )
        arn, version = made["stateMachineArn"], made["stateMachineVersionArn"]
        await call(
            service, "UpdateStateMachine", stateMachineArn=arn, roleArn=ROLE + "2", publish=True
        )
        route = {"stateMachineVersionArn": version, "weight": 100}
        alias = await call(
            service, "CreateStateMachineAlias", name="live", routingConfiguration=[route]
        )
        activity = await call(service, "CreateActivity", name="a", tags=tags)
        deleted = await call(service, "CreateActivity", name="b")
        await call(service, "DeleteActivity", activityArn=deleted["activityArn"])
        gone = await machine(service, "gone", PASS)
        await call(service, "DeleteStateMachine", stateMachineArn=gone)
        calls = [
            ("DescribeStateMachine", {"stateMachineArn": arn}),
            ("DescribeStateMachine", {"stateMachineArn": version}),
            ("ListStateMachines", {}),
            ("ListStateMachineVersions", {"stateMachineArn": arn}),
            ("ListTagsForResource", {"resourceArn": arn}),
            (
                "DescribeStateMachineAlias",
                {"stateMachineAliasArn": alias["stateMachineAliasArn"]},
            ),
            ("ListActivities", {}),
            ("ListTagsForResource", {"resourceArn": activity["activityArn"]}),
        ]
        before = [await call(service, name, **request) for name, request in calls]
    async with opened() as service:
        assert [await call(service, name, **request) for name, request in calls] == before
        again = await call(
            service,
            "CreateStateMachine",
            name="m",
            definition=definition,
            roleArn=ROLE + "2",
        )
        assert again["stateMachineArn"] == arn


async def test_messages_that_nobody_took_are_kept_in_order(opened: Open) -> None:
    async with opened() as service:
        for body in ("one", "two", "three"):
            service.queues.send("url", body)
        assert service.queues.take("url") is not None
    async with opened() as service:
        messages = [service.queues.take("url"), service.queues.take("url")]
        assert [message and message.body for message in messages] == ["two", "three"]
        assert service.queues.take("url") is None
    async with opened() as service:
        assert service.queues.take("url") is None


async def test_an_execution_keeps_the_definition_it_began_with(opened: Open, clock: Clock) -> None:
    wait = {"w": {"Type": "Wait", "Seconds": 5, "Next": "p"}, **PASS}
    async with opened() as service:
        arn = await started(service, wait)
        other = json.dumps({"StartAt": "p", "States": PASS})
        await service.update_state_machine(service.machines.arn("m"), other, ROLE)
    clock.seconds += 5
    async with opened() as service:
        assert (await ended(service, arn))["status"] == "SUCCEEDED"
        assert "WaitStateExited" in await types(service, arn)
        shown = await call(service, "DescribeStateMachineForExecution", executionArn=arn)
        assert json.loads(shown["definition"])["StartAt"] == "w"


# What goes on.


async def test_a_task_that_waits_is_offered_again(opened: Open) -> None:
    async with opened() as service:
        arn = await started(service, await work(service), '{"n":1}')
    async with opened() as service:
        task = await task_of(service)
        assert task["input"] == '{"n":1}'
        await call(service, "SendTaskSuccess", taskToken=task["taskToken"], output="2")
        assert (await ended(service, arn))["output"] == "2"


async def test_a_task_that_was_handed_out_keeps_its_token(opened: Open) -> None:
    async with opened() as service:
        arn = await started(service, await work(service))
        token = (await task_of(service))["taskToken"]
    async with opened() as service:
        await call(service, "SendTaskSuccess", taskToken=token, output="2")
        assert (await ended(service, arn))["output"] == "2"
        assert (await types(service, arn)).count("ActivityStarted") == 1


@pytest.mark.parametrize(
    ("beats", "down", "error"),
    [
        pytest.param([], 9.0, None, id="in time"),
        pytest.param([], 11.0, "States.Timeout", id="too late"),
        pytest.param([8.0, 8.0], 9.0, None, id="after heartbeats"),
        pytest.param([8.0, 8.0], 11.0, "States.Timeout", id="too late after heartbeats"),
    ],
)
async def test_the_clock_of_heartbeats_runs_on(
    opened: Open, clock: Clock, beats: list[float], down: float, error: str | None
) -> None:
    async with opened() as service:
        arn = await started(service, await work(service, HeartbeatSeconds=10))
        token = (await task_of(service))["taskToken"]
        for seconds in beats:
            clock.seconds += seconds
            await call(service, "SendTaskHeartbeat", taskToken=token)
    clock.seconds += down
    async with opened() as service:
        await settled()
        if error is None:
            await call(service, "SendTaskSuccess", taskToken=token, output="2")
        assert (await ended(service, arn)).get("error") == error


async def test_the_timeouts_of_tasks_and_machines_run_on(opened: Open, clock: Clock) -> None:
    async with opened() as service:
        arn = await started(service, await work(service, TimeoutSeconds=60))
        await task_of(service)
    clock.seconds += 61
    async with opened() as service:
        assert (await ended(service, arn))["error"] == "States.Timeout"
        assert "ActivityTimedOut" in await types(service, arn)


async def test_waits_and_retries_that_passed_meanwhile_are_over_at_once(
    opened: Open, clock: Clock
) -> None:
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 600, "MaxAttempts": 1}
    async with opened() as service:
        wait = await machine(
            service, "wait", {"w": {"Type": "Wait", "Seconds": 1000, "Next": "p"}, **PASS}
        )
        waiting = (await service.start_execution(wait, "w", "{}")).arn
        arn = await started(service, await work(service, Retry=[retry]))
        token = (await task_of(service))["taskToken"]
        await call(service, "SendTaskFailure", taskToken=token, error="Busy")
    clock.seconds += 600
    async with opened() as service:
        token = (await task_of(service))["taskToken"]
        await call(service, "SendTaskSuccess", taskToken=token, output="{}")
        assert (await ended(service, arn))["status"] == "SUCCEEDED"
        running = await call(service, "DescribeExecution", executionArn=waiting)
        assert running["status"] == "RUNNING"
    clock.seconds += 400
    async with opened() as service:
        assert (await ended(service, waiting))["status"] == "SUCCEEDED"


async def test_branches_and_iterations_go_on_each_where_it_was(opened: Open) -> None:
    async with opened() as service:
        states = await work(service)
        branch = {"StartAt": "work", "States": states}
        again = {"StartAt": "again", "States": {"again": states["work"]}}
        both = {
            "both": {
                "Type": "Parallel",
                "Branches": [
                    branch,
                    {
                        "StartAt": "each",
                        "States": {
                            "each": {
                                "Type": "Map",
                                "MaxConcurrency": 1,
                                "Iterator": again,
                                "End": True,
                            }
                        },
                    },
                ],
                "End": True,
            }
        }
        arn = await started(service, both, "[1,2,3]")
    for _ in range(4):
        async with opened() as service:
            task = await task_of(service)
            output = task["input"]
            await call(service, "SendTaskSuccess", taskToken=task["taskToken"], output=output)
    async with opened() as service:
        assert json.loads((await ended(service, arn))["output"]) == [[1, 2, 3], [1, 2, 3]]


async def test_an_execution_is_awaited_by_the_one_that_started_it(opened: Open) -> None:
    async with opened() as service:
        child = await machine(service, "child", await work(service))
        calling = {
            "call": {
                "Type": "Task",
                "Resource": START + ".sync:2",
                "Parameters": {"StateMachineArn": child, "Input": {"n": 1}},
                "OutputPath": "$.Output",
                "End": True,
            }
        }
        arn = await started(service, calling)
        await settled()
    async with opened() as service:
        token = (await task_of(service))["taskToken"]
        await call(service, "SendTaskSuccess", taskToken=token, output='{"n":2}')
        assert (await ended(service, arn))["output"] == '{"n":2}'


async def test_a_callback_is_answered_after_a_restart(opened: Open) -> None:
    async with opened() as service:
        states = {
            "ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "Parameters": {"QueueUrl": "url", "MessageBody": {"Token.$": "$$.Task.Token"}},
                "End": True,
            }
        }
        arn = await started(service, states)
        await settled()
    async with opened() as service:
        message = service.queues.take("url")
        assert message is not None
        assert service.queues.take("url") is None
        token = json.loads(message.body)["Token"]
        await call(service, "SendTaskSuccess", taskToken=token, output="7")
        assert (await ended(service, arn))["output"] == "7"


async def test_a_distributed_map_goes_on_with_its_children(opened: Open) -> None:
    async with opened() as service:
        states = await work(service)
        each = {
            "each": {
                "Type": "Map",
                "MaxConcurrency": 2,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "work",
                    "States": states,
                },
                "End": True,
            }
        }
        arn = await started(service, each, "[1,2,3,4]")
    for done in range(4):
        async with opened() as service:
            task = await task_of(service)
            (run,) = (await call(service, "ListMapRuns", executionArn=arn))["mapRuns"]
            counts = await counts_of(service, run["mapRunArn"])
            while counts["succeeded"] != done:  # they are counted again after a restart
                await anyio.lowlevel.checkpoint()
                counts = await counts_of(service, run["mapRunArn"])
            assert counts["total"] == 4
            output = str(int(task["input"]) * 10)
            await call(service, "SendTaskSuccess", taskToken=task["taskToken"], output=output)
    async with opened() as service:
        assert json.loads((await ended(service, arn))["output"]) == [10, 20, 30, 40]
        children = await call(service, "ListExecutions", mapRunArn=run["mapRunArn"])
        assert [each["status"] for each in children["executions"]] == ["SUCCEEDED"] * 4


async def test_stopped_and_redriven_executions_are_as_they_were_left(opened: Open) -> None:
    async with opened() as service:
        arn = await started(service, await work(service))
        token = (await task_of(service))["taskToken"]
        await call(service, "StopExecution", executionArn=arn, error="Tired")
    async with opened() as service:
        assert (await call(service, "DescribeExecution", executionArn=arn))["status"] == "ABORTED"
        with pytest.raises(ServiceError, match="TaskTimedOut"):
            await call(service, "SendTaskSuccess", taskToken=token, output="{}")
        await call(service, "RedriveExecution", executionArn=arn)
    async with opened() as service:
        running = await call(service, "DescribeExecution", executionArn=arn)
        assert (running["status"], running["redriveCount"]) == ("RUNNING", 1)
        token = (await task_of(service))["taskToken"]
        await call(service, "SendTaskSuccess", taskToken=token, output="{}")
        assert (await ended(service, arn))["status"] == "SUCCEEDED"


async def test_a_copy_made_at_any_moment_goes_on_to_the_same_end(
    opened: Open, path: Path, tmp_path: Path, clock: Clock
) -> None:
    """What a killed process leaves behind is such a copy: the file and its log, as they are."""
    copies = []
    async with opened() as service:
        arn = await started(service, await work(service), "1")
        for number in range(3):
            copy = tmp_path / f"copy{number}.db"
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
            copies.append(copy)
            if number == 0:
                token = (await task_of(service))["taskToken"]
            elif number == 1:
                await call(service, "SendTaskSuccess", taskToken=token, output="2")
    for copy in copies:
        database = Database(str(copy), "commit")
        service = Service(
            region="eu-west-1", account_id="123456789012", database=database, now=clock
        )
        async with service.running():
            run = await service.describe_execution(arn)
            if run.status == "RUNNING":
                if "ActivityStarted" not in await types(service, arn):
                    assert (await task_of(service))["taskToken"] == token
                await call(service, "SendTaskSuccess", taskToken=token, output="2")
            assert (await ended(service, arn))["output"] == "2"


# Files that cannot be used.


async def test_a_second_owner_is_told_who_the_first_is(opened: Open) -> None:
    async with opened():
        with pytest.raises(ConfigError, match=r"in use by process \d+ on .+ since 20"):
            async with opened():
                pass
    async with opened():
        pass  # it is free again


async def test_a_file_of_a_newer_release_is_left_alone(opened: Open, path: Path) -> None:
    async with opened():
        pass
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    with pytest.raises(ConfigError, match=rf"version {schema.VERSION + 1}.*newer release"):
        async with opened():
            pass


async def test_a_file_of_another_program_is_left_alone(opened: Open, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    with pytest.raises(ConfigError, match="another program"):
        async with opened():
            pass
    text = "just some text, longer than the header of a SQLite file" * 20
    await anyio.Path(path).write_text(text)
    with pytest.raises(ConfigError, match="not a SQLite file"):
        async with opened():
            pass


async def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "such.db"
    service = Service(
        region="eu-west-1", account_id="123456789012", database=Database(str(path), "commit")
    )
    with pytest.raises(ConfigError, match=r"such\.db.*directory must exist"):
        await service.open()


async def test_a_file_of_another_account_is_refused(opened: Open, path: Path) -> None:
    async with opened():
        pass
    database = Database(str(path), "commit")
    service = Service(region="us-east-1", account_id="000000000000", database=database)
    with pytest.raises(ConfigError, match="belongs to region and account eu-west-1:123456789012"):
        async with service.running():
            pass


async def test_a_file_from_before_searches_gets_their_indexes(tmp_path: Path) -> None:
    file = tmp_path / "workflows.db"
    with closing(sqlite3.connect(file)) as connection:
        for script in schema.MIGRATIONS[:2]:
            connection.executescript(script)
        connection.execute("PRAGMA user_version = 2")
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.commit()
    async with LocalBackend(file).open(max_polls=1) as opened:
        found = opened.search.find(Search(machines="dev--", error="Broken"))
        assert [each async for each in found] == []
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        assert {"executions_by_status", "executions_by_error"} <= names
