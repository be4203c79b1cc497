"""Plain functions run in worker threads, of which there is a bounded number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

import anyio.to_thread

Result = TypeVar("Result")


class Threads:
    """At most so many threads of its own.

    A function cannot be cancelled: when its task is, the function goes on unheard, and
    its thread counts until it returns.
    """

    def __init__(self, maximum: int) -> None:
        self._limit = anyio.Semaphore(maximum)

    async def run(self, function: Callable[[], Result]) -> Result:
        await self._limit.acquire()
        permit = _Permit(self._limit)
        loop = asyncio.get_running_loop()
        is_running = False
        # Not every exception can travel through the loop's own futures: GeneratorExit can't.
        outcome: Future[Result] = Future()

        def call() -> None:
            nonlocal is_running
            is_running = True
            try:
                outcome.set_result(function())
            except BaseException as exc:  # noqa: BLE001  # raised again below
                outcome.set_exception(exc)
            finally:
                with suppress(RuntimeError):  # the loop may have been closed meanwhile
                    loop.call_soon_threadsafe(permit.release)

        try:
            await anyio.to_thread.run_sync(
                call, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
            )
        finally:
            if not is_running:
                permit.release()
        return outcome.result()


class _Permit:
    """A place among the threads, given back once however often it is released."""

    def __init__(self, limit: anyio.Semaphore) -> None:
        self._limit = limit
        self._is_released = False

    def release(self) -> None:
        if not self._is_released:
            self._is_released = True
            self._limit.release()
