"""The lives of an engine: each from a `start` to a `stop`, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from enum import Enum
from typing import TypeVar

import anyio

from aiowfm.errors import EngineStateError

Result = TypeVar("Result")


class EngineState(Enum):
    """What an engine is doing."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"


# The life whose task, or a task begun by one of its tasks, is running.
_LIFE: ContextVar[Life | None] = ContextVar("aiowfm life", default=None)


class Lifecycle:
    """Which state an engine is in, and the life it has: one at a time."""

    def __init__(self) -> None:
        self._state = EngineState.STOPPED
        self._life: Life | None = None

    @property
    def state(self) -> EngineState:
        if self._life is not None and self._life.is_over and self._state is EngineState.RUNNING:
            return EngineState.FAILED
        return self._state

    async def start(self, body: Callable[[Life], Awaitable[None]], grace_seconds: float) -> None:
        """Begin a life; see `Life.start`."""
        self.require_stopped("start()")
        self._state = EngineState.STARTING
        life = Life(body, grace_seconds)
        try:
            self._life = life
            await life.start()
        except BaseException:
            self._forget(life)
            raise
        self._state = EngineState.RUNNING

    def begin_stop(self, grace_seconds: float | None = None) -> Life:
        """Let the life end, and wait for nothing; None: with the grace it began with."""
        life = self.require_life("stop()")
        if grace_seconds is not None:
            life.grace_seconds = grace_seconds
        if self._state is EngineState.RUNNING:
            self._state = EngineState.STOPPING
        life.stopping.set()
        return life

    async def stop(self, grace_seconds: float | None = None) -> None:
        """End the life; raises what it failed with."""
        self.require_life("stop()").require_outside()
        life = self.begin_stop(grace_seconds)
        try:
            await life.stop()
        finally:
            if life.is_over:
                self._forget(life)
        if life.error is not None:
            raise life.error

    async def closed(self) -> None:
        """Wait until the life is over; raises what it failed with."""
        life = self._life
        if life is not None:
            await life.ended()
            if life.error is not None:
                raise life.error

    def require_running(self, what: str) -> Life:
        """The life, for the call *what*; also while it stops, for handlers that still run."""
        life = self.require_life(what)
        if life.error is not None:
            raise life.error
        if self._state is EngineState.STARTING:
            raise EngineStateError(f"{what}: the engine is starting, not running")
        return life

    def require_life(self, what: str) -> Life:
        if self._life is None:
            raise EngineStateError(f"{what}: the engine is stopped; start it first")
        return self._life

    def require_stopped(self, what: str) -> None:
        if self._state is not EngineState.STOPPED:
            raise EngineStateError(f"{what}: the engine is {self.state.value}, not stopped")

    def _forget(self, life: Life) -> None:
        if self._life is life:
            self._state = EngineState.STOPPED
            self._life = None


class Life:
    """Runs *body* in a task of its own, so that no scope of it surrounds the caller's code.

    *body* calls `ready` when it is, and returns after `stopping` is set.
    """

    def __init__(self, body: Callable[[Life], Awaitable[None]], grace_seconds: float) -> None:
        self.stopping = anyio.Event()
        self.grace_seconds = grace_seconds
        self.error: BaseException | None = None
        self._body = body
        self._ready = anyio.Event()
        self._over = anyio.Event()
        self._calls: set[anyio.CancelScope] = set()
        self._takes_calls = True
        self._has_no_calls = anyio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def require_outside(self) -> None:
        """Refuse a caller that is part of this life and so cannot wait for its end."""
        if _LIFE.get() is self:
            raise EngineStateError(
                "stop() inside a task of the engine would wait for itself: call it elsewhere"
            )

    def ready(self) -> None:
        """Let `start` return."""
        self._ready.set()

    async def start(self) -> None:
        """Begin; returns when *body* is ready, or raises what it raised before that."""
        self._task = asyncio.create_task(self._run(), name="aiowfm")  # noqa: TID251  # the one exception
        try:
            await self._ready.wait()
        except BaseException:
            await self._end_now()
            raise
        if self.error is not None:
            raise self.error

    async def stop(self) -> None:
        """End; returns when *body* has returned. Cancelling hurries it."""
        self.stopping.set()
        try:
            await self._over.wait()
        except BaseException:
            await self._end_now()
            raise

    async def ended(self) -> None:
        """Wait until it is over."""
        await self._over.wait()

    async def call(self, work: Awaitable[Result]) -> Result:
        """Await *work*, cut short with an error that says so if this life ends first."""
        if not self._takes_calls or self.is_over:
            _close(work)
            raise self.error or EngineStateError("the engine is stopped")
        with anyio.CancelScope() as scope:
            self._calls.add(scope)
            try:
                return await work
            finally:
                self._calls.discard(scope)
                if not self._calls:
                    self._has_no_calls.set()
        await self._over.wait()
        raise self.error or EngineStateError("the engine was stopped during the call")

    @asynccontextmanager
    async def taking_calls(self) -> AsyncIterator[None]:
        """Cut calls short when this is left, and return when they use nothing any more."""
        try:
            yield
        finally:
            self._takes_calls = False
            self._has_no_calls = anyio.Event()
            for scope in self._calls:
                scope.cancel()
            if self._calls:
                with anyio.CancelScope(shield=True):
                    await self._has_no_calls.wait()

    async def _end_now(self) -> None:
        """Cancel it and wait for its end, however often the caller is cancelled meanwhile."""
        assert self._task is not None
        self._task.cancel()
        while not self.is_over:
            with suppress(asyncio.CancelledError), anyio.CancelScope(shield=True):
                await self._over.wait()

    async def _run(self) -> None:
        _LIFE.set(self)
        try:
            await self._body(self)
        except asyncio.CancelledError as exc:
            self.error = EngineStateError("the task that runs the engine was cancelled")
            self.error.__cause__ = exc
        except BaseException as exc:  # noqa: BLE001  # kept for whoever calls the engine
            self.error = _unwrapped(exc)
        finally:
            self._over.set()
            self._ready.set()


def _close(work: Awaitable[object]) -> None:
    """Spare a coroutine that will not be awaited the warning that it was not."""
    close = getattr(work, "close", None)
    if close is not None:
        close()


@contextmanager
def unwrapping(*, first: bool = False) -> Iterator[None]:
    """Raise the one exception in a group of one by itself; if *first*, that of several, too."""
    error: BaseException | None = None
    try:
        yield
    except BaseExceptionGroup as exc:
        error = _unwrapped(exc, first=first)
    if error is not None:  # raised here, so that its own cause stays what it is
        raise error


def _unwrapped(exc: BaseException, *, first: bool = False) -> BaseException:
    while isinstance(exc, BaseExceptionGroup) and (first or len(exc.exceptions) == 1):
        exc = exc.exceptions[0]
    return exc
