"""One workflow, in one line."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from aiowfm.definitions import DefinitionSources
from aiowfm.engine import Engine
from aiowfm.errors import UsageError
from aiowfm.testing.engine import Tasks, VirtualEngine
from aiowfm.testing.loops import VirtualTimeLoop
from aiowfm.testing.runs import WorkflowRun

_NO_INPUT: dict[str, object] = {}


async def run_workflow(
    definition: DefinitionSources | Engine,
    input: object = _NO_INPUT,
    tasks: Tasks | None = None,
    *,
    name: str | None = None,
    **options: Any,
) -> WorkflowRun:
    """Run one workflow to its end, on a virtual clock.

    Args:
        definition: As of `VirtualEngine`.
        input: Its input.
        tasks: What tasks do; as of `VirtualEngine`.
        name: Which definition, if there are several.
        **options: As of `VirtualEngine`.

    Returns:
        The workflow, whether it succeeded or not, with its path.

    Raises:
        StalledError: it has no end: it waits for a callback that never comes, for example.
    """
    async with VirtualEngine(definition, tasks, **options) as virtual:
        return await virtual.run(input, name=name)


def run_workflow_sync(
    definition: DefinitionSources | Engine,
    input: object = _NO_INPUT,
    tasks: Tasks | None = None,
    *,
    name: str | None = None,
    **options: Any,
) -> WorkflowRun:
    """As `run_workflow`, from code that is not asynchronous, on an event loop of its own."""
    require_no_loop("run_workflow_sync()", "await run_workflow()")
    run = functools.partial(run_workflow, definition, input, tasks, name=name, **options)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


def require_no_loop(what: str, instead: str) -> None:
    """Refuse *what* where an event loop runs.

    Raises:
        UsageError: one does; says what to do *instead*.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(f"{what} where an event loop runs: {instead} there")
