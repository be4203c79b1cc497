"""What the contract in tests/callbacks cannot bring about: answers that are lost or unusual."""

from __future__ import annotations

import traceback
from dataclasses import replace

import pytest

from aiowfm.aws.token_items import result_item, wait_item
from aiowfm.errors import AiowfmError, BackendError, BackendUnavailableError, NotFoundError
from aiowfm.ports import OpenBackend, TokenStore
from aiowfm.waits import TaskToken, WaitStatus
from tests.aws.stub import FAILURE, OK, Answer, Stub, refusal
from tests.callbacks.storage import later, waiting

pytestmark = pytest.mark.anyio

CONDITION_FAILED = refusal("ConditionalCheckFailedException")
FIRST = waiting("order")
ACCEPTED = later(FIRST, WaitStatus.COMPLETING)


@pytest.fixture
def tokens(stubbed: OpenBackend) -> TokenStore:
    return stubbed.callbacks("app-callbacks").tokens


def cancelled(*codes: str) -> Answer:
    reasons = [{"Code": code, "Message": "because"} for code in codes]
    return Answer(
        {
            "__type": "TransactionCanceledException",
            "Message": f"Transaction cancelled [{', '.join(codes)}]",
            "CancellationReasons": reasons,
        },
        400,
    )


async def test_a_write_whose_answer_was_lost_is_ours(server: Stub, tokens: TokenStore) -> None:
    server.answers["PutItem"] = [FAILURE, CONDITION_FAILED]
    server.answers["GetItem"] = [Answer({"Item": wait_item(FIRST)})]
    assert await tokens.replace(None, FIRST)
    assert server.operations() == ["PutItem", "PutItem", "GetItem"]
    assert server.requests[-1][1]["ConsistentRead"] is True


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(cancelled("ConditionalCheckFailed", "None"), id="condition"),
        pytest.param(refusal("IdempotentParameterMismatchException"), id="request-token"),
    ],
)
async def test_a_transaction_whose_answer_was_lost_is_ours(
    server: Stub, tokens: TokenStore, answer: Answer
) -> None:
    server.answers["TransactWriteItems"] = [FAILURE, answer]
    server.answers["GetItem"] = [Answer({"Item": wait_item(ACCEPTED)})]
    assert await tokens.replace(FIRST, ACCEPTED, "{}")


async def test_a_write_after_another_is_not_ours(server: Stub, tokens: TokenStore) -> None:
    server.answers["PutItem"] = [CONDITION_FAILED]
    server.answers["TransactWriteItems"] = [cancelled("ConditionalCheckFailed", "None")]
    server.answers["GetItem"] = [Answer({"Item": wait_item(FIRST)})]
    assert not await tokens.replace(None, ACCEPTED)
    assert not await tokens.replace(None, ACCEPTED, "{}")


async def test_a_write_that_is_not_known_to_be_ours_is_worth_another_try(
    server: Stub, tokens: TokenStore
) -> None:
    server.answers["PutItem"] = [CONDITION_FAILED]
    server.answers["GetItem"] = [refusal("AccessDeniedException")]
    with pytest.raises(BackendError, match="GetItem"):
        await tokens.replace(None, FIRST)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (cancelled("TransactionConflict", "None"), BackendUnavailableError, "TransactionConflict"),
        (cancelled("None", "ThrottlingError"), BackendUnavailableError, "ThrottlingError"),
        (
            cancelled("ProvisionedThroughputExceeded", "None"),
            BackendUnavailableError,
            "ProvisionedThroughputExceeded",
        ),
        (cancelled("None", "ValidationError"), BackendError, "ValidationError"),
        (cancelled("ThrottlingError", "ValidationError"), BackendError, "ValidationError"),
        (
            refusal("TransactionCanceledException"),
            BackendUnavailableError,
            "TransactionCanceledException",
        ),
        (refusal("ValidationException"), BackendError, "ValidationException"),
        (refusal("ResourceNotFoundException"), NotFoundError, None),
    ],
)
async def test_a_transaction_that_is_cancelled_tells_why(
    server: Stub, tokens: TokenStore, answer: Answer, kind: type[Exception], code: str | None
) -> None:
    server.answers["TransactWriteItems"] = [answer]
    with pytest.raises(kind) as caught:
        await tokens.replace(FIRST, ACCEPTED, "{}")
    assert type(caught.value) is kind
    assert getattr(caught.value, "code", None) == code


async def test_wait_and_result_expire_together(server: Stub, tokens: TokenStore) -> None:
    server.answers["TransactWriteItems"] = [OK]
    await tokens.replace(FIRST, ACCEPTED, "{}")
    [(_, request)] = server.requests
    wait, result = (each["Put"]["Item"] for each in request["TransactItems"])
    assert (wait, result) == (wait_item(ACCEPTED), result_item(ACCEPTED, "{}"))
    assert wait["expires_at"] == result["expires_at"]


async def test_what_no_release_has_written_is_no_wait(server: Stub, tokens: TokenStore) -> None:
    server.answers["GetItem"] = [Answer({"Item": wait_item(FIRST) | {"layout": {"N": "2"}}})]
    with pytest.raises(BackendError, match="layout 2"):
        await tokens.find("order")


async def test_an_item_that_cannot_be_read_is_a_fault_of_its_own(
    server: Stub, tokens: TokenStore
) -> None:
    server.answers["GetItem"] = [Answer({"Item": {"task_key": {"S": "order"}}})]
    with pytest.raises(BackendError, match="not ours") as caught:
        await tokens.find("order")
    assert caught.value.code == "UnreadableItem"


async def test_an_answer_that_cannot_be_read_is_worth_another_try(
    server: Stub, tokens: TokenStore
) -> None:
    server.answers["GetItem"] = [Answer({"Item": {"task_key": {"S": "order"}}})]
    with pytest.raises(BackendUnavailableError, match="cannot read the answer"):
        await tokens.result("order")
    server.answers["Query"] = [OK]
    with pytest.raises(BackendUnavailableError, match="cannot read the answer"):
        await tokens.due(0)
    with pytest.raises(BackendUnavailableError, match="cannot read the answer"):
        await anext(tokens.pending())


async def test_pending_waits_are_read_page_by_page(server: Stub, tokens: TokenStore) -> None:
    last = {"task_key": {"S": "order"}}
    server.answers["Query"] = [
        *[Answer({"Items": [wait_item(FIRST)], "LastEvaluatedKey": last})] * 8,
        *[Answer({"Items": [wait_item(replace(FIRST, key="z"))]})] * 8,
    ]
    pending = tokens.pending()
    for _ in range(8):
        await anext(pending)
        assert len(server.requests) <= 8 + 8
    assert len([each async for each in pending]) == 8
    assert sum("ExclusiveStartKey" in request for _, request in server.requests) == 8


@pytest.mark.parametrize(
    ("operation", "result"), [("PutItem", None), ("TransactWriteItems", '"a s3cret result"')]
)
async def test_no_error_shows_what_was_to_be_kept(
    server: Stub, tokens: TokenStore, operation: str, result: str | None
) -> None:
    wait = replace(FIRST, token=TaskToken("AQCEs3cret"), message='{"card": "4111-s3cret"}')
    quoting = f"no: {wait.token} {wait.message} {result}"
    server.answers[operation] = [refusal("ValidationException", quoting)]
    with pytest.raises(AiowfmError, match="ValidationException") as caught:
        await tokens.replace(None, wait, result)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
