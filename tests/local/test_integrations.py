"""What Tasks call besides activities: other executions, queues, and the runs of Maps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import pytest

from aiowfm.errors import BackendUnavailableError
from aiowfm.local import calls
from aiowfm.local.queues import Message
from aiowfm.local.runs import Run
from aiowfm.local.service import Service

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"
START = "arn:aws:states:::states:startExecution"
SEND = "arn:aws:states:::sqs:sendMessage"
DOUBLE = {"only": {"Type": "Pass", "Result": {"n": 2}, "End": True}}
FAIL = {"only": {"Type": "Fail", "Error": "Bad", "Cause": "luck"}}
WAIT = {"only": {"Type": "Wait", "Seconds": 600, "End": True}}


def a_service(**options: Any) -> Service:
    return Service(region="eu-west-1", account_id="123456789012", **options)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = a_service()
    async with made.running():
        yield made


async def machine(service: Service, name: str, states: Mapping[str, Any]) -> str:
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    return await service.create_state_machine(name, definition, ROLE, {})


async def started(service: Service, states: Mapping[str, Any], input: str = "{}") -> Run:
    arn = await machine(service, "parent", states)
    return await service.start_execution(arn, "x", input)


async def ended(service: Service, run: Run) -> Run:
    with anyio.fail_after(10):
        return await service.execution_finished(run.arn)


async def outcome(service: Service, states: Mapping[str, Any], input: str = "{}") -> Run:
    return await ended(service, await started(service, states, input))


def calling(pattern: str, child: str, **fields: Any) -> dict[str, Any]:
    parameters = {"StateMachineArn": child, "Name": "child", "Input": {"a": 1}}
    task = {"Type": "Task", "Resource": START + pattern, "Parameters": parameters, "End": True}
    return {"call": task | fields}


async def types(service: Service, run: Run) -> list[str]:
    return [event.type for event in await service.get_execution_history(run.arn)]


async def child_run(service: Service, name: str = "child") -> Run:
    return await service.describe_execution(service.executions.arn("child", name))


def value(run: Run) -> Any:
    assert run.output is not None, (run.status, run.error, run.cause)
    return run.output.value


# Executions that start executions.


async def test_a_plain_call_does_not_wait_for_the_execution_it_starts(service: Service) -> None:
    child = await machine(service, "child", WAIT)
    run = await outcome(service, calling("", child))
    answer = value(run)
    assert answer["ExecutionArn"] == (await child_run(service)).arn
    assert isinstance(answer["StartDate"], int)
    assert (await child_run(service)).status == "RUNNING"
    assert (await child_run(service)).input.value == {"a": 1}
    assert (await types(service, run))[2:5] == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]


@pytest.mark.parametrize(
    ("pattern", "output"),
    [pytest.param(".sync", '{"n":2}', id="text"), pytest.param(".sync:2", {"n": 2}, id="json")],
)
async def test_a_sync_call_gives_what_the_execution_gave(
    service: Service, pattern: str, output: Any
) -> None:
    child = await machine(service, "child", DOUBLE)
    run = await outcome(service, calling(pattern, child))
    described = value(run)
    assert (described["Status"], described["Output"]) == ("SUCCEEDED", output)
    assert (described["Name"], described["StateMachineArn"]) == ("child", child)
    assert (await types(service, run))[2:6] == [
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
    ]


@pytest.mark.parametrize("pattern", [".sync", ".sync:2"])
async def test_a_sync_call_fails_with_its_execution(service: Service, pattern: str) -> None:
    child = await machine(service, "child", FAIL)
    run = await outcome(service, calling(pattern, child))
    assert (run.status, run.error) == ("FAILED", "States.TaskFailed")
    cause = json.loads(run.cause or "")
    assert (cause["Status"], cause["Error"], cause["Cause"]) == ("FAILED", "Bad", "luck")


async def test_a_failed_execution_can_be_caught(service: Service) -> None:
    child = await machine(service, "child", FAIL)
    catch = {"ErrorEquals": ["States.TaskFailed"], "Next": "after"}
    states = calling(".sync", child, Catch=[catch]) | {"after": {"Type": "Succeed"}}
    assert (await outcome(service, states)).status == "SUCCEEDED"


@pytest.mark.parametrize("pattern", ["", ".sync", ".sync:2", ".waitForTaskToken"])
async def test_a_machine_that_does_not_exist_fails_the_task(service: Service, pattern: str) -> None:
    missing = "arn:aws:states:eu-west-1:123456789012:stateMachine:none"
    states = calling(pattern, missing)
    if pattern == ".waitForTaskToken":
        states["call"]["Parameters"]["Input"] = {"token.$": "$$.Task.Token"}
    run = await outcome(service, states)
    assert run.error == "StepFunctions.StateMachineDoesNotExistException"
    assert missing in (run.cause or "")
    catch = {"ErrorEquals": [run.error], "Next": "after"}
    again = await machine(
        service,
        "again",
        {"call": states["call"] | {"Catch": [catch]}, "after": {"Type": "Succeed"}},
    )
    caught = await service.start_execution(again, "x", "{}")
    assert (await ended(service, caught)).status == "SUCCEEDED"


async def test_a_name_that_is_taken_fails_the_task(service: Service) -> None:
    child = await machine(service, "child", DOUBLE)
    await service.start_execution(child, "child", "{}")
    run = await outcome(service, calling("", child))
    assert run.error == "StepFunctions.ExecutionAlreadyExistsException"


@pytest.mark.parametrize("succeeds", [True, False])
async def test_a_call_waits_for_the_token_it_passed_on(service: Service, succeeds: bool) -> None:
    child = await machine(service, "child", WAIT)
    states = calling(".waitForTaskToken", child)
    states["call"]["Parameters"]["Input"] = {"token.$": "$$.Task.Token"}
    run = await started(service, states)
    with anyio.fail_after(10):
        while await service.executions.find(service.executions.arn("child", "child")) is None:
            await anyio.lowlevel.checkpoint()
    received = (await child_run(service)).input.value
    assert isinstance(received, dict)
    token = str(received["token"])
    if succeeds:
        await service.send_task_success(token, "7")
        assert value(await ended(service, run)) == 7
    else:
        await service.send_task_failure(token, "No", "because")
        assert ((await ended(service, run)).error, run.cause) == ("No", "because")
    assert (await child_run(service)).status == "RUNNING"


async def test_an_execution_that_ends_too_late_matters_to_nobody(service: Service) -> None:
    child = await machine(service, "child", WAIT)
    run = await outcome(service, calling(".sync", child, TimeoutSeconds=1))
    assert run.error == "States.Timeout"
    before = await types(service, run)
    await service.stop_execution((await child_run(service)).arn, None, None)
    await anyio.wait_all_tasks_blocked()
    assert await types(service, run) == before


async def test_a_task_that_was_given_up_calls_nothing(service: Service) -> None:
    child = await machine(service, "child", DOUBLE)
    parent = await machine(service, "parent", calling("", child))
    run = await service.begin_execution(parent, "x", "{}")
    await service.stop_execution(run.arn, None, None)  # before its call had a turn
    await anyio.wait_all_tasks_blocked()
    assert await service.executions.find(service.executions.arn("child", "child")) is None


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::lambda:invoke",
        "arn:aws:states:::sns:publish.waitForTaskToken",
        "arn:aws:states:::sqs:sendMessage.sync",
        "arn:aws:states:::aws-sdk:s3:getObject",
        "arn:aws:lambda:eu-west-1:123456789012:function:f",
    ],
)
async def test_a_resource_that_is_not_run_fails_with_an_error_that_names_it(
    service: Service, resource: str
) -> None:
    parameters = {"token.$": "$$.Task.Token"} if resource.endswith("Token") else {}
    task = {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}
    run = await outcome(service, {"call": task})
    assert run.status == "FAILED"
    assert resource in (run.cause or "")
    assert "sqs:sendMessage" in (run.cause or "")


# Distributed Maps.


def distributed(processor: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    item_processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": next(iter(processor)),
        "States": processor,
    }
    state = {"Type": "Map", "Label": "map", "ItemProcessor": item_processor, "End": True}
    return {"each": state | fields}


PASS = {"same": {"Type": "Pass", "End": True}}
# Fails for items above 1.
PICKY = {
    "choose": {
        "Type": "Choice",
        "Choices": [{"Variable": "$", "NumericGreaterThan": 1, "Next": "bad"}],
        "Default": "good",
    },
    "bad": {"Type": "Fail", "Error": "TooMuch"},
    "good": {"Type": "Succeed"},
}


async def map_run(service: Service, run: Run) -> dict[str, Any]:
    listed: Any = await service.call("ListMapRuns", {"executionArn": run.arn})
    (only,) = listed["mapRuns"]
    described: dict[str, Any] = await service.call(
        "DescribeMapRun", {"mapRunArn": only["mapRunArn"]}
    )
    return described


async def children(service: Service, record: dict[str, Any]) -> list[dict[str, Any]]:
    listed: Any = await service.call("ListExecutions", {"mapRunArn": record["mapRunArn"]})
    return list(listed["executions"])


def counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {state: count for state, count in counts.items() if count}


async def test_each_item_has_an_execution_of_its_own(service: Service) -> None:
    run = await outcome(service, distributed(PASS), "[3, 1, 2]")
    assert value(run) == [3, 1, 2]
    record = await map_run(service, run)
    assert (record["status"], record["executionArn"]) == ("SUCCEEDED", run.arn)
    assert counted(record["executionCounts"]) == {"succeeded": 3, "total": 3}
    assert counted(record["itemCounts"]) == {"succeeded": 3, "total": 3}
    listed = await children(service, record)
    assert {child["status"] for child in listed} == {"SUCCEEDED"}
    assert len({child["executionArn"] for child in listed}) == 3
    assert all(":execution:parent/map:" in child["executionArn"] for child in listed)
    of_machine: Any = await service.call("ListExecutions", {"stateMachineArn": run.machine.arn})
    assert [each["executionArn"] for each in of_machine["executions"]] == [run.arn]


async def test_no_items_make_an_empty_run(service: Service) -> None:
    run = await outcome(service, distributed(PASS), "[]")
    assert value(run) == []
    record = await map_run(service, run)
    assert (record["status"], counted(record["itemCounts"])) == ("SUCCEEDED", {})


async def test_batches_are_counted_as_executions_and_as_items(service: Service) -> None:
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"by": "two"}}
    run = await outcome(service, distributed(PASS, ItemBatcher=batcher), "[1, 2, 3, 4, 5]")
    assert value(run) == [
        {"BatchInput": {"by": "two"}, "Items": items} for items in ([1, 2], [3, 4], [5])
    ]
    record = await map_run(service, run)
    assert counted(record["executionCounts"]) == {"succeeded": 3, "total": 3}
    assert counted(record["itemCounts"]) == {"succeeded": 5, "total": 5}


async def test_no_more_children_run_at_once_than_may(service: Service) -> None:
    activity = (await service.create_activity("work")).arn
    work = {"work": {"Type": "Task", "Resource": activity, "End": True}}
    run = await started(service, distributed(work, MaxConcurrency=2), "[1, 2, 3, 4, 5]")
    with anyio.fail_after(10):
        for number in range(5):
            await anyio.wait_all_tasks_blocked()
            counts = (await map_run(service, run))["executionCounts"]
            assert counts["running"] == min(2, 5 - number)
            assert counts["pending"] == max(0, 3 - number)
            task = await service.get_activity_task(activity, None)
            assert task is not None
            await service.send_task_success(task.token, task.input)
    assert value(await ended(service, run)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("tolerance", "status"),
    [
        pytest.param({}, "FAILED", id="none"),
        pytest.param({"ToleratedFailureCount": 1}, "FAILED", id="count below"),
        pytest.param({"ToleratedFailureCount": 2}, "SUCCEEDED", id="count"),
        pytest.param({"ToleratedFailurePercentage": 49}, "FAILED", id="percentage below"),
        pytest.param({"ToleratedFailurePercentage": 50}, "SUCCEEDED", id="percentage"),
        pytest.param({"ToleratedFailurePercentage": 100}, "SUCCEEDED", id="all"),
    ],
)
async def test_failures_are_tolerated_up_to_a_threshold(
    service: Service, tolerance: Mapping[str, int], status: str
) -> None:
    states = distributed(PICKY, MaxConcurrency=1, **tolerance)
    run = await outcome(service, states, "[0, 2, 3, 1]")
    record = await map_run(service, run)
    assert (run.status, record["status"]) == (status, status)
    if status == "SUCCEEDED":
        assert value(run) == [0, 1]
        assert counted(record["itemCounts"]) == {"succeeded": 2, "failed": 2, "total": 4}
    else:
        assert run.error == "States.ExceedToleratedFailureThreshold"
        assert record["itemCounts"]["total"] == 4
        assert record["itemCounts"]["pending"] == 0


async def test_a_run_over_its_threshold_stops_the_other_children(service: Service) -> None:
    processor = PICKY | {"good": WAIT["only"]}
    run = await outcome(service, distributed(processor), "[0, 1, 2]")
    await anyio.wait_all_tasks_blocked()
    record = await map_run(service, run)
    assert counted(record["executionCounts"]) == {"failed": 1, "aborted": 2, "total": 3}
    statuses = sorted(child["status"] for child in await children(service, record))
    assert statuses == ["ABORTED", "ABORTED", "FAILED"]


async def test_the_error_of_a_failed_run_can_be_caught(service: Service) -> None:
    catch = {"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "Next": "after"}
    states = distributed(PICKY, Catch=[catch]) | {"after": {"Type": "Succeed"}}
    assert (await outcome(service, states, "[2]")).status == "SUCCEEDED"


async def test_what_stops_the_parent_stops_its_children(service: Service) -> None:
    run = await started(service, distributed(WAIT, MaxConcurrency=2), "[1, 2, 3]")
    await anyio.wait_all_tasks_blocked()
    assert counted((await map_run(service, run))["executionCounts"]) == {
        "running": 2,
        "pending": 1,
        "total": 3,
    }
    await service.stop_execution(run.arn, None, None)
    await anyio.wait_all_tasks_blocked()
    record = await map_run(service, run)
    assert record["status"] == "ABORTED"
    assert counted(record["executionCounts"]) == {"aborted": 3, "total": 3}
    assert {child["status"] for child in await children(service, record)} == {"ABORTED"}


# Messages.


def sending(**parameters: Any) -> dict[str, Any]:
    task = {"Type": "Task", "Resource": SEND, "Parameters": parameters, "End": True}
    return {"send": task}


async def test_messages_stay_in_the_process_where_no_sender_is_given(service: Service) -> None:
    run = await outcome(service, sending(QueueUrl="q", MessageBody={"a": 1}))
    message = service.queues.take("q")
    assert message is not None
    assert message.body == '{"a":1}'
    assert value(run) == {"MessageId": message.id, "MD5OfMessageBody": message.md5}


async def test_a_message_without_a_queue_fails_the_task(service: Service) -> None:
    states = sending()
    states["send"] |= {"QueryLanguage": "JSONata", "Arguments": "{% {'MessageBody': 'x'} %}"}
    del states["send"]["Parameters"]
    run = await outcome(service, states)
    assert run.error == "States.Runtime"


class Stalled:
    """Fails once, then keeps its messages until they are released."""

    def __init__(self) -> None:
        self.tried = 0
        self.sent: list[tuple[str, str, dict[str, Any]]] = []
        self.stalled = anyio.Event()
        self.released = anyio.Event()

    async def send(self, url: str, body: str, options: Mapping[str, Any]) -> Message:
        self.tried += 1
        if self.tried == 1:
            raise BackendUnavailableError("SendMessage", "ServiceUnavailable", "busy")
        self.stalled.set()
        await self.released.wait()
        self.sent.append((url, body, dict(options)))
        return Message(1, "id", body)


@pytest.fixture
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE_SECONDS", 0.001)


@pytest.mark.usefixtures("_short_pauses")
async def test_a_send_that_stalls_holds_up_nobody_and_goes_on_with_the_next_driver() -> None:
    sender = Stalled()
    service = a_service(sender=sender)
    passing = await machine(service, "passing", PASS)
    with anyio.fail_after(10):
        async with service.running():
            run = await started(service, sending(QueueUrl="q", MessageBody="x", MessageGroupId="g"))
            await sender.stalled.wait()
            quick = await service.start_execution(passing, "x", "{}")
            assert (await ended(service, quick)).status == "SUCCEEDED"
        assert run.status == "RUNNING"
        async with service.running():
            sender.released.set()
            assert (await ended(service, run)).status == "SUCCEEDED"
    assert sender.sent == [("q", "x", {"MessageGroupId": "g"})]
    assert sender.tried == 3


@pytest.mark.usefixtures("_short_pauses")
async def test_what_a_late_send_brings_does_not_matter() -> None:
    sender = Stalled()
    service = a_service(sender=sender)
    with anyio.fail_after(10):
        async with service.running():
            run = await started(service, sending(QueueUrl="q", MessageBody="x"))
            await sender.stalled.wait()
            await service.stop_execution(run.arn, None, None)
            sender.released.set()
            await anyio.wait_all_tasks_blocked()
    assert run.status == "ABORTED"


class Early:
    """Uses the token of a message before it says that the message was sent."""

    def __init__(self) -> None:
        self.token = ""
        self.arrived = anyio.Event()
        self.released = anyio.Event()

    async def send(self, url: str, body: str, options: Mapping[str, Any]) -> Message:
        self.token = body
        self.arrived.set()
        await self.released.wait()
        return Message(1, "id", body)


async def test_an_outcome_that_comes_before_the_answer_of_the_queue_is_kept_until_then() -> None:
    sender = Early()
    service = a_service(sender=sender)
    states = sending(**{"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"})
    states["send"]["Resource"] += ".waitForTaskToken"
    with anyio.fail_after(10):
        async with service.running(), anyio.create_task_group() as group:
            run = await started(service, states)
            await sender.arrived.wait()
            group.start_soon(service.send_task_success, sender.token, "7")
            await anyio.wait_all_tasks_blocked()
            assert run.status == "RUNNING"
            sender.released.set()
            assert value(await ended(service, run)) == 7
    assert (await types(service, run))[3:6] == ["TaskStarted", "TaskSubmitted", "TaskSucceeded"]


class Broken:
    async def send(self, url: str, body: str, options: Mapping[str, Any]) -> Message:
        raise TypeError("a defect")


async def test_a_defect_of_the_sender_fails_the_task_alone() -> None:
    service = a_service(sender=Broken())
    async with service.running():
        run = await outcome(service, sending(QueueUrl="q", MessageBody="x"))
        other = await machine(service, "other", PASS)
        after = await service.start_execution(other, "x", "{}")
        assert (await ended(service, after)).status == "SUCCEEDED"
    assert (run.status, run.error) == ("FAILED", "SQS.SdkClientException")
    assert "TypeError" in (run.cause or "")


async def test_a_map_whose_items_would_be_read_elsewhere_fails_when_it_is_reached(
    service: Service,
) -> None:
    states = {
        "map": {
            "Type": "Map",
            "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {}},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "each",
                "States": {"each": {"Type": "Pass", "End": True}},
            },
            "End": True,
        }
    }
    definition = json.dumps({"StartAt": "map", "States": states})
    arn = await service.create_state_machine("reading", definition, ROLE, {})
    run = await service.start_execution(arn, "x", "[1]")
    assert (run.status, run.error) == ("FAILED", "States.Runtime")
    assert "arn:aws:states:::s3:getObject" in (run.cause or "")
