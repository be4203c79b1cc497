"""`aiowfm compile`: prints the state machine that is deployed for a definition."""

from __future__ import annotations

from typing import Annotated

import typer

from aiowfm.aws.arns import partition_of
from aiowfm.cli.choosing import FileArgument, NameArgument, chosen
from aiowfm.cli.loading import METAVAR, load_engine
from aiowfm.cli.places import a_region, an_account_id
from aiowfm.cli.refusals import refusals
from aiowfm.config import EngineConfig
from aiowfm.definitions import CompilerOptions, compile_definition, deployed_text
from aiowfm.names import activity_name, callbacks_name


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
    region: Annotated[str, typer.Option(help="Part of the ARNs.", callback=a_region)] = "us-east-1",
    account_id: Annotated[
        str, typer.Option(help="Part of the ARNs: 12 digits.", callback=an_account_id)
    ] = "000000000000",
) -> None:
    """Print the States Language that a definition is deployed as, key by key.

    Nothing is asked of AWS: region and account are what the options say.
    """
    if handlers is not None and (app is not None or environment is not None):
        raise typer.BadParameter(
            "the engine has an application and an environment of its own", param_hint="--handlers"
        )
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
