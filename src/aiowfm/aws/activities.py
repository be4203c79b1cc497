"""Activities: making them, taking their tasks and reporting the outcomes."""

from __future__ import annotations

import logging
from typing import Any

from aiowfm.aws.arns import Arns
from aiowfm.aws.errors import translated
from aiowfm.errors import BackendError, NotFoundError
from aiowfm.names import ActivityArn
from aiowfm.ports import ActivityTask, TaskToken

log = logging.getLogger("aiowfm.aws")


class AwsTaskSource:
    """Polls, on a client that never repeats one by itself."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def poll(self, activity: ActivityArn, worker_name: str) -> ActivityTask | None:
        """Long-poll for up to about 60 seconds; see `aiowfm.ports.TaskSource`."""
        with translated("GetActivityTask"):
            answer = await self._client.get_activity_task(
                activityArn=activity, workerName=worker_name
            )
            token = answer.get("taskToken")  # missing, None or "" when there was no task
            if not token:
                return None
            return ActivityTask(token=TaskToken(token), input=answer["input"])

    def interrupt(self, activity: ActivityArn) -> None:
        """Do nothing: Step Functions may have handed out a task to any open poll.

        A connection that is cut loses such a task until its heartbeat runs out.
        """


class AwsTaskReporter:
    """Sends outcomes and heartbeats."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def succeed(self, token: TaskToken, output: str) -> None:
        with translated("SendTaskSuccess", secret=token):
            await self._client.send_task_success(taskToken=token, output=output)

    async def fail(self, token: TaskToken, error: str, cause: str) -> None:
        with translated("SendTaskFailure", secret=token):
            await self._client.send_task_failure(taskToken=token, error=error, cause=cause)

    async def heartbeat(self, token: TaskToken) -> None:
        with translated("SendTaskHeartbeat", secret=token):
            await self._client.send_task_heartbeat(taskToken=token)


class AwsActivities:
    """The activities of the account."""

    def __init__(self, client: Any, arns: Arns) -> None:
        self._client = client
        self._arns = arns

    async def create(self, name: str) -> ActivityArn:
        # CreateActivity is refilled at 1/s for the whole account, DescribeActivity is not.
        if self._arns.account_is_known and (found := await self.find(name)):
            return found
        try:
            with translated("CreateActivity"):
                answer = await self._client.create_activity(name=name)
                arn = ActivityArn(answer["activityArn"])
                self._arns.learn(arn)
        except BackendError as exc:
            if exc.code != "ActivityAlreadyExists":
                raise
            return await self.arn(name)
        log.info("created or found activity %s", name)
        return arn

    async def find(self, name: str) -> ActivityArn | None:
        arn = await self.arn(name)
        try:
            with translated("DescribeActivity"):
                answer = await self._client.describe_activity(activityArn=arn)
                return ActivityArn(answer["activityArn"])
        except NotFoundError:
            return None

    async def arn(self, name: str) -> ActivityArn:
        return ActivityArn(await self._arns.make("activity", name))
