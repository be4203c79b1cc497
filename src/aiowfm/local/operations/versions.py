"""Published versions of state machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.local.aliases import is_version
from aiowfm.local.arns import checked_arn
from aiowfm.local.errors import ServiceError
from aiowfm.local.machines import INITIAL
from aiowfm.local.operations.requests import Answer, Request, paging, present
from aiowfm.names import unqualified

if TYPE_CHECKING:
    from aiowfm.local.service import Service


async def publish_state_machine_version(service: Service, request: Request) -> Answer:
    machine = service.machines.own(request["stateMachineArn"])
    machine.check()
    asked = request.get("revisionId")
    present_id = machine.revision.id or INITIAL
    if asked is not None and asked != present_id:
        raise ServiceError(
            "ConflictException",
            f"Failed to publish the State Machine version for revision {asked}."
            f" The current State Machine revision is {present_id}.",
        )
    version = machine.publish(service.now(), request.get("description"))
    service.machines.save(machine)
    await service.flushed()
    return {
        "stateMachineVersionArn": machine.version_arn(version.number),
        "creationDate": version.created_at,
    }


async def list_state_machine_versions(service: Service, request: Request) -> Answer:
    machine = service.machines.own(request["stateMachineArn"])
    shown, token = service.pages.page(
        sorted(machine.versions.values(), key=lambda version: -version.number),
        lambda version: version.number,
        of=f"versions {machine.arn}",
        descending=True,
        **paging(request),
    )
    listed = [
        {
            "stateMachineVersionArn": machine.version_arn(version.number),
            "creationDate": version.created_at,
        }
        for version in shown
    ]
    return present({"stateMachineVersions": listed, "nextToken": token})


async def delete_state_machine_version(service: Service, request: Request) -> Answer:
    arn = checked_arn(request["stateMachineVersionArn"], "stateMachine")
    if not is_version(arn):
        message = f"Invalid Arn: 'Not the ARN of a state machine version: {arn}'"
        raise ServiceError("InvalidArn", message)
    machine = service.machines.find(arn.split(":")[6])
    if machine is None or unqualified(arn) != machine.arn:
        return {}
    aliases = [
        alias.name
        for alias in machine.aliases.values()
        if any(route.version_arn == arn for route in alias.routes)
    ]
    if aliases:
        raise ServiceError(
            "ConflictException",
            "Version to be deleted must not be referenced by an alias. Current list of"
            f" aliases referencing this version: [{', '.join(aliases)}]",
        )
    machine.versions.pop(int(arn.rpartition(":")[2]), None)
    service.machines.save(machine)
    await service.flushed()
    return {}
