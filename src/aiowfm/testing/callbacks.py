"""The queue and the table of callbacks, with faults to order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiowfm.callbacks.messages import UnreadableMessageError, UnusableMessageError, read
from aiowfm.ports import CallbackQueue, CallbackStorage, QueueMessage, TokenStore
from aiowfm.testing.faults import Faults
from aiowfm.waits import Wait


class FaultyCallbackStorage:
    """Those of *storage*, as far as no fault was ordered."""

    def __init__(self, storage: CallbackStorage, faults: Faults) -> None:
        self._storage = storage
        self.queue: CallbackQueue = _FaultyQueue(storage.queue, faults)
        self.tokens: TokenStore = _FaultyTokenStore(storage.tokens, faults)

    async def queue_url(self) -> str:
        return await self._storage.queue_url()

    async def create(self, tags: Mapping[str, str]) -> None:
        await self._storage.create(tags)

    async def missing(self) -> Sequence[str]:
        return await self._storage.missing()


class _FaultyQueue:
    def __init__(self, queue: CallbackQueue, faults: Faults) -> None:
        self._queue = queue
        self._faults = faults
        self.interrupt = queue.interrupt
        self.delete = queue.delete
        self.hide = queue.hide

    async def receive(self) -> Sequence[QueueMessage]:
        self._faults.throttled("receive")
        received = await self._queue.receive()
        lost = [message for message in received if self._is_lost(message)]
        if lost:
            await self._queue.delete(lost)
        return [message for message in received if message not in lost]

    def _is_lost(self, message: QueueMessage) -> bool:
        try:
            key = read(message.body).key
        except (UnreadableMessageError, UnusableMessageError):
            return False
        return self._faults.loses_message(key)


class _FaultyTokenStore:
    def __init__(self, tokens: TokenStore, faults: Faults) -> None:
        self._tokens = tokens
        self._faults = faults
        self.pending = tokens.pending
        self.due = tokens.due

    async def find(self, key: str) -> Wait | None:
        self._faults.throttled("table", key)
        return await self._tokens.find(key)

    async def result(self, key: str) -> str | None:
        self._faults.throttled("table", key)
        return await self._tokens.result(key)

    async def replace(self, old: Wait | None, new: Wait, result: str | None = None) -> bool:
        self._faults.throttled("table", new.key)
        return await self._tokens.replace(old, new, result)
