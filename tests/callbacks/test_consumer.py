from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from aiowfm import BackendError, BackendUnavailableError
from aiowfm.callbacks.consumer import BUSY_MARGIN_SECONDS
from aiowfm.callbacks.results import success
from aiowfm.callbacks.transitions import LEASE_SECONDS, completing
from aiowfm.errors import AccessDeniedError, NotFoundError
from aiowfm.ports import MAX_RECEIVES, VISIBILITY_SECONDS
from aiowfm.testing import VIRTUAL_TIME
from tests.callbacks.house import House, body, house, message

pytestmark = pytest.mark.anyio

DOWN = BackendUnavailableError("GetItem", "InternalServerError", "down")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


@asynccontextmanager
async def reading(of: House) -> AsyncIterator[None]:
    """Read until left, and see what was received to its end."""
    async with anyio.create_task_group() as group:
        group.start_soon(of.consumer.run)
        yield
        of.consumer.stop()


async def until_received(of: House) -> None:
    await of.queue.asked_in_vain.wait()


async def read_all(of: House) -> None:
    async with reading(of):
        await until_received(of)
    await of.deliveries.idle()


async def read_again(of: House) -> None:
    of.consumer._stopping = anyio.Event()
    await read_all(of)


async def test_a_token_is_kept_before_its_message_is_deleted() -> None:
    async with house() as of:
        of.queue.add(body("t1", "k1"), body("t2", "k2"))
        await read_all(of)
        assert of.queue.deleted == ["m0", "m1"]
        assert (await of.kept("k1")).token == "t1"
        assert (await of.kept("k2")).message == '{"amount":7}'
        assert (of.tally.received, of.tally.stored) == (2, 2)


async def test_a_result_that_was_there_before_is_delivered() -> None:
    async with house() as of:
        await of.completion.finalize("k", success("k", 1), wait_id=None, early=True)
        of.queue.add(body())
        await read_all(of)
        assert of.functions.outcomes == {"t": ("success", "1")}
        assert (await of.kept()).status == "DONE"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="not JSON"),
        pytest.param("[1]", id="a list"),
        pytest.param('{"TaskKey": "k"}', id="no token"),
        pytest.param('{"TaskKey": "k", "TaskToken": ""}', id="an empty token"),
        pytest.param('{"TaskKey": "k", "TaskToken": 1}', id="a number for a token"),
    ],
)
async def test_a_message_that_nobody_can_be_told_of_is_left_and_counted(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with house() as of:
        of.queue.add(text, body("t", "good"))
        with caplog.at_level(logging.ERROR, "aiowfm.callbacks"):
            await read_all(of)
        assert of.queue.deleted == ["m1"]
        assert of.tally.unreadable == 1
        of.queue.add(text, receive_count=2)
        await read_again(of)
        assert of.tally.unreadable == 1  # it is the same
        assert "left for the dead-letter queue" in caplog.text
        assert text not in caplog.text


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param(5, id="a number"),
        pytest.param("k" * 2_049, id="too long"),
        pytest.param("\ud800", id="no text"),
    ],
)
async def test_a_task_that_has_no_key_fails(key: object) -> None:
    async with house() as of:
        of.queue.add(body("t", key))
        await read_all(of)
        kind, error, cause = of.functions.outcomes["t"]
        assert (kind, error) == ("failure", "aiowfm.CallbackFailed")
        assert "TaskKey" in cause
        assert of.queue.deleted == ["m0"]
        assert of.tally.rejected == 1


async def test_a_task_whose_key_is_taken_fails() -> None:
    async with house() as of:
        await of.arrivals.keep(message("t1"))
        of.queue.add(body("t2", execution="another"))
        await read_all(of)
        assert of.functions.outcomes["t2"][1] == "aiowfm.DuplicateTaskKey"
        assert of.queue.deleted == ["m0"]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(DOWN, id="unavailable"),
        pytest.param(AccessDeniedError("GetItem", "AccessDenied", "no"), id="forbidden"),
        pytest.param(NotFoundError("GetItem: no such table"), id="gone"),
    ],
)
@pytest.mark.parametrize("writes_only", [False, True], ids=["all", "writes"])
async def test_an_outage_of_the_store_stops_receiving_and_fails_nothing(
    fault: Any, writes_only: bool
) -> None:
    async with house() as of:
        of.store.down, of.store.is_down_for_writes_only = fault, writes_only
        of.queue.add(body("t1", "k1"), body("t2", "k2"), receive_count=MAX_RECEIVES)
        async with reading(of):
            await anyio.sleep(6_000)
            assert of.queue.receives == 1
            # They are held, which costs no receive, and hidden from others.
            assert {seconds for _, seconds in of.queue.hidden} == {VISIBILITY_SECONDS}
            of.store.down = None
            await until_received(of)
        assert of.functions.outcomes == {}
        assert of.tally.stored == 2
        assert sorted(of.queue.deleted) == ["m0", "m1"]


async def test_what_is_held_in_an_outage_is_given_back_at_a_stop() -> None:
    async with house() as of:
        of.store.down = DOWN
        of.queue.add(body())
        async with reading(of):
            await anyio.sleep(100)
        assert of.queue.hidden[-1] == ("m0", 0)
        assert of.queue.deleted == []


async def test_a_table_of_another_make_fails_no_task() -> None:
    async with house() as of:
        of.store.down = BackendError("GetItem", "ValidationException", "no such key")
        of.queue.add(body())
        async with reading(of):
            await anyio.sleep(600)
            of.store.down = None
        assert of.functions.outcomes == {}


async def test_an_item_that_nobody_can_read_holds_up_no_other() -> None:
    async with house() as of:
        of.store.faults.append(BackendError("GetItem", "UnreadableItem", "odd"))
        of.queue.add(body("t1", "k1"), body("t2", "k2"))
        await read_all(of)
        assert of.queue.deleted == ["m1"]
        assert of.queue.hidden == [("m0", 2.0)]


async def test_what_can_never_be_kept_fails_its_task_alone() -> None:
    async with house() as of:
        of.store.write_faults.append(BackendError("PutItem", "ValidationException", "too large"))
        of.queue.add(body("t1", "k1"), body("t2", "k2"))
        await read_all(of)
        assert of.functions.outcomes["t1"][1] == "aiowfm.CallbackFailed"
        assert (await of.kept("k2")).status == "WAITING"
        assert sorted(of.queue.deleted) == ["m0", "m1"]


async def test_a_task_that_cannot_be_failed_now_is_failed_later() -> None:
    async with house() as of:
        of.functions.faults.append(DOWN)
        of.queue.add(body("t", None))
        await read_all(of)
        assert of.queue.deleted == ["m0"]
        assert of.functions.outcomes["t"][1] == "aiowfm.CallbackFailed"


@pytest.mark.parametrize(
    ("count", "fails"), [(1, False), (MAX_RECEIVES, True)], ids=["first", "last"]
)
async def test_a_defect_of_ours_fails_the_task_before_its_message_is_dead(
    count: int, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house() as of:

        async def broken(_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(of.arrivals, "keep", broken)
        of.queue.add(body(), receive_count=count)
        await read_all(of)
        assert bool(of.functions.outcomes) is fails
        assert bool(of.queue.deleted) is fails
        assert bool(of.queue.hidden) is not fails


async def test_a_message_whose_key_is_being_finished_comes_again() -> None:
    async with house() as of:
        await of.arrivals.keep(message("first"))
        wait = await of.kept()
        yes = success("k", 1)
        await of.store.replace(wait, completing(wait, yes, of.time), yes.text)
        of.queue.add(body("second", execution="another"))
        await read_all(of)
        ((id, seconds),) = of.queue.hidden
        assert id == "m0"
        assert LEASE_SECONDS <= seconds <= LEASE_SECONDS + BUSY_MARGIN_SECONDS
        assert of.queue.deleted == []


async def test_a_task_whose_key_is_never_free_fails_before_its_message_is_dead() -> None:
    async with house() as of:
        await of.arrivals.keep(message("first"))
        wait = await of.kept()
        yes = success("k", 1)
        await of.store.replace(wait, completing(wait, yes, of.time), yes.text)
        of.queue.add(body("second", execution="another"), receive_count=MAX_RECEIVES)
        await read_all(of)
        assert of.functions.outcomes["second"][1] == "aiowfm.CallbackFailed"
        assert of.queue.deleted == ["m0"]


async def test_messages_that_take_long_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house() as of:

        async def slow(_: object) -> None:
            await anyio.sleep(VISIBILITY_SECONDS)

        monkeypatch.setattr(of.arrivals, "keep", slow)
        of.queue.add(body())
        await read_all(of)
        assert of.queue.hidden[0] == ("m0", VISIBILITY_SECONDS)
        assert len(of.queue.hidden) >= 2
        assert of.queue.deleted == ["m0"]


async def test_faults_of_the_queue_end_nothing() -> None:
    async with house() as of:
        of.queue.batches.extend([DOWN] * 5)
        of.queue.add(body("t1", "k1"))
        of.queue.delete_faults.append(DOWN)
        of.queue.add(body("t2", "k2"))
        await read_all(of)
        assert of.tally.stored == 2
        assert of.queue.deleted == ["m1"]


async def test_a_stop_waits_for_what_was_received() -> None:
    async with house() as of:
        async with reading(of):
            await of.queue.asked_in_vain.wait()
            of.queue.add(body())
        assert of.queue.deleted == ["m0"]


async def test_a_full_batch_brings_another_reader() -> None:
    async with house() as of:
        for batch in range(6):
            of.queue.add(*(body(f"t{batch}-{n}", f"k{batch}-{n}") for n in range(10)))
        async with reading(of):
            await until_received(of)
            assert of.consumer._loops > 1
            await anyio.sleep(100)
            assert of.consumer._loops == 1
        assert of.tally.stored == 60
