"""Tags of state machines and activities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.local.activities import Activity
from aiowfm.local.arns import checked_arn
from aiowfm.local.errors import ServiceError
from aiowfm.local.machines import Machine
from aiowfm.local.operations.requests import Answer, Request
from aiowfm.local.tags import as_aws, as_tags, merged

if TYPE_CHECKING:
    from aiowfm.local.service import Service


async def tag_resource(service: Service, request: Request) -> Answer:
    arn = request["resourceArn"]
    resource = _resource(service, arn)
    resource.tags = merged(arn, resource.tags, as_tags(request["tags"]))
    _save(service, resource)
    await service.flushed()
    return {}


async def untag_resource(service: Service, request: Request) -> Answer:
    resource = _resource(service, request["resourceArn"])
    for key in request["tagKeys"]:
        resource.tags.pop(key, None)
    _save(service, resource)
    await service.flushed()
    return {}


async def list_tags_for_resource(service: Service, request: Request) -> Answer:
    return {"tags": as_aws(_resource(service, request["resourceArn"]).tags)}


def _resource(service: Service, arn: str) -> Machine | Activity:
    checked_arn(arn, "stateMachine", "activity")
    if service.activities.exists(arn):
        return service.activities.get(arn)
    machine = service.machines.find(arn.split(":")[6])
    if machine is None or machine.arn != arn:
        raise ServiceError("ResourceNotFound", f"Resource not found: '{arn}'")
    return machine


def _save(service: Service, resource: Machine | Activity) -> None:
    if isinstance(resource, Machine):
        service.machines.save(resource)
    else:
        service.activities.save(resource)
