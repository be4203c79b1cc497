"""Results that one process delivers while another believes that it still does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from aiowfm import Finalization, LocalBackend, TaskTokenExpiredError
from aiowfm.callbacks import transitions
from aiowfm.callbacks.completion import Completion
from aiowfm.callbacks.deliveries import Deliveries
from aiowfm.callbacks.results import success
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.ports import CallbackStorage
from aiowfm.waits import TaskToken, WaitStatus
from tests.callbacks.storage import NOW, waiting

pytestmark = pytest.mark.anyio

RESULT = success("o-17", 1)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> float:
        return self.time


class Functions:
    """Step Functions, for one task. The first to answer it is held up on the way."""

    def __init__(self) -> None:
        self.is_held_up = anyio.Event()
        self.goes_on = anyio.Event()
        self.outputs: list[str] = []

    async def succeed(self, token: TaskToken, output: str) -> None:
        if not self.is_held_up.is_set():
            self.is_held_up.set()
            await self.goes_on.wait()
        if self.outputs:
            raise TaskTokenExpiredError("Task Timed Out")
        self.outputs.append(output)

    async def fail(self, token: TaskToken, error: str, cause: str) -> None:
        raise AssertionError

    async def heartbeat(self, token: TaskToken) -> None:
        raise AssertionError


@pytest.fixture
async def storage() -> AsyncIterator[CallbackStorage]:
    async with LocalBackend().open(max_polls=1) as backend:
        yield backend.callbacks("dev--shop-callbacks")


@asynccontextmanager
async def completion(
    storage: CallbackStorage, functions: Functions, now: Callable[[], float], tally: CallbackTally
) -> AsyncIterator[Completion]:
    deliveries = Deliveries(storage.tokens, functions, now=now, tally=tally)
    async with anyio.create_task_group() as group:
        await group.start(deliveries.run)
        yield Completion(
            storage.tokens, functions, deliveries, now=now, early_ttl_seconds=3_600, tally=tally
        )
        group.cancel_scope.cancel()


async def test_who_was_overtaken_while_he_delivered_does_not_call_the_result_lost(
    storage: CallbackStorage,
) -> None:
    clock, functions = Clock(), Functions()
    tallies = [CallbackTally(), CallbackTally()]
    assert await storage.tokens.replace(None, waiting("o-17"))
    said: list[Finalization] = []

    async def finalize(slow: Completion) -> None:
        said.append(await slow.finalize("o-17", RESULT, wait_id=None, early=True))

    async with (
        completion(storage, functions, clock, tallies[0]) as slow,
        completion(storage, functions, clock, tallies[1]) as quick,
        anyio.create_task_group() as slowly,
    ):
        slowly.start_soon(finalize, slow)
        await functions.is_held_up.wait()
        clock.time += transitions.LEASE_SECONDS
        again = await quick.finalize("o-17", RESULT, wait_id=None, early=True)
        functions.goes_on.set()
    assert (again, said) == (Finalization.DELIVERED, [Finalization.ALREADY_FINALIZED])
    assert functions.outputs == ["1"]
    assert [tally.expired for tally in tallies] == [0, 0]
    kept = await storage.tokens.find("o-17")
    assert kept is not None
    assert kept.status is WaitStatus.DONE
