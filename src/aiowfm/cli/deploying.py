"""`aiowfm deploy`: shows what would change, and does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import anyio
import typer

from aiowfm.cli.loading import EngineArgument, load_engine
from aiowfm.cli.refusals import refusals
from aiowfm.engine import Engine
from aiowfm.workflows import Change, DeploymentPlan, MachineChange, ResourceChange

WOULD_CHANGE = 3  # exit code; 2 is that of a wrong call

_MARKS = {
    Change.CREATE: ("+", "create", typer.colors.GREEN),
    Change.UPDATE: ("~", "change", typer.colors.YELLOW),
    Change.REPAIR: ("~", "repair", typer.colors.YELLOW),
    Change.NONE: ("=", "unchanged", None),
    Change.DIFFERS: ("!", "differs, but is immutable", typer.colors.RED),
    Change.FOREIGN: ("!", "another application's", typer.colors.RED),
}
_COLOURS = {"+": typer.colors.GREEN, "-": typer.colors.RED, "@": typer.colors.CYAN}


def deploy(
    engine: EngineArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="With --dry-run: end with 3 if something would change."),
    ] = False,
) -> None:
    """Deploy an application: its activities, state machines, and what callbacks need.

    Shows what changes, then does it. Ends with 0, or with 1 where something is wrong; then
    nothing is changed.
    """
    with refusals():
        plan = anyio.run(_run, load_engine(engine), dry_run)
    if plan.problems:
        raise typer.Exit(1)
    if dry_run and exit_code and plan.has_changes:
        raise typer.Exit(WOULD_CHANGE)


async def _run(engine: Engine, dry_run: bool) -> DeploymentPlan:
    plan = await engine.deploy(dry_run=True)
    for line in _shown(plan):
        typer.echo(line)
    if plan.problems:
        for problem in plan.problems:
            first_line = str(problem).partition("\n")[0]  # the diff is shown above
            typer.secho(first_line, fg=typer.colors.RED, err=True)
        typer.echo("Nothing was deployed.")
    elif dry_run:
        typer.echo(_summary(plan, "to create", "to change", "to repair"))
    elif plan.has_changes:
        await engine.deploy(plan=plan)
        typer.echo(_summary(plan, "created", "changed", "repaired"))
    else:
        typer.echo("Nothing to do.")
    return plan


def _shown(plan: DeploymentPlan) -> Iterator[str]:
    for change in plan:
        mark, words, colour = _MARKS[change.change]
        kind = change.kind if isinstance(change, ResourceChange) else "state machine"
        yield typer.style(f"{mark} {kind} {change.name}: {words}", fg=colour)
        if isinstance(change, MachineChange):
            for line in _details(change):
                yield f"    {line}"


def _details(change: MachineChange) -> Iterator[str]:
    if change.note:
        yield change.note
    if change.role is not None:
        yield "role: {} -> {}".format(*change.role)
    if change.deployed is not None:
        present = change.deployed.machine.tags
        for key, value in change.tags.items():
            yield f"tag {key}: {present.get(key, '(none)')} -> {value}"
    for line in change.diff.splitlines():
        yield typer.style(line, fg=_COLOURS.get(line[:1]))


def _summary(plan: DeploymentPlan, created: str, changed: str, repaired: str) -> str:
    counts = Counter(change.change for change in plan)
    return (
        f"{counts[Change.CREATE]} {created}, {counts[Change.UPDATE]} {changed},"
        f" {counts[Change.REPAIR]} {repaired}, {counts[Change.NONE]} unchanged."
    )
