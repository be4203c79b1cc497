"""What an engine does when its own parts die, and how it ends with the process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, assert_type

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel, field_validator

from aiowfm import (
    ConfigError,
    Engine,
    EngineState,
    EngineStateError,
    HandlerTypeError,
    LocalBackend,
    NotFoundError,
    TaskContext,
    UsageError,
    WorkflowExistsError,
)

pytestmark = pytest.mark.anyio

WAIT = """
name: flow
stateMachine: {StartAt: w, States: {w: {Type: Wait, Seconds: 600, End: true}}}
"""


TASK = """
name: flow
stateMachine: {StartAt: w, States: {w: {Type: Task, Resource: work, End: true}}}
"""


class Broken(Exception):
    """A defect, as opposed to a fault of the backend."""


class BreakingBackend:
    """A local backend whose polls can be made to raise what no port may raise."""

    def __init__(self) -> None:
        self._local = LocalBackend()
        self.break_now = anyio.Event()

    @asynccontextmanager
    async def open(self, *, max_polls: int) -> AsyncIterator[Any]:
        async with self._local.open(max_polls=max_polls) as opened:
            opened.tasks.poll = self._poll  # type: ignore[method-assign]  # on purpose
            yield opened

    async def _poll(self, activity: str, worker_name: str) -> None:
        await self.break_now.wait()
        raise Broken("a defect")


async def test_an_engine_whose_tasks_die_tells_everyone_with_their_error() -> None:
    backend = BreakingBackend()
    engine = Engine(app="a", environment="b", definitions=WAIT, backend=backend, grace_seconds=0)
    engine.task("work")(lambda: None)
    await engine.start()
    workflow = await engine.start_workflow("flow")
    raised: list[str] = []

    async def expect(call: Any) -> None:
        with pytest.raises(Broken):
            await call
        raised.append("it did")

    async with anyio.create_task_group() as group:
        group.start_soon(expect, engine.wait(workflow.id))
        group.start_soon(expect, engine.closed())
        await anyio.wait_all_tasks_blocked()
        backend.break_now.set()
    assert len(raised) == 2
    assert engine.state is EngineState.FAILED
    for call in (engine.start_workflow("flow"), engine.get_workflow(workflow.id)):
        await expect(call)
    with pytest.raises(EngineStateError, match="failed, not stopped"):
        await engine.start()
    with pytest.raises(Broken):
        await engine.stop()
    assert engine.state.value == "stopped"

    backend.break_now = anyio.Event()
    async with engine:
        assert (await engine.get_workflow(workflow.id)).status == "running"


async def test_leaving_async_with_raises_what_the_engine_died_of() -> None:
    backend = BreakingBackend()
    engine = Engine(app="a", environment="b", definitions=WAIT, backend=backend)
    engine.task("work")(lambda: None)

    async def use() -> None:
        async with engine:
            backend.break_now.set()
            with pytest.raises(Broken):
                await engine.closed()

    with pytest.raises(Broken):
        await use()


async def test_a_cancelled_start_leaves_the_engine_stopped() -> None:
    class SlowBackend(LocalBackend):
        @asynccontextmanager
        async def open(self, *, max_polls: int) -> AsyncIterator[Any]:
            await anyio.sleep_forever()
            yield

    engine = Engine(app="a", environment="b", backend=SlowBackend())
    async with anyio.create_task_group() as group:
        group.start_soon(engine.start)
        await anyio.wait_all_tasks_blocked()
        assert engine.state is EngineState.STARTING
        group.cancel_scope.cancel()
    assert engine.state is EngineState.STOPPED


async def test_an_engine_may_be_stopped_while_it_starts() -> None:
    class SlowBackend(LocalBackend):
        @asynccontextmanager
        async def open(self, *, max_polls: int) -> AsyncIterator[Any]:
            await may_open.wait()
            async with super().open(max_polls=max_polls) as opened:
                yield opened

    may_open = anyio.Event()
    engine = Engine(app="a", environment="b", backend=SlowBackend())
    async with anyio.create_task_group() as group:
        group.start_soon(engine.start)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(engine.stop)
        await anyio.wait_all_tasks_blocked()
        may_open.set()
    assert engine.state.value == "stopped"
    async with engine:
        assert engine.state is EngineState.RUNNING


async def test_stop_inside_a_handler_is_refused_instead_of_waiting_for_itself() -> None:
    engine = Engine(app="a", environment="b", definitions=TASK)
    raised: list[str] = []

    @engine.task("work")
    async def work() -> None:
        with pytest.raises(EngineStateError, match="would wait for itself"):
            await engine.stop()
        assert engine.state is EngineState.RUNNING
        raised.append("it did")

    async with engine:
        workflow = await engine.start_workflow("flow")
        assert (await engine.wait(workflow.id)).status == "succeeded"
    assert raised


async def test_handlers_may_go_on_using_an_engine_that_is_stopping() -> None:
    engine = Engine(app="a", environment="b", definitions=TASK)
    began = anyio.Event()

    @engine.task("work")
    async def work(ctx: TaskContext) -> str:
        began.set()
        while engine.state is not EngineState.STOPPING:
            await anyio.lowlevel.checkpoint()
        assert ctx.workflow_id is not None
        return (await engine.get_workflow(ctx.workflow_id)).status

    await engine.start()
    workflow = await engine.start_workflow("flow")
    await began.wait()
    await engine.stop()
    async with engine:
        assert (await engine.wait(workflow.id)).output == "running"


async def test_restarting_while_another_stop_returns_keeps_the_new_life() -> None:
    engine = Engine(app="a", environment="b", definitions=WAIT)
    await engine.start()

    async def restart() -> None:
        await engine.stop()
        await engine.start()

    async with anyio.create_task_group() as group:
        group.start_soon(restart)
        group.start_soon(engine.stop)
    assert engine.state is EngineState.RUNNING
    await engine.start_workflow("flow")
    await engine.stop()


async def test_a_listing_that_outlives_its_engine_says_so() -> None:
    engine = Engine(app="a", environment="b", definitions=WAIT)
    async with engine:
        for _ in range(3):
            await engine.start_workflow("flow")
        listing = engine.list_workflows("flow")
        await anext(listing)
    with pytest.raises(EngineStateError, match="stopped"):
        await anext(listing)


async def test_one_task_does_not_starve_another_where_slots_are_shared() -> None:
    engine = Engine(
        app="a",
        environment="b",
        definitions=[
            TASK,
            TASK.replace("flow", "other").replace("work", "rest"),
        ],
        concurrency=10,
        max_concurrency=11,
    )
    running = most = 0
    ten = anyio.Event()

    @engine.task("work")
    async def work() -> None:
        await anyio.lowlevel.checkpoint()

    @engine.task("rest")
    async def rest() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 10:
            ten.set()
        await ten.wait()  # all ten at once, or never

    async with engine:
        busy = [(await engine.start_workflow("flow")).id for _ in range(30)]
        for id in busy:
            await engine.wait(id)
        # The task that was busy is idle now, and holds one slot to poll with.
        for id in [(await engine.start_workflow("other")).id for _ in range(10)]:
            assert (await engine.wait(id)).status == "succeeded"
    assert most == 10


async def test_a_handler_that_blocks_the_loop_costs_no_other_its_heartbeat() -> None:
    definitions = """
    name: flow
    stateMachine:
      StartAt: both
      States:
        both:
          Type: Parallel
          End: true
          Branches:
            - {StartAt: a, States: {a: {Type: Task, Resource: block, End: true}}}
            - StartAt: b
              States:
                b: {Type: Task, Resource: work, HeartbeatSeconds: 1, Retry: [], End: true}
    """
    engine = Engine(app="a", environment="b", definitions=definitions, default_retry=False)
    working, blocked = anyio.Event(), anyio.Event()

    @engine.task("block")
    async def block() -> None:
        await working.wait()
        time.sleep(1.5)  # noqa: ASYNC251  # what a handler must not do
        blocked.set()

    @engine.task("work")
    async def work() -> str:
        working.set()
        await blocked.wait()
        await anyio.sleep(0.1)  # timers that are late fire now
        return "done"

    async with engine:
        workflow = await engine.start_workflow("flow")
        done = await engine.wait(workflow.id)
    assert (done.status, done.error) == ("succeeded", None)


async def test_nothing_that_a_validator_raises_ends_the_worker() -> None:
    class Strict(BaseModel):
        id: str

        @field_validator("id")
        @classmethod
        def exit(cls, value: str) -> str:
            raise SystemExit(3)

    engine = Engine(app="a", environment="b", definitions=TASK)

    @engine.task("work")
    async def work(order: Strict) -> None: ...

    async with engine:
        workflow = await engine.start_workflow("flow", {"id": "o-1"})
        done = await engine.wait(workflow.id)
    assert (done.status, done.error) == ("failed", "SystemExit")


async def test_a_huge_exception_is_cut_without_trying_every_frame() -> None:
    engine = Engine(app="a", environment="b", definitions=TASK)

    @engine.task("work")
    async def work() -> None:
        def deep(levels: int) -> None:
            if levels == 0:
                raise ValueError("x" * 5_000_000)
            deep(levels - 1)

        deep(400)

    async with engine:
        workflow = await engine.start_workflow("flow")
        done = await engine.wait(workflow.id)
    assert done.error == "ValueError"
    assert len(done.cause or "") <= 32_768


def test_a_long_machine_goes_on_when_its_backend_opens_again() -> None:
    states = {
        "items": {
            "Type": "Map",
            "ItemProcessor": {
                "StartAt": "each",
                "States": {"each": {"Type": "Pass", "End": True}},
            },
            "End": True,
        }
    }
    definition = {"name": "flow", "stateMachine": {"StartAt": "items", "States": states}}
    backend = LocalBackend()

    def engine() -> Engine:
        return Engine(app="a", environment="b", definitions=json.dumps(definition), backend=backend)

    async def start() -> str:
        async with engine() as first:
            return (await first.start_workflow("flow", list(range(4_000)))).id

    async def finish(id: str) -> Any:
        async with engine() as second:
            return (await second.wait(id)).output

    assert asyncio.run(finish(asyncio.run(start()))) == list(range(4_000))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"name": "x" * 90}, "takes 80 characters", id="long name"),
        pytest.param({"name": ""}, "non-empty", id="no name"),
        pytest.param({"name": "a", "heartbeat": "off"}, "'auto' or 'manual'", id="heartbeat"),
        pytest.param({"name": "a", "concurrency": 0}, "1 or more", id="no slot"),
        pytest.param({"name": "a", "concurrency": True}, "1 or more", id="true"),
        pytest.param({"name": "a", "concurrency": "5"}, "1 or more", id="text"),
    ],
)
def test_options_of_a_task_that_cannot_be_used_are_refused(
    options: dict[str, Any], message: str
) -> None:
    engine = Engine(app="a", environment="b")
    with pytest.raises(UsageError, match=message):
        engine.task(**options)(lambda: None)


def test_the_decorator_without_a_name_is_refused() -> None:
    engine = Engine(app="a", environment="b")
    with pytest.raises(UsageError, match="needs the task's name"):

        @engine.task  # type: ignore[arg-type]  # on purpose
        async def charge() -> None: ...


async def test_a_workflow_in_place_of_its_id_is_refused_in_few_words() -> None:
    async with Engine(app="a", environment="b", definitions=WAIT) as engine:
        workflow = await engine.start_workflow("flow")
        with pytest.raises(NotFoundError, match=f"by its id: give '{workflow.id}', its `id`$"):
            await engine.wait(workflow)  # type: ignore[arg-type]  # on purpose


async def test_what_is_no_name_or_id_is_not_found() -> None:
    async with Engine(app="a", environment="b", definitions=WAIT) as engine:
        for nothing in (None, 17, ""):
            with pytest.raises(NotFoundError):
                await engine.get_workflow(nothing)  # type: ignore[arg-type]  # on purpose
            with pytest.raises(NotFoundError):
                await engine.start_workflow(nothing)  # type: ignore[arg-type]  # on purpose


async def test_true_and_one_are_different_inputs() -> None:
    async with Engine(app="a", environment="b", definitions=WAIT) as engine:
        await engine.start_workflow("flow", {"a": 1}, id_suffix="x")
        await engine.start_workflow("flow", {"a": 1.0}, id_suffix="x")
        with pytest.raises(WorkflowExistsError):
            await engine.start_workflow("flow", {"a": True}, id_suffix="x")


async def test_an_input_that_leaves_no_room_for_the_envelope_fails_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = Engine(app="a", environment="b", definitions=TASK)
    engine.task("work")(lambda: None)
    async with engine:
        workflow = await engine.start_workflow("flow", "x" * (262_144 - 2))
        done = await engine.wait(workflow.id)
    assert "leaves no room for the envelope" in caplog.text
    assert done.error == "States.DataLimitExceeded"
    assert "envelope" in (done.cause or "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"app": "a--b"}, "app: 'a--b' must not", id="separator"),
        pytest.param({"environment": ""}, "environment: ", id="empty"),
        pytest.param({"environment": "a  b"}, "environment: ", id="separator once cleaned"),
        pytest.param({"environment": "d/"}, "environment: ", id="dash once cleaned"),
        pytest.param({"concurrency": 0}, "concurrency: ", id="no slot"),
        pytest.param({"poll_rate": -1}, "poll_rate: ", id="negative rate"),
        pytest.param({"provision": "maybe"}, "provision: ", id="unknown mode"),
        pytest.param({"worker_name": "x" * 81}, "worker_name: ", id="long name"),
        pytest.param({"colour": "red"}, "colour: ", id="unknown option"),
        pytest.param({"backend": "shop.db"}, "backend: .* not 'shop.db'", id="a path"),
        pytest.param({"backend": LocalBackend}, "backend: .* not <class", id="a class"),
    ],
)
def test_options_that_cannot_be_used_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        Engine(**({"app": "a", "environment": "b"} | options))


def test_an_engine_can_be_described_by_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "flows.yml"
    path.write_text(WAIT)
    for name, value in {
        "APP": "shop",
        "ENVIRONMENT": "dev",
        "CONCURRENCY": "7",
        "MAX_CONCURRENCY": "9",
        "PROVISION": "check",
        "DEFINITIONS": str(path),
        "BACKEND": "aws",
        "AWS_REGION": "eu-west-1",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/flows",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(f"AIOWFM_{name}", value)
    engine = Engine.from_env()
    assert (engine.config.app, engine.config.concurrency) == ("shop", 7)
    assert (engine.config.max_concurrency, engine.config.provision) == (9, "check")
    assert [each.name for each in engine.definitions] == ["flow"]
    assert type(engine._backend).__name__ == "AwsBackend"

    monkeypatch.delenv("AIOWFM_AWS_REGION")
    with pytest.raises(ConfigError, match="AIOWFM_AWS_REGION"):
        Engine.from_env()
    monkeypatch.setenv("AIOWFM_BACKEND", "cloud")
    with pytest.raises(ConfigError, match="'local' or 'aws'"):
        Engine.from_env()
    monkeypatch.delenv("AIOWFM_BACKEND")
    monkeypatch.delenv("AIOWFM_APP")
    with pytest.raises(ConfigError, match=r"app \(AIOWFM_APP\): Field required"):
        Engine.from_env()


def test_a_decorated_handler_stays_what_it_was() -> None:
    engine = Engine(app="a", environment="b")

    class Order(BaseModel):
        id: str

    @engine.task("charge", concurrency=3, retry_lost=False, heartbeat="manual")
    async def charge(order: Order, ctx: TaskContext) -> int:
        return len(order.id)

    async def check() -> None:
        context = TaskContext(task_name="charge", task_token="t", worker_name="w")  # type: ignore[arg-type]  # any text
        assert_type(await charge(Order(id="o-1"), context), int)

    anyio.run(check)
    with pytest.raises(HandlerTypeError, match=r"second input parameter.*at most one input"):

        @engine.task("refund")
        def refund(order: Order, amount: int) -> None: ...


PROGRAM = """
import anyio, sys
from aiowfm import Engine, TaskContext

engine = Engine(app="a", environment="b", definitions='''
name: flow
stateMachine: {StartAt: w, States: {w: {Type: Task, Resource: work, End: true}}}
''', grace_seconds=GRACE)

@engine.task("work")
async def work() -> None:
    print("working", flush=True)
    try:
        await anyio.sleep(SECONDS)
    finally:
        print("ended", flush=True)

async def main() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(engine.run_forever)
        while engine.state.value != "running":
            await anyio.sleep(0)
        await engine.start_workflow("flow")
    print("stopped", engine.state.value, flush=True)

anyio.run(main)
"""


@pytest.mark.parametrize("signals", [1, 2])
def test_signals_stop_an_engine_that_runs_forever(signals: int) -> None:
    # One signal lets the task finish; with a second the grace is over at once.
    seconds, grace = ("0.2", "15") if signals == 1 else ("60", "60")
    program = PROGRAM.replace("SECONDS", seconds).replace("GRACE", grace)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
            if signals == 2:
                process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "ended\nstopped stopped\n"
    assert process.returncode == 0


async def test_another_backend_may_be_set_while_it_is_stopped(tmp_path: Path) -> None:
    engine = Engine(app="a", environment="b", definitions=WAIT)
    file = LocalBackend(tmp_path / "workflows.db")
    for backend in (engine.backend, file):
        engine.backend = backend
        async with engine:
            workflow = await engine.start_workflow("flow")
            assert [each.id async for each in engine.list_workflows()] == [workflow.id]
            with pytest.raises(EngineStateError, match="the engine is running, not stopped"):
                engine.backend = LocalBackend()
            assert engine.backend is backend
    assert file.path == str(tmp_path / "workflows.db")
