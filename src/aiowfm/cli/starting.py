"""`aiowfm run`: starts a workflow, works on it where it is embedded, and waits for its end."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from aiowfm.cli import documents, following, texts
from aiowfm.cli.exits import Exit
from aiowfm.cli.loading import EngineArgument
from aiowfm.cli.logs import LogLevel, LogLevelOption, log_to_stderr
from aiowfm.cli.opening import loaded, run_on, works
from aiowfm.cli.options import (
    JSON,
    JsonOption,
    ServerOption,
    TimeoutOption,
    WorkerOption,
    json_of,
)
from aiowfm.engine import Engine
from aiowfm.errors import AiowfmError
from aiowfm.local import LocalBackend
from aiowfm.workflows import WorkflowStatus


def complete_name(context: typer.Context, incomplete: str) -> list[str]:
    """The workflows of the engine that a command line names, for the shell to complete."""
    try:
        engine = loaded(context.params.get("engine") or "")
    except AiowfmError:
        return []
    return [each.name for each in engine.definitions if each.name.startswith(incomplete)]


NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="WORKFLOW", help="The name of a definition.", autocompletion=complete_name
    ),
]


def run(
    engine: EngineArgument,
    workflow: NameArgument,
    input: Annotated[
        str,
        typer.Option(metavar=JSON, help="Its input; - reads what comes in."),
    ] = "{}",
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Show its states as they come and go."),
    ] = False,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Start it, print its id, and wait for nothing."),
    ] = False,
    id_suffix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="The end of its id: the same one and the same input give back the workflow"
            " that was started before.",
        ),
    ] = None,
    worker: WorkerOption = None,
    timeout: TimeoutOption = None,
    json: JsonOption = False,
    log_level: LogLevelOption = LogLevel.WARNING,
    server: ServerOption = None,
) -> None:
    """Start a workflow and wait for its end; its output goes to standard output.

    Ends with 0 if it has succeeded, 4 if it failed, 5 if it was cancelled. Ctrl-C does not
    cancel it: what is kept in a file, on AWS or on a server goes on when somebody works on it.
    """
    if detach and (follow or worker or timeout is not None):
        raise typer.BadParameter(
            "with it nothing is followed, worked on or waited for", param_hint="--detach"
        )
    given = json_of(input, "--input")
    made = loaded(engine, server)
    if detach and isinstance(made.backend, LocalBackend) and made.backend.path is None:
        raise typer.BadParameter(
            "this engine keeps workflows in memory: it would be gone at once",
            param_hint="--detach",
        )
    log_to_stderr(log_level)

    async def work(engine: Engine) -> int:
        started = await engine.start_workflow(workflow, given, id_suffix=id_suffix)
        if detach:
            _print_started(started.id, json)
            return Exit.DONE
        if not json:
            texts.console(is_error=True).print(f"started {started.id}", style="dim")
        if follow:
            return await following.followed(engine, started.id, timeout=timeout, as_json=json)
        with anyio.move_on_after(timeout):
            done = await engine.wait(started.id)
            if done.status is not WorkflowStatus.SUCCEEDED:
                done = await engine.get_workflow(started.id, jobs=True)
            return following.ended(done, as_json=json, as_line=False)
        return await following.unfinished(engine, started.id, timeout, as_json=json, as_line=False)

    run_on(made, work, worker=not detach and works(made, worker))


def _print_started(id: str, as_json: bool) -> None:
    if as_json:
        documents.print_json({"id": id})
    else:
        typer.echo(id)
