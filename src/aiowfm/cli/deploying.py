"""`aiowfm deploy`: shows what would change, and does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import typer

from aiowfm.cli import documents, texts
from aiowfm.cli.exits import Exit
from aiowfm.cli.loading import EngineArgument, load_engine
from aiowfm.cli.opening import code_of
from aiowfm.cli.options import DryRunOption, JsonOption
from aiowfm.workflows import Change, DeploymentPlan, MachineChange, ResourceChange

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
    dry_run: DryRunOption = False,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="With --dry-run: end with 3 if something would change."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Deploy an application: its activities, state machines, and what callbacks need.

    Shows what changes, then does it. Ends with 0, or with 1 where something is wrong; then
    nothing is changed.
    """
    if exit_code and not dry_run:
        raise typer.BadParameter("it is for --dry-run", param_hint="--exit-code")
    deployed = load_engine(engine)

    async def work() -> int:
        plan = await deployed.deploy(dry_run=True)
        if not json:
            for line in _shown(plan):
                typer.echo(line)
        is_done = plan.has_changes and not (plan.problems or dry_run)
        if is_done:
            await deployed.deploy(plan=plan)
        for problem in plan.problems:
            texts.complain(str(problem).partition("\n")[0])  # the diff is shown
        if json:
            documents.print_json(documents.plan_fields(plan, is_done=is_done))
        else:
            typer.echo(_outcome(plan, is_done=is_done, is_dry=dry_run))
        if plan.problems:
            return Exit.ERROR
        return Exit.WOULD_CHANGE if exit_code and plan.has_changes else Exit.DONE

    raise typer.Exit(code_of(work))


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


def _outcome(plan: DeploymentPlan, *, is_done: bool, is_dry: bool) -> str:
    if plan.problems:
        return "Nothing was deployed."
    if is_done:
        return _summary(plan, "created", "changed", "repaired")
    if is_dry:
        return _summary(plan, "to create", "to change", "to repair")
    return "Nothing to do."


def _summary(plan: DeploymentPlan, created: str, changed: str, repaired: str) -> str:
    counts = Counter(change.change for change in plan)
    return (
        f"{counts[Change.CREATE]} {created}, {counts[Change.UPDATE]} {changed},"
        f" {counts[Change.REPAIR]} {repaired}, {counts[Change.NONE]} unchanged."
    )
