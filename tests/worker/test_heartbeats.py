from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import anyio
import pytest

from aiowfm.errors import BackendUnavailableError, TaskTokenExpiredError
from aiowfm.ports import TaskToken
from aiowfm.worker.heartbeats import (
    FIRST_BEAT_SECONDS,
    LONGEST_INTERVAL_SECONDS,
    Heartbeats,
    RunningTask,
)
from tests.virtual_time import VIRTUAL_TIME
from tests.worker.fakes import Reports, context

pytestmark = pytest.mark.anyio

LOST = BackendUnavailableError("SendTaskHeartbeat", "ConnectionClosed", "connection lost")
EXPIRED = TaskTokenExpiredError("the workflow was cancelled")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


@pytest.fixture
def reports() -> Reports:
    return Reports()


@asynccontextmanager
async def beating() -> AsyncIterator[Heartbeats]:
    heartbeats = Heartbeats()
    async with anyio.create_task_group() as group:
        group.start_soon(heartbeats.run)
        yield heartbeats
        group.cancel_scope.cancel()


def running(reports: Reports, token: str = "t", seconds: float = 30.0) -> RunningTask:
    beat = functools.partial(reports.heartbeat, TaskToken(token))
    return RunningTask(context(token, beat=beat), seconds)


def gaps(reports: Reports, token: str = "t") -> list[float]:
    times = [at for beaten, at in reports.beats if beaten == token]
    return [later - earlier for earlier, later in pairwise(times)]


async def test_a_task_gets_a_first_beat_soon_and_then_one_every_third_of_what_is_allowed(
    reports: Reports,
) -> None:
    begun = anyio.current_time()
    async with beating() as heartbeats:
        heartbeats.watch(running(reports))
        await anyio.sleep(100)
    assert reports.beats[0][1] - begun == pytest.approx(FIRST_BEAT_SECONDS, abs=0.01)
    assert len(reports.beats) >= 10
    assert all(8.0 <= gap <= 10.01 for gap in gaps(reports))


async def test_beats_are_never_more_than_a_minute_apart_where_the_state_allows_hours(
    reports: Reports,
) -> None:
    async with beating() as heartbeats:
        heartbeats.watch(running(reports, seconds=36_000))
        await anyio.sleep(600)
    assert all(gap <= LONGEST_INTERVAL_SECONDS + 0.01 for gap in gaps(reports))
    assert len(reports.beats) >= 10


async def test_a_heartbeat_of_one_second_is_kept(reports: Reports) -> None:
    begun = anyio.current_time()
    async with beating() as heartbeats:
        heartbeats.watch(running(reports, seconds=1))
        await anyio.sleep(5)
    assert reports.beats[0][1] - begun < 0.5
    assert all(gap < 0.5 for gap in gaps(reports))


async def test_a_task_that_ends_soon_needs_no_beat(reports: Reports) -> None:
    async with beating() as heartbeats:
        task = running(reports)
        heartbeats.watch(task)
        await anyio.sleep(FIRST_BEAT_SECONDS / 2)
        task.is_over = True
        await anyio.sleep(100)
    assert reports.beats == []


async def test_beats_end_with_the_task(reports: Reports) -> None:
    async with beating() as heartbeats:
        task = running(reports)
        heartbeats.watch(task)
        await anyio.sleep(25)
        task.is_over = True
        count = len(reports.beats)
        await anyio.sleep(100)
    assert len(reports.beats) == count > 0


async def test_many_tasks_are_beaten_for_each_in_its_time(reports: Reports) -> None:
    async with beating() as heartbeats:
        heartbeats.watch(running(reports, "slow", 180))
        heartbeats.watch(running(reports, "fast", 3))
        await anyio.sleep(0.5)
        heartbeats.watch(running(reports, "late", 30))
        await anyio.sleep(70)
    assert len(gaps(reports, "fast")) > 60
    assert max(gaps(reports, "fast")) <= 1.01
    assert len(gaps(reports, "late")) > 4
    assert len(gaps(reports, "slow")) >= 1


async def test_a_beat_that_fails_is_tried_again_before_the_time_is_up(reports: Reports) -> None:
    reports.beat_faults.extend([LOST] * 3)
    begun = anyio.current_time()
    async with beating() as heartbeats:
        task = running(reports)
        heartbeats.watch(task)
        await reports.wakeup.until(lambda: len(reports.beats) == 4)
        assert anyio.current_time() - begun < 10
        assert not task.is_revoked


async def test_a_beat_that_fails_does_not_hold_up_those_of_other_tasks(reports: Reports) -> None:
    async with beating() as heartbeats:
        reports.beat_faults.extend([LOST] * 50)
        heartbeats.watch(running(reports, "failing", 600))
        await reports.wakeup.until(lambda: len(reports.beats) >= 2)
        heartbeats.watch(running(reports, "other", 600))
        await reports.wakeup.until(lambda: any(token == "other" for token, _ in reports.beats))


async def test_a_token_that_is_dead_revokes_the_task_and_cancels_its_handler(
    reports: Reports,
) -> None:
    reports.dead["t"] = EXPIRED
    async with beating() as heartbeats:
        task = running(reports)
        with task.scope:
            heartbeats.watch(task)
            await anyio.sleep_forever()
        assert task.is_revoked
        await anyio.sleep(100)
    assert len(reports.beats) == 1


async def test_a_token_that_dies_because_the_task_is_over_revokes_nothing() -> None:
    is_asked, may_answer = anyio.Event(), anyio.Event()

    async def beat() -> None:
        is_asked.set()
        await may_answer.wait()
        raise EXPIRED

    async with beating() as heartbeats:
        task = RunningTask(context("t", beat=beat))
        heartbeats.watch(task)
        await is_asked.wait()
        task.is_over = True
        may_answer.set()
        await anyio.wait_all_tasks_blocked()
    assert not task.is_revoked
    assert not task.scope.cancel_called
