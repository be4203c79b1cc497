from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.errors import ConfigError
from aiowfm.testing import VIRTUAL_TIME
from aiowfm.worker.slots import Slots


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


def test_a_task_gets_no_more_slots_than_its_limit() -> None:
    slots = Slots({"a": 2, "b": 1}, None)
    assert [slots.try_acquire("a") for _ in range(3)] == [True, True, False]
    assert slots.try_acquire("b")
    assert (slots.in_use("a"), slots.in_use("b")) == (2, 1)


def test_all_tasks_together_get_no_more_slots_than_the_maximum() -> None:
    slots = Slots({"a": 10, "b": 10}, 3)
    taken = [slots.try_acquire("a") for _ in range(4)]
    assert taken == [True, True, False, False]
    assert slots.try_acquire("b")
    assert not slots.try_acquire("b")


def test_a_busy_task_never_takes_the_last_slot_of_an_idle_one() -> None:
    slots = Slots({"busy": 10, "idle": 10}, 2)
    assert slots.try_acquire("busy")
    assert not slots.try_acquire("busy")
    assert slots.try_acquire("idle")


def test_a_shared_slot_that_is_given_back_goes_to_whoever_comes() -> None:
    slots = Slots({"a": 10, "b": 10}, 3)
    for task in ("a", "a", "b"):
        assert slots.try_acquire(task)
    assert not slots.try_acquire("b")
    slots.release("a")
    assert slots.try_acquire("b")
    assert not slots.try_acquire("a")


def test_fewer_slots_than_tasks_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_concurrency=1 is less than the number of tasks, 2"):
        Slots({"a": 1, "b": 1}, 1)


def test_as_many_slots_as_tasks_suffice() -> None:
    slots = Slots({"a": 3, "b": 3}, 2)
    assert slots.try_acquire("a")
    assert slots.try_acquire("b")
    assert not slots.try_acquire("a")


@pytest.mark.anyio
async def test_a_release_wakes_who_waits() -> None:
    slots = Slots({"a": 1}, None)
    await slots.acquire("a")
    async with anyio.create_task_group() as group:
        group.start_soon(slots.acquire, "a")
        await anyio.wait_all_tasks_blocked()
        slots.release("a")
    assert slots.in_use("a") == 1


@pytest.mark.anyio
async def test_one_slot_that_is_given_back_goes_to_one_of_many_that_wait() -> None:
    slots = Slots({"a": 1}, None)
    await slots.acquire("a")
    got: list[int] = []

    async def wait(number: int) -> None:
        await slots.acquire("a")
        got.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(wait, number)
        for count in range(1, 4):
            await anyio.wait_all_tasks_blocked()
            slots.release("a")
            await anyio.wait_all_tasks_blocked()
            assert len(got) == count


@pytest.mark.anyio
async def test_a_task_that_waits_is_not_woken_in_vain_by_another_task_name() -> None:
    slots = Slots({"a": 2, "b": 2}, 3)
    for task in ("a", "a", "b"):
        await slots.acquire(task)
    async with anyio.create_task_group() as group:
        group.start_soon(slots.acquire, "b")
        await anyio.wait_all_tasks_blocked()
        slots.release("b")
        await anyio.wait_all_tasks_blocked()
        assert slots.in_use("b") == 1
    assert slots.in_use("a") == 2


@pytest.mark.anyio
async def test_a_cancelled_wait_takes_nothing_and_hinders_nobody() -> None:
    slots = Slots({"a": 1}, None)
    await slots.acquire("a")
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await slots.acquire("a")
        assert scope.cancelled_caught
        group.start_soon(slots.acquire, "a")
        await anyio.wait_all_tasks_blocked()
        slots.release("a")
    assert slots.in_use("a") == 1


@pytest.mark.anyio
async def test_a_wait_cancelled_as_it_is_woken_leaves_the_slot_to_the_next() -> None:
    slots = Slots({"a": 1}, None)
    await slots.acquire("a")
    scope = anyio.CancelScope()

    async def cancelled() -> None:
        with scope:
            await slots.acquire("a")
            slots.release("a")  # the wake-up came first

    async with anyio.create_task_group() as group:
        group.start_soon(cancelled)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(slots.acquire, "a")
        await anyio.wait_all_tasks_blocked()
        slots.release("a")
        scope.cancel()
    assert slots.in_use("a") == 1


TASKS = ("a", "b", "c")


@given(
    limits=st.fixed_dictionaries(dict.fromkeys(TASKS, st.integers(1, 4))),
    maximum=st.none() | st.integers(3, 12),
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from(TASKS)), max_size=80),
)
def test_limits_hold_and_every_task_can_have_a_slot_whatever_happens(
    limits: dict[str, int], maximum: int | None, steps: list[tuple[bool, str]]
) -> None:
    slots = Slots(limits, maximum)
    held: Counter[str] = Counter()
    for is_acquire, task in steps:
        if is_acquire:
            had = slots.try_acquire(task)
            is_shared = held[task] > 0
            shared = sum(max(count - 1, 0) for count in held.values())
            free = maximum is None or shared < maximum - len(limits)
            assert had == (held[task] < limits[task] and (not is_shared or free))
            held[task] += had
        elif held[task]:
            slots.release(task)
            held[task] -= 1
        assert all(held[name] == slots.in_use(name) <= limits[name] for name in TASKS)
        if maximum is not None:
            reserved = sum(held[name] == 0 for name in TASKS)
            assert held.total() + reserved <= maximum
    for task in TASKS:
        assert held[task] or slots.try_acquire(task)


@pytest.mark.anyio
@pytest.mark.parametrize("maximum", [None, 3, 4, 6])
async def test_everybody_who_waits_gets_a_slot_in_the_end(maximum: int | None) -> None:
    limits = {"a": 1, "b": 2, "c": 3}
    slots = Slots(limits, maximum)
    served: Counter[str] = Counter()
    most = 0

    async def use(task: str, number: int) -> None:
        nonlocal most
        for turn in range(5):
            await slots.acquire(task)
            most = max(most, sum(map(slots.in_use, limits)))
            try:
                await anyio.sleep((number * 7 + turn * 3) % 5)
            finally:
                slots.release(task)
            served[task] += 1

    async with anyio.create_task_group() as group:
        for number in range(24):
            group.start_soon(use, "abc"[number % 3], number)
            if number % 4 == 0:
                group.start_soon(_give_up, slots, "abc"[number % 3], number % 7)
    assert served == {"a": 40, "b": 40, "c": 40}
    assert most <= (maximum or 6)
    assert [slots.in_use(task) for task in limits] == [0, 0, 0]


async def _give_up(slots: Slots, task: str, after: float) -> None:
    with anyio.move_on_after(after):
        await slots.acquire(task)
        try:
            await anyio.lowlevel.checkpoint()
        finally:
            slots.release(task)


@pytest.mark.anyio
async def test_closing_ends_all_waits_and_gives_out_nothing_more() -> None:
    slots = Slots({"a": 1, "b": 1}, None)
    await slots.acquire("a")
    await slots.acquire("b")
    got: list[bool] = []

    async def wait(task: str) -> None:
        got.append(await slots.acquire(task))

    async with anyio.create_task_group() as group:
        for task in ("a", "b", "b"):
            group.start_soon(wait, task)
        await anyio.wait_all_tasks_blocked()
        slots.close()
    assert got == [False, False, False]
    assert not await slots.acquire("a")
    assert (slots.in_use("a"), slots.in_use("b")) == (1, 1)
