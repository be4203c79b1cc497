from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from aiowfm.errors import BackendUnavailableError, ConfigError, NotFoundError
from aiowfm.names import ActivityArn
from aiowfm.tasks.context import CancelReason, TaskContext
from aiowfm.testing import VIRTUAL_TIME
from aiowfm.worker.worker import Worker, most_polls, slot_limits
from tests.worker.fakes import POLL_SECONDS, Report, Reports, Tasks, activity_task, config, handler

THROTTLED = BackendUnavailableError("GetActivityTask", "ThrottlingException", "slower")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


class House:
    """A worker between a source and a reporter that the test holds in its hands."""

    def __init__(
        self,
        functions: dict[str, Callable[..., Any]],
        *,
        interruptible: bool = False,
        **options: Any,
    ) -> None:
        self.tasks = Tasks(interruptible=interruptible)
        self.reports = Reports()
        self.created_again: list[str] = []
        handlers = {name: handler(function, name) for name, function in functions.items()}
        self.worker = Worker(
            handlers,
            {name: ActivityArn(name) for name in functions},
            config=config(**options),
            source=self.tasks,
            reporter=self.reports,
            create_again=self._create_again,
            heartbeat_seconds={},
        )

    async def _create_again(self, name: str) -> None:
        self.created_again.append(name)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(self.worker.run)
            yield
            await self.worker.stop(POLL_SECONDS * 2)


async def echo(value: Any) -> Any:
    return value


async def forever() -> None:
    await anyio.sleep_forever()


@pytest.mark.anyio
async def test_tasks_of_every_name_are_run_and_reported() -> None:
    house = House({"a": echo, "b": lambda: "plain"})
    house.tasks.add("a", activity_task("a1", 1), activity_task("a2", 2))
    house.tasks.add("b", activity_task("b1"))
    async with house.working():
        await house.reports.until_taken(3)
    assert {(report.token, report.text) for report in house.reports.taken} == {
        ("a1", "1"),
        ("a2", "2"),
        ("b1", '"plain"'),
    }


@pytest.mark.anyio
async def test_an_idle_task_does_not_starve_a_busy_one() -> None:
    house = House({"idle": echo, "busy": echo}, concurrency=10, max_concurrency=2)
    house.tasks.add("busy", *(activity_task(f"t{number}") for number in range(50)))
    begun = anyio.current_time()
    async with house.working():
        await house.reports.until_taken(50)
        assert anyio.current_time() - begun < POLL_SECONDS
        assert house.tasks.open["idle"] == 1
    assert house.tasks.most_open["busy"] == 1


@pytest.mark.anyio
async def test_faults_of_one_task_name_do_not_touch_the_others() -> None:
    house = House({"a": echo, "b": echo})
    house.tasks.faults["a"].extend([THROTTLED, NotFoundError("no such activity")] * 500)
    house.tasks.add("b", *(activity_task(f"b{number}") for number in range(10)))
    async with house.working():
        await house.reports.until_taken(10)
        await house.tasks.wakeup.until(lambda: len(house.tasks.faults["a"]) < 990)
    assert set(house.created_again) == {"a"}


@pytest.mark.anyio
async def test_a_handler_that_raises_anything_does_not_end_the_worker() -> None:
    async def leave() -> None:
        raise SystemExit(1)

    house = House({"leave": leave, "echo": echo})
    house.tasks.add("leave", activity_task("l1"), activity_task("l2"))
    async with house.working():
        await house.reports.until_taken(2)
        house.tasks.add("echo", activity_task("e", "still here"))
        await house.reports.until_taken(3)
    assert house.reports.of("l2").text == "SystemExit"
    assert house.reports.of("e").text == '"still here"'


@pytest.mark.anyio
async def test_stopping_an_idle_worker_takes_no_time_where_polls_can_be_interrupted() -> None:
    house = House({"a": echo, "b": echo}, interruptible=True)
    async with house.working():
        await house.tasks.wakeup.until(lambda: house.tasks.open.total() == 2)
        begun = anyio.current_time()
        await house.worker.stop(30)
        assert anyio.current_time() == begun


@pytest.mark.anyio
async def test_what_an_open_poll_brings_while_stopping_is_run_to_its_end() -> None:
    async def slow(value: int) -> int:
        await anyio.sleep(5)
        return value

    house = House({"slow": slow})
    async with anyio.create_task_group() as group:
        group.start_soon(house.worker.run)
        await house.tasks.wakeup.until(lambda: house.tasks.open["slow"] == 1)
        group.start_soon(house.worker.stop, 30)
        await anyio.wait_all_tasks_blocked()
        house.tasks.add("slow", activity_task("last", 1), activity_task("too late", 2))
    assert house.reports.taken == [Report("last", "succeed", "1")]
    assert house.tasks.left("slow") == 1
    assert house.tasks.opened["slow"] == 1


@pytest.mark.anyio
async def test_after_its_grace_a_worker_abandons_open_polls_and_hands_running_tasks_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House({"forever": forever, "idle": echo})
    house.tasks.add("forever", activity_task("f"))
    async with anyio.create_task_group() as group:
        group.start_soon(house.worker.run)
        await house.tasks.wakeup.until(
            lambda: house.tasks.open["idle"] == 1 and not house.tasks.left("forever")
        )
        await anyio.wait_all_tasks_blocked()
        begun = anyio.current_time()
        await house.worker.stop(10)
        assert anyio.current_time() - begun == pytest.approx(10, abs=0.01)
    assert house.reports.of("f").text == "aiowfm.WorkerStopped"
    assert house.tasks.open.total() == 0
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.message.startswith("abandoning 1 open polls")
    stats = house.worker.stats()
    assert (stats["idle"].polls_abandoned, stats["forever"].polls_abandoned) == (1, 0)
    assert stats["forever"].handed_back == 1


@pytest.mark.anyio
async def test_polls_that_a_cancelled_stop_leaves_open_are_counted_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House({"idle": echo})
    async with anyio.create_task_group() as group:
        group.start_soon(house.worker.run)
        await house.tasks.wakeup.until(lambda: house.tasks.open["idle"] == 1)
        with anyio.move_on_after(1):
            await house.worker.stop(10)
        house.worker.abandon()
        house.worker.abandon()
    assert house.worker.stats()["idle"].polls_abandoned == 1
    assert "abandoning 1 open polls" in caplog.text


@pytest.mark.anyio
async def test_a_worker_that_dies_tells_its_handlers_that_it_stops() -> None:
    reasons: list[CancelReason | None] = []

    async def work(ctx: TaskContext) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            reasons.append(ctx.cancel_reason)

    house = House({"work": work, "broken": echo, "idle": echo})
    house.tasks.add("work", activity_task("t"))

    async def work_until_it_dies() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(house.worker.run)
            await house.tasks.wakeup.until(lambda: house.tasks.open.total() == 2)
            house.tasks.faults["broken"].append(ZeroDivisionError("a defect"))
            house.tasks.wakeup.changed()

    with pytest.raises(BaseExceptionGroup):
        await work_until_it_dies()
    assert reasons == [CancelReason.WORKER_STOPPING]
    assert house.reports.of("t").text == "aiowfm.WorkerStopped"


@pytest.mark.anyio
async def test_handlers_that_end_within_the_grace_are_not_cut_short() -> None:
    async def slow() -> str:
        await anyio.sleep(25)
        return "finished"

    house = House({"slow": slow}, interruptible=True)
    house.tasks.add("slow", activity_task("t"))
    async with anyio.create_task_group() as group:
        group.start_soon(house.worker.run)
        await house.tasks.wakeup.until(lambda: not house.tasks.left("slow"))
        await house.worker.stop(30)
    assert house.reports.of("t").text == '"finished"'


@pytest.mark.anyio
async def test_a_task_that_comes_at_the_very_end_of_the_grace_is_handed_back_too() -> None:
    house = House({"forever": forever})
    async with anyio.create_task_group() as group:
        group.start_soon(house.worker.run)
        await house.tasks.wakeup.until(lambda: house.tasks.open["forever"] == 1)
        ends_at = anyio.current_time() + 10

        async def come_at_the_end() -> None:
            await anyio.sleep_until(ends_at)
            house.tasks.add("forever", activity_task("late"))

        group.start_soon(come_at_the_end)
        with anyio.fail_after(1000):
            await house.worker.stop(ends_at - anyio.current_time())
    if house.reports.taken:  # else it was not taken from the source, and so not lost
        assert house.reports.of("late").text == "aiowfm.WorkerStopped"
    assert len(house.reports.taken) + house.tasks.left("forever") == 1


@pytest.mark.anyio
async def test_a_report_under_way_is_awaited_beyond_the_grace() -> None:
    house = House({"echo": echo}, interruptible=True)
    house.reports.delay_seconds = 20
    house.tasks.add("echo", activity_task("t", 1))
    async with anyio.create_task_group() as group:
        group.start_soon(house.worker.run)
        await house.reports.wakeup.until(lambda: house.reports.tried == 1)
        await house.worker.stop(1)
        assert house.reports.of("t").text == "1"


@pytest.mark.anyio
async def test_a_stop_without_grace_hands_back_at_once() -> None:
    house = House({"forever": forever})
    house.tasks.add("forever", activity_task("t"))
    async with anyio.create_task_group() as group:
        group.start_soon(house.worker.run)
        await house.tasks.wakeup.until(lambda: not house.tasks.left("forever"))
        await anyio.wait_all_tasks_blocked()
        begun = anyio.current_time()
        await house.worker.stop(0)
        assert anyio.current_time() == begun
    assert house.reports.of("t").text == "aiowfm.WorkerStopped"


@pytest.mark.anyio
async def test_a_worker_that_is_cancelled_hands_its_tasks_back() -> None:
    house = House({"forever": forever})
    house.tasks.add("forever", activity_task("t"))
    async with anyio.create_task_group() as group:
        group.start_soon(house.worker.run)
        await house.tasks.wakeup.until(lambda: not house.tasks.left("forever"))
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert house.reports.of("t").text == "aiowfm.WorkerStopped"


def test_a_maximum_that_leaves_a_task_without_a_slot_is_refused() -> None:
    with pytest.raises(ConfigError, match="each task needs a slot"):
        House({"a": echo, "b": echo}, max_concurrency=1)


def test_limits_and_polls_follow_from_the_handlers_and_the_options() -> None:
    handlers = {"a": handler(echo, "a", concurrency=30), "b": handler(echo, "b")}
    options = config(concurrency=4, max_pollers=10)
    assert slot_limits(handlers, options) == {"a": 30, "b": 4}
    assert most_polls(handlers, options) == 14
