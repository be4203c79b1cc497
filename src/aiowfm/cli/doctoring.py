"""`aiowfm doctor`: looks at all that an application needs, and says what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from aiowfm.cli import documents, texts
from aiowfm.cli.exits import Exit
from aiowfm.cli.loading import EngineArgument, load_engine
from aiowfm.cli.opening import code_of
from aiowfm.cli.options import JsonOption
from aiowfm.health import Diagnosis, Health

_COLUMNS = ("what", "found", "what to do")
_MARKS = {
    Health.OK: ("✓", "green"),
    Health.WARNING: ("!", "yellow"),
    Health.PROBLEM: ("✗", "red"),
    Health.UNKNOWN: ("?", "dim"),
}


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
        int,
        typer.Option(min=1, metavar="N", help="How many processes work at once, for the rates."),
    ] = 1,
    json: JsonOption = False,
) -> None:
    """Look at credentials, activities, state machines, queues, table, permissions and rates.

    Changes nothing. Ends with 0, or with 1 where there is a problem.
    """
    examined = load_engine(engine)

    async def examine() -> int:
        diagnosis = await examined.diagnose(role=role.value, processes=processes)
        if json:
            documents.print_json(documents.diagnosis_fields(diagnosis))
        else:
            _print(diagnosis)
        return Exit.DONE if diagnosis.is_healthy else Exit.ERROR

    raise typer.Exit(code_of(examine))


def _print(diagnosis: Diagnosis) -> None:
    rows = [
        # Texts, since what was found may look like markup.
        [Text(mark, style=style), *map(Text, (check.subject, check.message, check.advice))]
        for check in diagnosis
        for mark, style in [_MARKS[check.health]]
    ]
    console = texts.console()
    if console.is_terminal:
        table = Table("", box=None, pad_edge=False, header_style="dim")
        for name in _COLUMNS:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*row)
        console.print(table, soft_wrap=False)
    else:
        for line in texts.aligned([["", *_COLUMNS], *rows]):
            console.print(line)
    counts = {each: sum(check.health is each for check in diagnosis) for each in Health}
    console.print(
        f"problems: {counts[Health.PROBLEM]}, warnings: {counts[Health.WARNING]},"
        f" unknown: {counts[Health.UNKNOWN]}, well: {counts[Health.OK]}"
    )
