"""What every storage of callbacks promises: see `aiowfm.ports`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest
from anyio import CapacityLimiter, create_task_group

from aiowfm.names import dead_letters_name
from aiowfm.ports import (
    MAX_PAYLOAD_BYTES,
    MAX_RECEIVES,
    CallbackQueue,
    CallbackStorage,
    OpenBackend,
    QueueMessage,
)
from aiowfm.waits import (
    MAX_KEY_BYTES,
    Acceptance,
    Delivery,
    Fence,
    Owner,
    Wait,
    WaitStatus,
    entered_text,
)
from tests.callbacks.storage import NOW, Send, later, waiting

pytestmark = pytest.mark.anyio

SEEN_WITHIN_SECONDS = 10.0
ACCEPTED = Acceptance(kind="success", digest="d1", error=None, at=NOW)
REFUSED = Acceptance(
    kind="failure",
    digest="d2",
    error="Refused",
    at=NOW + 0.5,
    was_early=True,
    may_have_arrived=True,
    delivery=Delivery.PROBABLY_DELIVERED,
)


async def all_of(waits: AsyncIterator[Wait]) -> list[Wait]:
    return [wait async for wait in waits]


async def until_seen(queue: CallbackQueue, count: int) -> list[QueueMessage]:
    seen: list[QueueMessage] = []
    with anyio.fail_after(SEEN_WITHIN_SECONDS):
        while len(seen) < count:
            seen += await queue.receive()
    return seen


# The token store


async def test_nothing_is_found_under_an_unknown_key(storage: CallbackStorage) -> None:
    assert await storage.tokens.find("nobody") is None
    assert await storage.tokens.result("nobody") is None


async def test_what_was_kept_is_found(storage: CallbackStorage) -> None:
    wait = waiting("order")
    assert await storage.tokens.replace(None, wait)
    assert await storage.tokens.find("order") == wait
    assert await storage.tokens.result("order") is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"owner": None, "fence": None}, id="neither owner nor fence"),
        pytest.param({"owner": Owner("e", "s", 3)}, id="inside a Map"),
        pytest.param({"fence": Fence("2026-11-25T10:00:00.123Z", 2, 5)}, id="redriven"),
        pytest.param({"heartbeat_seconds": 600.0, "timeout_seconds": 0.5}, id="bounds"),
        pytest.param({"status": WaitStatus.EARLY, "wait_id": "", "owner": None}, id="early"),
        pytest.param({"token": None, "token_hash": ""}, id="without a token"),
        pytest.param({"due_at": NOW + 0.25, "arrived_at": NOW + 0.001}, id="fractions"),
        pytest.param({"status": WaitStatus.COMPLETING, "acceptance": ACCEPTED}, id="accepted"),
        pytest.param({"status": WaitStatus.DONE, "acceptance": REFUSED}, id="refused"),
    ],
)
async def test_all_of_a_wait_is_kept(storage: CallbackStorage, changes: dict[str, object]) -> None:
    wait = replace(waiting("order"), **changes)  # type: ignore[arg-type]  # of its own attributes
    assert await storage.tokens.replace(None, wait)
    assert await storage.tokens.find("order") == wait


async def test_of_many_that_keep_the_first_wait_one_wins(storage: CallbackStorage) -> None:
    waits = [waiting("order") for _ in range(20)]
    won: list[Wait] = []

    async def write(wait: Wait) -> None:
        if await storage.tokens.replace(None, wait):
            won.append(wait)

    async with create_task_group() as group:
        for wait in waits:
            group.start_soon(write, wait)
    assert len(won) == 1
    assert await storage.tokens.find("order") == won[0]


async def test_of_many_that_replace_a_wait_one_wins_with_its_result(
    storage: CallbackStorage, request: pytest.FixtureRequest
) -> None:
    # Transactions of moto undo what others wrote meanwhile.
    is_moto = request.node.callspec.params["callback_backend"] == "moto"
    limit = CapacityLimiter(1 if is_moto else 5)
    first = waiting("order")
    assert await storage.tokens.replace(None, first)
    won: list[int] = []

    async def write(number: int) -> None:
        accepted = later(first, WaitStatus.COMPLETING, wait_id=str(number))
        async with limit:
            if await storage.tokens.replace(first, accepted, str(number)):
                won.append(number)

    async with create_task_group() as group:
        for number in range(5):
            group.start_soon(write, number)
    assert len(won) == 1
    kept = await storage.tokens.find("order")
    assert kept is not None
    assert kept.wait_id == str(won[0])
    assert await storage.tokens.result("order") == str(won[0])


async def test_what_is_there_is_not_replaced_as_if_it_were_not(storage: CallbackStorage) -> None:
    first = waiting("order")
    assert await storage.tokens.replace(None, first)
    assert not await storage.tokens.replace(None, waiting("order"))
    assert await storage.tokens.find("order") == first


async def test_what_is_not_there_is_not_replaced(storage: CallbackStorage) -> None:
    first = waiting("order")
    assert not await storage.tokens.replace(first, later(first, WaitStatus.DONE))
    assert await storage.tokens.find("order") is None


@pytest.mark.parametrize(
    "stale",
    [
        pytest.param({"revision": "older"}, id="revision"),
        pytest.param({"status": WaitStatus.EARLY}, id="status"),
        pytest.param({"token_hash": "another"}, id="token"),
    ],
)
async def test_a_stale_write_changes_nothing(
    storage: CallbackStorage, stale: dict[str, object]
) -> None:
    first = waiting("order", status=WaitStatus.COMPLETING, acceptance=ACCEPTED)
    assert await storage.tokens.replace(None, first, "first")
    old = replace(first, **stale)  # type: ignore[arg-type]  # of its own attributes
    assert not await storage.tokens.replace(old, later(first, WaitStatus.DONE))
    assert not await storage.tokens.replace(old, later(first, WaitStatus.DONE), "second")
    assert await storage.tokens.find("order") == first
    assert await storage.tokens.result("order") == "first"


async def test_a_write_that_won_can_be_repeated(storage: CallbackStorage) -> None:
    first = waiting("order")
    second = later(first, WaitStatus.COMPLETING, acceptance=ACCEPTED)
    for _ in range(2):
        assert await storage.tokens.replace(None, first)
    for _ in range(2):
        assert await storage.tokens.replace(first, second, "result")
    assert not await storage.tokens.replace(None, first)
    assert await storage.tokens.find("order") == second
    assert await storage.tokens.result("order") == "result"


async def test_a_result_stays_when_its_wait_moves_on_and_gives_way_to_the_next(
    storage: CallbackStorage,
) -> None:
    first = waiting("order")
    accepted = later(first, WaitStatus.COMPLETING, acceptance=ACCEPTED)
    done = later(accepted, WaitStatus.DONE)
    again = later(done, WaitStatus.COMPLETING)
    assert await storage.tokens.replace(None, first)
    assert await storage.tokens.replace(first, accepted, "result")
    assert await storage.tokens.replace(accepted, done)
    assert await storage.tokens.result("order") == "result"
    assert await storage.tokens.replace(done, again, "another")
    assert await storage.tokens.result("order") == "another"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("Bestellung/Größe 42/注文/📦", id="unicode"),
        pytest.param(' "quoted"\n\t\\ \x00', id="punctuation"),
        pytest.param("k" * MAX_KEY_BYTES, id="longest"),
        pytest.param("📦" * (MAX_KEY_BYTES // 4), id="longest of unicode"),
    ],
)
async def test_any_text_of_2048_bytes_is_a_key(storage: CallbackStorage, key: str) -> None:
    wait = waiting(key, due_at=NOW)
    assert await storage.tokens.replace(None, wait, "result")
    assert await storage.tokens.find(key) == wait
    assert await storage.tokens.result(key) == "result"
    assert [each.key async for each in storage.tokens.pending()] == [key]
    assert list(await storage.tokens.due(NOW)) == [key]


async def test_keys_are_told_apart_by_every_character(storage: CallbackStorage) -> None:
    composed, decomposed = waiting("é"), waiting("e\u0301")
    assert await storage.tokens.replace(None, composed)
    assert await storage.tokens.replace(None, decomposed)
    assert await storage.tokens.find("é") == composed
    assert await storage.tokens.find("e\u0301") == decomposed


async def test_the_largest_message_and_the_largest_result_are_kept(
    storage: CallbackStorage,
) -> None:
    message = '{"text": "%s"}' % ("ü" * 16_376)
    result = '"%s"' % ("注" * ((MAX_PAYLOAD_BYTES - 2) // 3))
    wait = waiting("order", message=message)
    assert await storage.tokens.replace(None, wait, result)
    assert await storage.tokens.find("order") == wait
    assert await storage.tokens.result("order") == result
    assert [each.message async for each in storage.tokens.pending()] == [message]


async def test_pending_waits_come_as_they_were_entered_without_tokens(
    storage: CallbackStorage,
) -> None:
    waits = [waiting(f"order-{number}", entered_at=NOW + number % 7) for number in range(30)]
    async with create_task_group() as group:
        for wait in waits:
            group.start_soon(storage.tokens.replace, None, wait)
    pending = await all_of(storage.tokens.pending())
    assert [each.entered for each in pending] == sorted(each.entered for each in waits)
    without = {wait.key: replace(wait, token=None) for wait in waits}
    assert {each.key: each for each in pending} == without


async def test_a_wait_without_a_fence_is_pending_from_when_it_arrived(
    storage: CallbackStorage,
) -> None:
    await storage.tokens.replace(None, waiting("second", entered_at=NOW + 1))
    await storage.tokens.replace(None, waiting("first", fence=None, owner=None))
    pending = await all_of(storage.tokens.pending())
    assert [(each.key, each.entered) for each in pending] == [
        ("first", entered_text(NOW)),
        ("second", entered_text(NOW + 1)),
    ]


async def test_what_does_not_wait_is_not_pending(storage: CallbackStorage) -> None:
    for status in WaitStatus:
        wait = waiting(status)
        assert await storage.tokens.replace(None, wait)
        assert await storage.tokens.replace(wait, later(wait, status))
    assert [each.key for each in await all_of(storage.tokens.pending())] == [WaitStatus.WAITING]


async def test_a_listing_can_be_left(storage: CallbackStorage) -> None:
    for number in range(3):
        await storage.tokens.replace(None, waiting(f"order-{number}", entered_at=NOW + number))
    async for wait in storage.tokens.pending():
        assert wait.key == "order-0"
        break


async def test_waits_are_due_from_their_instant_on(storage: CallbackStorage) -> None:
    for number in range(10):
        await storage.tokens.replace(None, waiting(f"order-{number}", due_at=NOW + number))
    await storage.tokens.replace(None, waiting("never"))
    assert await storage.tokens.due(NOW - 0.5) == []
    assert sorted(await storage.tokens.due(NOW + 2)) == ["order-0", "order-1", "order-2"]
    assert len(await storage.tokens.due(NOW + 100)) == 10


async def test_a_wait_is_not_due_once_there_is_nothing_to_look_for(
    storage: CallbackStorage,
) -> None:
    wait = waiting("order", due_at=NOW)
    done = later(wait, WaitStatus.DONE, due_at=None)
    await storage.tokens.replace(None, wait)
    await storage.tokens.replace(wait, done)
    assert await storage.tokens.due(NOW + 100) == []
    assert await storage.tokens.find("order") == done


async def test_a_hundred_are_due_at_a_time(storage: CallbackStorage) -> None:
    async with create_task_group() as group:
        for number in range(110):
            wait = waiting(f"order-{number}", due_at=NOW + number)
            group.start_soon(storage.tokens.replace, None, wait)
    assert len(set(await storage.tokens.due(NOW + 1_000))) == 100


# The queue


async def test_a_message_is_received_as_it_was_sent(storage: CallbackStorage, send: Send) -> None:
    body = '{"TaskToken": "t", "text": "<Größe> & 注文 📦"}'
    await send(body)
    [message] = await until_seen(storage.queue, 1)
    assert (message.body, message.receive_count) == (body, 1)
    assert message.id


async def test_a_large_message_is_received(storage: CallbackStorage, send: Send) -> None:
    body = '"%s"' % ("ü" * 100_000)
    await send(body)
    [message] = await until_seen(storage.queue, 1)
    assert message.body == body


async def test_ten_messages_are_received_at_most(storage: CallbackStorage, send: Send) -> None:
    for number in range(12):
        await send(str(number))
    first = await storage.queue.receive()
    assert 1 <= len(first) <= 10
    rest = await until_seen(storage.queue, 12 - len(first))
    assert sorted(int(each.body) for each in [*first, *rest]) == list(range(12))


async def test_a_message_that_is_not_hidden_is_received_again(
    storage: CallbackStorage, send: Send
) -> None:
    await send("body")
    [first] = await until_seen(storage.queue, 1)
    await storage.queue.hide([first], 0)
    [second] = await until_seen(storage.queue, 1)
    assert (second.id, second.body, second.receive_count) == (first.id, "body", 2)


async def test_a_deleted_message_is_gone(storage: CallbackStorage, send: Send) -> None:
    await send("deleted")
    [message] = await until_seen(storage.queue, 1)
    await storage.queue.delete([message])
    await storage.queue.hide([message], 0)
    await storage.queue.delete([message])
    await send("another")
    assert [each.body for each in await until_seen(storage.queue, 1)] == ["another"]


async def test_messages_are_deleted_and_hidden_together(
    storage: CallbackStorage, send: Send
) -> None:
    for number in range(4):
        await send(str(number))
    messages = sorted(await until_seen(storage.queue, 4), key=lambda each: each.body)
    await storage.queue.delete(messages[:2])
    await storage.queue.hide(messages, 0)
    seen = await until_seen(storage.queue, 2)
    assert sorted(each.body for each in seen) == ["2", "3"]


async def test_a_hidden_message_is_not_received(storage: CallbackStorage, send: Send) -> None:
    await send("hidden")
    [message] = await until_seen(storage.queue, 1)
    await storage.queue.hide([message], 3_600.5)
    await send("seen")
    assert [each.body for each in await until_seen(storage.queue, 1)] == ["seen"]


async def test_nothing_is_nothing_to_delete_or_hide(storage: CallbackStorage) -> None:
    await storage.queue.delete([])
    await storage.queue.hide([], 5)


async def test_a_waiting_receiver_gets_what_is_sent(storage: CallbackStorage, send: Send) -> None:
    received: list[QueueMessage] = []

    async def receive() -> None:
        received.extend(await until_seen(storage.queue, 1))

    async with create_task_group() as group:
        group.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        await send("body")
    assert [each.body for each in received] == ["body"]


async def test_two_receivers_never_have_one_message(storage: CallbackStorage, send: Send) -> None:
    for number in range(20):
        await send(str(number))
    seen: list[str] = []
    with anyio.fail_after(SEEN_WITHIN_SECONDS):
        async with create_task_group() as group:

            async def receive() -> None:
                while len(seen) < 20:
                    seen.extend([each.body for each in await storage.queue.receive()])
                group.cancel_scope.cancel()  # the other may wait for more

            group.start_soon(receive)
            group.start_soon(receive)
    assert sorted(seen, key=int) == [str(number) for number in range(20)]


async def test_a_message_that_nobody_deletes_becomes_a_dead_letter(
    opened: OpenBackend, storage: CallbackStorage, storage_name: str, send: Send
) -> None:
    await send("dead")
    for count in range(1, MAX_RECEIVES + 1):
        [message] = await until_seen(storage.queue, 1)
        assert message.receive_count == count
        await storage.queue.hide([message], 0)
    dead_letters = opened.callbacks(dead_letters_name(storage_name)).queue
    async with create_task_group() as group:
        group.start_soon(storage.queue.receive)
        assert [each.body for each in await until_seen(dead_letters, 1)] == ["dead"]
        group.cancel_scope.cancel()


# Making both


async def test_nothing_is_missing_once_they_are_made(
    storage: CallbackStorage, opened: OpenBackend, storage_name: str
) -> None:
    assert await storage.missing() == []
    await storage.create({})
    assert await opened.callbacks(storage_name).missing() == []


async def test_several_may_make_them_at_once(opened: OpenBackend, storage_name: str) -> None:
    storages = [opened.callbacks(storage_name) for _ in range(5)]
    async with create_task_group() as group:
        for each in storages:
            group.start_soon(each.create, {"application": "shop"})
    for each in storages:
        assert await each.missing() == []
    wait = waiting("order")
    assert await storages[0].tokens.replace(None, wait)
    assert await storages[1].tokens.find("order") == wait


async def test_the_url_of_a_queue_is_known_before_it_is_made(
    opened: OpenBackend, storage_name: str
) -> None:
    storage = opened.callbacks(storage_name)
    before = await storage.queue_url()
    await storage.create({})
    assert await storage.queue_url() == before
    assert before.endswith(f"/{storage_name}")


async def test_applications_have_storages_of_their_own(
    opened: OpenBackend, storage: CallbackStorage, storage_name: str
) -> None:
    other = opened.callbacks(f"{storage_name}-other")
    await other.create({})
    await storage.tokens.replace(None, waiting("order"))
    assert await other.tokens.find("order") is None
    assert await other.queue_url() != await storage.queue_url()
