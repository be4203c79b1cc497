from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiowfm.errors import AccessDeniedError, AiowfmError, BackendUnavailableError, NotFoundError
from aiowfm.names import ActivityArn
from aiowfm.ports import ActivityTask
from aiowfm.testing import VIRTUAL_TIME
from aiowfm.worker.poller import Poller
from aiowfm.worker.slots import Slots
from tests.worker.fakes import POLL_SECONDS, Tasks, Wakeup, activity_task

pytestmark = pytest.mark.anyio

CHARGE = ActivityArn("arn:aws:states:us-east-1:000000000000:activity:dev--app-charge")
THROTTLED = BackendUnavailableError("GetActivityTask", "ThrottlingException", "slower")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


class Work:
    """What a poller calls for each task: keeps it until it is let go."""

    def __init__(self, *, seconds: float | None = 0.0) -> None:
        self.seconds = seconds
        self.running = 0
        self.most_running = 0
        self.done: list[str] = []
        self.wakeup = Wakeup()
        self._may_end = anyio.Event()

    def end(self) -> None:
        self._may_end.set()

    async def __call__(self, task: ActivityTask) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.wakeup.changed()
        if self.seconds is None:
            await self._may_end.wait()
        else:
            await anyio.sleep(self.seconds)
        self.running -= 1
        self.done.append(task.token)
        self.wakeup.changed()

    async def until_running(self, count: int) -> None:
        await self.wakeup.until(lambda: self.running >= count)

    async def until_done(self, count: int) -> None:
        await self.wakeup.until(lambda: len(self.done) >= count)


async def _nothing() -> None: ...


@asynccontextmanager
async def polling(
    tasks: Tasks,
    work: Callable[[ActivityTask], Awaitable[None]],
    *,
    limit: int = 1,
    max_loops: int | None = None,
    poll_rate: float | None = None,
    create_again: Callable[[], Awaitable[None]] = _nothing,
    slots: Slots | None = None,
) -> AsyncIterator[Poller]:
    """A poller at work; at the end it is stopped, and every slot has been given back."""
    slots = slots or Slots({"charge": limit}, None)
    poller = Poller(
        "charge",
        CHARGE,
        source=tasks,
        slots=slots,
        worker_name="me",
        max_loops=max_loops or limit,
        poll_rate=poll_rate,
        create_again=create_again,
        run=work,
    )
    async with anyio.create_task_group() as handlers, anyio.create_task_group() as polls:
        poller.start(polls, handlers)
        yield poller
        poller.stop()
    assert poller.open_polls == 0
    assert slots.in_use("charge") == 0


def some(count: int) -> list[ActivityTask]:
    return [activity_task(f"t{number}") for number in range(count)]


async def test_what_a_poll_brings_is_run() -> None:
    tasks, work = Tasks(), Work()
    tasks.add(CHARGE, *some(3))
    async with polling(tasks, work):
        await work.until_done(3)
    assert work.done == ["t0", "t1", "t2"]
    assert tasks.worker_names == {"me"}


async def test_nothing_is_polled_for_that_could_not_be_run_at_once() -> None:
    tasks, work = Tasks(), Work(seconds=None)
    tasks.add(CHARGE, *some(10))
    async with polling(tasks, work, limit=3):
        await work.until_running(3)
        await anyio.wait_all_tasks_blocked()
        assert tasks.opened[CHARGE] == 3
        assert tasks.left(CHARGE) == 7
        work.end()
        await work.until_done(10)
    assert work.most_running == 3


async def test_polls_and_running_tasks_together_never_exceed_the_slots() -> None:
    tasks = Tasks()
    running = 0
    most = 0

    async def work(task: ActivityTask) -> None:
        nonlocal running, most
        running += 1
        for _ in range(3):
            most = max(most, running + tasks.open[CHARGE])
            await anyio.lowlevel.checkpoint()
        running -= 1

    tasks.add(CHARGE, *some(50))
    async with polling(tasks, work, limit=4):
        await tasks.wakeup.until(lambda: tasks.left(CHARGE) == 0)
    assert most == 4


async def test_one_poll_is_open_while_nothing_comes() -> None:
    tasks = Tasks()
    async with polling(tasks, Work(), limit=10):
        await anyio.sleep(POLL_SECONDS * 5)
    assert tasks.most_open[CHARGE] == 1
    assert tasks.opened[CHARGE] >= 5


async def test_polls_grow_with_the_work_to_their_limit_and_shrink_to_one_when_idle() -> None:
    tasks, work = Tasks(), Work(seconds=0.1)
    tasks.add(CHARGE, *some(40))
    async with polling(tasks, work, limit=20, max_loops=3):
        await work.until_done(40)
        await tasks.wakeup.until(lambda: tasks.open[CHARGE] == 3)
        assert tasks.most_open[CHARGE] == 3
        await anyio.sleep(POLL_SECONDS * 2)
        assert tasks.open[CHARGE] == 1
        tasks.add(CHARGE, *some(40))
        await work.until_done(80)
        await tasks.wakeup.until(lambda: tasks.open[CHARGE] == 3)
    assert tasks.most_open[CHARGE] == 3


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(THROTTLED, id="throttled"),
        pytest.param(AccessDeniedError("GetActivityTask", "AccessDenied", "no"), id="forbidden"),
        pytest.param(NotFoundError("no such activity"), id="deleted"),
        pytest.param(AiowfmError("another"), id="other"),
    ],
)
async def test_faults_never_end_the_loop(fault: AiowfmError) -> None:
    tasks, work = Tasks(), Work()
    tasks.faults[CHARGE].extend([fault] * 30)
    tasks.add(CHARGE, *some(1))
    async with polling(tasks, work):
        await work.until_done(1)
    assert not tasks.faults[CHARGE]


async def test_polls_pause_ever_longer_while_faults_last() -> None:
    tasks, work = Tasks(), Work()
    tasks.faults[CHARGE].extend([THROTTLED] * 1000)
    async with polling(tasks, work):
        await anyio.sleep(600.0)
        # Half of 20 seconds on average; without pauses all thousand would be gone.
        assert 30 < tasks.opened[CHARGE] < 200


async def test_an_activity_that_was_deleted_is_created_again() -> None:
    tasks, work = Tasks(), Work()
    created = 0

    async def create_again() -> None:
        nonlocal created
        created += 1
        tasks.add(CHARGE, *some(1))

    tasks.faults[CHARGE].append(NotFoundError("no such activity"))
    async with polling(tasks, work, create_again=create_again):
        await work.until_done(1)
    assert created == 1


async def test_an_activity_that_cannot_be_created_again_is_tried_with_the_next_fault() -> None:
    tasks, work = Tasks(), Work()
    tried = 0

    async def create_again() -> None:
        nonlocal tried
        tried += 1
        raise AccessDeniedError("CreateActivity", "AccessDenied", "no")

    tasks.faults[CHARGE].extend([NotFoundError("no such activity")] * 2)
    tasks.add(CHARGE, *some(1))
    async with polling(tasks, work, create_again=create_again):
        await work.until_done(1)
    assert tried == 2


async def test_polls_begin_no_faster_than_the_poll_rate() -> None:
    tasks, work = Tasks(), Work()
    tasks.add(CHARGE, *some(20))
    begun = anyio.current_time()
    async with polling(tasks, work, limit=5, poll_rate=2.0):
        await work.until_done(20)
        assert anyio.current_time() - begun >= 19 * 0.5


async def test_stopping_begins_no_more_polls_and_runs_what_the_open_one_brings() -> None:
    tasks, work = Tasks(), Work()
    async with polling(tasks, work) as poller:
        await tasks.wakeup.until(lambda: tasks.open[CHARGE] == 1)
        poller.stop()
        await anyio.wait_all_tasks_blocked()
        assert poller.open_polls == 1
        tasks.add(CHARGE, *some(2))
    assert work.done == ["t0"]
    assert tasks.opened[CHARGE] == 1


async def test_stopping_ends_open_polls_at_once_where_that_loses_nothing() -> None:
    tasks = Tasks(interruptible=True)
    async with polling(tasks, Work()) as poller:
        await tasks.wakeup.until(lambda: tasks.open[CHARGE] == 1)
        begun = anyio.current_time()
        poller.stop()
        await tasks.wakeup.until(lambda: tasks.open[CHARGE] == 0)
        assert anyio.current_time() == begun


async def test_stopping_ends_the_wait_for_a_slot() -> None:
    tasks, work = Tasks(), Work(seconds=None)
    tasks.add(CHARGE, *some(2))
    async with polling(tasks, work) as poller:
        await work.until_running(1)
        await anyio.wait_all_tasks_blocked()
        poller.stop()
        await anyio.wait_all_tasks_blocked()
        work.end()
    assert work.done == ["t0"]
    assert tasks.left(CHARGE) == 1


async def test_stopping_ends_the_wait_for_the_poll_rate() -> None:
    tasks, work = Tasks(), Work()
    tasks.add(CHARGE, *some(1))
    begun = anyio.current_time()
    async with polling(tasks, work, poll_rate=0.001):
        await work.until_done(1)
        await anyio.wait_all_tasks_blocked()
    assert anyio.current_time() - begun < 1000.0


async def test_stopping_ends_the_pause_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 1000.0)
    tasks = Tasks()
    tasks.faults[CHARGE].append(THROTTLED)
    begun = anyio.current_time()
    async with polling(tasks, Work()):
        await tasks.wakeup.until(lambda: tasks.opened[CHARGE] == 1 and not tasks.open[CHARGE])
        await anyio.wait_all_tasks_blocked()
    assert anyio.current_time() - begun < 1000.0


async def test_a_poll_that_fails_after_the_stop_ends_its_loop_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 1000.0)
    tasks = Tasks()
    created = 0

    async def create_again() -> None:
        nonlocal created
        created += 1

    begun = anyio.current_time()
    async with polling(tasks, Work(), create_again=create_again) as poller:
        await tasks.wakeup.until(lambda: tasks.open[CHARGE] == 1)
        poller.stop()
        tasks.faults[CHARGE].append(NotFoundError("no such activity"))
        tasks.wakeup.changed()
    assert anyio.current_time() - begun < POLL_SECONDS
    assert created == 0


async def test_a_stop_before_the_first_poll_polls_never() -> None:
    tasks = Tasks()
    async with polling(tasks, Work()) as poller:
        poller.stop()
    assert tasks.opened[CHARGE] == 0
