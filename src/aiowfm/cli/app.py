"""The commands: what they are called and what they take."""

from __future__ import annotations

from typing import Annotated

import typer

from aiowfm.cli import serving
from aiowfm.local.service import Service

app = typer.Typer(
    help="An embedded workflow manager backed by AWS Step Functions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
) -> None:
    """Serve Step Functions to any AWS client, in memory.

    Credentials are accepted unchecked: whoever can reach the address can use it.
    """
    if len(account_id) != 12 or not account_id.isdecimal():
        raise typer.BadParameter(f"{account_id!r} is not 12 digits", param_hint="--account-id")
    serving.run(Service(region=region, account_id=account_id), host, port)
