"""One life of an engine: from `start` to `stop`, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from aiowfm.errors import EngineStateError

Result = TypeVar("Result")


class Life:
    """Runs *body* in a task of its own, so that no scope of it surrounds the caller's code.

    *body* gets a function to call when it is ready, and returns after `stopping` is set.
    """

    def __init__(self, body: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        self.stopping = anyio.Event()
        self.error: BaseException | None = None
        self._body = body
        self._ready = anyio.Event()
        self._over = anyio.Event()
        self._calls: set[anyio.CancelScope] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    async def start(self) -> None:
        """Begin; returns when *body* is ready, or raises what it raised before that."""
        self._task = asyncio.create_task(self._run(), name="aiowfm")  # noqa: TID251  # the one exception
        try:
            await self._ready.wait()
        except BaseException:
            self._task.cancel()
            with anyio.CancelScope(shield=True):
                await self._over.wait()
            raise
        if self.error is not None:
            raise self.error

    async def stop(self) -> None:
        """End; returns when *body* has returned. Cancelling hurries it."""
        assert self._task is not None
        self.stopping.set()
        try:
            await self._over.wait()
        except BaseException:
            self._task.cancel()
            with anyio.CancelScope(shield=True):
                await self._over.wait()
            raise

    async def ended(self) -> None:
        """Wait until it is over."""
        await self._over.wait()

    async def call(self, work: Awaitable[Result]) -> Result:
        """Await *work*, cut short with an error that says so if this life ends first."""
        with anyio.CancelScope() as scope:
            self._calls.add(scope)
            try:
                return await work
            finally:
                self._calls.discard(scope)
        if self.error is not None:
            raise self.error
        raise EngineStateError("the engine was stopped during the call")

    async def _run(self) -> None:
        try:
            await self._body(self._ready.set)
        except BaseException as exc:  # noqa: BLE001  # kept for whoever calls the engine
            self.error = _unwrapped(exc)
        finally:
            for scope in self._calls:
                scope.cancel()
            self._over.set()
            self._ready.set()


def _unwrapped(exc: BaseException) -> BaseException:
    """The one exception in a group of one."""
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]
    return exc
