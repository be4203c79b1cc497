"""The commands: what they are called and what they take."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

import typer

from aiowfm.cli import (
    answering,
    developing,
    finding,
    following,
    repairing,
    serving,
    starting,
    vacuuming,
    working,
)
from aiowfm.local.retention import DEFAULT_SECONDS
from aiowfm.local.storage.database import MEMORY

DAY_SECONDS = 24 * 60 * 60.0

app = typer.Typer(
    help="An embedded workflow manager backed by AWS Step Functions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class Durability(StrEnum):
    """What an acknowledged call survives."""

    COMMIT = "commit"
    FSYNC = "fsync"
    NONE = "none"


@app.callback()
def commands() -> None:
    """An embedded workflow manager backed by AWS Step Functions."""


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8083,
    region: Annotated[str, typer.Option(help="Part of the ARNs.")] = "us-east-1",
    account_id: Annotated[str, typer.Option(help="Part of the ARNs: 12 digits.")] = "000000000000",
    db: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where all is kept; without it, in memory."),
    ] = None,
    durability: Annotated[
        Durability | None,
        typer.Option(
            help="What an acknowledged call survives: the death of the process (commit, the"
            " default), that of the machine (fsync), or neither (none)."
        ),
    ] = None,
    retention_days: Annotated[
        float,
        typer.Option(min=0, help="Remove executions so long after their end; 0 keeps them."),
    ] = DEFAULT_SECONDS / DAY_SECONDS,
    sqs_endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where sqs:sendMessage sends to, with the AWS credentials of the environment;"
            " without it, messages stay in this process.",
        ),
    ] = None,
) -> None:
    """Serve Step Functions to any AWS client.

    Credentials are accepted unchecked: whoever can reach the address can use it.
    """
    if len(account_id) != 12 or not account_id.isdecimal():
        raise typer.BadParameter(f"{account_id!r} is not 12 digits", param_hint="--account-id")
    if sqs_endpoint is not None and not _is_url(sqs_endpoint):
        raise typer.BadParameter("not a URL like http://host:port", param_hint="--sqs-endpoint")
    if durability is not None and db is None:
        raise typer.BadParameter("there is no --db to keep anything", param_hint="--durability")
    if db in ("", MEMORY):
        raise typer.BadParameter("not the name of a file", param_hint="--db")
    if math.isnan(retention_days):
        raise typer.BadParameter("not a number", param_hint="--retention-days")
    serving.run(
        serving.Settings(
            host=host,
            port=port,
            region=region,
            account_id=account_id,
            sqs_endpoint=sqs_endpoint,
            path=db,
            durability=durability.value if durability else "commit",
            retention=retention_days * DAY_SECONDS or None,
        )
    )


@app.command()
def vacuum(
    file: Annotated[str, typer.Argument(help="A file of `aiowfm serve --db` or LocalBackend.")],
) -> None:
    """Shrink a file to what is in it; nothing else may use it meanwhile."""
    vacuuming.run(file)


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


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
