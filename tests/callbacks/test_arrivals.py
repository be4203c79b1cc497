from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aiowfm import BackendUnavailableError
from aiowfm.callbacks.arrivals import BusyError, DuplicateTaskKeyError
from aiowfm.callbacks.messages import CallbackMessage
from aiowfm.callbacks.results import success
from aiowfm.callbacks.transitions import LEASE_SECONDS, completing
from aiowfm.testing import VIRTUAL_TIME
from aiowfm.waits import TaskToken, token_hash
from tests.callbacks.house import NOW, House, house, message

pytestmark = pytest.mark.anyio

YES = success("k", 1)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


async def token_kept(of: House) -> str:
    return (await of.kept()).token_hash


async def done(of: House, of_message: CallbackMessage) -> None:
    await of.arrivals.keep(of_message)
    await of.completion.finalize("k", YES, wait_id=None, early=True)


async def test_a_message_begins_a_wait_and_its_copies_change_nothing() -> None:
    async with house() as of:
        await of.arrivals.keep(message())
        first = await of.kept()
        await of.arrivals.keep(message())
        assert await of.kept() == first
        assert (of.tally.stored, of.tally.duplicates) == (1, 1)
        assert of.functions.beats == []


@pytest.mark.parametrize(
    ("later", "is_newer"),
    [
        pytest.param({"attempt": 1}, True, id="a retry"),
        pytest.param({"entered": NOW + 1}, True, id="entered again"),
        pytest.param({"entered": NOW - 1, "attempt": 9}, False, id="entered before"),
    ],
)
async def test_the_newest_token_of_one_owner_is_kept(later: Any, is_newer: bool) -> None:
    async with house() as of:
        await of.arrivals.keep(message("first"))
        await of.arrivals.keep(message("later", **later))
        kept = "later" if is_newer else "first"
        assert await token_kept(of) == token_hash(TaskToken(kept))
        assert of.functions.outcomes == {}


async def test_a_retry_begins_a_wait_of_its_own_after_the_end_of_the_first() -> None:
    async with house() as of:
        await done(of, message("first"))
        await of.arrivals.keep(message("second", attempt=1))
        assert (await of.kept()).status == "WAITING"
        await of.arrivals.keep(message("first"))  # late, and once more
        assert await token_kept(of) == token_hash(TaskToken("second"))


async def test_a_second_owner_is_refused_while_the_first_waits() -> None:
    async with house() as of:
        await of.arrivals.keep(message("first"))
        with pytest.raises(DuplicateTaskKeyError, match="dev--order--0--ask--1"):
            await of.arrivals.keep(message("second", execution="other"))
        of.functions.dead.add("first")
        await of.arrivals.keep(message("second", execution="other"))
        assert await token_kept(of) == token_hash(TaskToken("second"))


async def test_two_tokens_that_claim_to_be_one_wait_are_told_apart() -> None:
    """Inner items of nested Maps may have one index, and have entered in one millisecond."""
    async with house() as of:
        await of.arrivals.keep(message("first"))
        with pytest.raises(DuplicateTaskKeyError):
            await of.arrivals.keep(message("second"))


async def test_a_second_owner_waits_while_the_result_of_the_first_is_delivered() -> None:
    async with house() as of:
        await of.arrivals.keep(message("first"))
        wait = await of.kept()
        await of.store.replace(wait, completing(wait, YES, of.time), YES.text)
        second = message("second", execution="other")
        with pytest.raises(BusyError) as caught:
            await of.arrivals.keep(second)
        assert caught.value.seconds == LEASE_SECONDS
        of.time += LEASE_SECONDS
        with pytest.raises(BusyError):
            await of.arrivals.keep(second)
        await of.deliveries.idle()
        assert of.functions.outcomes == {"first": ("success", "1")}
        await of.arrivals.keep(second)
        assert await token_kept(of) == token_hash(TaskToken("second"))


async def test_a_late_copy_of_an_older_wait_does_not_take_the_place_of_a_tombstone() -> None:
    async with house() as of:
        await done(of, message("old", execution="first", entered=NOW))
        await done(of, message("new", execution="second", entered=NOW + 1))
        await of.arrivals.keep(message("old", execution="first", entered=NOW))
        assert (await of.kept()).status == "DONE"
        assert await token_kept(of) == token_hash(TaskToken("new"))


async def test_a_message_that_came_late_begins_its_wait_all_the_same() -> None:
    async with house() as of:
        await done(of, message("new", execution="second", entered=NOW + 1))
        await of.arrivals.keep(message("old", execution="first", entered=NOW))
        assert (await of.kept()).status == "WAITING"


async def test_messages_that_say_nothing_of_their_owner_are_told_apart_by_token() -> None:
    def bare(token: str) -> CallbackMessage:
        return replace(message(token), owner=None, fence=None)

    async with house() as of:
        await of.arrivals.keep(bare("first"))
        await of.arrivals.keep(bare("first"))
        assert of.tally.duplicates == 1
        with pytest.raises(DuplicateTaskKeyError, match="another program's"):
            await of.arrivals.keep(bare("second"))
        of.functions.dead.add("first")
        await of.arrivals.keep(bare("second"))
        assert await token_kept(of) == token_hash(TaskToken("second"))


async def test_the_result_that_was_there_before_is_leased_to_who_keeps_the_token() -> None:
    async with house() as of:
        await of.completion.finalize("k", YES, wait_id=None, early=True)
        await of.arrivals.keep(message())
        assert (await of.kept()).status == "COMPLETING"
        await of.arrivals.keep(message())  # a copy begins no second delivery
        await of.deliveries.idle()
        assert (await of.kept()).status == "DONE"
        assert of.tally.delivered == 1


async def test_an_early_result_that_met_a_dead_task_is_for_the_next_that_waits() -> None:
    async with house() as of:
        await of.completion.finalize("k", YES, wait_id=None, early=True)
        of.functions.dead.add("first")
        await of.arrivals.keep(message("first"))
        await of.deliveries.idle()
        assert (await of.kept()).status == "EXPIRED"
        await of.arrivals.keep(message("first"))
        assert (await of.kept()).status == "EXPIRED"
        await of.arrivals.keep(message("second", attempt=1))
        await of.deliveries.idle()
        assert of.functions.outcomes == {"second": ("success", "1")}


async def test_an_early_result_is_revived_within_its_time_only() -> None:
    async with house() as of:
        await of.completion.finalize("k", YES, wait_id=None, early=True)
        of.functions.dead.add("first")
        await of.arrivals.keep(message("first"))
        await of.deliveries.idle()
        of.time += 3_600
        await of.arrivals.keep(message("second", attempt=1))
        assert (await of.kept()).status == "WAITING"


@pytest.mark.parametrize("second_entered", [NOW + 1, NOW - 1], ids=["later", "earlier"])
async def test_items_of_nested_maps_that_share_an_index_and_a_key_are_told_apart(
    second_entered: float,
) -> None:
    def item(token: str, entered: float = NOW, attempt: int = 0) -> CallbackMessage:
        found = message(token, entered=entered, attempt=attempt)
        assert found.owner is not None
        return replace(found, owner=found.owner._replace(map_index=0))

    async with house() as of:
        await of.arrivals.keep(item("first"))
        with pytest.raises(DuplicateTaskKeyError):
            await of.arrivals.keep(item("second", second_entered))
        of.functions.dead |= {"first", "late"}
        await of.arrivals.keep(item("retried", attempt=1))
        assert await token_kept(of) == token_hash(TaskToken("retried"))
        await of.arrivals.keep(item("late", NOW - 1))
        assert await token_kept(of) == token_hash(TaskToken("retried"))


async def test_a_retry_tells_of_a_result_that_nobody_delivered() -> None:
    async with house() as of:
        await of.arrivals.keep(message("first"))
        wait = await of.kept()
        await of.store.replace(wait, completing(wait, YES, of.time), YES.text)
        of.time += LEASE_SECONDS
        await of.arrivals.keep(message("second", attempt=1))
        assert of.tally.expired == 1
        assert (await of.kept()).status == "WAITING"


async def test_an_early_result_that_cannot_be_read_is_delivered_later() -> None:
    async with house() as of:
        await of.completion.finalize("k", YES, wait_id=None, early=True)
        of.store.result_faults.append(
            BackendUnavailableError("GetItem", "ConnectionLost", "no answer")
        )
        await of.arrivals.keep(message())
        await of.deliveries.idle()
        assert of.functions.outcomes == {}
        of.time += LEASE_SECONDS
        await of.check()
        assert of.functions.outcomes == {"t": ("success", "1")}
