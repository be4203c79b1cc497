"""Keeps the tokens that messages bring: each once, the newest, and no two waits under one key."""

from __future__ import annotations

from collections.abc import Callable

from aiowfm.callbacks import transitions
from aiowfm.callbacks.completion import Completion
from aiowfm.callbacks.deliveries import Deliveries
from aiowfm.callbacks.messages import CallbackMessage
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.errors import BackendError
from aiowfm.names import last_part
from aiowfm.ports import TokenStore
from aiowfm.waits import Wait, WaitStatus, token_hash


class DuplicateTaskKeyError(Exception):
    """Another task waits under the key of a message, and still does."""


class BusyError(Exception):
    """The result of another task of this key is being delivered.

    Attributes:
        seconds: When to look again.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__("the result of another task of this key is being delivered")
        self.seconds = seconds


class UnkeepableError(Exception):
    """The store will never take what is to be kept of a message."""


class Arrivals:
    """What is done about a message, by what is kept under its key."""

    def __init__(
        self,
        tokens: TokenStore,
        completion: Completion,
        deliveries: Deliveries,
        *,
        now: Callable[[], float],
        early_ttl_seconds: float,
        tally: CallbackTally,
    ) -> None:
        self._tokens = tokens
        self._completion = completion
        self._deliveries = deliveries
        self._now = now
        self._early_ttl_seconds = early_ttl_seconds
        self._tally = tally

    async def keep(self, message: CallbackMessage) -> None:
        """Keep what *message* says, and begin to deliver a result that was there before.

        Repeating this is safe.

        Raises:
            DuplicateTaskKeyError: the task of *message* has to be failed.
            UnkeepableError: likewise.
            BusyError: the message has to come again.
        """
        while True:
            kept = await self._tokens.find(message.key)
            now = self._now()
            if kept is not None and await self._has_result_for(kept, message, now):
                begun = transitions.completing_early(kept, message, now)
                if await self._replaced(kept, begun):
                    self._tally.stored += 1
                    self._deliveries.begin(begun)
                    return
                continue
            if kept is not None and not await self._gives_way(kept, message, now):
                self._tally.duplicates += 1
                return
            if kept is not None:
                self._completion.note_lost(kept, now)  # before: the answer to a write may be lost
            if await self._replaced(kept, transitions.waiting(message, now)):
                self._tally.stored += 1
                return

    async def _has_result_for(self, kept: Wait, message: CallbackMessage, now: float) -> bool:
        """Whether a result that came before any task is for that of *message*."""
        if transitions.may_be_revived(kept, now, self._early_ttl_seconds):
            return not self._is_old(kept, message) or await self._is_alive(message)
        is_early = kept.status is WaitStatus.EARLY and not transitions.is_gone(kept, now)
        return is_early and kept.wait_id in ("", message.wait_id)

    async def _replaced(self, kept: Wait | None, new: Wait) -> bool:
        try:
            return await self._tokens.replace(kept, new)
        except BackendError as exc:
            if exc.code == "ValidationException":  # `find` was fine: it is this item
                raise UnkeepableError(str(exc)) from exc
            raise

    async def _gives_way(self, kept: Wait, message: CallbackMessage, now: float) -> bool:
        """Whether the wait that is *kept* is over, and that of *message* is not."""
        if kept.status is WaitStatus.EARLY or transitions.is_gone(kept, now):
            return True  # it is no wait
        if self._is_same(kept, message):
            return False
        if kept.owner is not None and kept.owner == message.owner and kept.fence != message.fence:
            return await self._is_later(kept, message)
        match kept.status:
            case WaitStatus.WAITING:
                if await self._completion.is_alive(kept):
                    raise DuplicateTaskKeyError(_duplicate(kept))
                return True
            case WaitStatus.COMPLETING:
                await self._completion.see_to(kept)
                assert kept.due_at is not None
                raise BusyError(max(kept.due_at - now, 0.0))
            case _:
                return not self._is_old(kept, message) or await self._is_alive(message)

    async def _is_later(self, kept: Wait, message: CallbackMessage) -> bool:
        """Which of two waits of one owner is the later; the earlier is over."""
        assert kept.fence is not None
        assert message.fence is not None
        is_later = message.fence > kept.fence
        is_in_map = kept.owner is not None and kept.owner.map_index is not None
        if is_in_map and kept.status is WaitStatus.WAITING and not _has_token(kept, message):
            # Items of nested Maps may have one index: the earlier may be another's, and alive.
            alive = self._completion.is_alive(kept) if is_later else self._is_alive(message)
            if await alive:
                raise DuplicateTaskKeyError(_duplicate(kept))
        return is_later

    def _is_same(self, kept: Wait, message: CallbackMessage) -> bool:
        return _has_token(kept, message) and kept.fence == message.fence

    def _is_old(self, kept: Wait, message: CallbackMessage) -> bool:
        """Whether a message may be a late copy of one that came before the tombstone *kept*."""
        if message.fence is None or self._is_same(kept, message):
            return True
        if kept.fence is not None and kept.owner == message.owner:
            return message.fence <= kept.fence
        return message.fence.entered <= kept.entered

    async def _is_alive(self, message: CallbackMessage) -> bool:
        return await self._completion.is_alive(transitions.waiting(message, self._now()))


def _has_token(kept: Wait, message: CallbackMessage) -> bool:
    return kept.token_hash == token_hash(message.token)


def _duplicate(kept: Wait) -> str:
    whose = "another program's" if kept.owner is None else repr(last_part(kept.owner.execution))
    return (
        f"the key {kept.key!r} is in use: the workflow {whose} waits under it. A key names one"
        " wait at a time: make it unique, for example with"
        " States.Format('{}/{}', $.id, $$.Execution.Name)"
    )
