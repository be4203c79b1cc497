"""What of the language depends on how executions are driven and kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

from aiowfm.asl.history import MAX_EVENTS
from aiowfm.local.service import Service
from aiowfm.local.storage.database import Database

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"
ROUNDS = 7_000  # of four events each
COUNTING: Mapping[str, Any] = {
    "count": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "Next": "enough"},
    "enough": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.n", "NumericEquals": ROUNDS, "Next": "end"}],
        "Default": "count",
    },
    "end": {"Type": "Pass", "End": True},
}
FOREVER: Mapping[str, Any] = {
    "p": {"Type": "Pass", "Next": "c"},
    "c": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.enough", "IsPresent": True, "Next": "end"}],
        "Default": "p",
    },
    "end": {"Type": "Succeed"},
}
WAITING: Mapping[str, Any] = {
    "first": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "Next": "wait"},
    "wait": {"Type": "Wait", "Seconds": 100, "Next": "last"},
    "last": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "End": True},
}
Open: TypeAlias = Callable[[], AbstractAsyncContextManager[Service]]


class Clock:
    """A clock that is moved by hand."""

    seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Open:
    """Opens the file anew, each time as another process would."""

    @asynccontextmanager
    async def open_it() -> AsyncIterator[Service]:
        database = Database(str(tmp_path / "workflows.db"), "commit")
        service = Service(
            region="eu-west-1", account_id="123456789012", database=database, now=clock
        )
        async with service.running():
            yield service

    return open_it


async def machine(service: Service, states: Mapping[str, Any], type: str = "EXPRESS") -> str:
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    request = {"name": type, "definition": definition, "roleArn": ROLE, "type": type}
    return str((await service.call("CreateStateMachine", request))["stateMachineArn"])


async def events(service: Service) -> list[str]:
    """The types of all events that are kept."""
    numbers = await service.store.executions("1", ())
    return [event.type for row in numbers for event in await service.store.history(row.number)]


async def test_an_express_execution_has_more_events_than_a_history_holds(opened: Open) -> None:
    async with opened() as service:
        arn = await machine(service, COUNTING)
        run = await service.start_execution(arn, None, '{"n": 0}')
        with anyio.fail_after(60):
            await service.execution_finished(run.arn)
        assert 4 * ROUNDS > MAX_EVENTS
        assert (run.status, run.error) == ("SUCCEEDED", None)
        assert run.output is not None
        assert run.output.value == {"n": ROUNDS}


async def test_one_that_never_waits_leaves_time_and_space_to_others(opened: Open) -> None:
    async with opened() as service:
        forever = await service.start_execution(await machine(service, FOREVER), None, "{}")
        standard = await machine(service, {"p": {"Type": "Pass", "End": True}}, "STANDARD")
        for _ in range(20):
            beside = await service.start_execution(standard, None, "{}")
            with anyio.fail_after(5):
                await service.execution_finished(beside.arn)
        assert forever.status == "RUNNING"
        assert (await events(service)).count("PassStateEntered") == 20
        await service.stop_execution(forever.arn, None, None)
        assert forever.status == "ABORTED"


async def test_an_express_execution_begins_anew_where_it_was_cut_off(
    opened: Open, clock: Clock
) -> None:
    async with opened() as service:
        arn = (await service.start_execution(await machine(service, WAITING), None, '{"n": 0}')).arn
        assert await events(service) == ["ExecutionStarted"]
    clock.seconds += 90
    async with opened() as service:
        assert (await service.describe_execution(arn)).status == "RUNNING"
    clock.seconds += 90  # the second wait, which began anew, is not over
    async with opened() as service:
        run = await service.describe_execution(arn)
        assert run.status == "RUNNING"
        clock.seconds += 100
        with anyio.fail_after(5):
            await service.execution_finished(arn)
        assert run.output is not None
        assert run.output.value == {"n": 2}
        assert await events(service) == ["ExecutionStarted"]


async def test_its_five_minutes_count_from_its_first_beginning(opened: Open, clock: Clock) -> None:
    async with opened() as service:
        arn = (await service.start_execution(await machine(service, WAITING), None, '{"n": 0}')).arn
    clock.seconds += 301
    async with opened() as service:
        with anyio.fail_after(5):
            await service.execution_finished(arn)
        assert (await service.describe_execution(arn)).status == "TIMED_OUT"
