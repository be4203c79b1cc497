"""`aiowfm compile`: prints the state machine that is deployed for a definition."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from aiowfm.aws.arns import partition_of
from aiowfm.cli.choosing import FileArgument, NameArgument, chosen
from aiowfm.cli.loading import METAVAR, load_engine
from aiowfm.cli.refusals import refusals
from aiowfm.config import EngineConfig
from aiowfm.definitions import CompilerOptions, compile_definition, deployed_text
from aiowfm.names import activity_name, callbacks_name

_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")


def compile_(
    file: FileArgument,
    name: NameArgument = None,
    app: Annotated[
        str | None, typer.Option(help="Part of the names of activities; 'app' unless given.")
    ] = None,
    environment: Annotated[
        str | None, typer.Option(help="Part of the names of everything; 'dev' unless given.")
    ] = None,
    handlers: Annotated[
        str | None,
        typer.Option(
            metavar=METAVAR,
            help="An engine whose application, environment, options and handlers count.",
        ),
    ] = None,
    region: Annotated[str, typer.Option(help="Part of the ARNs.")] = "us-east-1",
    account_id: Annotated[str, typer.Option(help="Part of the ARNs: 12 digits.")] = "000000000000",
) -> None:
    """Print the States Language that a definition is deployed as, key by key.

    Nothing is asked of AWS: region and account are what the options say.
    """
    if handlers is not None and (app is not None or environment is not None):
        raise typer.BadParameter(
            "the engine has an application and an environment of its own", param_hint="--handlers"
        )
    if not _REGION.fullmatch(region):
        raise typer.BadParameter("not a region like eu-central-1", param_hint="--region")
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise typer.BadParameter("not 12 digits", param_hint="--account-id")
    with refusals():
        definition = chosen(file, name)
        if handlers is None:
            config = EngineConfig.checked(app=app or "app", environment=environment or "dev")
            options = CompilerOptions()
        else:
            engine = load_engine(handlers)
            config, options = engine.config, engine.compiler_options
        queue = callbacks_name(config.environment, config.app)
        compiled = compile_definition(
            definition,
            activity_arn=lambda task: (
                f"arn:{partition_of(region)}:states:{region}:{account_id}:activity:"
                f"{activity_name(config.environment, config.app, task)}"
            ),
            queue_url=f"https://sqs.{region}.amazonaws.com/{account_id}/{queue}",
            options=options,
        )
    typer.echo(deployed_text(compiled))
