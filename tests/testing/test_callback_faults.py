"""What can go wrong with callbacks, to order: messages that get lost, a table that refuses."""

from __future__ import annotations

from typing import Any

import pytest

from aiowfm import BackendUnavailableError, Finalization
from aiowfm.errors import UsageError
from aiowfm.testing import VIRTUAL_TIME, Faults, StalledError, VirtualEngine

pytestmark = pytest.mark.anyio

APPROVAL: dict[str, Any] = {
    "StartAt": "approve",
    "States": {
        "approve": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "TimeoutSeconds": 3_600,
            "Parameters": {"MessageBody": {"TaskKey.$": "$.id"}},
            "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}],
            "End": True,
        }
    },
}


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


async def test_a_task_whose_message_is_lost_times_out() -> None:
    async with VirtualEngine(APPROVAL) as virtual:
        virtual.faults.lose_message("o-1")
        other = await virtual.start({"id": "o-2"})
        lost = await virtual.start({"id": "o-1"})
        await virtual.until_pending("o-2")
        await virtual.engine.finalizer.success("o-2", "yes")
        (await virtual.finished(other.id)).assert_succeeded("yes")
        await virtual.until_pending("o-1")
        await virtual.engine.finalizer.success("o-1", "at last")
        run = await virtual.finished(lost.id)
    run.assert_succeeded("at last")
    assert run.steps("approve")[0].errors == ("States.Timeout",)
    virtual.faults.assert_none_left()


async def test_a_result_is_kept_for_a_wait_whose_message_was_lost() -> None:
    async with VirtualEngine(APPROVAL) as virtual:
        virtual.faults.lose_message()
        workflow = await virtual.start({"id": "o-1"})
        await virtual.clock.settled()
        given = await virtual.engine.finalizer.success("o-1", "early")
        run = await virtual.finished(workflow.id)
    assert given is Finalization.DEFERRED
    assert run.steps("approve")[0].attempts == 2


async def test_a_table_that_refuses_reaches_whoever_finishes_a_callback() -> None:
    async with VirtualEngine(APPROVAL) as virtual:
        workflow = await virtual.start({"id": "o-1"})
        await virtual.until_pending("o-1")
        virtual.faults.throttle("table", task="o-1")
        with pytest.raises(BackendUnavailableError):
            await virtual.engine.finalizer.success("o-1", "yes")
        await virtual.engine.finalizer.success("o-1", "yes")
        (await virtual.finished(workflow.id)).assert_succeeded("yes")
    virtual.faults.assert_none_left()


@pytest.mark.parametrize("operation", ["receive", "table"])
async def test_what_is_throttled_delays_callbacks_and_loses_none(operation: Any) -> None:
    async with VirtualEngine(APPROVAL) as virtual:
        virtual.faults.throttle(operation, times=5)
        workflow = await virtual.start({"id": "o-1"})
        await virtual.until_pending("o-1")
        await virtual.engine.finalizer.success("o-1", "yes")
        run = await virtual.finished(workflow.id)
    run.assert_succeeded("yes")
    assert run.steps("approve")[0].attempts == 1
    virtual.faults.assert_none_left()


async def test_whoever_waits_for_another_key_is_told_which_there_were() -> None:
    async with VirtualEngine(APPROVAL) as virtual:
        await virtual.start({"id": "o-1"})
        with pytest.raises(StalledError, match="under 'o-l'\ncallbacks that waited: 'o-1'"):
            await virtual.until_pending("o-l")


def test_orders_that_cannot_be_carried_out_are_refused() -> None:
    faults = Faults()
    with pytest.raises(UsageError, match="times=0"):
        faults.throttle("poll", times=0)
    with pytest.raises(UsageError, match="times=-1"):
        faults.lose_result("charge", times=-1)
    with pytest.raises(UsageError, match="after=-5"):
        faults.kill_worker("charge", after=-5)
    assert faults.left == ()
