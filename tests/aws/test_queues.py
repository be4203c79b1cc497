"""What the contract in tests/callbacks cannot bring about: answers that are lost or unusual."""

from __future__ import annotations

from typing import Any

import pytest

from aiowfm.aws.connection import receive_config
from aiowfm.errors import BackendUnavailableError, NotFoundError
from aiowfm.ports import CallbackQueue, OpenBackend, QueueMessage
from tests.aws.stub import FAILURE, Answer, Fault, ImpatientSession, Stub, refusal

pytestmark = pytest.mark.anyio

URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/app-callbacks"
MESSAGES = [
    QueueMessage(id=f"m-{number}", receipt=f"r-{number}", body="{}", receive_count=1)
    for number in range(3)
]


@pytest.fixture
def queue(server: Stub, stubbed: OpenBackend) -> CallbackQueue:
    server.answers["GetQueueUrl"] = [Answer({"QueueUrl": URL})]
    return stubbed.callbacks("app-callbacks").queue


def failed(*codes: str) -> Answer:
    entries = [{"Id": str(n), "Code": code, "SenderFault": True} for n, code in enumerate(codes)]
    return Answer({"Successful": [], "Failed": entries})


def requests(server: Stub, operation: str) -> list[dict[str, Any]]:
    return [members for name, members in server.requests if name == operation]


async def test_a_receive_asks_for_what_it_needs(server: Stub, queue: CallbackQueue) -> None:
    attributes = {"ApproximateReceiveCount": "3"}
    message = {"MessageId": "m", "ReceiptHandle": "r", "Body": "b", "Attributes": attributes}
    server.answers["ReceiveMessage"] = [Answer({"Messages": [message]}), Answer({})]
    assert await queue.receive() == [QueueMessage(id="m", receipt="r", body="b", receive_count=3)]
    assert await queue.receive() == []
    assert requests(server, "ReceiveMessage")[0] == {
        "QueueUrl": URL,
        "MaxNumberOfMessages": 10,
        "WaitTimeSeconds": 20,
        "VisibilityTimeout": 60,
        "AttributeNames": ["ApproximateReceiveCount"],
    }
    assert len(requests(server, "GetQueueUrl")) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(FAILURE, id="500"),
        pytest.param(refusal("RequestThrottled"), id="throttled"),
        pytest.param(refusal("OverLimit"), id="too many in flight"),
        pytest.param(Fault.RESET, id="reset"),
        pytest.param(Fault.HANG, id="hanging"),
        pytest.param(Answer({"Messages": [{}]}), id="no message"),
    ],
)
async def test_a_failing_receive_is_one_request(
    server: Stub, fault: Answer | Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    server.answers |= {"GetQueueUrl": [Answer({"QueueUrl": URL})], "ReceiveMessage": [fault]}
    async with server.backend(session=ImpatientSession()).open(max_polls=1) as backend:
        with pytest.raises(BackendUnavailableError):
            await backend.callbacks("app-callbacks").queue.receive()
    assert len(requests(server, "ReceiveMessage")) == 1


async def test_a_receive_outwaits_the_service() -> None:
    assert receive_config().read_timeout > 20


async def test_a_queue_that_is_gone_is_not_found(server: Stub, queue: CallbackQueue) -> None:
    server.answers["ReceiveMessage"] = [refusal("QueueDoesNotExist")]
    with pytest.raises(NotFoundError):
        await queue.receive()


@pytest.mark.parametrize(
    "code",
    [
        "ReceiptHandleIsInvalid",
        "InvalidParameterValue",
        "AWS.SimpleQueueService.MessageNotInflight",
    ],
)
async def test_a_receipt_that_ran_out_is_passed_over(
    server: Stub, queue: CallbackQueue, code: str
) -> None:
    server.answers |= {
        "DeleteMessageBatch": [failed(code)],
        "ChangeMessageVisibilityBatch": [failed(code)],
    }
    await queue.delete(MESSAGES)
    await queue.hide(MESSAGES, 5)


async def test_messages_that_are_not_deleted_are_told_with_the_reasons(
    server: Stub, queue: CallbackQueue
) -> None:
    answer = failed("InternalError", "ReceiptHandleIsInvalid", "RequestThrottled")
    server.answers |= {"DeleteMessageBatch": [answer], "ChangeMessageVisibilityBatch": [answer]}
    for call in (queue.delete(MESSAGES), queue.hide(MESSAGES, 5)):
        with pytest.raises(BackendUnavailableError, match="2 messages") as caught:
            await call
        assert caught.value.code == "InternalError, RequestThrottled"


@pytest.mark.parametrize(
    ("seconds", "asked"), [(0, 0), (-3.5, 0), (0.2, 1), (30, 30), (30.5, 31), (1e6, 43_200)]
)
async def test_messages_are_hidden_for_whole_seconds(
    server: Stub, queue: CallbackQueue, seconds: float, asked: int
) -> None:
    server.answers["ChangeMessageVisibilityBatch"] = [Answer({"Successful": []})]
    await queue.hide(MESSAGES, seconds)
    [request] = requests(server, "ChangeMessageVisibilityBatch")
    assert request["Entries"] == [
        {"Id": str(number), "ReceiptHandle": f"r-{number}", "VisibilityTimeout": asked}
        for number in range(3)
    ]


async def test_deletes_are_tried_again(server: Stub, queue: CallbackQueue) -> None:
    server.answers["DeleteMessageBatch"] = [FAILURE, Answer({"Successful": []})]
    await queue.delete(MESSAGES)
    assert len(requests(server, "DeleteMessageBatch")) == 2


async def test_to_interrupt_cuts_nothing(server: Stub, queue: CallbackQueue) -> None:
    queue.interrupt()
    assert server.requests == []
