from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import anyio
import pytest

from aiowfm import Engine, LocalBackend, TaskContext, WorkflowDefinition
from aiowfm.errors import BackendUnavailableError, TaskTokenExpiredError
from aiowfm.ports import TaskToken
from aiowfm.tasks.context import CancelReason
from aiowfm.testing import VIRTUAL_TIME
from aiowfm.worker.heartbeats import (
    LEAST_ATTEMPT_SECONDS,
    LONGEST_INTERVAL_SECONDS,
    Heartbeats,
    RunningTask,
)
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


def running(reports: Reports, token: str = "t", seconds: float = 30.0, **facts: Any) -> RunningTask:
    beat = functools.partial(reports.heartbeat, TaskToken(token))
    return RunningTask(context(token, beat=beat, **facts), seconds)


def gaps(reports: Reports, token: str = "t") -> list[float]:
    times = [at for beaten, at in reports.beats if beaten == token]
    return [later - earlier for earlier, later in pairwise(times)]


async def test_a_task_gets_a_first_beat_at_once_and_then_one_every_third_of_what_is_allowed(
    reports: Reports,
) -> None:
    begun = anyio.current_time()
    async with beating() as heartbeats:
        heartbeats.watch(running(reports))
        await anyio.sleep(100)
    assert reports.beats[0][1] == begun
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
    async with beating() as heartbeats:
        heartbeats.watch(running(reports, seconds=1))
        await anyio.sleep(5)
    assert all(gap < 0.5 for gap in gaps(reports))


async def test_a_task_that_ends_at_once_needs_no_beat(reports: Reports) -> None:
    async with beating() as heartbeats:
        task = running(reports)
        heartbeats.watch(task)
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
        assert task.context.cancel_reason is None


async def test_a_beat_without_an_answer_is_tried_again_before_the_time_is_up() -> None:
    begun = anyio.current_time()
    sent: list[float] = []

    async def beat() -> None:
        sent.append(anyio.current_time() - begun)
        if len(sent) == 1:
            await anyio.sleep_forever()

    async with beating() as heartbeats:
        heartbeats.watch(RunningTask(context(beat=beat, heartbeat_seconds=30)))
        await anyio.sleep(25)
    assert sent[0] == 0.0
    assert LEAST_ATTEMPT_SECONDS <= sent[1] <= 15


@pytest.mark.parametrize("seconds", [1, 30])
async def test_a_handler_is_cancelled_when_beats_fail_for_longer_than_the_state_allows(
    reports: Reports, seconds: float
) -> None:
    reports.beat_faults.extend([LOST] * 10_000)
    begun = anyio.current_time()
    async with beating() as heartbeats:
        task = running(reports, heartbeat_seconds=seconds)
        with task.scope:
            heartbeats.watch(task)
            await anyio.sleep_forever()
        assert task.context.cancel_reason is CancelReason.HEARTBEATS_FAILED
        assert seconds <= anyio.current_time() - begun <= seconds * 1.5
        count = len(reports.beats)
        await anyio.sleep(100)
        assert len(reports.beats) == count


async def test_a_handler_goes_on_while_beats_fail_where_the_state_asks_for_none(
    reports: Reports,
) -> None:
    reports.beat_faults.extend([LOST] * 10_000)
    async with beating() as heartbeats:
        task = running(reports, seconds=30)
        with task.scope:
            heartbeats.watch(task)
            await anyio.sleep(3600)
    assert not task.scope.cancelled_caught
    assert task.context.cancel_reason is None


async def test_the_time_that_beats_may_fail_begins_anew_with_each_that_arrives(
    reports: Reports,
) -> None:
    async with beating() as heartbeats:
        task = running(reports, heartbeat_seconds=30)
        heartbeats.watch(task)
        await anyio.sleep(100)
        reports.beat_faults.extend([LOST] * 2)
        await anyio.sleep(100)
    assert not reports.beat_faults
    assert task.context.cancel_reason is None


async def test_a_beat_after_the_time_is_up_is_still_tried(reports: Reports) -> None:
    """The event loop may have been blocked; Step Functions decides."""
    async with beating() as heartbeats:
        task = running(reports, heartbeat_seconds=30)
        task.beaten_at -= 1000
        heartbeats.watch(task)
        await anyio.sleep(100)
    assert task.context.cancel_reason is None
    assert len(reports.beats) >= 10


async def test_a_defect_in_a_beat_cancels_its_task_and_no_other(
    reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    reports.beat_faults.append(ZeroDivisionError("a defect"))
    async with beating() as heartbeats:
        task = running(reports, "broken")
        with task.scope:
            heartbeats.watch(task)
            await anyio.sleep_forever()
        assert task.context.cancel_reason is CancelReason.HEARTBEATS_FAILED
        heartbeats.watch(running(reports, "other"))
        await anyio.sleep(100)
    assert len(gaps(reports, "other")) >= 9
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.__dict__.items() >= task.context.log_facts.items()


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"HeartbeatSeconds": 10}, id="literal"),
        pytest.param({"HeartbeatSecondsPath": "$.allowed"}, id="path"),
        pytest.param(
            {"QueryLanguage": "JSONata", "HeartbeatSeconds": "{% $states.input.allowed %}"},
            id="JSONata",
        ),
    ],
)
async def test_a_long_task_lives_on_the_heartbeats_that_its_own_state_asks_for(
    state: dict[str, Any],
) -> None:
    task = {"Type": "Task", "Resource": "work", "End": True} | state
    definition = WorkflowDefinition(
        name="flow", state_machine={"StartAt": "w", "States": {"w": task}}
    )
    engine = Engine(
        app="a",
        environment="b",
        definitions=[definition],
        backend=LocalBackend(clock=anyio.current_time),
    )

    @engine.task("work")
    async def work(ctx: TaskContext) -> float | None:
        await anyio.sleep(100)
        return ctx.heartbeat_seconds

    async with engine:
        started = await engine.start_workflow("flow", {"allowed": 10})
        done = await engine.wait(started.id)
    assert (done.status, done.output) == ("succeeded", 10)


async def test_a_beat_that_fails_does_not_hold_up_those_of_other_tasks(reports: Reports) -> None:
    async with beating() as heartbeats:
        reports.beat_faults.extend([LOST] * 50)
        heartbeats.watch(running(reports, "failing", 600))
        await reports.wakeup.until(lambda: len(reports.beats) >= 2)
        heartbeats.watch(running(reports, "other", 600))
        await reports.wakeup.until(lambda: any(token == "other" for token, _ in reports.beats))


async def test_a_token_that_is_dead_cancels_the_handler_which_can_learn_why(
    reports: Reports,
) -> None:
    reports.dead["t"] = EXPIRED
    async with beating() as heartbeats:
        task = running(reports)
        with task.scope:
            heartbeats.watch(task)
            await anyio.sleep_forever()
        assert task.context.cancel_reason is CancelReason.TASK_GONE
        await anyio.sleep(100)
    assert len(reports.beats) == 1


async def test_a_token_that_dies_because_the_task_is_over_cancels_nothing() -> None:
    is_asked, may_answer = anyio.Event(), anyio.Event()

    async def beat() -> None:
        is_asked.set()
        await may_answer.wait()
        raise EXPIRED

    async with beating() as heartbeats:
        task = RunningTask(context("t", beat=beat))
        heartbeats.watch(task)
        await is_asked.wait()
        task.is_handled = task.is_over = True
        may_answer.set()
        await anyio.wait_all_tasks_blocked()
    assert not task.scope.cancel_called
