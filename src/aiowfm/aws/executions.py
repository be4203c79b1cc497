"""Executions: starting, watching, stopping and listing them."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator
from itertools import islice
from typing import Any

import anyio

from aiowfm.aws import histories
from aiowfm.aws.arns import Arns
from aiowfm.aws.errors import translated
from aiowfm.aws.instants import delays, instant
from aiowfm.aws.pages import patient_pages
from aiowfm.errors import BackendError, BackendUnavailableError, NotFoundError
from aiowfm.executions import Execution, ExecutionEvent, ExecutionStatus
from aiowfm.names import ExecutionArn, StateMachineArn
from aiowfm.ports import MAX_CAUSE_LENGTH

log = logging.getLogger("aiowfm.aws")

PAGE_SIZE = 100  # executions; listings are read no further than they are taken
MAX_LOOKS = 10  # after a redrive, until it is seen


class AwsExecutions:
    """The executions of the account."""

    def __init__(self, client: Any, arns: Arns) -> None:
        self._client = client
        self._arns = arns

    async def arn(self, machine: str, name: str) -> ExecutionArn:
        return ExecutionArn(await self._arns.make("execution", f"{machine}:{name}"))

    async def start(self, machine: StateMachineArn, name: str, input: str) -> Execution:
        with translated("StartExecution"):
            answer = await self._client.start_execution(
                stateMachineArn=machine, name=name, input=input
            )
            return Execution(
                arn=ExecutionArn(answer["executionArn"]),
                name=name,
                status=ExecutionStatus.RUNNING,
                started_at=instant(answer["startDate"]),
                input=input,
            )

    async def describe(self, arn: ExecutionArn) -> Execution:
        with translated("DescribeExecution"):
            return _execution(await self._client.describe_execution(executionArn=arn))

    async def finished(self, arn: ExecutionArn) -> Execution:
        """Ask again and again, ever more slowly; see `aiowfm.ports.Executions`.

        While the backend is unavailable it goes on asking: DescribeExecution is refilled
        at 15/s for the whole account, so being throttled is a matter of course.
        """
        waits = delays(random.random)
        while True:
            try:
                execution = await self.describe(arn)
            except BackendUnavailableError as exc:
                log.warning("still waiting for %s: %s", arn, exc, extra={"execution": arn})
            else:
                if execution.status.is_final:
                    return execution
            await anyio.sleep(next(waits))

    async def stop(self, arn: ExecutionArn, cause: str) -> None:
        options = {"cause": cause[:MAX_CAUSE_LENGTH]} if cause else {}
        try:
            with translated("StopExecution"):
                await self._client.stop_execution(executionArn=arn, **options)
        except BackendError as exc:
            # Some servers refuse to stop what has finished.
            if exc.code != "ValidationException":
                raise
            if not (await self.describe(arn)).status.is_final:
                raise

    async def redrive(self, arn: ExecutionArn) -> None:
        with translated("RedriveExecution"):
            answer = await self._client.redrive_execution(executionArn=arn)
            begun_at = answer["redriveDate"]
        # Answers may be some moments old: whoever waits for its end must not see the last one.
        for delay_seconds in islice(delays(random.random), MAX_LOOKS):
            with translated("DescribeExecution"):
                shown = await self._client.describe_execution(executionArn=arn)
            if shown.get("redriveDate", begun_at) >= begun_at and shown.get("redriveCount", 1):
                return
            await anyio.sleep(delay_seconds)

    def history(self, arn: ExecutionArn) -> AsyncIterator[ExecutionEvent]:
        return histories.events(self._client, arn)

    def follow(self, arn: ExecutionArn) -> AsyncIterator[ExecutionEvent]:
        return histories.followed(self._client, arn)

    async def list(self, machine: str, status: ExecutionStatus | None) -> AsyncIterator[Execution]:
        filters = {} if status is None else {"statusFilter": status.value}
        listing = patient_pages(
            "ListExecutions",
            self._client.list_executions,
            stateMachineArn=await self._arns.make("stateMachine", machine),
            maxResults=PAGE_SIZE,
            **filters,
        )
        try:
            async for page in listing:
                with translated("ListExecutions"):
                    executions = [_execution(item) for item in page["executions"]]
                for execution in executions:
                    yield execution
        except NotFoundError:
            return


def _execution(answer: Any) -> Execution:
    return Execution(
        arn=ExecutionArn(answer["executionArn"]),
        name=answer["name"],
        status=ExecutionStatus(answer["status"]),
        started_at=instant(answer["startDate"]),
        stopped_at=instant(answer["stopDate"]) if answer.get("stopDate") else None,
        input=answer.get("input"),
        output=answer.get("output"),
        error=answer.get("error"),
        cause=answer.get("cause"),
    )
