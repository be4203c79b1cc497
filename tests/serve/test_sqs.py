"""Messages to a real queue: `sqs:sendMessage` through the server, to an SQS endpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aioboto3
import anyio
import pytest
from botocore.config import Config

from aiowfm.aws.sqs import sqs_sender
from aiowfm.errors import AccessDeniedError
from aiowfm.local import calls
from aiowfm.local.service import Service
from aiowfm.serve import serve
from tests.ministack import MiniStack
from tests.serve.conftest import CLIENT

pytestmark = [pytest.mark.anyio, pytest.mark.aws]

ROLE = "arn:aws:iam::000000000000:role/anyone"
SEND = "arn:aws:states:::sqs:sendMessage"
NOWHERE = "http://127.0.0.1:9"  # the port of "discard": nobody listens


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
async def service(ministack: MiniStack) -> AsyncIterator[Service]:
    async with sqs_sender(endpoint_url=ministack.url, region="us-east-1") as sender:
        yield Service(region="us-east-1", account_id="000000000000", sender=sender)


@pytest.fixture
async def queues(ministack: MiniStack) -> AsyncIterator[Any]:
    config = Config(retries={"max_attempts": 0})
    async with aioboto3.Session().client(
        "sqs", endpoint_url=ministack.url, config=config, **CLIENT
    ) as made:
        yield made


@pytest.fixture
async def queue(queues: Any, environment: str) -> str:
    made = await queues.create_queue(QueueName=environment)
    return str(made["QueueUrl"])


async def received(queues: Any, queue: str) -> str:
    with anyio.fail_after(10):
        while True:
            answer = await queues.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
            for message in answer.get("Messages", ()):
                return str(message["Body"])


async def started(client: Any, parameters: Mapping[str, Any], **state: Any) -> str:
    """An execution that sends a message; its ARN."""
    states = {"send": {"Type": "Task", "Resource": SEND, "Parameters": parameters, "End": True}}
    states["send"].update(state)
    machine = await client.create_state_machine(
        name="m", definition=json.dumps({"StartAt": "send", "States": states}), roleArn=ROLE
    )
    execution = await client.start_execution(stateMachineArn=machine["stateMachineArn"])
    return str(execution["executionArn"])


async def ended(service: Service, client: Any, execution: str) -> dict[str, Any]:
    with anyio.fail_after(15):
        await service.execution_finished(execution)
    described: dict[str, Any] = await client.describe_execution(executionArn=execution)
    return described


def waits(queue: str, **state: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and fields of a state that waits for its token."""
    body = {"token.$": "$$.Task.Token"}
    resource = {"Resource": f"{SEND}.waitForTaskToken"}
    return {"QueueUrl": queue, "MessageBody": body}, resource | state


async def test_a_message_arrives_and_its_id_is_the_result(
    service: Service, client: Any, queues: Any, queue: str
) -> None:
    attributes = {"kind": {"DataType": "String", "StringValue": "test"}}
    execution = await started(
        client,
        {"QueueUrl": queue, "MessageBody": {"é": [1, 2]}, "MessageAttributes": attributes},
    )
    done = await ended(service, client, execution)
    assert done["status"] == "SUCCEEDED"
    body = await received(queues, queue)
    assert json.loads(body) == {"é": [1, 2]}
    output = json.loads(done["output"])
    assert output["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    assert output["MessageId"]


async def test_the_token_of_a_message_finishes_its_task(
    service: Service, client: Any, queues: Any, queue: str
) -> None:
    parameters, state = waits(queue)
    execution = await started(client, parameters, **state)
    token = json.loads(await received(queues, queue))["token"]
    await client.send_task_heartbeat(taskToken=token)
    await client.send_task_success(taskToken=token, output="7")
    done = await ended(service, client, execution)
    assert (done["status"], done["output"]) == ("SUCCEEDED", "7")
    history = await client.get_execution_history(executionArn=execution)
    assert [event["type"] for event in history["events"]] == [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]


async def test_the_token_of_a_message_fails_its_task(
    service: Service, client: Any, queues: Any, queue: str
) -> None:
    parameters, state = waits(queue)
    execution = await started(client, parameters, **state)
    token = json.loads(await received(queues, queue))["token"]
    await client.send_task_failure(taskToken=token, error="No", cause="because")
    done = await ended(service, client, execution)
    assert (done["status"], done["error"], done["cause"]) == ("FAILED", "No", "because")


async def test_a_token_that_nobody_beats_for_times_out(
    service: Service, client: Any, queues: Any, queue: str
) -> None:
    parameters, state = waits(queue, HeartbeatSeconds=1)
    execution = await started(client, parameters, **state)
    done = await ended(service, client, execution)
    assert (done["status"], done["error"]) == ("FAILED", "States.Timeout")
    token = json.loads(await received(queues, queue))["token"]
    with pytest.raises(client.exceptions.TaskTimedOut):
        await client.send_task_success(taskToken=token, output="7")


async def test_a_queue_that_does_not_exist_fails_the_task(
    service: Service, client: Any, queue: str
) -> None:
    execution = await started(client, {"QueueUrl": f"{queue}-not", "MessageBody": "x"})
    done = await ended(service, client, execution)
    assert (done["status"], done["error"]) == ("FAILED", "SQS.QueueDoesNotExistException")
    assert done["cause"].startswith("SendMessage: ")


async def test_a_parameter_that_sqs_does_not_take_fails_the_task(
    service: Service, client: Any, queue: str
) -> None:
    parameters = {"QueueUrl": queue, "MessageBody": "x", "MessageAttributes": {"colour": "red"}}
    execution = await started(client, parameters)
    done = await ended(service, client, execution)
    assert (done["status"], done["error"]) == ("FAILED", "SQS.SdkClientException")


async def test_an_endpoint_out_of_reach_fails_the_task_after_some_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE_SECONDS", 0.001)
    async with (
        sqs_sender(endpoint_url=NOWHERE, region="us-east-1") as sender,
        anyio.create_task_group() as group,
    ):
        service = Service(region="us-east-1", account_id="000000000000", sender=sender)
        url = await group.start(serve, service, "127.0.0.1", 0)
        async with aioboto3.Session().client("stepfunctions", endpoint_url=url, **CLIENT) as client:
            execution = await started(client, {"QueueUrl": f"{NOWHERE}/0/q", "MessageBody": "x"})
            done = await ended(service, client, execution)
        group.cancel_scope.cancel()
    assert (done["status"], done["error"]) == ("FAILED", "SQS.SdkClientException")
    assert NOWHERE in done["cause"]
    assert "tried 5 times" in done["cause"]


async def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(AccessDeniedError, match="set AWS_ACCESS_KEY_ID"):
        async with sqs_sender(endpoint_url=NOWHERE, region="us-east-1"):
            pass
