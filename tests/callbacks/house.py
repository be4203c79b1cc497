"""The parts that deal with callbacks, on a store in memory and a made-up Step Functions."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from aiowfm import LocalBackend, TaskTokenExpiredError
from aiowfm.callbacks.arrivals import Arrivals
from aiowfm.callbacks.completion import Completion
from aiowfm.callbacks.consumer import Consumer
from aiowfm.callbacks.deliveries import Deliveries
from aiowfm.callbacks.messages import CallbackMessage
from aiowfm.callbacks.overdue import Overdue
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.errors import AiowfmError
from aiowfm.ports import CallbackStorage, QueueMessage, TokenStore
from aiowfm.waits import Fence, Owner, TaskToken, Wait, entered_text

NOW = 1_800_000_000.0
EXECUTION = (
    "arn:aws:states:us-east-1:000000000000:execution:dev--order--0--ask:dev--order--0--ask--1"
)


def message(
    token: str = "t",
    key: str = "k",
    *,
    execution: str = EXECUTION,
    entered: float = NOW,
    attempt: int = 0,
    **fields: Any,
) -> CallbackMessage:
    return CallbackMessage(
        token=TaskToken(token),
        key=key,
        owner=Owner(execution, "ask", None),
        fence=Fence(entered_text(entered), 0, attempt),
        **fields,
    )


def body(token: str = "t", key: object = "k", **about: Any) -> str:
    """The text of a message, as the compiled definition makes it."""
    facts = {"execution": EXECUTION, "redrive": 0, "state": "ask", "attempt": 0}
    facts |= {"entered": entered_text(NOW)} | about
    return json.dumps({"TaskToken": token, "TaskKey": key, "aiowfm": facts, "amount": 7})


@dataclass
class Functions:
    """Step Functions: which tokens are dead, what was said, and which faults come next."""

    dead: set[str] = field(default_factory=set)
    outcomes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    beats: list[str] = field(default_factory=list)
    # Raised by the calls to come; those after which the call is done all the same first.
    faults: deque[AiowfmError] = field(default_factory=deque)
    faults_after: deque[AiowfmError] = field(default_factory=deque)
    silent: int = 0  # so many calls to come have no answer

    async def succeed(self, token: TaskToken, output: str) -> None:
        await self._answer(token, "success", output)

    async def fail(self, token: TaskToken, error: str, cause: str) -> None:
        await self._answer(token, "failure", error, cause)

    async def heartbeat(self, token: TaskToken) -> None:
        if self.faults:
            raise self.faults.popleft()
        if token in self.dead or token in self.outcomes:
            raise TaskTokenExpiredError("TaskTimedOut")
        self.beats.append(token)

    async def _answer(self, token: TaskToken, *outcome: str) -> None:
        if self.silent:
            self.silent -= 1
            await anyio.sleep_forever()
        if self.faults:
            raise self.faults.popleft()
        if token in self.dead or token in self.outcomes:
            raise TaskTokenExpiredError("TaskTimedOut")
        self.outcomes[token] = outcome
        if self.faults_after:
            raise self.faults_after.popleft()


class FaultyStore:
    """A store whose next calls may fail; `down` fails all."""

    def __init__(self, store: TokenStore) -> None:
        self._store = store
        self.faults: deque[AiowfmError] = deque()
        self.result_faults: deque[AiowfmError] = deque()
        self.write_faults: deque[AiowfmError] = deque()
        self.down: AiowfmError | None = None
        self.is_down_for_writes_only = False
        self.finds = 0

    def _check(self, *, writes: bool = False) -> None:
        if self.down is not None and (writes or not self.is_down_for_writes_only):
            raise self.down
        if writes and self.write_faults:
            raise self.write_faults.popleft()
        if self.faults:
            raise self.faults.popleft()

    async def find(self, key: str) -> Wait | None:
        self.finds += 1
        self._check()
        return await self._store.find(key)

    async def result(self, key: str) -> str | None:
        self._check()
        if self.result_faults:
            raise self.result_faults.popleft()
        return await self._store.result(key)

    async def replace(self, old: Wait | None, new: Wait, result: str | None = None) -> bool:
        self._check(writes=True)
        return await self._store.replace(old, new, result)

    def pending(self) -> AsyncIterator[Wait]:
        return self._store.pending()

    async def due(self, now: float) -> Sequence[str]:
        self._check()
        return await self._store.due(now)


class Queue:
    """Messages to receive, and what became of them."""

    def __init__(self) -> None:
        self.batches: deque[list[QueueMessage] | AiowfmError] = deque()
        self.deleted: list[str] = []
        self.hidden: list[tuple[str, float]] = []
        self.delete_faults: deque[AiowfmError] = deque()
        self.receives = 0
        self.asked_in_vain = anyio.Event()
        self._wake = anyio.Event()

    def add(self, *bodies: str, receive_count: int = 1) -> None:
        first = sum(len(each) for each in self.batches if isinstance(each, list))
        self.batches.append(
            [
                QueueMessage(
                    id=f"m{first + place}",
                    receipt=f"r{place}",
                    body=text,
                    receive_count=receive_count,
                )
                for place, text in enumerate(bodies)
            ]
        )
        self.asked_in_vain = anyio.Event()
        self._wake.set()

    async def receive(self) -> Sequence[QueueMessage]:
        self.receives += 1
        if not self.batches:
            self.asked_in_vain.set()
            self._wake = anyio.Event()
            with anyio.move_on_after(20):
                await self._wake.wait()
        if not self.batches:
            return []
        found = self.batches.popleft()
        if isinstance(found, AiowfmError):
            raise found
        return found

    def interrupt(self) -> None:
        self._wake.set()

    async def delete(self, messages: Sequence[QueueMessage]) -> None:
        if self.delete_faults:
            raise self.delete_faults.popleft()
        self.deleted += [each.id for each in messages]

    async def hide(self, messages: Sequence[QueueMessage], seconds: float) -> None:
        self.hidden += [(each.id, seconds) for each in messages]


class House:
    """All of them, and the clock they go by."""

    def __init__(self, storage: CallbackStorage) -> None:
        self.time = NOW
        self._began = anyio.current_time()
        self.functions = Functions()
        self.store = FaultyStore(storage.tokens)
        self.queue = Queue()
        self.tally = CallbackTally()
        self.deliveries = Deliveries(self.store, self.functions, now=self.now, tally=self.tally)
        self.completion = Completion(
            self.store,
            self.functions,
            self.deliveries,
            now=self.now,
            early_ttl_seconds=3_600,
            tally=self.tally,
        )
        self.arrivals = Arrivals(
            self.store,
            self.completion,
            self.deliveries,
            now=self.now,
            early_ttl_seconds=3_600,
            tally=self.tally,
        )
        self.overdue = Overdue(self.store, self.completion, now=self.now, tally=self.tally)
        self.consumer = Consumer(self.queue, self.arrivals, self.functions, tally=self.tally)

    def now(self) -> float:
        """It moves by itself where the loop's clock does, and where a test says so."""
        return self.time + anyio.current_time() - self._began

    async def check(self) -> None:
        """Look for what is overdue, and see what that begins to its end."""
        await self.overdue.check()
        await self.deliveries.idle()

    async def kept(self, key: str = "k") -> Wait:
        wait = await self.store.find(key)
        assert wait is not None
        return wait


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    async with LocalBackend().open(max_polls=1) as opened, anyio.create_task_group() as group:
        made = House(opened.callbacks("callbacks"))
        await group.start(made.deliveries.run)
        yield made
        group.cancel_scope.cancel()
