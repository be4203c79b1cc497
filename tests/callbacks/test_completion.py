from __future__ import annotations

from typing import Any

import anyio
import pytest

from aiowfm import (
    BackendError,
    BackendUnavailableError,
    FinalizationConflictError,
    TaskTokenExpiredError,
    UnknownTaskKeyError,
)
from aiowfm.callbacks.results import failure, success
from aiowfm.callbacks.transitions import LEASE_SECONDS, completing
from aiowfm.errors import AccessDeniedError
from aiowfm.testing import VIRTUAL_TIME
from tests.callbacks.house import House, house, message

pytestmark = pytest.mark.anyio

YES, NO = success("k", {"approved": True}), failure("Rejected", "no")
LOST = BackendUnavailableError("SendTaskSuccess", "ConnectionLost", "no answer")
THROTTLED = BackendUnavailableError(
    "SendTaskSuccess", "ThrottlingException", "slow down", may_have_arrived=False
)
DENIED = AccessDeniedError("SendTaskSuccess", "AccessDenied", "no")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


async def finalize(of: House, result: Any = YES, **options: Any) -> str:
    return await of.completion.finalize("k", result, **({"wait_id": None, "early": True} | options))


@pytest.mark.parametrize("fault", [THROTTLED, DENIED], ids=["throttled", "denied"])
async def test_a_result_is_sent_until_it_is_taken(fault: Any) -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        of.functions.faults.extend([fault] * 8)
        assert await finalize(of) == "DELIVERED"
        assert of.functions.outcomes == {"t": ("success", '{"approved":true}')}
        assert (await of.kept()).status == "DONE"


async def test_a_token_that_is_dead_after_an_unclear_attempt_was_probably_used() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        of.functions.faults_after.append(LOST)
        assert await finalize(of) == "PROBABLY_DELIVERED"
        wait = await of.kept()
        assert wait.acceptance is not None
        assert (wait.status, wait.acceptance.delivery) == ("DONE", "PROBABLY_DELIVERED")
        assert (of.tally.probably_delivered, of.tally.delivered) == (1, 0)


async def test_a_token_that_is_dead_at_once_or_after_a_refusal_was_too_late() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        of.functions.dead.add("t")
        of.functions.faults.append(THROTTLED)
        with pytest.raises(TaskTokenExpiredError):
            await finalize(of)
        wait = await of.kept()
        assert (wait.status, wait.token) == ("EXPIRED", None)
        assert of.tally.expired == 1
        with pytest.raises(TaskTokenExpiredError):
            await finalize(of)
        with pytest.raises(FinalizationConflictError):
            await finalize(of, NO)


async def test_a_result_left_by_a_process_that_died_is_delivered_by_another() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        wait = await of.kept()
        await of.store.replace(wait, completing(wait, YES, of.time), YES.text)
        await of.overdue.check()
        assert of.functions.outcomes == {}  # its lease has not run out
        assert await finalize(of) == "ALREADY_FINALIZED"
        of.time += LEASE_SECONDS
        await of.overdue.check()
        assert of.functions.outcomes == {"t": ("success", '{"approved":true}')}
        assert (await of.kept()).status == "DONE"


async def test_giving_the_same_result_again_takes_over_what_was_left() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        wait = await of.kept()
        await of.store.replace(wait, completing(wait, YES, of.time), YES.text)
        of.time += LEASE_SECONDS
        assert await finalize(of) == "DELIVERED"


async def test_a_lease_is_renewed_while_delivering_takes_long() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        began = anyio.current_time()
        of.completion._now = lambda: of.time + anyio.current_time() - began
        of.functions.faults.extend([THROTTLED] * 60)
        assert await finalize(of) == "DELIVERED"
        assert anyio.current_time() - began > 2 * LEASE_SECONDS
        assert (await of.kept()).status == "DONE"


async def test_a_delivery_goes_on_when_its_caller_is_cancelled() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        of.functions.faults.extend([THROTTLED] * 3)
        with anyio.move_on_after(0.001) as scope:
            await finalize(of)
        assert scope.cancelled_caught
        await of.completion.idle()
        assert of.functions.outcomes == {"t": ("success", '{"approved":true}')}


async def test_what_cannot_be_noted_is_delivered_all_the_same() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        # Found and accepted; then the store is gone.
        task: list[str] = []

        async def give() -> None:
            task.append(await finalize(of))

        of.functions.faults.append(THROTTLED)
        async with anyio.create_task_group() as group:
            group.start_soon(give)
            await anyio.lowlevel.checkpoint()
            while (await of.kept()).status != "COMPLETING":
                await anyio.lowlevel.checkpoint()
            of.store.down = BackendUnavailableError("PutItem", "InternalServerError", "down")
        assert task == ["DELIVERED"]
        of.store.down = None
        assert (await of.kept()).status == "COMPLETING"
        of.time += LEASE_SECONDS
        await of.overdue.check()
        assert (await of.kept()).status == "DONE"
        assert of.tally.probably_delivered == 1


async def test_a_result_that_is_refused_fails_the_task_with_the_reason() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        of.functions.faults.append(BackendError("SendTaskSuccess", "InvalidOutput", "odd"))
        await finalize(of)
        (outcome,) = of.functions.outcomes.values()
        assert outcome[:2] == ("failure", "aiowfm.CallbackFailed")


async def test_a_result_for_nobody_is_kept_once() -> None:
    async with house() as of:
        assert await finalize(of) == "DEFERRED"
        assert await finalize(of) == "ALREADY_FINALIZED"
        with pytest.raises(FinalizationConflictError) as caught:
            await finalize(of, NO)
        assert (caught.value.key, caught.value.kind, caught.value.error) == ("k", "success", None)
        of.time += 3_600
        with pytest.raises(UnknownTaskKeyError):
            await finalize(of, early=False)
        assert await finalize(of, NO) == "DEFERRED"  # the first has run out, which is told
        assert of.tally.expired == 1


async def test_an_early_result_that_runs_out_is_told_of() -> None:
    async with house() as of:
        await finalize(of)
        await of.overdue.check()
        assert (await of.kept()).status == "EARLY"
        of.time += 3_600
        await of.overdue.check()
        assert (await of.kept()).status == "EXPIRED"
        assert of.tally.expired == 1


async def test_a_result_for_one_wait_is_refused_by_another() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        with pytest.raises(TaskTokenExpiredError, match="another has taken its place"):
            await finalize(of, wait_id="0" * 32)
        assert await finalize(of, wait_id=message().wait_id) == "DELIVERED"


async def test_an_early_result_for_one_wait_is_not_delivered_to_another() -> None:
    async with house() as of:
        assert await finalize(of, wait_id=message().wait_id) == "DEFERRED"
        assert await of.arrivals.keep(message("other", attempt=1)) is None
        assert (await of.kept()).status == "WAITING"
        assert of.tally.expired == 1
    async with house() as of:
        assert await finalize(of, wait_id=message().wait_id) == "DEFERRED"
        wait = await of.arrivals.keep(message())
        assert wait is not None
        assert await of.completion.deliver_kept(wait) == "DELIVERED"


async def test_heartbeats_need_somebody_who_waits() -> None:
    async with house() as of:
        with pytest.raises(UnknownTaskKeyError):
            await of.completion.heartbeat("k")
        await of.arrivals.keep(message())
        await of.completion.heartbeat("k")
        assert of.functions.beats == ["t"]
        of.functions.dead.add("t")
        with pytest.raises(TaskTokenExpiredError):
            await of.completion.heartbeat("k")
        assert (await of.kept()).status == "EXPIRED"
        with pytest.raises(TaskTokenExpiredError):
            await of.completion.heartbeat("k")


async def test_a_task_that_must_have_timed_out_is_looked_at() -> None:
    async with house() as of:
        await of.arrivals.keep(message(timeout_seconds=10))
        of.time += 69
        await of.overdue.check()
        assert of.functions.beats == []
        of.time += 1
        await of.overdue.check()
        assert (await of.kept()).status == "WAITING"  # it is alive, as somebody's clock is wrong
        of.functions.dead.add("t")
        of.time += 60
        await of.overdue.check()
        assert (await of.kept()).status == "EXPIRED"
