from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.local.timers import TimerQueue
from aiowfm.testing import VIRTUAL_TIME

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


async def fired(timers: TimerQueue[str], seconds: float) -> list[tuple[float, str]]:
    """The timers that fire within *seconds*, and when they do."""
    began = anyio.current_time()
    seen: list[tuple[float, str]] = []
    with anyio.move_on_after(seconds):
        await timers.run(
            lambda key: seen.append((round(anyio.current_time() - began, 3), key)),
            anyio.lowlevel.checkpoint,
        )
    return seen


async def test_timers_fire_in_the_order_of_their_times() -> None:
    timers: TimerQueue[str] = TimerQueue(anyio.current_time)
    now = anyio.current_time()
    for delay in (5, 1, 3):
        timers.start(f"after {delay}", now + delay)
    timers.start("past", now - 1)
    assert await fired(timers, 10) == [
        (0, "past"),
        (1, "after 1"),
        (3, "after 3"),
        (5, "after 5"),
    ]


async def test_starting_again_replaces_and_stopping_forgets() -> None:
    timers: TimerQueue[str] = TimerQueue(anyio.current_time)
    now = anyio.current_time()
    timers.start("later", now + 1)
    timers.start("later", now + 2)
    timers.start("sooner", now + 9)
    timers.start("sooner", now + 3)
    timers.start("never", now + 1)
    timers.stop("never")
    timers.stop("unknown")
    assert await fired(timers, 10) == [(2, "later"), (3, "sooner")]


async def test_a_timer_started_during_a_longer_pause_is_not_late() -> None:
    timers: TimerQueue[str] = TimerQueue(anyio.current_time)
    timers.start("last", anyio.current_time() + 20)
    seen: list[tuple[float, str]] = []

    async def watch() -> None:
        seen.extend(await fired(timers, 25))

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await anyio.sleep(5)
        timers.start("first", anyio.current_time() + 2)
    assert seen == [(7, "first"), (20, "last")]


async def test_timers_that_fall_due_together_all_fire() -> None:
    timers: TimerQueue[str] = TimerQueue(anyio.current_time)
    for number in range(500):
        timers.start(str(number), anyio.current_time() + 1)
    assert [key for _, key in await fired(timers, 2)] == [str(number) for number in range(500)]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20), st.booleans()), max_size=300))
def test_what_is_due_is_what_was_started_last_and_not_stopped(
    steps: list[tuple[int, int, bool]],
) -> None:
    timers: TimerQueue[int] = TimerQueue(lambda: 100.0)
    expected: dict[int, int] = {}
    for key, at, starts in steps:
        if starts:
            timers.start(key, at)
            expected[key] = at
        else:
            timers.stop(key)
            expected.pop(key, None)
    due = []
    while (key_due := timers._next_due()) is not None:
        due.append(key_due)
    assert sorted(due) == sorted(expected)
    assert [expected[key] for key in due] == sorted(expected.values())
