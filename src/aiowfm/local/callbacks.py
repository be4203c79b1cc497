"""Queue and token store of an application's callbacks, on the service of this machine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import cast

from aiowfm.local.errors import translated
from aiowfm.local.service import Service
from aiowfm.ports import RECEIVE_SECONDS, QueueMessage
from aiowfm.waits import Wait


class LocalCallbackStorage:
    """There without being made: queues and stores of this machine begin empty."""

    def __init__(self, service: Service, name: str) -> None:
        self._url = service.arns.queue_url(name)
        self.queue = LocalQueue(service, self._url)
        self.tokens = SqliteTokenStore(service, name)

    async def queue_url(self) -> str:
        return self._url

    async def create(self, tags: Mapping[str, str]) -> None:
        """Do nothing: there is nothing to make."""

    async def missing(self) -> Sequence[str]:
        return []


class LocalQueue:
    """One of the queues in the process."""

    def __init__(self, service: Service, url: str) -> None:
        self._service = service
        self._url = url

    async def receive(self) -> Sequence[QueueMessage]:
        received = await self._service.queues.receive(self._url, RECEIVE_SECONDS)
        return [
            QueueMessage(
                id=each.message.id,
                receipt=each.receipt,
                body=each.message.body,
                receive_count=each.count,
            )
            for each in received
        ]

    def interrupt(self) -> None:
        self._service.queues.interrupt(self._url)

    async def delete(self, messages: Sequence[QueueMessage]) -> None:
        with translated("DeleteMessageBatch"):
            self._service.queues.delete(self._url, [message.receipt for message in messages])
            await self._service.flushed()

    async def hide(self, messages: Sequence[QueueMessage], seconds: float) -> None:
        receipts = [message.receipt for message in messages]
        self._service.queues.hide(self._url, receipts, seconds)


class SqliteTokenStore:
    """The waits of one application."""

    def __init__(self, service: Service, name: str) -> None:
        self._service = service
        self._waits = service.waits
        self._name = name

    async def find(self, key: str) -> Wait | None:
        with translated("GetItem"):
            return await self._waits.find(self._name, key)

    async def result(self, key: str) -> str | None:
        with translated("GetItem"):
            return await self._waits.result(self._name, key)

    async def replace(self, old: Wait | None, new: Wait, result: str | None = None) -> bool:
        with translated("PutItem"):
            self._service.store.check()
            is_done = await self._waits.replace(self._name, old, new, result)
            await self._service.flushed()
            return is_done

    async def pending(self) -> AsyncIterator[Wait]:
        waits = cast("AsyncGenerator[Wait, None]", self._waits.pending(self._name))
        with translated("Query"):
            async with aclosing(waits):
                async for wait in waits:
                    yield wait

    async def due(self, now: float) -> Sequence[str]:
        with translated("Query"):
            return await self._waits.due(self._name, now)
