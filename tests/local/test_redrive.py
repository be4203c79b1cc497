"""Executions and Map runs that are taken up again, and Map runs whose limits change."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import anyio
import pytest

from aiowfm.local.errors import ServiceError
from aiowfm.local.redrives import REDRIVABLE_SECONDS
from aiowfm.local.service import Service

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Bench:
    """A service with one activity, and what tests do with it."""

    def __init__(self, service: Service, clock: Clock, activity: str) -> None:
        self.service = service
        self.clock = clock
        self.activity = activity

    async def call(self, operation: str, **request: Any) -> dict[str, Any]:
        with anyio.fail_after(10):
            return await self.service.call(operation, request)

    async def start(self, states: Mapping[str, Any], input: str = "{}") -> str:
        definition = json.dumps({"StartAt": next(iter(states)), "States": states})
        machine = await self.call(
            "CreateStateMachine", name="m", definition=definition, roleArn=ROLE
        )
        started = await self.call(
            "StartExecution", stateMachineArn=machine["stateMachineArn"], name="x", input=input
        )
        return str(started["executionArn"])

    async def task(self) -> dict[str, Any]:
        return await self.call("GetActivityTask", activityArn=self.activity)

    async def fail_task(self) -> None:
        token = (await self.task())["taskToken"]
        await self.call("SendTaskFailure", taskToken=token, error="Broken", cause="rust")

    async def finish_task(self) -> None:
        task = await self.task()
        await self.call("SendTaskSuccess", taskToken=task["taskToken"], output=task["input"])

    async def ended(self, arn: str) -> dict[str, Any]:
        with anyio.fail_after(10):
            await self.service.execution_finished(arn)
        return await self.call("DescribeExecution", executionArn=arn)

    async def types(self, arn: str) -> list[str]:
        answer = await self.call("GetExecutionHistory", executionArn=arn)
        return [event["type"] for event in answer["events"]]

    async def map_run(self, arn: str) -> dict[str, Any]:
        (run,) = (await self.call("ListMapRuns", executionArn=arn))["mapRuns"]
        return await self.call("DescribeMapRun", mapRunArn=run["mapRunArn"])

    async def refusal(self, operation: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(ServiceError) as caught:
            await self.call(operation, **request)
        return caught.value.code, caught.value.message


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = Clock()
    service = Service(region="eu-west-1", account_id="123456789012", now=clock)
    async with service.running():
        yield Bench(service, clock, (await service.create_activity("work")).arn)


def work(bench: Bench) -> dict[str, Any]:
    return {"work": {"Type": "Task", "Resource": bench.activity, "End": True}}


def each(processor: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    item_processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": next(iter(processor)),
        "States": processor,
    }
    return {"each": {"Type": "Map", "ItemProcessor": item_processor, "End": True} | fields}


def counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {state: count for state, count in counts.items() if count}


async def test_a_failed_execution_goes_on_where_it_failed(bench: Bench) -> None:
    arn = await bench.start(work(bench), '{"n":1}')
    await bench.fail_task()
    failed = await bench.ended(arn)
    assert (failed["redriveStatus"], failed["redriveCount"]) == ("REDRIVABLE", 0)
    bench.clock.seconds += 60
    answer = await bench.call("RedriveExecution", executionArn=arn)
    assert answer == {"redriveDate": bench.clock.seconds}
    running = await bench.call("DescribeExecution", executionArn=arn)
    assert (running["status"], running["redriveCount"]) == ("RUNNING", 1)
    assert running["redriveDate"] == bench.clock.seconds
    assert "error" not in running
    await bench.finish_task()
    done = await bench.ended(arn)
    assert (done["status"], done["output"]) == ("SUCCEEDED", '{"n":1}')
    assert (await bench.types(arn))[6:9] == [
        "ExecutionRedriven",
        "ActivityScheduled",
        "ActivityStarted",
    ]


async def test_the_token_of_the_failed_attempt_stays_dead(bench: Bench) -> None:
    arn = await bench.start(work(bench))
    token = (await bench.task())["taskToken"]
    await bench.call("StopExecution", executionArn=arn)
    await bench.call("RedriveExecution", executionArn=arn)
    assert (await bench.refusal("SendTaskSuccess", taskToken=token, output="{}"))[0] == (
        "TaskTimedOut"
    )
    await bench.finish_task()
    assert (await bench.ended(arn))["status"] == "SUCCEEDED"


async def test_the_same_client_token_redrives_once(bench: Bench) -> None:
    arn = await bench.start(work(bench))
    await bench.fail_task()
    first = await bench.call("RedriveExecution", executionArn=arn, clientToken="once")
    assert await bench.call("RedriveExecution", executionArn=arn, clientToken="once") == first
    code, message = await bench.refusal("RedriveExecution", executionArn=arn, clientToken="twice")
    assert code == "ExecutionNotRedrivable"
    assert "Execution is RUNNING and cannot be redriven" in message


async def test_two_redrives_at_once_are_one(bench: Bench) -> None:
    arn = await bench.start(work(bench))
    await bench.fail_task()
    await bench.ended(arn)

    async def redrive() -> None:
        with suppress(ServiceError):  # the slower one may hear that it is running
            await bench.service.redrive_execution(arn)

    async with anyio.create_task_group() as group:
        group.start_soon(redrive)
        group.start_soon(redrive)
    assert (await bench.types(arn)).count("ExecutionRedriven") == 1


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        pytest.param(REDRIVABLE_SECONDS + 1, "Execution redrivable period exceeded", id="old"),
        pytest.param(0, None, id="new"),
    ],
)
async def test_after_two_weeks_it_is_too_late(
    bench: Bench, seconds: float, reason: str | None
) -> None:
    arn = await bench.start(work(bench))
    await bench.fail_task()
    bench.clock.seconds += seconds
    described = await bench.ended(arn)
    assert described.get("redriveStatusReason") == reason
    if reason is not None:
        assert reason in (await bench.refusal("RedriveExecution", executionArn=arn))[1]


async def test_redriven_executions_are_listed_as_such(bench: Bench) -> None:
    arn = await bench.start(work(bench))
    await bench.fail_task()
    await bench.call("RedriveExecution", executionArn=arn)
    machine = (await bench.call("DescribeExecution", executionArn=arn))["stateMachineArn"]

    async def listed(redriven: str) -> int:
        answer = await bench.call("ListExecutions", stateMachineArn=machine, redriveFilter=redriven)
        return len(answer["executions"])

    assert (await listed("REDRIVEN"), await listed("NOT_REDRIVEN")) == (1, 0)


async def test_a_map_run_takes_up_the_children_that_did_not_succeed(bench: Bench) -> None:
    arn = await bench.start(each(work(bench), MaxConcurrency=1), "[1, 2, 3]")
    await bench.finish_task()
    await bench.fail_task()
    assert (await bench.ended(arn))["error"] == "States.ExceedToleratedFailureThreshold"
    record = await bench.map_run(arn)
    assert counted(record["executionCounts"]) == {
        "succeeded": 1,
        "failed": 1,
        "aborted": 1,
        "total": 3,
    }
    children = await bench.call("ListExecutions", mapRunArn=record["mapRunArn"])
    failed = next(each for each in children["executions"] if each["status"] == "FAILED")
    assert failed["mapRunArn"] == record["mapRunArn"]
    shown = await bench.call("DescribeExecution", executionArn=failed["executionArn"])
    assert shown["redriveStatus"] == "REDRIVABLE_BY_MAP_RUN"
    code, _ = await bench.refusal("RedriveExecution", executionArn=failed["executionArn"])
    assert code == "ExecutionNotRedrivable"

    await bench.call("RedriveExecution", executionArn=arn)
    for _ in range(2):
        await bench.finish_task()
    done = await bench.ended(arn)
    assert (done["status"], done["output"]) == ("SUCCEEDED", "[1,2,3]")
    record = await bench.map_run(arn)
    assert counted(record["executionCounts"]) == {"succeeded": 3, "total": 3}
    assert (record["status"], record["redriveCount"]) == ("SUCCEEDED", 1)
    again = await bench.call("DescribeExecution", executionArn=failed["executionArn"])
    assert (again["status"], again["redriveCount"]) == ("SUCCEEDED", 1)
    assert "MapRunRedriven" in await bench.types(arn)


async def test_what_stops_a_redriven_map_run_stops_its_children(bench: Bench) -> None:
    arn = await bench.start(each(work(bench)), "[1, 2]")
    await bench.fail_task()
    await bench.ended(arn)
    await bench.call("RedriveExecution", executionArn=arn)
    await anyio.wait_all_tasks_blocked()
    assert (await bench.map_run(arn))["executionCounts"]["running"] == 2
    await bench.call("StopExecution", executionArn=arn)
    await anyio.wait_all_tasks_blocked()
    record = await bench.map_run(arn)
    assert record["status"] == "ABORTED"
    children = await bench.call("ListExecutions", mapRunArn=record["mapRunArn"])
    assert "RUNNING" not in {each["status"] for each in children["executions"]}
    assert record["executionCounts"]["running"] == record["executionCounts"]["pending"] == 0


async def test_more_children_run_as_soon_as_they_may(bench: Bench) -> None:
    arn = await bench.start(each(work(bench), MaxConcurrency=1), "[1, 2, 3]")
    await anyio.wait_all_tasks_blocked()
    record = await bench.map_run(arn)
    assert record["executionCounts"]["running"] == 1
    await bench.call("UpdateMapRun", mapRunArn=record["mapRunArn"], maxConcurrency=2)
    record = await bench.map_run(arn)
    assert (record["maxConcurrency"], record["executionCounts"]["running"]) == (2, 2)


async def test_failures_are_tolerated_by_the_limit_of_now(bench: Bench) -> None:
    states = each(work(bench), ToleratedFailurePercentage=40)
    arn = await bench.start(states, "[1, 2, 3, 4]")
    await anyio.wait_all_tasks_blocked()
    record = await bench.map_run(arn)
    assert (record["toleratedFailurePercentage"], record["toleratedFailureCount"]) == (40, 0)
    await bench.fail_task()
    changed = {"mapRunArn": record["mapRunArn"], "toleratedFailurePercentage": 0.0}
    await bench.call("UpdateMapRun", **changed)
    assert (await bench.ended(arn))["error"] == "States.ExceedToleratedFailureThreshold"
    code, _ = await bench.refusal("UpdateMapRun", mapRunArn=record["mapRunArn"] + "x")
    assert code == "ResourceNotFound"
