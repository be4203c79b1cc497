"""The commands: what they are called. Each is in a module of its own, with what it takes."""

from __future__ import annotations

import typer

from aiowfm.cli import (
    compiling,
    deploying,
    graphing,
    schemas,
    serving,
    vacuuming,
    validating,
)

app = typer.Typer(
    help="An embedded workflow manager backed by AWS Step Functions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(validating.validate)
app.command()(schemas.schema)
app.command()(graphing.graph)
app.command("compile")(compiling.compile_)
app.command()(deploying.deploy)
app.command()(serving.serve)
app.command()(vacuuming.vacuum)
