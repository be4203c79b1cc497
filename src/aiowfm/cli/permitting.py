"""`aiowfm iam`: prints least-privilege policies for those who take part in an application."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated

import typer

from aiowfm.aws.arns import partition_of
from aiowfm.cli.loading import EngineArgument, load_engine
from aiowfm.cli.places import a_region, an_account_id
from aiowfm.cli.refusals import refusals
from aiowfm.engine import Engine
from aiowfm.errors import UsageError
from aiowfm.iam import Place, policies_for

_ROLE_ARN = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/[\w+=,.@/-]+")


class ProvisionOption(StrEnum):
    """What processes do about what is missing."""

    CREATE = "create"
    CHECK = "check"
    NONE = "none"


class PolicyName(StrEnum):
    """Whom a policy is for."""

    STATE_MACHINE_TRUST = "state-machine-trust"
    STATE_MACHINE = "state-machine"
    WORKER = "worker"
    FINALIZER = "finalizer"
    DEPLOYER = "deployer"
    DOCTOR = "doctor"


def iam(
    engine: EngineArgument,
    role: Annotated[
        PolicyName | None,
        typer.Option(help="Print only this policy, as IAM takes it; without, all by name."),
    ] = None,
    provision: Annotated[
        ProvisionOption | None, typer.Option(help="Another than the engine's own.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Another than the backend's.", callback=a_region)
    ] = None,
    account_id: Annotated[
        str | None,
        typer.Option(
            help="12 digits; those of the role's ARN unless given.", callback=an_account_id
        ),
    ] = None,
    role_arn: Annotated[
        str | None, typer.Option(help="The role of state machines; the backend's unless given.")
    ] = None,
) -> None:
    """Print least-privilege IAM policies, made from the definitions and handlers of an engine.

    Nothing is asked of AWS. What cannot be derived is said on standard error.
    """
    if role_arn is not None and not _ROLE_ARN.fullmatch(role_arn):
        raise typer.BadParameter(
            "not the ARN of a role like arn:aws:iam::123456789012:role/workflows",
            param_hint="--role-arn",
        )
    with refusals():
        loaded = load_engine(engine)
        made = policies_for(
            _place(loaded, region=region, account_id=account_id, role_arn=role_arn),
            config=loaded.config,
            definitions=loaded.definitions,
            handled=loaded.tasks,
            provision=loaded.config.provision if provision is None else provision.value,
        )
        if role is not None and role not in made.documents:
            raise UsageError(f"no definition of {engine} has a callback, so nobody is a {role}")
    for note in made.notes:
        typer.secho(f"aiowfm: {note}", fg=typer.colors.YELLOW, err=True)
    shown = made.documents if role is None else made.documents[role]
    typer.echo(json.dumps(shown, indent=2))


def _place(
    engine: Engine, *, region: str | None, account_id: str | None, role_arn: str | None
) -> Place:
    """Where the engine is, or what the options say instead."""
    backend = engine.backend
    region = region or getattr(backend, "region", None)
    role_arn = role_arn or getattr(backend, "role_arn", None)
    if region is None or role_arn is None:
        raise UsageError(
            f"the backend of the engine is a {type(backend).__name__}, which is not on AWS: give"
            " --region and --role-arn"
        )
    role = _ROLE_ARN.fullmatch(role_arn)
    assert role is not None, "the backend has checked it"
    # A role can be passed to a state machine of its own account only.
    account_id = account_id or getattr(backend, "account_id", None) or role[2]
    if account_id != role[2]:
        raise UsageError(
            f"the account is {account_id}, and {role_arn} is a role of another: a state machine"
            " runs as a role of its own account"
        )
    return Place(
        partition=partition_of(region), region=region, account_id=account_id, role_arn=role_arn
    )
