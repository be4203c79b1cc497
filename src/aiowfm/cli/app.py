"""The commands: what they are called. Each is in a module of its own, with what it takes."""

from __future__ import annotations

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

app = typer.Typer(
    help="An embedded workflow manager backed by AWS Step Functions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

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
