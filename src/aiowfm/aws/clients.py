"""Clients of the services that only callbacks need, opened when they are first used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio


class LazyClient:
    """A client that is opened by whoever needs it first, and closed with its backend."""

    def __init__(self, open_client: Callable[[], Awaitable[Any]]) -> None:
        self._open_client = open_client
        self._client: Any = None
        self._opening = anyio.Lock()

    async def __call__(self) -> Any:
        if self._client is None:
            async with self._opening:
                if self._client is None:
                    self._client = await self._open_client()
        return self._client


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackClients:
    """What callbacks talk through.

    Attributes:
        receives: SQS, for long polls, which it never repeats by itself.
        sqs: SQS, for all else.
        dynamodb: DynamoDB.
    """

    receives: LazyClient
    sqs: LazyClient
    dynamodb: LazyClient
