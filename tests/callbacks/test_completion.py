from __future__ import annotations

from typing import Any

import anyio
import pytest

from aiowfm import (
    BackendError,
    BackendUnavailableError,
    EngineStateError,
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


KMS = BackendError("SendTaskFailure", "KmsInvalidStateException", "the key is disabled")


@pytest.mark.parametrize("fault", [THROTTLED, KMS], ids=["throttled", "a key that is off"])
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
        with pytest.raises(TaskTokenExpiredError):
            await finalize(of, NO)


async def test_a_result_left_by_a_process_that_died_is_delivered_by_another() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        wait = await of.kept()
        await of.store.replace(wait, completing(wait, YES, of.time), YES.text)
        await of.check()
        assert of.functions.outcomes == {}  # its lease has not run out
        assert await finalize(of) == "ALREADY_FINALIZED"
        of.time += LEASE_SECONDS
        await of.check()
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
        of.functions.faults.extend([THROTTLED] * 60)
        with pytest.raises(BackendUnavailableError, match="was accepted") as caught:
            await finalize(of)
        assert caught.value.code == "StillDelivering"
        assert await finalize(of) == "ALREADY_FINALIZED"
        await of.check()  # which begins it no second time
        assert anyio.current_time() - began > 2 * LEASE_SECONDS
        assert (await of.kept()).status == "DONE"
        assert len(of.functions.outcomes) == of.tally.delivered == 1


async def test_a_call_without_an_answer_is_made_again_before_the_lease_runs_out() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        of.functions.silent = 3
        task: list[str] = []
        async with anyio.create_task_group() as group:

            async def give() -> None:
                with pytest.raises(BackendUnavailableError):
                    await finalize(of)
                task.append("told")

            group.start_soon(give)
        await of.check()
        assert task == ["told"]
        assert (await of.kept()).status == "DONE"
        assert of.tally.delivered == 1


async def test_who_may_not_deliver_leaves_it_to_others_and_says_so() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        of.functions.faults.append(DENIED)
        with pytest.raises(AccessDeniedError):
            await finalize(of)
        wait = await of.kept()
        assert (wait.status, wait.due_at) == ("COMPLETING", of.now())
        await of.check()
        assert (await of.kept()).status == "DONE"


async def test_a_delivery_goes_on_when_its_caller_is_cancelled() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        of.functions.faults.extend([THROTTLED] * 3)
        with anyio.move_on_after(0.001) as scope:
            await finalize(of)
        assert scope.cancelled_caught
        await of.deliveries.idle()
        assert of.functions.outcomes == {"t": ("success", '{"approved":true}')}


async def accepted_and_not_noted(of: House) -> None:
    """A result that was taken, of which the store knows nothing."""
    task: list[str] = []

    async def give() -> None:
        task.append(await finalize(of))

    await of.arrivals.keep(message())
    of.functions.faults.append(THROTTLED)
    async with anyio.create_task_group() as group:
        group.start_soon(give)
        while not task:
            await anyio.lowlevel.checkpoint()
            if of.functions.faults or of.store.down:
                continue
            of.store.down = BackendUnavailableError("PutItem", "InternalServerError", "down")
            await anyio.sleep(1)
    assert task == ["DELIVERED"]


async def test_what_became_of_a_result_is_noted_when_the_store_is_back() -> None:
    async with house() as of:
        await accepted_and_not_noted(of)
        of.store.down = None
        await of.deliveries.idle()
        wait = await of.kept()
        assert wait.acceptance is not None
        assert (wait.status, wait.acceptance.delivery) == ("DONE", "DELIVERED")


async def test_what_could_never_be_noted_is_found_out_by_another() -> None:
    async with house() as of:
        await accepted_and_not_noted(of)
        await of.deliveries.idle()
        of.store.down = None
        assert (await of.kept()).status == "COMPLETING"
        of.time += LEASE_SECONDS
        await of.check()
        assert (await of.kept()).status == "DONE"
        assert of.tally.probably_delivered == 1


async def test_a_result_that_is_refused_is_dropped_and_another_is_taken() -> None:
    async with house() as of:
        await of.arrivals.keep(message(timeout_seconds=60))
        of.functions.faults.append(BackendError("SendTaskSuccess", "InvalidOutput", "odd"))
        with pytest.raises(BackendError, match="InvalidOutput"):
            await finalize(of)
        wait = await of.kept()
        assert (wait.status, wait.acceptance, wait.token) == ("WAITING", None, "t")
        assert wait.due_at is not None
        assert await finalize(of, NO) == "DELIVERED"
        assert of.functions.outcomes["t"][0] == "failure"


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
        await of.check()
        assert (await of.kept()).status == "EARLY"
        of.time += 3_600
        await of.check()
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
        await of.arrivals.keep(message("other", attempt=1))
        assert (await of.kept()).status == "WAITING"
        assert of.tally.expired == 1
    async with house() as of:
        assert await finalize(of, wait_id=message().wait_id) == "DEFERRED"
        await of.arrivals.keep(message())
        await of.deliveries.idle()
        assert (await of.kept()).status == "DONE"


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
        await of.check()
        assert of.functions.beats == []
        of.time += 1
        await of.check()
        assert (await of.kept()).status == "WAITING"  # it is alive, as somebody's clock is wrong
        of.functions.dead.add("t")
        of.time += 60
        await of.check()
        assert (await of.kept()).status == "EXPIRED"


async def test_one_task_nobody_can_ask_for_does_not_hold_up_the_others() -> None:
    async with house() as of:
        await of.arrivals.keep(message("t", "k", timeout_seconds=10))
        of.time += 70
        of.functions.faults.append(DENIED)
        await of.check()
        wait = await of.kept()
        assert wait.status == "WAITING"
        assert wait.due_at == of.now() + 60


async def test_a_result_that_cannot_be_delivered_does_not_hold_up_the_others() -> None:
    async with house() as of:
        for key in ("k1", "k2"):
            await of.arrivals.keep(message(key, key))
            wait = await of.kept(key)
            await of.store.replace(wait, completing(wait, YES, of.now()), YES.text)
        of.time += LEASE_SECONDS
        of.functions.silent = 1
        await of.overdue.check()
        assert of.functions.outcomes == {} or len(of.functions.outcomes) == 1
        await of.deliveries.idle()
        assert of.functions.outcomes.keys() == {"k1", "k2"}


async def test_nothing_is_accepted_once_the_engine_is_over() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        of.deliveries.is_closed = True
        with pytest.raises(EngineStateError, match="nothing was accepted"):
            await finalize(of)
        assert (await of.kept()).status == "WAITING"
