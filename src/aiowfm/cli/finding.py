"""`aiowfm ls` and `aiowfm show`: which workflows there are, and what became of one."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated

import typer
from rich.text import Text

from aiowfm.cli import documents, texts
from aiowfm.cli.exits import Exit
from aiowfm.cli.loading import EngineArgument
from aiowfm.cli.opening import run
from aiowfm.cli.options import (
    ErrorOption,
    IdArgument,
    IdPrefixOption,
    JsonOption,
    LimitOption,
    ServerOption,
    SinceOption,
    TagOption,
    filters_of,
)
from aiowfm.cli.starting import complete_name
from aiowfm.cli.trees import JobTree, title
from aiowfm.engine import Engine
from aiowfm.local import LocalBackend
from aiowfm.workflows import Filters, Workflow, WorkflowStatus

LISTED = 20


def list_(
    engine: EngineArgument,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="WORKFLOW",
            help="The name of a definition, also of one that is gone; without it, all.",
            autocompletion=complete_name,
        ),
    ] = None,
    status: Annotated[WorkflowStatus | None, typer.Option(help="Only those.")] = None,
    since: SinceOption = None,
    id_prefix: IdPrefixOption = None,
    tag: TagOption = None,
    error: ErrorOption = None,
    limit: LimitOption = LISTED,
    json: JsonOption = False,
    server: ServerOption = None,
) -> None:
    """List workflows, newest first."""
    filters = filters_of(since=since, limit=limit, id_prefix=id_prefix, tag=tag, error=error)

    async def work(engine: Engine) -> int:
        found = await _listed(engine, name, status, filters)
        if json:
            documents.print_json([documents.listed_fields(each) for each in found])
        else:
            _print_rows(found)
        return Exit.DONE

    run(engine, server, work)


async def _listed(
    engine: Engine, name: str | None, status: WorkflowStatus | None, filters: Filters
) -> list[Workflow]:
    searches = filters.get("id_prefix") or filters.get("tags") or filters.get("error")
    names = [name]
    if name is None and not searches and not isinstance(engine.backend, LocalBackend):
        # Step Functions lists by definition.
        names = [definition.name for definition in engine.definitions]
    found = []
    for each in names:
        listing = engine.list_workflows(each, status=status, **filters)
        async with aclosing(listing) as workflows:
            found += [workflow async for workflow in workflows]
    found.sort(key=lambda workflow: workflow.created_at, reverse=True)
    return found[: filters.get("limit")]


def _print_rows(workflows: list[Workflow]) -> None:
    console = texts.console()
    if not workflows:
        texts.console(is_error=True).print("no workflows", style="dim")
        return
    rows: list[list[str | Text]] = [["ID", "STATUS", "STARTED", "TOOK"]]
    rows += [
        [
            texts.printable(each.id),
            texts.coloured(each.status),
            texts.local(each.created_at),
            texts.took(each.created_at, each.stopped_at),
        ]
        for each in workflows
    ]
    for line in texts.aligned(rows):
        console.print(line)


def show(
    engine: EngineArgument,
    id: IdArgument,
    json: JsonOption = False,
    server: ServerOption = None,
) -> None:
    """Show a workflow: what it failed with, its input and output, and its states.

    Ends with 0, whatever became of it.
    """

    async def work(engine: Engine) -> int:
        workflow = await engine.get_workflow(id, jobs=True)
        if json:
            documents.print_json(documents.workflow_fields(workflow))
        else:
            _print_workflow(workflow)
        return Exit.DONE

    run(engine, server, work)


def _print_workflow(workflow: Workflow) -> None:
    console = texts.console()
    said = texts.failure(workflow)
    if workflow.failed_job is not None:
        said = f"in {texts.place(workflow.failed_job)}: {said}"
    rows: list[tuple[str, str | Text]] = [("status", texts.coloured(workflow.status))]
    if said:
        rows.append(("why", Text(said, "red")))
    rows.append(("started", texts.local(workflow.created_at)))
    if workflow.stopped_at is not None:
        rows.append(("ended", texts.local(workflow.stopped_at)))
    if workflow.retry_for is not None:
        rows.append(("retry for", texts.printable(workflow.retry_for)))
    if workflow.tags:
        tags = " ".join(f"{key}={value}" for key, value in workflow.tags.items())
        rows.append(("tags", texts.printable(tags)))
    rows.append(("input", texts.compact(workflow.input)))
    if workflow.status is WorkflowStatus.SUCCEEDED:
        rows.append(("output", texts.compact(workflow.output)))
    for line in texts.aligned(rows):
        console.print(line)
    tree = JobTree(workflow.jobs or ())
    console.print(tree.rendered(title(workflow), ascii_only=console.options.ascii_only))
