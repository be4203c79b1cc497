"""`aiowfm compile`: prints the state machine that is deployed for a definition."""

from __future__ import annotations

from typing import Annotated

import typer

from aiowfm.aws.arns import partition_of
from aiowfm.cli.choosing import FileArgument, NameArgument, chosen
from aiowfm.cli.loading import load_engine
from aiowfm.cli.options import (
    AccountIdOption,
    AlwaysJsonOption,
    HandlersOption,
    RegionOption,
)
from aiowfm.config import EngineConfig
from aiowfm.definitions import CompilerOptions, compile_definition, deployed_text
from aiowfm.errors import ConfigError
from aiowfm.names import activity_name, callbacks_name


def compile_(
    file: FileArgument,
    name: NameArgument = None,
    handlers: HandlersOption = None,
    app: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Part of the names of activities; 'app' unless given."),
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Part of the names of everything; 'dev' unless given."),
    ] = None,
    region: RegionOption = "us-east-1",
    account_id: AccountIdOption = "000000000000",
    json: AlwaysJsonOption = False,
) -> None:
    """Print the States Language that a definition is deployed as, key by key.

    Nothing is asked of AWS: region and account are what the options say.
    """
    if handlers is not None and (app is not None or environment is not None):
        raise typer.BadParameter(
            "the engine has an application and an environment of its own", param_hint="--handlers"
        )
    if handlers is None:
        config = _config(app or "app", environment or "dev")
        options = CompilerOptions()
    else:
        engine = load_engine(handlers)
        config, options = engine.config, engine.compiler_options
    queue = callbacks_name(config.environment, config.app)
    compiled = compile_definition(
        chosen(file, name),
        activity_arn=lambda task: (
            f"arn:{partition_of(region)}:states:{region}:{account_id}:activity:"
            f"{activity_name(config.environment, config.app, task)}"
        ),
        queue_url=f"https://sqs.{region}.amazonaws.com/{account_id}/{queue}",
        options=options,
    )
    typer.echo(deployed_text(compiled))


def _config(app: str, environment: str) -> EngineConfig:
    try:
        return EngineConfig.checked(app=app, environment=environment)
    except ConfigError as exc:
        raise typer.BadParameter(str(exc), param_hint="--app, --environment") from exc
