"""The commands: what they are called. Each is in a module of its own, with what it takes."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from aiowfm.cli import (
    answering,
    compiling,
    deploying,
    developing,
    doctoring,
    finding,
    following,
    graphing,
    permitting,
    repairing,
    schemas,
    serving,
    starting,
    vacuuming,
    validating,
    working,
)
from aiowfm.cli.refusals import Commands

app = typer.Typer(
    name="aiowfm",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # paragraphs of docstrings flow
    pretty_exceptions_enable=False,
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"aiowfm {version('aiowfm')}")
        raise typer.Exit


@app.callback()
def aiowfm(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """An embedded workflow manager backed by AWS Step Functions."""


app.command()(validating.validate)
app.command()(schemas.schema)
app.command()(graphing.graph)
app.command("compile")(compiling.compile_)
app.command()(deploying.deploy)
app.command()(permitting.iam)
app.command()(doctoring.doctor)
app.command()(starting.run)
app.command()(following.follow)
app.command("ls")(finding.list_)
app.command()(finding.show)
app.command()(repairing.cancel)
app.command()(repairing.resume)
app.command()(answering.pending)
app.command()(answering.complete)
app.command()(answering.fail)
app.command()(working.worker)
app.command()(developing.dev)
app.command()(serving.serve)
app.command()(vacuuming.vacuum)
