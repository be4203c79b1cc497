"""Aliases of state machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiowfm.local.aliases import Alias, Route, is_version, missing, routes_of
from aiowfm.local.arns import checked_arn
from aiowfm.local.errors import ServiceError
from aiowfm.local.machines import Machine
from aiowfm.local.operations.requests import Answer, Request, paging, present
from aiowfm.names import StateMachineArn, unqualified

if TYPE_CHECKING:
    from aiowfm.local.service import Service


async def create_state_machine_alias(service: Service, request: Request) -> Answer:
    machine, routes = _routed(service, request["routingConfiguration"])
    machine.check()
    name, description = request["name"], request.get("description", "")
    alias = machine.aliases.get(name)
    if alias is None:
        now = service.now()
        arn = StateMachineArn(f"{machine.arn}:{name}")
        alias = machine.aliases[name] = Alias(name, arn, description, routes, now, now)
        service.machines.save(machine)
    elif (alias.routes, alias.description) != (routes, description):
        raise ServiceError(
            "ConflictException",
            "Failed to create alias because an alias with the same name and a different"
            " routing configuration already exists.",
        )
    await service.flushed()
    return {"stateMachineAliasArn": alias.arn, "creationDate": alias.created_at}


async def update_state_machine_alias(service: Service, request: Request) -> Answer:
    machine, alias = _found(service, request["stateMachineAliasArn"])
    machine.check()
    if not request.keys() & {"description", "routingConfiguration"}:
        raise ServiceError(
            "ValidationException",
            "Either the description or the routing configuration must be specified",
        )
    if "routingConfiguration" in request:
        routed, routes = _routed(service, request["routingConfiguration"])
        if routed is not machine:
            raise missing()
        alias.routes = routes
    alias.description = request.get("description", alias.description)
    alias.updated_at = service.now()
    service.machines.save(machine)
    await service.flushed()
    return {"updateDate": alias.updated_at}


async def delete_state_machine_alias(service: Service, request: Request) -> Answer:
    machine, alias = _found(service, request["stateMachineAliasArn"])
    del machine.aliases[alias.name]
    service.machines.save(machine)
    await service.flushed()
    return {}


async def describe_state_machine_alias(service: Service, request: Request) -> Answer:
    _, alias = _found(service, request["stateMachineAliasArn"])
    return {
        "stateMachineAliasArn": alias.arn,
        "name": alias.name,
        "description": alias.description,
        "routingConfiguration": [
            {"stateMachineVersionArn": route.version_arn, "weight": route.weight}
            for route in alias.routes
        ],
        "creationDate": alias.created_at,
        "updateDate": alias.updated_at,
    }


async def list_state_machine_aliases(service: Service, request: Request) -> Answer:
    """List the aliases of a machine, or those that lead to a version of one."""
    arn = checked_arn(request["stateMachineArn"], "stateMachine")
    machine = service.machines.active(arn).machine
    aliases = [
        alias
        for alias in sorted(machine.aliases.values(), key=lambda alias: alias.name)
        if arn == machine.arn or any(route.version_arn == arn for route in alias.routes)
    ]
    shown, token = service.pages.page(
        aliases, lambda alias: alias.name, of=f"aliases {arn}", **paging(request)
    )
    listed = [
        {"stateMachineAliasArn": alias.arn, "creationDate": alias.created_at} for alias in shown
    ]
    return present({"stateMachineAliases": listed, "nextToken": token})


def _found(service: Service, arn: str) -> tuple[Machine, Alias]:
    parts = checked_arn(arn, "stateMachine").split(":")
    machine = service.machines.find(parts[6])
    alias = machine.aliases.get(parts[7]) if machine and len(parts) == 8 else None
    if machine is None or alias is None or alias.arn != arn:
        raise missing()
    return machine, alias


def _routed(
    service: Service, configuration: Sequence[Mapping[str, Any]]
) -> tuple[Machine, tuple[Route, ...]]:
    """The machine that a routing configuration is about, and its routes, which exist."""
    routes = routes_of(configuration)
    for route in routes:
        parts = route.version_arn.split(":")
        machine = service.machines.find(parts[6])
        if (
            machine is None
            or unqualified(route.version_arn) != machine.arn
            or not is_version(route.version_arn)
            or int(parts[7]) not in machine.versions
        ):
            raise missing()
    machine = service.machines.find(routes[0].version_arn.split(":")[6])
    if machine is None:
        raise missing()
    return machine, routes
