"""Many callbacks, finished by two engines at once, and an account of what became of them."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from aiowfm import BackendUnavailableError, Engine, EngineStateError, FinalizationConflictError
from aiowfm.aws.connection import RECEIVE_TIMEOUT_SECONDS
from aiowfm.definitions import CALLBACK_RESOURCE
from tests.faults.load import CONTROL_TIMEOUT_SECONDS, IN_FLIGHT, Result, persistently
from tests.ministack import session

RECEIVE_SECONDS = 1  # instead of 20
RECEIVE_READ_SECONDS = 4  # instead of 30; a slow one takes two seconds longer than it waits
HIDDEN_SECONDS = 4  # instead of 60: messages come again while they are dealt with
SENT_AGAIN, TWICE_IN_A_BATCH = 3, 7  # every third message, every seventh

DEFINITION = json.dumps(
    [
        {
            "name": "approval",
            "stateMachine": {
                "StartAt": "approve",
                "States": {
                    "approve": {
                        "Type": "Task",
                        "Resource": CALLBACK_RESOURCE,
                        "TimeoutSeconds": 3_600,
                        "Parameters": {"MessageBody": {"TaskKey.$": "$.id"}},
                        "End": True,
                    }
                },
            },
        }
    ]
)


class DoublingSession:
    """Makes clients that wait less long, and to which many messages come more than once."""

    def __init__(self) -> None:
        self.doubled = 0
        self._received = 0

    @asynccontextmanager
    async def client(self, service_name: str, **options: Any) -> AsyncIterator[Any]:
        config = options["config"]
        receives = config.read_timeout == RECEIVE_TIMEOUT_SECONDS
        config.read_timeout = RECEIVE_READ_SECONDS if receives else CONTROL_TIMEOUT_SECONDS
        async with session().client(service_name, **options) as made:
            if receives:
                made.receive_message = self._doubling(made)
            yield made

    def _doubling(self, client: Any) -> Callable[..., Any]:
        receive = client.receive_message
        hurried = {"WaitTimeSeconds": RECEIVE_SECONDS, "VisibilityTimeout": HIDDEN_SECONDS}

        async def receive_message(**parameters: Any) -> Any:
            answer = await receive(**parameters | hurried)
            messages = answer.get("Messages", [])
            for message in list(messages):
                self._received += 1
                if self._received % SENT_AGAIN == 0:
                    self.doubled += 1
                    await client.send_message(
                        QueueUrl=parameters["QueueUrl"],
                        MessageBody=message["Body"],
                        DelaySeconds=random.randrange(4),
                    )
                if self._received % TWICE_IN_A_BATCH == 0 and len(messages) < 10:
                    self.doubled += 1
                    messages.append(message)
            return answer

        return receive_message


@dataclass(slots=True)
class Account:
    """What became of the callbacks.

    Attributes:
        accepted: By key: the results that were not refused.
        outcomes: By key: what the workflow ended with.
        finalizations: What the finalizer said, by kind; `CONFLICT` where it refused.
    """

    accepted: dict[str, set[str]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    finalizations: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def wrong(self) -> dict[str, object]:
        """The workflows that did not end with the one result that was accepted."""
        return {
            key: (outcome, self.accepted.get(key))
            for key, outcome in self.outcomes.items()
            if self.accepted.get(key) != {outcome}
        }

    def line(self, what: str, *engines: Engine) -> str:
        """All of it on one line."""
        said = ", ".join(f"{count} {kind}" for kind, count in sorted(self.finalizations.items()))
        stats = [engine.stats().callbacks for engine in engines]
        names = ("received", "stored", "duplicates", "delivered", "probably_delivered", "expired")
        counts = {name: sum(getattr(each, name) for each in stats) for name in names}
        counted = ", ".join(f"{count} {name}" for name, count in counts.items())
        return f"{what}: {len(self.outcomes)} callbacks, {said}; {counted}; {self.seconds:.1f} s"


class Load:
    """Callbacks that are finished in each of the ways there are.

    Args:
        worker: Reads the queue.
        web: Another process's engine, as it were, without a worker.
    """

    def __init__(self, worker: Engine, web: Engine) -> None:
        self._engines = (worker, web)
        self._waiting: dict[str, anyio.Event] = {}
        self.account = Account()

    async def run(self, count: int, restarts: int) -> None:
        """See *count* callbacks to their ends, until it is kept that each is done.

        Args:
            count: How many.
            restarts: How often the second engine is stopped in the midst of what it does, and
                started again; twice at most.
        """
        left = iter(range(count))

        async def client() -> None:
            for number in left:
                await self._one(number)

        began = time.monotonic()
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            async with anyio.create_task_group() as clients:
                clients.start_soon(
                    self._restart, [each * count // 3 for each in range(1, restarts + 1)]
                )
                for _ in range(min(count, IN_FLIGHT)):
                    clients.start_soon(client)
            group.cancel_scope.cancel()
        self.account.seconds = time.monotonic() - began

    async def _one(self, number: int) -> None:
        worker, web = self._engines
        key = f"order-{number}"
        is_waiting = self._waiting[key] = anyio.Event()
        async with anyio.create_task_group() as group:
            match number % 6:
                case 0 | 1:
                    early = "early" if number % 2 else "refused"
                    await self._finish(web, key, early)
                    group.start_soon(self._finish, worker, key, "late")
                case 2 | 3:  # at any moment
                    group.start_soon(self._finish, web, key, "once")
            workflow = await insistently(
                lambda: web.start_workflow("approval", {"id": key}, id_suffix=str(number))
            )
            match number % 6:
                case 3:  # webhooks repeat
                    group.start_soon(self._finish, worker, key, "once")
                case 4:
                    await is_waiting.wait()
                    group.start_soon(self._finish, web, key, "once")
                    group.start_soon(self._finish, worker, key, "once")
                case 5:
                    await is_waiting.wait()
                    group.start_soon(self._finish, web, key, "yes")
                    group.start_soon(self._finish, worker, key, "refused")
        done = await insistently(lambda: web.wait(workflow.id))
        self.account.outcomes[key] = str(done.output if done.error is None else done.error)
        await self._until_done(key)

    async def _finish(self, engine: Engine, key: str, result: str) -> None:
        finalizer = engine.finalizer
        try:
            if result == "refused":
                said = await insistently(lambda: finalizer.failure(key, result, "too dear"))
            else:
                said = await insistently(lambda: finalizer.success(key, result))
        except FinalizationConflictError:
            self.account.finalizations["CONFLICT"] += 1
        else:
            self.account.finalizations[said] += 1
            self.account.accepted.setdefault(key, set()).add(result)

    async def _watch(self) -> None:
        """Notice which tasks wait, as somebody does who looks at a list of them."""
        while True:
            try:
                async for task in self._engines[1].finalizer.pending():
                    if task.key in self._waiting:
                        self._waiting[task.key].set()
            except (BackendUnavailableError, EngineStateError):
                pass
            await anyio.sleep(0.1)

    async def _restart(self, when_finished: list[int]) -> None:
        web = self._engines[1]
        for count in when_finished:
            while len(self.account.outcomes) < count:  # noqa: ASYNC110  # nothing tells of it
                await anyio.sleep(0.01)
            await web.stop(grace=0)
            await persistently(lambda: web.start(worker=False))

    async def _until_done(self, key: str) -> None:
        """Wait until it is kept that the result was delivered."""
        while True:
            task = await insistently(lambda: self._engines[1].finalizer.get(key))
            assert task is not None
            assert task.status in ("COMPLETING", "DONE"), task.status
            if task.status == "DONE":
                return
            await anyio.sleep(0.1)


async def insistently(call: Callable[[], Awaitable[Result]]) -> Result:
    """What *call* gives once its engine runs and the backend is available."""
    while True:
        try:
            return await persistently(call)
        except EngineStateError:
            await anyio.sleep(0.05)
