"""`aiowfm iam`: prints least-privilege policies for those who take part in an application."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from aiowfm.aws.arns import partition_of
from aiowfm.cli import documents, texts
from aiowfm.cli.loading import EngineArgument, load_engine
from aiowfm.cli.options import AlwaysJsonOption
from aiowfm.cli.places import a_region, an_account_id
from aiowfm.cli.refusals import CommandError
from aiowfm.engine import Engine
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
        typer.Option(help="Print only this policy, as IAM takes it; all by name unless given."),
    ] = None,
    provision: Annotated[
        ProvisionOption | None, typer.Option(help="The engine's own unless given.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(metavar="REGION", help="The backend's unless given.", callback=a_region),
    ] = None,
    account_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="12 digits; those of the role's ARN unless given.",
            callback=an_account_id,
        ),
    ] = None,
    role_arn: Annotated[
        str | None,
        typer.Option(metavar="ARN", help="The role of state machines; the backend's unless given."),
    ] = None,
    json: AlwaysJsonOption = False,
) -> None:
    """Print least-privilege IAM policies, made from the definitions and handlers of an engine.

    Nothing is asked of AWS. What cannot be derived is said on standard error.
    """
    if role_arn is not None and not _ROLE_ARN.fullmatch(role_arn):
        raise typer.BadParameter(
            "not the ARN of a role like arn:aws:iam::123456789012:role/workflows",
            param_hint="--role-arn",
        )
    loaded = load_engine(engine)
    made = policies_for(
        _place(loaded, region=region, account_id=account_id, role_arn=role_arn),
        config=loaded.config,
        definitions=loaded.definitions,
        handled=loaded.tasks,
        provision=loaded.config.provision if provision is None else provision.value,
    )
    if role is not None and role not in made.documents:
        raise CommandError(f"no definition of {engine} has a callback, so nobody is a {role}")
    for note in made.notes:
        texts.console(is_error=True).print(f"aiowfm: {note}", style="yellow")
    documents.print_json(made.documents if role is None else made.documents[role])


def _place(
    engine: Engine, *, region: str | None, account_id: str | None, role_arn: str | None
) -> Place:
    """Where the engine is, or what the options say instead."""
    backend = engine.backend
    region = region or getattr(backend, "region", None)
    role_arn = role_arn or getattr(backend, "role_arn", None)
    if region is None or role_arn is None:
        raise typer.BadParameter(
            f"the backend of the engine is a {type(backend).__name__}, which is not on AWS: give"
            " both",
            param_hint="--region, --role-arn",
        )
    role = _ROLE_ARN.fullmatch(role_arn)
    assert role is not None, "the backend has checked it"
    # A role can be passed to a state machine of its own account only.
    account_id = account_id or getattr(backend, "account_id", None) or role[2]
    if account_id != role[2]:
        raise typer.BadParameter(
            f"the account is {account_id}, and {role_arn} is a role of another: a state machine"
            " runs as a role of its own account",
            param_hint="--account-id, --role-arn",
        )
    return Place(
        partition=partition_of(region), region=region, account_id=account_id, role_arn=role_arn
    )
