"""Keeps the tokens that messages bring: each once, the newest, and no two waits under one key."""

from __future__ import annotations

from collections.abc import Callable

from aiowfm.callbacks import transitions
from aiowfm.callbacks.completion import Completion
from aiowfm.callbacks.messages import CallbackMessage
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.names import last_part
from aiowfm.ports import TokenStore
from aiowfm.waits import Wait, WaitStatus, token_hash


class DuplicateTaskKeyError(Exception):
    """Another task waits under the key of a message, and still does."""


class BusyError(Exception):
    """The result of another task of this key is being delivered: look again soon."""


class Arrivals:
    """What is done about a message, by what is kept under its key."""

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

    async def keep(self, message: CallbackMessage) -> Wait | None:
        """Keep what *message* says; the wait, if its result was there before.

        That result is leased to the caller, who delivers it. Repeating this is safe.

        Raises:
            DuplicateTaskKeyError: the task of *message* has to be failed.
            BusyError: the message has to come again.
        """
        while True:
            kept = await self._tokens.find(message.key)
            now = self._now()
            if kept is not None and not transitions.is_gone(kept, now):
                if kept.status is WaitStatus.EARLY:
                    if kept.wait_id in ("", message.wait_id):
                        begun = transitions.completing_early(kept, message, now)
                        if await self._tokens.replace(kept, begun):
                            self._tally.stored += 1
                            return begun
                        continue
                elif not await self._gives_way(kept, message):
                    self._tally.duplicates += 1
                    return None
            if await self._tokens.replace(kept, transitions.waiting(message, now)):
                self._tally.stored += 1
                if kept is not None:
                    self._completion.note_lost(kept, now)
                return None

    async def _gives_way(self, kept: Wait, message: CallbackMessage) -> bool:
        """Whether the wait that is *kept* is over, and that of *message* is not."""
        is_same_token = kept.token_hash == token_hash(message.token)
        if is_same_token and kept.fence == message.fence:
            return False
        if kept.owner is not None and kept.owner == message.owner and kept.fence != message.fence:
            assert kept.fence is not None
            assert message.fence is not None
            return message.fence > kept.fence
        match kept.status:
            case WaitStatus.WAITING:
                if await self._completion.is_alive(kept):
                    raise DuplicateTaskKeyError(_duplicate(kept))
                return True
            case WaitStatus.COMPLETING:
                if transitions.is_due(kept, self._now()):
                    await self._completion.see_through(kept)
                raise BusyError
            case _:
                return await self._is_new(kept, message)

    async def _is_new(self, kept: Wait, message: CallbackMessage) -> bool:
        """Whether a message is no late copy of one that came before the tombstone *kept*."""
        if message.fence is not None and message.fence.entered > kept.entered:
            return True
        return await self._completion.is_alive(transitions.waiting(message, self._now()))


def _duplicate(kept: Wait) -> str:
    whose = "another program's" if kept.owner is None else repr(last_part(kept.owner.execution))
    return (
        f"the key {kept.key!r} is in use: the workflow {whose} waits under it. A key names one"
        " wait at a time: make it unique, for example with"
        " States.Format('{}/{}', $.id, $$.Execution.Name)"
    )
