"""The commands: what they are called and what they take."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

from aiowfm.cli import serving

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
    sqs_endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where sqs:sendMessage sends to, with the AWS credentials of the environment;"
            " without it, messages stay in this process.",
        ),
    ] = None,
) -> None:
    """Serve Step Functions to any AWS client, in memory.

    Credentials are accepted unchecked: whoever can reach the address can use it.
    """
    if len(account_id) != 12 or not account_id.isdecimal():
        raise typer.BadParameter(f"{account_id!r} is not 12 digits", param_hint="--account-id")
    if sqs_endpoint is not None and not _is_url(sqs_endpoint):
        raise typer.BadParameter("not a URL like http://host:port", param_hint="--sqs-endpoint")
    serving.run(
        serving.Settings(
            host=host,
            port=port,
            region=region,
            account_id=account_id,
            sqs_endpoint=sqs_endpoint,
        )
    )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
