"""`aiowfm doctor`: looks at all that an application needs, and says what to do."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import anyio
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aiowfm.cli.loading import EngineArgument, load_engine
from aiowfm.cli.refusals import refusals
from aiowfm.engine import Engine
from aiowfm.health import Diagnosis, Health

_MARKS = {
    Health.OK: ("✓", "green"),
    Health.WARNING: ("!", "yellow"),
    Health.PROBLEM: ("✗", "red"),
    Health.UNKNOWN: ("?", "dim"),
}


class DoctorFormat(StrEnum):
    """How the findings are printed."""

    TEXT = "text"
    JSON = "json"


class RoleOption(StrEnum):
    """Whose permissions are tried."""

    WORKER = "worker"
    FINALIZER = "finalizer"
    DOCTOR = "doctor"


def doctor(
    engine: EngineArgument,
    role: Annotated[
        RoleOption,
        typer.Option(help="Whose permissions the credentials should have; doctor: only looks."),
    ] = RoleOption.WORKER,
    processes: Annotated[
        int, typer.Option(min=1, help="How many processes work at once, for the rates.")
    ] = 1,
    format: Annotated[DoctorFormat, typer.Option(help="For people, or for programs.")] = (
        DoctorFormat.TEXT
    ),
) -> None:
    """Look at credentials, activities, state machines, queues, table, permissions and rates.

    Changes nothing. Ends with 0, or with 1 where there is a problem.
    """
    with refusals():
        diagnosis = anyio.run(_run, load_engine(engine), role, processes)
    if format is DoctorFormat.JSON:
        shown = {
            "healthy": diagnosis.is_healthy,
            "checks": [asdict(check) for check in diagnosis],
        }
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        _print(diagnosis)
    if not diagnosis.is_healthy:
        raise typer.Exit(1)


async def _run(engine: Engine, role: RoleOption, processes: int) -> Diagnosis:
    return await engine.diagnose(role=role.value, processes=processes)


def _print(diagnosis: Diagnosis) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for name in ("what", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for check in diagnosis:
        mark, style = _MARKS[check.health]
        # Texts, since what was found may look like markup.
        cells = (check.subject, check.message, check.advice)
        table.add_row(Text(mark, style=style), *map(Text, cells))
    console = Console()
    console.print(table)
    counts = {each: sum(check.health is each for check in diagnosis) for each in Health}
    console.print(
        f"problems: {counts[Health.PROBLEM]}, warnings: {counts[Health.WARNING]},"
        f" unknown: {counts[Health.UNKNOWN]}, well: {counts[Health.OK]}"
    )
