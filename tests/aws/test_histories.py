from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aiowfm.errors import NotFoundError
from aiowfm.names import ExecutionArn
from aiowfm.ports import ExecutionEvent, NotRedrivableError, OpenBackend
from tests.aws.stub import Answer, Stub, refusal

pytestmark = pytest.mark.anyio

ARN = ExecutionArn("arn:aws:states:eu-central-1:123456789012:execution:m:e")


def page(*ids: int, token: str | None = None) -> Answer:
    body: dict[str, Any] = {"events": [event(id) for id in ids]}
    return Answer(body if token is None else body | {"nextToken": token})


def event(id: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": id, "previousEventId": id - 1, "timestamp": 1_700_000_000.0 + id}
    if id == 9:
        details = {"output": "7", "outputDetails": {"truncated": False}}
        return shown | {"type": "ExecutionSucceeded", "executionSucceededEventDetails": details}
    return shown | {
        "type": "PassStateEntered",
        "stateEnteredEventDetails": {"name": f"s{id}", "input": "{}"},
    }


async def test_a_history_is_read_page_by_page(server: Stub, stubbed: OpenBackend) -> None:
    server.answers["GetExecutionHistory"] = [page(1, 2, token="two"), page(9)]
    history = stubbed.executions.history(ARN)
    first = await anext(history)
    await anext(history)
    assert len(server.requests) == 1
    assert first == ExecutionEvent(
        id=1,
        previous_id=0,
        type="PassStateEntered",
        occurred_at=datetime.fromtimestamp(1_700_000_001, UTC),
        details={"name": "s1", "input": "{}"},
    )
    (last,) = [each async for each in history]
    assert (last.type, last.text("output"), last.text("cause")) == ("ExecutionSucceeded", "7", None)
    asked = [request for _, request in server.requests]
    assert asked == [
        {"executionArn": ARN, "maxResults": 1000},
        {"executionArn": ARN, "maxResults": 1000, "nextToken": "two"},
    ]


async def test_a_page_that_is_throttled_is_asked_for_again(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["GetExecutionHistory"] = [
        page(1, token="two"),
        refusal("ConflictException"),
        refusal("ConflictException"),
        page(9),
    ]
    assert [each.id async for each in stubbed.executions.history(ARN)] == [1, 9]


async def test_following_asks_for_new_events_only(
    server: Stub, stubbed: OpenBackend, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["GetExecutionHistory"] = [
        page(1, 2),
        page(2, 1, token="older"),
        refusal("ConflictException", "not now"),
        page(4, 3, token="older"),
        page(8, 7, token="more"),
        page(6, 5, 4, token="older"),
        page(9, token="older"),
    ]
    assert [each.id async for each in stubbed.executions.follow(ARN)] == [*range(1, 10)]
    assert len(server.requests) == 7
    assert all(request["reverseOrder"] for _, request in server.requests[1:])
    assert [request.get("nextToken") for _, request in server.requests] == [None] * 5 + [
        "more",
        None,
    ]
    assert "not now" in caplog.text


async def test_following_what_has_ended_asks_once(server: Stub, stubbed: OpenBackend) -> None:
    server.answers["GetExecutionHistory"] = [page(8, 9)]
    assert [each.id async for each in stubbed.executions.follow(ARN)] == [8, 9]
    assert len(server.requests) == 1


async def test_what_does_not_exist_is_told(server: Stub, stubbed: OpenBackend) -> None:
    server.answers["GetExecutionHistory"] = [refusal("ExecutionDoesNotExist")]
    server.answers["RedriveExecution"] = [refusal("ExecutionDoesNotExist")]
    for events in (stubbed.executions.history(ARN), stubbed.executions.follow(ARN)):
        with pytest.raises(NotFoundError):
            await anext(events)
    with pytest.raises(NotFoundError):
        await stubbed.executions.redrive(ARN)


async def test_a_redrive_can_be_sent_again(server: Stub, stubbed: OpenBackend) -> None:
    server.answers["RedriveExecution"] = [Answer({"redriveDate": 2.0})]
    server.answers["DescribeExecution"] = [
        Answer({"redriveCount": 0}),
        Answer({"redriveCount": 1, "redriveDate": 1.0}),
        Answer({"redriveCount": 2, "redriveDate": 2.0}),
    ]
    await stubbed.executions.redrive(ARN)
    (_, request), *looks = server.requests
    assert request.keys() == {"executionArn", "clientToken"}
    assert len(looks) == 3  # the first two show it as it was before


async def test_a_redrive_that_is_refused_gives_the_reason(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["RedriveExecution"] = [refusal("ExecutionNotRedrivable", "too old")]
    with pytest.raises(NotRedrivableError, match="too old"):
        await stubbed.executions.redrive(ARN)
