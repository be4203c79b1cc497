from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

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
        with pytest.raises(BusyError):
            await of.arrivals.keep(second)
        of.time += LEASE_SECONDS
        with pytest.raises(BusyError):
            await of.arrivals.keep(second)
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
        wait = await of.arrivals.keep(message())
        assert wait is not None
        assert wait.status == "COMPLETING"
        assert await of.arrivals.keep(message()) is None  # a copy is nobody's to deliver
        assert await of.completion.deliver_kept(wait) == "DELIVERED"


async def test_a_retry_tells_of_a_result_that_nobody_delivered() -> None:
    async with house() as of:
        await of.arrivals.keep(message("first"))
        wait = await of.kept()
        await of.store.replace(wait, completing(wait, YES, of.time), YES.text)
        of.time += LEASE_SECONDS
        await of.arrivals.keep(message("second", attempt=1))
        assert of.tally.expired == 1
        assert (await of.kept()).status == "WAITING"
