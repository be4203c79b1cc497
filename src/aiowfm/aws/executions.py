"""Executions: starting, watching, stopping and listing them."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import anyio

from aiowfm.aws.arns import Arns
from aiowfm.aws.errors import translated
from aiowfm.aws.pages import pages
from aiowfm.errors import BackendError, BackendUnavailableError, NotFoundError
from aiowfm.names import ExecutionArn, StateMachineArn
from aiowfm.ports import MAX_CAUSE_LENGTH, Execution, ExecutionStatus

logger = logging.getLogger("aiowfm.aws")

FIRST_DELAY_SECONDS = 0.1
MAX_DELAY_SECONDS = 10.0
DELAY_GROWTH = 1.5
PAGE_SIZE = 100


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
                started_at=_instant(answer["startDate"]),
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
                logger.warning("Still waiting for %s: %s", arn, exc, extra={"execution": arn})
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

    async def list(self, machine: str, status: ExecutionStatus | None) -> AsyncIterator[Execution]:
        filters = {} if status is None else {"statusFilter": status.value}
        listing = pages(
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


def delays(chance: Callable[[], float]) -> Iterator[float]:
    """Seconds to wait between looks, without end: growing, and spread by half."""
    delay_seconds = FIRST_DELAY_SECONDS
    while True:
        yield delay_seconds * (0.5 + chance() / 2)
        delay_seconds = min(delay_seconds * DELAY_GROWTH, MAX_DELAY_SECONDS)


def _execution(answer: Any) -> Execution:
    return Execution(
        arn=ExecutionArn(answer["executionArn"]),
        name=answer["name"],
        status=ExecutionStatus(answer["status"]),
        started_at=_instant(answer["startDate"]),
        stopped_at=_instant(answer["stopDate"]) if answer.get("stopDate") else None,
        input=answer.get("input"),
        output=answer.get("output"),
        error=answer.get("error"),
        cause=answer.get("cause"),
    )


def _instant(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
