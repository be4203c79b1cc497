"""How engines start, stop and fail, and how definitions get deployed; on both backends."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import anyio
import pytest

from aiowfm import (
    ConfigError,
    DefinitionChangedError,
    DefinitionError,
    DuplicateTaskError,
    Engine,
    EngineState,
    EngineStateError,
    LocalBackend,
    NotFoundError,
    TaskContext,
)
from tests.end_to_end.conftest import MakeEngine
from tests.end_to_end.test_workflows import TASK, flow, one_state

pytestmark = pytest.mark.anyio

RETRIED_SOON = one_state(
    Type="Task",
    Resource="work",
    Retry=[{"ErrorEquals": ["aiowfm.WorkerStopped"], "IntervalSeconds": 1, "MaxAttempts": 3}],
)


async def test_a_stopping_engine_lets_its_tasks_finish(make_engine: MakeEngine) -> None:
    engine = make_engine(TASK, concurrency=1)  # busy, so without an open poll
    began, go_on = anyio.Event(), anyio.Event()

    @engine.task("work")
    async def work() -> str:
        began.set()
        await go_on.wait()
        return "done"

    await engine.start()
    workflow = await engine.start_workflow("flow")
    await began.wait()
    async with anyio.create_task_group() as group:
        group.start_soon(engine.stop, 5.0)
        await anyio.wait_all_tasks_blocked()
        assert engine.state is EngineState.STOPPING
        go_on.set()
    assert engine.state is EngineState.STOPPED

    again = make_engine(TASK)
    again.task("work")(work)
    async with again:
        done = await again.wait(workflow.id, timeout=15)
    assert (done.status, done.output) == ("succeeded", "done")


async def test_what_is_cut_off_is_handed_back_and_retried_elsewhere(
    make_engine: MakeEngine,
) -> None:
    first = make_engine(RETRIED_SOON, concurrency=1)  # busy, so without an open poll
    began = anyio.Event()
    cancelled: list[bool] = []

    @first.task("work")
    async def hang() -> None:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(True)

    await first.start()
    workflow = await first.start_workflow("flow")
    await began.wait()
    await first.stop(grace=0)
    assert cancelled == [True]

    second = make_engine(RETRIED_SOON)

    @second.task("work")
    async def work(ctx: TaskContext) -> int | None:
        return ctx.attempt

    async with second:
        done = await second.wait(workflow.id, timeout=15)
    assert (done.status, done.output) == ("succeeded", 1)


async def test_handlers_that_misbehave_harm_no_other(make_engine: MakeEngine) -> None:
    engine = make_engine(
        flow(
            {
                "which": {
                    "Type": "Choice",
                    "Choices": [
                        {"Variable": "$", "StringEquals": name, "Next": name}
                        for name in ("raises", "exits", "cancels", "blocks", "hangs")
                    ],
                    "Default": "works",
                },
                **{
                    name: {"Type": "Task", "Resource": name, "End": True}
                    for name in ("raises", "exits", "cancels", "blocks", "hangs", "works")
                },
            }
        ),
        concurrency=1,
    )

    @engine.task("raises")
    async def raises() -> None:
        raise ValueError("no")

    @engine.task("exits")
    async def exits() -> None:
        raise SystemExit(3)

    @engine.task("cancels")
    async def cancels() -> None:
        raise asyncio.CancelledError

    @engine.task("blocks")
    async def blocks() -> str:
        time.sleep(0.2)  # noqa: ASYNC251  # what a handler must not do
        return "blocked"

    @engine.task("hangs")
    async def hangs() -> None:
        await anyio.sleep_forever()

    @engine.task("works")
    def works() -> str:
        return "worked"

    async with engine:
        hanging = await engine.start_workflow("flow", "hangs")
        ids = {
            name: (await engine.start_workflow("flow", name)).id
            for name in ("raises", "exits", "cancels", "blocks", "works")
        }
        done = {name: await engine.wait(id, timeout=15) for name, id in ids.items()}
        assert (await engine.get_workflow(hanging.id)).status == "running"
        await engine.cancel_workflow(hanging.id)
    assert {name: each.error or each.output for name, each in done.items()} == {
        "raises": "ValueError",
        "exits": "SystemExit",
        "cancels": "CancelledError",
        "blocks": "blocked",
        "works": "worked",
    }


async def test_two_engines_share_the_tasks_of_one_application(make_engine: MakeEngine) -> None:
    ran_by: set[str] = set()
    both = anyio.Event()

    def made(name: str) -> Engine:
        engine = make_engine(TASK, worker_name=name, concurrency=1)

        @engine.task("work")
        async def work(ctx: TaskContext) -> None:
            ran_by.add(ctx.worker_name)
            if len(ran_by) == 2:
                both.set()
            await both.wait()  # one alone could not finish its first task

        return engine

    async with made("a") as engine, made("b"):
        ids = [(await engine.start_workflow("flow")).id for _ in range(4)]
        for id in ids:
            assert (await engine.wait(id, timeout=15)).status == "succeeded"
    assert ran_by == {"a", "b"}


async def test_an_unchanging_definition_that_differs_is_refused_with_a_diff(
    make_engine: MakeEngine,
) -> None:
    async with make_engine(one_state(Type="Wait", Seconds=1)) as engine:
        await engine.start_workflow("flow")
    async with make_engine(one_state(Type="Wait", Seconds=2)) as engine:
        with pytest.raises(DefinitionChangedError, match="version 0 may not change") as caught:
            await engine.start_workflow("flow")
    assert '-      "Seconds": 1,' in caught.value.diff
    assert '+      "Seconds": 2,' in caught.value.diff


async def test_a_changing_definition_is_updated_and_the_update_is_what_runs(
    make_engine: MakeEngine,
) -> None:
    outputs: list[object] = []
    for result in ("old", "new", "new"):
        definitions = flow({"only": {"Type": "Pass", "Result": result, "End": True}}, version=-1)
        async with make_engine(definitions) as engine:
            workflow = await engine.start_workflow("flow", id_suffix=f"n{len(outputs)}")
            assert "---1--only--" in workflow.id
            outputs.append((await engine.wait(workflow.id, timeout=15)).output)
            assert (await engine.get_workflow(workflow.id)).output == result
    assert outputs == ["old", "new", "new"]


async def test_a_definition_of_version_minus_one_can_be_replaced_while_running(
    make_engine: MakeEngine,
) -> None:
    def definitions(version: int, result: str) -> str:
        states = {"only": {"Type": "Pass", "Result": result, "End": True}}
        return flow(states, version=version)

    source = make_engine(definitions(-1, "new")).get_definition("flow")
    async with make_engine(definitions(-1, "old")) as engine:
        engine.add_definition(source)
        assert engine.definitions == (source,)
        workflow = await engine.start_workflow("flow")
        assert (await engine.wait(workflow.id, timeout=15)).output == "new"
    fixed = make_engine(definitions(0, "old"))
    with pytest.raises(DefinitionError, match="may not be replaced"):
        fixed.add_definition(source)
    fixed.add_definition(make_engine(flow({"only": {"Type": "Succeed"}}, "other")).definitions[0])
    assert [each.name for each in fixed.definitions] == ["flow", "other"]


async def test_another_applications_state_machine_is_left_alone(make_engine: MakeEngine) -> None:
    definitions = flow({"only": {"Type": "Pass", "End": True}}, version=-1)
    async with make_engine(definitions) as engine:
        await engine.start_workflow("flow")
    async with make_engine(definitions, app="bank") as engine:
        with pytest.raises(DefinitionError, match="belongs to the application 'shop'"):
            await engine.start_workflow("flow")


async def test_checking_names_what_is_missing_and_makes_nothing(make_engine: MakeEngine) -> None:
    def engine(provision: str) -> Engine:
        made = make_engine(TASK, provision=provision)

        @made.task("work")
        async def work() -> None: ...

        return made

    with pytest.raises(NotFoundError, match="shop-work"):
        await engine("check").start()
    async with engine("create"):
        pass
    async with engine("check") as checking:
        with pytest.raises(NotFoundError, match="does not exist"):
            await checking.start_workflow("flow")
    async with engine("create") as creating:
        await creating.start_workflow("flow")
    for provision in ("check", "none"):
        async with engine(provision) as existing:
            workflow = await existing.start_workflow("flow")
            # Polls of the engines above may have taken its task: it need not finish.
            assert (await existing.get_workflow(workflow.id)).name == "flow"


async def test_a_task_without_a_handler_is_found_before_anything_starts(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(TASK)
    with pytest.raises(DefinitionError, match="no handler is registered for 'work'") as caught:
        await engine.start()
    (problem,) = caught.value.problems
    assert (problem.where, problem.line) == ("flow.only", 1)
    assert engine.state is EngineState.STOPPED


async def test_names_must_be_one_of_a_kind(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.task("work")(lambda: None)
    with pytest.raises(DuplicateTaskError, match="has a handler already"):
        engine.task("work")(lambda: None)
    engine.task("a b")(lambda: None)
    with pytest.raises(DuplicateTaskError, match="one activity name"):
        engine.task("a-b")(lambda: None)
    async with engine:
        with pytest.raises(EngineStateError, match="registering the task 'late'"):
            engine.task("late")(lambda: None)


async def test_a_limit_below_the_number_of_tasks_is_a_config_error(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(max_concurrency=1)
    engine.task("a")(lambda: None)
    engine.task("b")(lambda: None)
    with pytest.raises(ConfigError, match="max_concurrency=1"):
        await engine.start()


async def test_stopping_ends_calls_that_wait(make_engine: MakeEngine) -> None:
    engine = make_engine(one_state(Type="Wait", Seconds=600))
    await engine.start()
    workflow = await engine.start_workflow("flow")

    async with anyio.create_task_group() as group:

        async def wait() -> None:
            with pytest.raises(EngineStateError, match="stopped during the call"):
                await engine.wait(workflow.id)

        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await engine.stop()


def test_an_engine_lives_again_on_another_event_loop(make_engine: MakeEngine) -> None:
    engine = make_engine(flow({"only": {"Type": "Pass", "Result": "done", "End": True}}))

    async def live() -> Any:
        async with engine:
            workflow = await engine.start_workflow("flow")
            return (await engine.wait(workflow.id, timeout=15)).output

    assert [asyncio.run(live()) for _ in range(2)] == ["done", "done"]


def test_without_a_backend_an_engine_is_embedded() -> None:
    engine = Engine(app="a", environment="b")
    assert isinstance(engine._backend, LocalBackend)
