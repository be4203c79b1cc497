"""Activities and their tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.local.arns import checked_arn
from aiowfm.local.operations.requests import Answer, Request, paging, present
from aiowfm.local.tags import as_tags, merged

if TYPE_CHECKING:
    from aiowfm.local.service import Service

ENCRYPTION = {"type": "AWS_OWNED_KEY"}  # what AWS shows where nothing else was asked for


async def create_activity(service: Service, request: Request) -> Answer:
    activity = await service.create_activity(request["name"])
    activity.tags = merged(activity.arn, activity.tags, as_tags(request.get("tags")))
    service.activities.save(activity)
    await service.flushed()
    return {"activityArn": activity.arn, "creationDate": activity.created_at}


async def delete_activity(service: Service, request: Request) -> Answer:
    service.activities.delete(request["activityArn"])
    await service.flushed()
    return {}


async def describe_activity(service: Service, request: Request) -> Answer:
    activity = service.activities.get(request["activityArn"])
    return {
        "activityArn": activity.arn,
        "name": activity.name,
        "creationDate": activity.created_at,
        "encryptionConfiguration": ENCRYPTION,
    }


async def list_activities(service: Service, request: Request) -> Answer:
    every = sorted(service.activities.all(), key=lambda activity: activity.name)
    shown, token = service.pages.page(
        every, lambda activity: activity.name, of="activities", **paging(request)
    )
    listed = [
        {"activityArn": each.arn, "name": each.name, "creationDate": each.created_at}
        for each in shown
    ]
    return present({"activities": listed, "nextToken": token})


async def get_activity_task(service: Service, request: Request) -> Answer:
    arn = checked_arn(request["activityArn"], "activity")
    task = await service.get_activity_task(arn, request.get("workerName"))
    if task is None:
        return {"taskToken": None}
    return {"taskToken": task.token, "input": task.input}


async def send_task_success(service: Service, request: Request) -> Answer:
    await service.send_task_success(request["taskToken"], request["output"])
    return {}


async def send_task_failure(service: Service, request: Request) -> Answer:
    await service.send_task_failure(
        request["taskToken"], request.get("error"), request.get("cause")
    )
    return {}


async def send_task_heartbeat(service: Service, request: Request) -> Answer:
    await service.send_task_heartbeat(request["taskToken"])
    return {}
