"""A small world in which callbacks go wrong in every order.

Step Functions is a model that knows which task waits. Processes share one store. Each call of
the store or of Step Functions stands still until it is let go, so that a test decides which of
those under way goes on, fails, or dies with its process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from aiowfm import FinalizationConflictError, TaskTokenExpiredError
from aiowfm.callbacks.arrivals import Arrivals, BusyError, DuplicateTaskKeyError
from aiowfm.callbacks.completion import Completion
from aiowfm.callbacks.deliveries import Deliveries
from aiowfm.callbacks.messages import CallbackMessage
from aiowfm.callbacks.overdue import Overdue
from aiowfm.callbacks.results import Finalization, Result, failure, success
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.errors import AiowfmError, BackendUnavailableError
from aiowfm.ports import TokenStore
from aiowfm.waits import Fence, Owner, TaskToken, Wait, WaitStatus, entered_text, token_hash

KEY = "o-17"
EARLY_TTL_SECONDS = 3_600.0
RESULTS = (success(KEY, {"approved": True}), failure("Rejected", "too dear"))

T = TypeVar("T")


@dataclass(eq=False)
class Call:
    """A call of the store or of Step Functions, which stands still."""

    process: Process
    name: str
    go: anyio.Event = field(default_factory=anyio.Event)
    fails: bool = False  # it is done all the same


@dataclass(eq=False)
class Task:
    """A task of Step Functions, as one attempt of a state makes it."""

    token: TaskToken
    owner: Owner
    fence: Fence
    is_waiting: bool = True
    outcome: str | None = None

    @property
    def message(self) -> CallbackMessage:
        return CallbackMessage(token=self.token, key=KEY, owner=self.owner, fence=self.fence)


@dataclass(eq=False)
class Request:
    """A result that somebody gave, and what he was told."""

    result: Result
    answer: Finalization | AiowfmError | None = None


class World:
    """Tasks, messages, processes, and what was accepted for whom."""

    def __init__(self, store: TokenStore, group: TaskGroup) -> None:
        self.store = store
        self.group = group
        self.time = 1_800_000_000.0
        self.tasks: list[Task] = []
        self.queue: list[CallbackMessage] = []
        self.sent: list[CallbackMessage] = []
        self.standing: list[Call] = []
        self.processes = [Process(self), Process(self)]
        self.requests: list[Request] = []
        # By token: the digests that were accepted.
        self.accepted: dict[str, set[str]] = {}
        self.ever_accepted: set[str] = set()
        self.deaths = 0

    def now(self) -> float:
        return self.time

    def start_execution(self) -> None:
        """A workflow comes to wait under the key."""
        number = len(self.tasks)
        self._add(Owner(f"execution-{number}", "approve", None), 0)

    def retry(self) -> None:
        """The newest workflow tries again, with a new token."""
        last = self.tasks[-1]
        self._add(last.owner, last.fence.attempt + 1)

    def _add(self, owner: Owner, attempt: int) -> None:
        token = TaskToken(f"token-{len(self.tasks)}")
        entered = self.tasks[-1].fence.entered if attempt else entered_text(self.time)
        self.time += 0.001
        task = Task(token, owner, Fence(entered, 0, attempt))
        self.tasks.append(task)
        self.queue.append(task.message)
        self.sent.append(task.message)

    def task_of(self, token: str) -> Task:
        return next(task for task in self.tasks if task.token == token)

    async def quiet(self) -> None:
        """Wait until everything stands still or is done."""
        for _ in range(30):
            await checkpoint()

    async def let_go(self, call: Call, *, fails: bool = False) -> None:
        self.standing.remove(call)
        call.fails = fails
        before = call.process.calls_done
        call.go.set()
        while call.process.calls_done == before and call.process.is_alive:
            await checkpoint()
        await self.quiet()

    async def settle(self) -> None:
        """Let everything go on to its end: nothing fails or dies any more."""
        for _ in range(8):
            for message in list(self.queue):
                self.processes[0].receive(message)
            self.processes[0].check()
            await self.quiet()
            while self.standing:
                await self.let_go(self.standing[0])
            self.time += 31.0


class Process:
    """A process of the application: it reads the queue, and finishes callbacks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls_done = 0
        self.is_alive = False
        self._scope = anyio.CancelScope()
        self.tally = CallbackTally()

    def start(self) -> None:
        """Live, for the first time or again."""
        world = self._world
        self.is_alive = True
        self._scope = anyio.CancelScope()
        store, functions = SteppedStore(world, self), SteppedFunctions(world, self)
        self._deliveries = Deliveries(store, functions, now=world.now, tally=self.tally)
        self._completion = completion = Completion(
            store,
            functions,
            self._deliveries,
            now=world.now,
            early_ttl_seconds=EARLY_TTL_SECONDS,
            tally=self.tally,
        )
        self._arrivals = Arrivals(
            store,
            completion,
            self._deliveries,
            now=world.now,
            early_ttl_seconds=EARLY_TTL_SECONDS,
            tally=self.tally,
        )
        self._functions = functions
        self._overdue = Overdue(store, completion, now=world.now, tally=self.tally)
        self._work: TaskGroup | None = None
        world.group.start_soon(self._live)

    async def _live(self) -> None:
        with self._scope:
            async with anyio.create_task_group() as self._work:
                await self._work.start(self._deliveries.run)
                await anyio.sleep_forever()

    def die(self) -> None:
        """Like a SIGKILL: nothing that is under way here goes on."""
        self.is_alive = False
        self._scope.cancel()
        self._world.deaths += 1
        self._world.standing = [call for call in self._world.standing if call.process is not self]

    def receive(self, message: CallbackMessage) -> None:
        self._begin(self._receive, message)

    def finalize(self, result: Result) -> None:
        request = Request(result)
        self._world.requests.append(request)
        self._begin(self._finalize, request)

    def check(self) -> None:
        """Look for what is overdue."""
        self._begin(self._check)

    async def _check(self) -> None:
        with suppress(BackendUnavailableError):
            await self._overdue.check()

    def _begin(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        assert self._work is not None
        self._work.start_soon(work, *arguments)

    async def _receive(self, message: CallbackMessage) -> None:
        try:
            await self._arrivals.keep(message)
        except DuplicateTaskKeyError:
            try:
                with suppress(TaskTokenExpiredError):
                    await self._functions.fail(message.token, "aiowfm.DuplicateTaskKey", "")
            except AiowfmError:
                return
        except (BusyError, AiowfmError):
            return  # it comes again
        if message in self._world.queue:
            self._world.queue.remove(message)

    async def _finalize(self, request: Request) -> None:
        try:
            request.answer = await self._completion.finalize(
                KEY, request.result, wait_id=None, early=True
            )
        except AiowfmError as exc:
            request.answer = exc


class _Stepped:
    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    async def _step(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        standing = Call(self._process, name)
        self._world.standing.append(standing)
        await standing.go.wait()
        with anyio.CancelScope(shield=True):
            try:
                result = await call()
            finally:
                self._process.calls_done += 1
        if standing.fails:
            raise BackendUnavailableError(name, "ConnectionLost", "no answer")
        return result


class SteppedStore(_Stepped):
    """The store as one process sees it."""

    async def find(self, key: str) -> Wait | None:
        return await self._step("find", lambda: self._world.store.find(key))

    async def result(self, key: str) -> str | None:
        return await self._step("result", lambda: self._world.store.result(key))

    async def replace(self, old: Wait | None, new: Wait, result: str | None = None) -> bool:
        async def replace() -> bool:
            is_done = await self._world.store.replace(old, new, result)
            if is_done and new.status is WaitStatus.COMPLETING:
                assert new.acceptance is not None
                digests = self._world.accepted.setdefault(new.token_hash, set())
                digests.add(new.acceptance.digest)
            if is_done and new.acceptance is not None:
                self._world.ever_accepted.add(new.acceptance.digest)
            return is_done

        return await self._step(f"replace by {new.status}", replace)

    def pending(self) -> AsyncIterator[Wait]:
        return self._world.store.pending()

    async def due(self, now: float) -> Sequence[str]:
        return await self._step("due", lambda: self._world.store.due(now))


class SteppedFunctions(_Stepped):
    """Step Functions as one process sees them."""

    async def succeed(self, token: TaskToken, output: str) -> None:
        await self._step("succeed", lambda: self._answer(token, f"success {output}"))

    async def fail(self, token: TaskToken, error: str, cause: str) -> None:
        await self._step("fail", lambda: self._answer(token, f"failure {error}"))

    async def heartbeat(self, token: TaskToken) -> None:
        await self._step("heartbeat", lambda: self._answer(token, None))

    async def _answer(self, token: TaskToken, outcome: str | None) -> None:
        task = self._world.task_of(token)
        if not task.is_waiting:
            raise TaskTokenExpiredError("Task Timed Out")
        if outcome is not None:
            is_alone = all(each.owner == task.owner for each in self._world.tasks)
            assert "DuplicateTaskKey" not in outcome or not is_alone
            task.is_waiting = False
            task.outcome = outcome


def shown(result: Result) -> str:
    """*result* as the model of Step Functions notes it."""
    if result.error is None:
        return f"success {result.outcome.output}"  # type: ignore[union-attr]  # it succeeded
    return f"failure {result.error}"


def check(world: World, kept: Wait | None) -> None:
    """What must hold when everything has come to its end."""
    results = {shown(result): result for result in RESULTS}
    for task in world.tasks:
        accepted = world.accepted.get(token_hash(task.token), set())
        # At most one result for each wait, and what reached the workflow is that one.
        assert len(accepted) <= 1
        if task.outcome in results:
            assert accepted == {results[task.outcome].digest}
        if accepted:
            # It reached the workflow, unless that had given up.
            assert not task.is_waiting
        if task.is_waiting:
            # Nobody waits in vain: who waits can be finished.
            assert kept is not None
            assert (kept.status, kept.token_hash) == (WaitStatus.WAITING, token_hash(task.token))
    assert kept is None or kept.status is not WaitStatus.COMPLETING
    outcomes = {task.outcome for task in world.tasks}
    for request in world.requests:
        digest = request.result.digest
        match request.answer:
            case Finalization.DELIVERED:
                assert shown(request.result) in outcomes
            case Finalization():
                assert digest in world.ever_accepted
            case FinalizationConflictError():
                assert world.ever_accepted - {digest}
            case TaskTokenExpiredError():
                assert any(not task.is_waiting for task in world.tasks)
                # Who alone gave a result that arrived is not told that it did not.
                others = [each for each in world.requests if each is not request]
                is_alone = all(each.result is not request.result for each in others)
                assert not is_alone or shown(request.result) not in outcomes
            case None:
                assert world.deaths


def check_deferred(world: World, kept: Wait | None) -> None:
    """A result that was to be delivered later was, or waits still, or its loss was told."""
    for request in world.requests:
        if request.answer is not Finalization.DEFERRED or world.deaths:
            continue
        digest = request.result.digest
        is_kept = kept is not None and kept.acceptance is not None
        was_bound = any(digest in each for each in world.accepted.values())
        assert is_kept or was_bound or any(each.tally.expired for each in world.processes)
