"""The smallest program: two tasks, one after the other."""

from __future__ import annotations

from pathlib import Path

from aiowfm import Engine
from aiowfm.ports import Backend

DEFINITIONS = Path(__file__).with_name("workflows.yml")


def make_engine(
    backend: Backend | None = None, environment: str = "dev", grace_seconds: float = 30
) -> Engine:
    """An engine that greets; on the embedded backend unless given another."""
    engine = Engine(
        app="hello",
        environment=environment,
        definitions=DEFINITIONS,
        backend=backend,
        grace_seconds=grace_seconds,
    )

    @engine.task("first")
    async def first() -> str:
        return "world"

    @engine.task("second")
    async def second(name: str) -> str:
        return f"Hello, {name}!"

    return engine


async def greet(engine: Engine) -> object:
    """Run the workflow to its end and return its output."""
    async with engine:
        workflow = await engine.start_workflow("hello-world")
        done = await engine.wait(workflow.id, timeout=30)
        return done.output
