from __future__ import annotations

import logging
from typing import Any

import pytest

from aiowfm.ports import TaskToken
from aiowfm.tasks.context import TaskContext
from aiowfm.tasks.envelope import opened
from tests.worker.fakes import activity_task


def context(token: str = "t", value: object = None, **facts: object) -> TaskContext:
    async def beat() -> None: ...

    return opened(
        activity_task(token, value, **facts), task_name="charge", worker_name="me", beat=beat
    )


def test_the_idempotency_key_is_a_sha_256() -> None:
    key = context().idempotency_key
    assert key is not None
    assert len(bytes.fromhex(key)) == 32


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"attempt": 7}, id="another attempt"),
        pytest.param({"redrive": 1}, id="redriven"),
        pytest.param({"heartbeat": 5}, id="another heartbeat"),
        pytest.param({"token": "other"}, id="another token"),
        pytest.param({"value": {"b": 2, "a": 1}}, id="input in another order"),
    ],
)
def test_retries_of_one_entry_into_a_state_share_the_idempotency_key(facts: dict[str, Any]) -> None:
    given: dict[str, Any] = {"value": {"a": 1, "b": 2}}
    assert context(**given | facts).idempotency_key == context(**given).idempotency_key


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"index": 1}, id="map index"),
        pytest.param({"value": {"a": 2}}, id="input"),
        pytest.param({"state": "ship"}, id="state"),
        pytest.param({"entered": "2024-01-01T00:00:00.124Z"}, id="time of entry"),
        pytest.param({"execution": "arn:aws:states:::execution:m:other"}, id="execution"),
    ],
)
def test_another_entry_into_a_state_has_another_idempotency_key(facts: dict[str, Any]) -> None:
    first = context(value={"a": 1}, index=0)
    given: dict[str, Any] = {"value": {"a": 1}, "index": 0}
    other = context(**given | facts)
    assert other.idempotency_key != first.idempotency_key


def test_an_input_that_utf_8_cannot_say_has_an_idempotency_key() -> None:
    assert context(value="\ud800").idempotency_key is not None


def test_the_token_never_shows() -> None:
    ctx = context("secret-token", "secret-input")
    shown = (
        f"{ctx!r} {ctx} {ctx.log_facts} {ctx.task_id} {activity_task('secret-token', 'secret')!r}"
    )
    assert "secret" not in shown


def test_the_task_id_is_short_and_the_same_for_the_same_token() -> None:
    assert context("a").task_id == context("a").task_id != context("b").task_id
    assert len(context("a").task_id) == 12


def test_the_logger_says_which_task_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    ctx = context(attempt=1)
    with caplog.at_level(logging.INFO, "aiowfm.tasks"):
        ctx.logger.info("charging %s", "o-17")
    (record,) = caplog.records
    assert record.message == "charging o-17"
    assert record.__dict__.items() >= ctx.log_facts.items()


@pytest.mark.anyio
async def test_a_context_made_by_hand_needs_no_heartbeat() -> None:
    await TaskContext(task_name="x", task_token=TaskToken("t"), worker_name="me").heartbeat()
