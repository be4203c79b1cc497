"""Whatever comes in whatever order, and whoever dies: one result, the first, for each wait."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiowfm import LocalBackend
from aiowfm.backoff import Backoff
from aiowfm.callbacks import deliveries
from aiowfm.ports import Backend
from tests.callbacks.world import KEY, RESULTS, Process, Task, World, check, check_deferred

MOST_TASKS = 4
MOST_REQUESTS = 5
Step = Callable[[], Awaitable[None] | None]
STEPS = st.lists(st.integers(0, 10_000), min_size=5, max_size=80)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True, scope="module")
def _no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliveries, "Backoff", lambda **_: Backoff(first_seconds=0.0))
        yield


def next_step(world: World, number: int) -> Step:
    """What happens next. More often than not, something that stands still goes on."""
    kind, which = number % len(KINDS), number // len(KINDS)
    can = KINDS[kind](world) or [world.start_execution]
    return can[which % len(can)]


def calls(world: World) -> list[Step]:
    return [partial(world.let_go, call) for call in world.standing]


def failing_calls(world: World) -> list[Step]:
    return [partial(world.let_go, call, fails=True) for call in world.standing]


def results(world: World) -> list[Step]:
    if len(world.requests) >= MOST_REQUESTS:
        return calls(world)
    return [partial(each.finalize, result) for each in world.processes for result in RESULTS]


def messages(world: World) -> list[Step]:
    found = [*world.queue, *world.sent]  # late ones, and once more
    return [partial(each.receive, message) for message in found for each in world.processes]


def functions(world: World) -> list[Step]:
    """What Step Functions do: tasks begin, or give up waiting, and are tried again."""
    can: list[Step] = [partial(give_up, task) for task in world.tasks if task.is_waiting]
    if len(world.tasks) < MOST_TASKS:
        can.append(world.start_execution)
        if world.tasks and not world.tasks[-1].is_waiting:
            can += [world.retry] * 2
    return can


def others(world: World) -> list[Step]:
    can: list[Step] = [each.check for each in world.processes]
    can += [partial(pass_time, world, seconds) for seconds in (31.0, 31.0, 3_601.0)]
    if world.deaths < 2:
        can += [partial(die_and_live, each) for each in world.processes]
    return can


KINDS = (calls, calls, calls, calls, failing_calls, results, messages, functions, others)


def die_and_live(process: Process) -> None:
    process.die()
    process.start()


def give_up(task: Task) -> None:
    """Step Functions' task times out, or its workflow is cancelled."""
    task.is_waiting = False


def pass_time(world: World, seconds: float) -> None:
    world.time += seconds


async def live_through(backend: Backend, name: str, steps: list[int]) -> None:
    async with backend.open(max_polls=1) as opened:
        storage = opened.callbacks(name)
        await storage.create({})
        async with anyio.create_task_group() as group:
            world = World(storage.tokens, group)
            for process in world.processes:
                process.start()
            await world.quiet()
            for step in steps:
                done = next_step(world, step)()
                if done is not None:
                    await done
                await world.quiet()
            await world.settle()
            kept = await storage.tokens.find(KEY)
            group.cancel_scope.cancel()
        check(world, kept)
        check_deferred(world, kept)


@settings(max_examples=300)
@given(STEPS)
def test_in_memory(steps: list[int]) -> None:
    anyio.run(live_through, LocalBackend(), "callbacks", steps)


@settings(max_examples=40)
@given(STEPS)
def test_in_a_file(steps: list[int]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        backend = LocalBackend(Path(directory) / "workflows.db")
        anyio.run(live_through, backend, "callbacks", steps)


@pytest.mark.aws
@pytest.mark.parametrize("emulator", ["ministack", "moto"])
def test_on_dynamodb(emulator: str, request: pytest.FixtureRequest, environment: str) -> None:
    backend = request.getfixturevalue(emulator).backend()
    numbers = iter(range(1_000_000))

    @settings(max_examples=8, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def run(steps: list[int]) -> None:
        anyio.run(live_through, backend, f"{environment}-{next(numbers)}", steps)

    run()
