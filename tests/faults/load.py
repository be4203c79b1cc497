"""Many workflows on an engine, and an account of what became of them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from aiowfm import BackendUnavailableError, Engine, TaskContext, TaskError
from aiowfm.aws import AwsBackend
from aiowfm.aws.backend import ClientSession
from aiowfm.aws.connection import POLL_TIMEOUT_SECONDS
from tests.ministack import ROLE_ARN, session

Result = TypeVar("Result")

TASKS_PER_WORKFLOW = 2
IN_FLIGHT = 200  # workflows
CONTROL_TIMEOUT_SECONDS = 3  # instead of 20: connections that fall silent are part of the tests


def definition(**fields: Any) -> str:
    """Two tasks; the second one refuses every fourth number. *fields* go to both."""
    states = {
        "double": {"Type": "Task", "Resource": "double", "Next": "settle"} | fields,
        "settle": {
            "Type": "Task",
            "Resource": "settle",
            "Catch": [{"ErrorEquals": ["Refused"], "Next": "refused"}],
            "End": True,
        }
        | fields,
        "refused": {"Type": "Pass", "Result": "refused", "End": True},
    }
    machine = {"StartAt": "double", "States": states}
    return json.dumps([{"name": "flow", "stateMachine": machine}])


def right_output(number: int) -> object:
    return "refused" if number % 4 == 0 else 2 * number + 1


class HurriedSession:
    """Makes clients that wait less long for answers.

    Args:
        polls: How many seconds for those of long polls.
    """

    def __init__(self, polls: float = POLL_TIMEOUT_SECONDS) -> None:
        self._poll_seconds = polls

    def client(self, service_name: str, **options: Any) -> Any:
        config = options["config"]
        is_for_polls = _is_for_polls(config)
        config.read_timeout = self._poll_seconds if is_for_polls else CONTROL_TIMEOUT_SECONDS
        return session().client(service_name, **options)


def backend(url: str, region: str, session: ClientSession) -> AwsBackend:
    return AwsBackend(region=region, role_arn=ROLE_ARN, session=session, endpoint_url=url)


class IdleSession:
    """Makes clients for an engine that starts workflows and is never given a task."""

    @asynccontextmanager
    async def client(self, service_name: str, **options: Any) -> AsyncIterator[Any]:
        async with session().client(service_name, **options) as made:
            yield _WithoutTasks() if _is_for_polls(options["config"]) else made


class _WithoutTasks:
    async def get_activity_task(self, **_: Any) -> None:
        await anyio.sleep_forever()


def _is_for_polls(config: Any) -> bool:
    return bool(config.read_timeout == POLL_TIMEOUT_SECONDS)


@dataclass(slots=True)
class Account:
    """What became of the workflows.

    Attributes:
        outputs: By number; those that did not succeed have an error instead.
        runs: How often a handler ran, by number, task and attempt.
        lost: Results that the engine gave up reporting.
    """

    outputs: dict[int, object] = field(default_factory=dict)
    runs: Counter[tuple[int, str, int | None]] = field(default_factory=Counter)
    lost: int = 0
    seconds: float = 0.0

    def ran(self, number: int, task: str, attempt: int | None) -> None:
        self.runs[number, task, attempt] += 1

    @property
    def wrong(self) -> dict[int, object]:
        """What ended otherwise than it should."""
        return {
            number: output
            for number, output in self.outputs.items()
            if output != right_output(number)
        }

    @property
    def repeated(self) -> list[tuple[int, str, int | None]]:
        """The attempts that ran more than once."""
        return [attempt for attempt, count in self.runs.items() if count > 1]

    @property
    def extra_runs(self) -> int:
        """How many runs were not the first of a task."""
        return self.runs.total() - len({(number, task) for number, task, _ in self.runs})

    @property
    def late_runs(self) -> int:
        """How many runs were for an attempt that was not the first."""
        return sum(count for (_, _, attempt), count in self.runs.items() if attempt)

    def line(self, what: str) -> str:
        """All of it on one line."""
        return (
            f"{what}: {len(self.outputs)} workflows, {self.runs.total()} handler runs,"
            f" {self.extra_runs} extra, {self.late_runs} of a later attempt, {self.seconds:.1f} s"
        )


def handled(engine: Engine, ran: Callable[[int, str, int | None], None], work: float) -> None:
    """Give *engine* the handlers of the definition.

    Args:
        engine: It must not run yet.
        ran: Told of each run: the number, the task and the attempt.
        work: How many seconds each takes.
    """

    @engine.task("double")
    async def double(number: int, ctx: TaskContext) -> dict[str, int]:
        ran(number, "double", ctx.attempt)
        await anyio.sleep(work)
        return {"number": number, "double": 2 * number}

    @engine.task("settle")
    async def settle(order: dict[str, int], ctx: TaskContext) -> int:
        ran(order["number"], "settle", ctx.attempt)
        await anyio.sleep(work)
        if order["number"] % 4 == 0:
            raise TaskError("Refused")
        return order["double"] + 1


async def load(engine: Engine, account: Account, count: int) -> None:
    """Run *count* workflows on *engine*, which is not started yet, to their ends."""
    left = iter(range(count))

    async def client() -> None:
        for number in left:
            account.outputs[number] = await output(engine, number)

    began = time.monotonic()
    await persistently(engine.start)
    try:
        async with anyio.create_task_group() as group:
            for _ in range(min(count, IN_FLIGHT)):
                group.start_soon(client)
    finally:
        account.seconds = time.monotonic() - began
        await engine.stop(grace=0)
        account.lost = sum(task.lost for task in engine.stats().tasks.values())


async def output(engine: Engine, number: int) -> object:
    # The same suffix gives back a workflow whose start was not heard of.
    workflow = await persistently(
        lambda: engine.start_workflow("flow", number, id_suffix=str(number))
    )
    done = await engine.wait(workflow.id)
    return done.output if done.error is None else f"{done.status}: {done.error} {done.cause}"


async def persistently(call: Callable[[], Awaitable[Result]]) -> Result:
    """What *call* gives once the backend is available; the test's time limit ends this."""
    while True:
        try:
            return await call()
        except BackendUnavailableError:
            await anyio.lowlevel.checkpoint()
