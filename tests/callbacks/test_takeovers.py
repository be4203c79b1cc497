"""Results that one process delivers while another believes that it still does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.lowlevel
import pytest

from aiowfm import Finalization, LocalBackend, TaskTokenExpiredError
from aiowfm.callbacks import transitions
from aiowfm.callbacks.arrivals import Arrivals
from aiowfm.callbacks.completion import Completion
from aiowfm.callbacks.consumer import Consumer
from aiowfm.callbacks.results import success
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.errors import BackendUnavailableError
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


def completion(
    storage: CallbackStorage, functions: Functions, now: Callable[[], float], tally: CallbackTally
) -> Completion:
    return Completion(storage.tokens, functions, now=now, early_ttl_seconds=3_600, tally=tally)


async def test_who_was_overtaken_while_he_delivered_does_not_call_the_result_lost(
    storage: CallbackStorage,
) -> None:
    clock, functions = Clock(), Functions()
    tallies = [CallbackTally(), CallbackTally()]
    slow, quick = (completion(storage, functions, clock, tally) for tally in tallies)
    assert await storage.tokens.replace(None, waiting("o-17"))
    said: list[Finalization] = []

    async def finalize() -> None:
        said.append(await slow.finalize("o-17", RESULT, wait_id=None, early=True))

    async with anyio.create_task_group() as group:
        group.start_soon(slow.run)
        group.start_soon(quick.run)
        async with anyio.create_task_group() as slowly:
            slowly.start_soon(finalize)
            await functions.is_held_up.wait()
            clock.time += transitions.LEASE_SECONDS
            again = await quick.finalize("o-17", RESULT, wait_id=None, early=True)
            functions.goes_on.set()
        group.cancel_scope.cancel()
    assert (again, said) == (Finalization.DELIVERED, [Finalization.ALREADY_FINALIZED])
    assert functions.outputs == ["1"]
    assert [tally.expired for tally in tallies] == [0, 0]
    kept = await storage.tokens.find("o-17")
    assert kept is not None
    assert kept.status is WaitStatus.DONE


async def test_an_early_result_that_cannot_be_read_leaves_the_consumer_reading(
    storage: CallbackStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, functions, tally = Clock(), Functions(), CallbackTally()
    functions.goes_on.set()
    results = completion(storage, functions, clock, tally)
    tokens, queue = storage.tokens, storage.queue
    arrivals = Arrivals(tokens, results, now=clock, tally=tally)
    consumer = Consumer(queue, tokens, arrivals, results, functions, tally=tally)
    read, faults = tokens.result, [BackendUnavailableError("GetItem", "ConnectionLost", "")]

    async def unreliable(key: str) -> str | None:
        if faults:
            raise faults.pop()
        return await read(key)

    monkeypatch.setattr(tokens, "result", unreliable)
    async with anyio.create_task_group() as group:
        group.start_soon(results.run)
        group.start_soon(consumer.run)
        for key in ("o-17", "o-18"):
            await results.finalize(key, RESULT, wait_id=None, early=True)
            message = json.dumps({"TaskKey": key, "TaskToken": f"token-of-{key}"})
            queue._service.queues.send(queue._url, message)  # type: ignore[attr-defined]  # local
            while tally.stored < 1:  # nothing tells of it
                await anyio.lowlevel.checkpoint()
        while tally.delivered < 1:  # as above
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert not faults
    assert functions.outputs == ["1"]
