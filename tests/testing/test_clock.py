"""Time: when it moves, when it does not, and that it does so on any loop of asyncio's."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from aiowfm.errors import UsageError
from aiowfm.idling import idling
from aiowfm.testing import VIRTUAL_TIME, StalledError, clock, virtual_time

pytestmark = pytest.mark.anyio

WEEK = 7 * 86_400.0


@pytest.fixture(
    params=["asyncio", VIRTUAL_TIME],
    ids=["on the loop that runs", "on a loop of its own"],
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


async def test_a_week_passes_at_once() -> None:
    began = time.monotonic()
    with virtual_time() as clock:
        before = clock.now()
        await anyio.sleep(WEEK)
        assert clock.now() - before == WEEK
    assert time.monotonic() - began < 10


async def test_the_loop_and_the_clock_of_workflows_move_together() -> None:
    with virtual_time() as clock:
        loop_began, began = anyio.current_time(), clock.now()
        await anyio.sleep(0.1)
        assert anyio.current_time() - loop_began == pytest.approx(0.1)
        assert clock.now() - began == pytest.approx(0.1)


async def test_timers_fire_in_order() -> None:
    fired: list[float] = []

    async def sleep(seconds: float) -> None:
        await anyio.sleep(seconds)
        fired.append(seconds)

    with virtual_time():
        async with anyio.create_task_group() as group:
            for seconds in (3600.0, 0.5, 60.0, 86_400.0):
                group.start_soon(sleep, seconds)
    assert fired == [0.5, 60.0, 3600.0, 86_400.0]


@pytest.mark.parametrize("way", ["anyio", "asyncio"])
async def test_time_stands_still_while_a_thread_is_at_work(way: str) -> None:
    may_end = threading.Event()

    def work() -> str:
        assert may_end.wait(10)
        return "done"

    order: list[str] = []

    async def wait() -> None:
        await anyio.sleep(WEEK)
        order.append("a week")

    with virtual_time() as clock:
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            before = clock.now()
            threading.Timer(0.05, may_end.set).start()
            if way == "anyio":
                await anyio.to_thread.run_sync(work)
            else:
                await asyncio.to_thread(work)
            order.append("the thread")
            assert clock.now() == before
    assert order == ["the thread", "a week"]


async def test_a_thread_that_nobody_waits_for_any_more_still_holds_the_time() -> None:
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(10)
        ended.set()

    with virtual_time():
        with anyio.move_on_after(0) as scope:
            await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        if not scope.cancelled_caught:
            pytest.skip("it never began")
        threading.Timer(0.05, may_end.set).start()
        await anyio.sleep(WEEK)
    assert ended.is_set() or not may_end.is_set()


async def test_a_thread_that_waits_for_time_to_pass_gets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "PATIENCE_SECONDS", 0.01)
    with virtual_time() as time:
        before = time.now()
        await anyio.to_thread.run_sync(anyio.from_thread.run, anyio.sleep, 0.05)
        assert 0.049 < time.now() - before < 10


async def test_time_stands_still_while_it_is_held() -> None:
    with virtual_time() as time:
        before, loop = time.now(), asyncio.get_running_loop()
        answer = anyio.Event()
        outside = threading.Timer(0.05, loop.call_soon_threadsafe, [answer.set])
        outside.start()
        with anyio.fail_after(30), time.hold():
            await answer.wait()
        assert time.now() == before


async def test_what_only_looks_again_does_not_stop_the_time() -> None:
    looks: list[float] = []

    async def look() -> None:
        while True:
            looks.append(anyio.current_time())
            with idling():
                await anyio.sleep(1)

    with virtual_time():
        async with anyio.create_task_group() as group:
            group.start_soon(look)
            await anyio.sleep(WEEK)
            group.cancel_scope.cancel()
    assert len(looks) <= 3


async def test_what_only_looks_again_gets_its_time_where_there_is_nothing_else() -> None:
    with virtual_time() as time, idling():
        before = time.now()
        await anyio.sleep(60)
        assert time.now() - before == 60


async def test_settling_moves_no_time() -> None:
    done: list[str] = []

    async def work() -> None:
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        done.append("now")
        await anyio.sleep(1)
        done.append("later")

    with virtual_time() as time:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await time.settled()
            assert done == ["now"]
            await time.advance(1)
            assert done == ["now", "later"]


async def test_waiting_for_what_never_comes_is_told_at_once() -> None:
    async def find() -> None:
        return None

    with virtual_time() as time:
        with pytest.raises(StalledError, match="the cows"):
            await time.until(find, "the cows did not come home")
        with pytest.raises(StalledError), time.unless_stalled("hm"):
            await anyio.sleep_forever()
        await anyio.sleep(1)


async def test_afterwards_time_goes_on_from_where_it_is() -> None:
    loop = asyncio.get_running_loop()
    fired: list[str] = []
    with virtual_time():
        loop.call_later(WEEK + 0.01, fired.append, "later")
        await anyio.sleep(WEEK)
        shown = loop.time()
    assert 0 <= loop.time() - shown < 60
    await anyio.sleep(0.05)
    assert fired == ["later"]
    with virtual_time():
        await anyio.sleep(1)
    assert loop.time() - shown >= 1


async def test_the_last_to_leave_gives_the_loop_back() -> None:
    began = time.monotonic()

    async def wait(seconds: float) -> None:
        with virtual_time():
            await anyio.sleep(seconds)

    async with anyio.create_task_group() as group:
        group.start_soon(wait, 60)
        group.start_soon(wait, WEEK)
    assert time.monotonic() - began < 10


async def test_clocks_within_one_another_are_one() -> None:
    with virtual_time() as outer, virtual_time() as inner:
        assert inner is outer


class OtherLoop:
    """Looks like a loop that is not written in Python."""


def test_a_loop_that_cannot_be_put_on_a_clock_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "get_running_loop", OtherLoop)
    with pytest.raises(UsageError, match="OtherLoop cannot be put on a virtual clock"):
        virtual_time().__enter__()
