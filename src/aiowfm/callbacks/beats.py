"""Heartbeats for a callback task while somebody works on it."""

from __future__ import annotations

import logging

import anyio
from anyio.abc import TaskGroup

from aiowfm.callbacks.completion import Completion
from aiowfm.errors import AiowfmError, TaskTokenExpiredError, UnknownTaskKeyError
from aiowfm.ports import TokenStore
from aiowfm.waits import WaitStatus

log = logging.getLogger("aiowfm.callbacks")

DEFAULT_SECONDS = 20.0  # where the state does not say how often


class Beats:
    """Beats for what waits under one key, from `begin` to `end`.

    Attributes:
        error: Why the work was cancelled.
    """

    def __init__(
        self,
        key: str,
        tokens: TokenStore,
        completion: Completion,
        group: TaskGroup,
    ) -> None:
        """Make them.

        Args:
            key: Of the callback task.
            tokens: What is kept of it.
            completion: Sends heartbeats.
            group: Where they run: not below whoever does the work, whose errors are his own.
        """
        self.error: AiowfmError | None = None
        self._key = key
        self._tokens = tokens
        self._completion = completion
        self._group = group
        self._is_over = anyio.Event()
        self._work = anyio.CancelScope()

    def begin(self, work: anyio.CancelScope) -> None:
        """Beat; *work* is cancelled when nobody waits for it any more."""
        self._work = work
        self._group.start_soon(self._run)

    def end(self) -> None:
        self._is_over.set()

    async def _run(self) -> None:
        try:
            pause = await self._pause()
            while not self._is_over.is_set():
                with anyio.move_on_after(pause):
                    await self._is_over.wait()
                    return
                await self._beat()
        except Exception:
            log.exception("heartbeats for callback %r broke", self._key)

    async def _pause(self) -> float:
        try:
            wait = await self._tokens.find(self._key)
        except AiowfmError:
            return DEFAULT_SECONDS / 4
        seconds = None if wait is None else wait.heartbeat_seconds
        return DEFAULT_SECONDS if seconds is None else seconds / 3

    async def _beat(self) -> None:
        try:
            await self._completion.heartbeat(self._key)
        except (TaskTokenExpiredError, UnknownTaskKeyError) as exc:
            if not await self._has_result():
                self.error = exc
                self._work.cancel()
            self.end()
        except AiowfmError as exc:
            # The next may be in time.
            log.warning("a heartbeat for callback %r failed: %s", self._key, exc)

    async def _has_result(self) -> bool:
        """Whether a result was accepted, perhaps given by the work itself."""
        try:
            wait = await self._tokens.find(self._key)
        except AiowfmError:
            return True  # the work goes on where it may be wanted
        return wait is not None and wait.status in (WaitStatus.COMPLETING, WaitStatus.DONE)
