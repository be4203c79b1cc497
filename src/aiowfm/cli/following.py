"""Follows a workflow to its end: as a live tree, as lines, or as JSON Lines."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime

import anyio
from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from aiowfm.cli import documents, texts
from aiowfm.cli.exits import Exit, exit_of
from aiowfm.cli.loading import EngineArgument
from aiowfm.cli.logs import LogLevel, LogLevelOption, log_to_stderr
from aiowfm.cli.opening import loaded, require_shared, run_on, works
from aiowfm.cli.options import (
    IdArgument,
    JsonOption,
    ServerOption,
    TimeoutOption,
    WorkerOption,
)
from aiowfm.cli.trees import JobTree, Newest, title
from aiowfm.engine import Engine
from aiowfm.workflows import Job, Workflow, WorkflowStatus

REFRESH_SECONDS = 0.1


def follow(
    engine: EngineArgument,
    id: IdArgument,
    worker: WorkerOption = None,
    timeout: TimeoutOption = None,
    json: JsonOption = False,
    log_level: LogLevelOption = LogLevel.WARNING,
    server: ServerOption = None,
) -> None:
    """Show the states of a workflow as they come and go, until it ends.

    A terminal shows a live tree, anything else a line for each change. With --json each
    line is {"job": ...}, and the last one {"workflow": ...}. Ends with 0 if the workflow has
    succeeded, 4 if it failed, 5 if it was cancelled.
    """

    async def work(engine: Engine) -> int:
        return await followed(engine, id, timeout=timeout, as_json=json)

    made = loaded(engine, server)
    require_shared(made)
    log_to_stderr(log_level)
    run_on(made, work, worker=works(made, worker))


async def followed(engine: Engine, id: str, *, timeout: float | None, as_json: bool) -> int:
    """Show how *id* gets on, then what came of it; the exit code for that."""
    with anyio.move_on_after(timeout):
        if as_json:
            await _as_lines_of_json(engine, id)
        else:
            await _for_people(engine, id)
        return ended(await engine.wait(id), as_json=as_json, as_line=True)
    return await unfinished(engine, id, timeout, as_json=as_json, as_line=True)


def ended(workflow: Workflow, *, as_json: bool, as_line: bool) -> int:
    """Print what came of a workflow; the exit code for it."""
    if as_json and as_line:
        documents.print_line({"workflow": documents.workflow_fields(workflow)})
    elif as_json:
        documents.print_json(documents.workflow_fields(workflow))
    else:
        text = texts.coloured(workflow.status) if as_line else title(workflow)
        if workflow.failed_job is not None:
            text.append(f" in {texts.place(workflow.failed_job)}")
        if said := texts.failure(workflow):
            text.append(f": {said}")
        texts.console(is_error=True).print(text)
        if workflow.status is WorkflowStatus.SUCCEEDED:
            documents.print_json(workflow.output)
    return exit_of(workflow.status)


async def unfinished(
    engine: Engine, id: str, timeout: float | None, *, as_json: bool, as_line: bool
) -> int:
    """Say that *id* goes on, and print it as it is; the exit code for it."""
    console = texts.console(is_error=True)
    console.print(f"aiowfm: {id} is not finished after {timeout:g} s; it goes on")
    if as_json:
        ended(await engine.get_workflow(id), as_json=True, as_line=as_line)
    return Exit.UNFINISHED


async def _as_lines_of_json(engine: Engine, id: str) -> None:
    async with aclosing(engine.follow(id)) as jobs:
        async for job in jobs:
            documents.print_line({"job": documents.job_fields(job)})


async def _for_people(engine: Engine, id: str) -> None:
    console = texts.console(is_error=True)
    if console.is_terminal:
        await _live(engine, id, console)
        return
    shown: dict[int, object] = {}
    async with aclosing(engine.follow(id)) as jobs:
        async for job in jobs:
            facts = (job.status, job.error, job.cause)
            if shown.get(job.id) != facts:
                shown[job.id] = facts
                console.print(_line(job))


def _line(job: Job) -> Text:
    at = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
    line = Text.assemble((at, "dim"), f" {texts.place(job)} ", texts.coloured(job.status))
    if job.stopped_at is not None:
        line.append(f" {texts.took(job.started_at or job.created_at, job.stopped_at)}")
    if said := texts.failure(job):
        line.append(f" {said}")
    return line


async def _live(engine: Engine, id: str, console: Console) -> None:
    tree = JobTree()
    workflow = await engine.get_workflow(id)

    def whole() -> Tree:
        return tree.rendered(title(workflow), ascii_only=console.options.ascii_only)

    async def keep_showing(live: Live) -> None:
        while True:
            live.update(Newest(whole()), refresh=True)
            await anyio.sleep(REFRESH_SECONDS)

    try:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            async with anyio.create_task_group() as group:
                group.start_soon(keep_showing, live)
                async with aclosing(engine.follow(id)) as jobs:
                    async for job in jobs:
                        tree.put(job)
                group.cancel_scope.cancel()
        workflow = await engine.wait(id)
    finally:
        console.print(whole())  # all of it, to stay
