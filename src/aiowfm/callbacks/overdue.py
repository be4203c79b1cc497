"""Looks after waits that nobody else does: results left behind, and tasks that are over."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

import anyio

from aiowfm.callbacks import transitions
from aiowfm.callbacks.completion import Completion
from aiowfm.callbacks.deliveries import facts_of
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.errors import AiowfmError
from aiowfm.idling import idling
from aiowfm.ports import MAX_DUE, TokenStore
from aiowfm.waits import Wait, WaitStatus

log = logging.getLogger("aiowfm.callbacks")

CHECK_SECONDS = 10.0  # between two looks, at most
AT_ONCE = 10  # waits that are dealt with
MAX_ROUNDS = 50  # one after the other


class Overdue:
    """Deals with each wait whose `due_at` has come; several processes may do so."""

    def __init__(
        self,
        tokens: TokenStore,
        completion: Completion,
        *,
        now: Callable[[], float],
        tally: CallbackTally,
    ) -> None:
        self._tokens = tokens
        self._completion = completion
        self._now = now
        self._tally = tally

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            try:
                await self.check()
            except AiowfmError as exc:
                log.warning("overdue callbacks could not be looked for: %s", exc)
            except Exception:
                # A defect of ours, which must not stop everything else.
                log.exception("looking for overdue callbacks failed")
            with idling():
                await anyio.sleep(CHECK_SECONDS * random.uniform(0.5, 1.0))

    async def check(self) -> None:
        """Deal with all that is due now.

        Raises:
            BackendUnavailableError: it is not known what is.
        """
        for _ in range(MAX_ROUNDS):
            keys = await self._tokens.due(self._now())
            limit = anyio.CapacityLimiter(AT_ONCE)
            async with anyio.create_task_group() as group:
                for key in keys:
                    group.start_soon(self._deal_with, key, limit)
            if len(keys) < MAX_DUE:
                return

    async def _deal_with(self, key: str, limit: anyio.CapacityLimiter) -> None:
        async with limit:
            try:
                wait = await self._tokens.find(key)
                if wait is not None and transitions.is_due(wait, self._now()):
                    await self._settle(wait)
            except AiowfmError as exc:
                log.warning("overdue callback %r is looked at again later: %s", key, exc)
            except Exception:
                # A defect of ours, which must not stop everything else.
                log.exception("overdue callback %r could not be dealt with", key)

    async def _settle(self, wait: Wait) -> None:
        now = self._now()
        match wait.status:
            case WaitStatus.COMPLETING:
                await self._completion.see_to(wait)
            case WaitStatus.EARLY:
                if await self._tokens.replace(wait, transitions.expired(wait, now)):
                    self._tally.expired += 1
                    log.warning(
                        "the result of callback %r is lost: no task ever waited for it",
                        wait.key,
                        extra=facts_of(wait),
                    )
            case WaitStatus.WAITING:
                await self._tokens.replace(wait, await self._looked_at(wait))

    async def _looked_at(self, wait: Wait) -> Wait:
        """*wait*, whose task must have timed out by now."""
        try:
            is_alive = await self._completion.is_alive(wait)
        except AiowfmError as exc:
            log.warning(
                "whether callback %r still waits is not known: %s",
                wait.key,
                exc,
                extra=facts_of(wait),
            )
            return transitions.put_off(wait, self._now())  # others have their turn before
        after = transitions.still_waiting if is_alive else transitions.expired
        return after(wait, self._now())
