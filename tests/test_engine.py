"""What an engine does when its own parts die, and how it ends with the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, assert_type

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel

from aiowfm import (
    ConfigError,
    Engine,
    EngineState,
    EngineStateError,
    HandlerTypeError,
    LocalBackend,
    TaskContext,
)

pytestmark = pytest.mark.anyio

WAIT = """
name: flow
stateMachine: {StartAt: w, States: {w: {Type: Wait, Seconds: 600, End: true}}}
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"app": "a--b"}, "app: ", id="separator"),
        pytest.param({"environment": ""}, "environment: ", id="empty"),
        pytest.param({"concurrency": 0}, "concurrency: ", id="no slot"),
        pytest.param({"poll_rate": -1}, "poll_rate: ", id="negative rate"),
        pytest.param({"provision": "maybe"}, "provision: ", id="unknown mode"),
        pytest.param({"worker_name": "x" * 81}, "worker_name: ", id="long name"),
        pytest.param({"colour": "red"}, "colour: ", id="unknown option"),
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
    with pytest.raises(ConfigError, match="app"):
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
