"""`aiowfm cancel` and `aiowfm resume`: one workflow, some, or all that a filter finds."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from aiowfm.cli import documents, texts
from aiowfm.cli.exits import Exit
from aiowfm.cli.loading import EngineArgument
from aiowfm.cli.opening import (
    code_of,
    loaded,
    on_engine,
    require_shared,
    run_on,
)
from aiowfm.cli.options import (
    JSON,
    DryRunOption,
    ErrorOption,
    IdPrefixOption,
    JsonOption,
    LimitOption,
    ServerOption,
    SinceOption,
    TagOption,
    filters_of,
    json_of,
)
from aiowfm.cli.starting import complete_name
from aiowfm.engine import Engine
from aiowfm.errors import AiowfmError
from aiowfm.workflows import Filters, Repair, Workflow, WorkflowStatus

IdsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Ids of workflows; without them, give filters."),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="WORKFLOW",
        help="All of this definition.",
        autocompletion=complete_name,
    ),
]
YesOption = Annotated[
    bool,
    typer.Option("--yes", "-y", help="With filters: do it without asking first."),
]
ConcurrencyOption = Annotated[
    int, typer.Option("--concurrency", min=1, metavar="N", help="With filters: how many at once.")
]
RateOption = Annotated[
    float | None,
    typer.Option(
        "--rate", min=0.001, metavar="N", help="With filters: how many in a second at most."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """Which workflows a command is for: those of *ids*, or those that the others find."""

    ids: Sequence[str]
    name: str | None
    filters: Filters
    is_dry: bool
    is_sure: bool
    as_json: bool


def _chosen(
    ids: list[str] | None,
    name: str | None,
    filters: Filters,
    *,
    is_dry: bool,
    is_sure: bool,
    as_json: bool,
) -> _Chosen:
    is_filtered = name is not None or any(filters.values())
    if bool(ids) is is_filtered:
        raise typer.BadParameter(
            "give ids, or filters such as --name, and not both", param_hint="ID"
        )
    if ids and is_dry:
        raise typer.BadParameter("it is for filters", param_hint="--dry-run")
    if is_filtered and not (is_dry or is_sure or sys.stdin.isatty()):
        raise typer.BadParameter(
            "nobody can be asked here: give --yes, or --dry-run", param_hint="--yes"
        )
    return _Chosen(
        ids=ids or (),
        name=name,
        filters=filters,
        is_dry=is_dry,
        is_sure=is_sure,
        as_json=as_json,
    )


def cancel(
    engine: EngineArgument,
    ids: IdsArgument = None,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="For people; becomes the cause.")
    ] = "",
    name: NameOption = None,
    since: SinceOption = None,
    id_prefix: IdPrefixOption = None,
    tag: TagOption = None,
    limit: LimitOption = 0,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    concurrency: ConcurrencyOption = 10,
    rate: RateOption = None,
    json: JsonOption = False,
    server: ServerOption = None,
) -> None:
    """Cancel running workflows, by their ids or by filters.

    One that has ended stays as it is. Ends with 1 if one could not be cancelled.
    """
    filters = filters_of(since=since, limit=limit, id_prefix=id_prefix, tag=tag)
    chosen = _chosen(ids, name, filters, is_dry=dry_run, is_sure=yes, as_json=json)

    async def one(engine: Engine, id: str) -> Repair:
        workflow = await engine.get_workflow(id)
        if workflow.status.is_final:
            return Repair(workflow=workflow)
        await engine.cancel_workflow(id, reason=reason)
        return Repair(workflow=workflow, is_done=True)

    async def many(engine: Engine, is_dry: bool) -> tuple[Repair, ...]:
        return await engine.cancel_workflows(
            name, reason=reason, concurrency=concurrency, rate=rate, dry_run=is_dry, **filters
        )

    _repair(engine, server, chosen, one, many, ("cancel", "cancelled"))


def resume(
    engine: EngineArgument,
    ids: IdsArgument = None,
    start_at: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help="Begin a new workflow there, of the definition as it is now; unless given, the"
            " same one goes on where it failed.",
        ),
    ] = None,
    input: Annotated[
        str | None,
        typer.Option(
            metavar=JSON,
            help="With --start-at: what that state is given; unless said, what it was given.",
        ),
    ] = None,
    variables: Annotated[
        str | None,
        typer.Option(
            metavar=JSON,
            help="With --start-at: an object of the variables that are assigned before it.",
        ),
    ] = None,
    name: NameOption = None,
    status: Annotated[
        WorkflowStatus, typer.Option(help="With filters: failed or cancelled.")
    ] = WorkflowStatus.FAILED,
    since: SinceOption = None,
    id_prefix: IdPrefixOption = None,
    tag: TagOption = None,
    error: ErrorOption = None,
    limit: LimitOption = 0,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    concurrency: ConcurrencyOption = 10,
    rate: RateOption = None,
    json: JsonOption = False,
    server: ServerOption = None,
) -> None:
    """Take up workflows that failed or were cancelled, by their ids or by filters.

    Ends with 1 if one could not be resumed. It waits for none of them: `aiowfm follow` does.
    """
    if status not in (WorkflowStatus.FAILED, WorkflowStatus.CANCELLED):
        raise typer.BadParameter("only failed or cancelled ones can be", param_hint="--status")
    filters = filters_of(since=since, limit=limit, id_prefix=id_prefix, tag=tag, error=error)
    chosen = _chosen(ids, name, filters, is_dry=dry_run, is_sure=yes, as_json=json)
    if start_at is None and not (input is None and variables is None):
        raise typer.BadParameter("they are for a new workflow", param_hint="--input, --variables")
    if not ids and not (input is None and variables is None):
        raise typer.BadParameter("they are for single ids", param_hint="--input, --variables")
    given = None if input is None else json_of(input, "--input")
    values = {} if variables is None else json_of(variables, "--variables")
    if not isinstance(values, Mapping):
        raise typer.BadParameter("not an object", param_hint="--variables")

    async def one(engine: Engine, id: str) -> Repair:
        workflow = await engine.get_workflow(id)
        result = await engine.resume_workflow(id, start_at=start_at, input=given, variables=values)
        return Repair(workflow=workflow, result=result, is_done=True)

    async def many(engine: Engine, is_dry: bool) -> tuple[Repair, ...]:
        return await engine.resume_workflows(
            name,
            status=status,
            start_at=start_at,
            concurrency=concurrency,
            rate=rate,
            dry_run=is_dry,
            **filters,
        )

    _repair(engine, server, chosen, one, many, ("resume", "resumed"))


def _repair(
    place: str,
    server: str | None,
    chosen: _Chosen,
    one: Callable[[Engine, str], Awaitable[Repair]],
    many: Callable[[Engine, bool], Awaitable[tuple[Repair, ...]]],
    words: tuple[str, str],
) -> None:
    verb, done = words

    async def work(engine: Engine) -> int:
        repairs, refused = await _each(engine, chosen.ids, one)
        if not chosen.ids:
            repairs += await many(engine, chosen.is_dry)
        _print(repairs, refused, f"would {verb}" if chosen.is_dry else done, chosen.as_json)
        has_failed = bool(refused) or any(each.error for each in repairs)
        return Exit.ERROR if has_failed else Exit.DONE

    engine = loaded(place, server)
    require_shared(engine)
    if not (chosen.ids or chosen.is_dry or chosen.is_sure):
        _ask(engine, lambda engine: many(engine, True), verb)
    run_on(engine, work)


def _ask(
    engine: Engine, planned: Callable[[Engine], Awaitable[tuple[Repair, ...]]], verb: str
) -> None:
    """End the program unless somebody says yes to what is planned; no loop runs meanwhile."""
    repairs: list[Repair] = []

    async def plan(engine: Engine) -> int:
        repairs.extend(await planned(engine))
        return Exit.DONE

    code_of(lambda: on_engine(engine, plan))
    for each in repairs:
        typer.echo(f"would {verb} {texts.printable(each.workflow.id)}", err=True)
    count = f"{len(repairs):,} workflow{'' if len(repairs) == 1 else 's'}"
    if repairs and not typer.confirm(f"{verb} {count}?", err=True):
        raise typer.Exit(Exit.ERROR)


def _print(
    repairs: Sequence[Repair], refused: Sequence[AiowfmError], done: str, as_json: bool
) -> None:
    if as_json:
        documents.print_json([documents.repair_fields(each) for each in repairs])
    else:
        for each in repairs:
            typer.echo(_line(each, done))
        if not repairs and not refused:
            texts.console(is_error=True).print("no workflows", style="dim")
    for error in refused:
        texts.complain(f"aiowfm: {error}")


async def _each(
    engine: Engine, ids: Sequence[str], one: Callable[[Engine, str], Awaitable[Repair]]
) -> tuple[list[Repair], list[AiowfmError]]:
    """What came of each id, and why others could not be done; one does not stop the next."""
    repairs, refused = [], []
    for id in dict.fromkeys(ids):
        try:
            repairs.append(await one(engine, id))
        except AiowfmError as exc:
            refused.append(exc)
    return repairs, refused


def _line(repair: Repair, done: str) -> str:
    workflow: Workflow = repair.workflow
    id = texts.printable(workflow.id)
    if repair.error is not None:
        return f"{id}: {repair.error}"
    if repair.result is not None and repair.result.id != workflow.id:
        return f"{done} {id} as {texts.printable(repair.result.id)}"
    if not repair.is_done and workflow.status.is_final:
        return f"{id} had {_ENDED[workflow.status]} before"
    return f"{done} {id}"


_ENDED = {
    WorkflowStatus.SUCCEEDED: "succeeded",
    WorkflowStatus.FAILED: "failed",
    WorkflowStatus.CANCELLED: "been cancelled",
}
