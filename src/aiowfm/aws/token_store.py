"""The table of callbacks on DynamoDB; its layout is in `token_items` and `callback_table`."""

from __future__ import annotations

import heapq
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from itertools import chain, islice
from typing import Any

import anyio

from aiowfm.aws.clients import LazyClient
from aiowfm.aws.concurrency import at_once
from aiowfm.aws.errors import translated
from aiowfm.aws.token_items import (
    RESULT_PART,
    SHARDS,
    WAIT_PART,
    Item,
    item_key,
    number,
    result_item,
    text,
    wait_item,
    wait_of,
)
from aiowfm.errors import BackendError, BackendUnavailableError
from aiowfm.ports import MAX_DUE
from aiowfm.waits import Wait

log = logging.getLogger("aiowfm.aws")

PAGE_SIZE = 25  # items; each may have 32 KiB, and one page of each shard is held

# Of PutItem, and of a transaction; emulators answer its repetition by the client with the last.
_CONDITION_FAILED = frozenset(
    {
        "ConditionalCheckFailedException",
        "ConditionalCheckFailed",
        "IdempotentParameterMismatchException",
    }
)


_CONFLICT = frozenset({"TransactionConflict", "TransactionConflictException"})
MAX_CONFLICTS = 5  # one after the other
CONFLICT_PAUSE_SECONDS = 0.1


class DynamoTokenStore:
    """See `aiowfm.ports.TokenStore`."""

    def __init__(self, client: LazyClient, table: str) -> None:
        self._client = client
        self._table = table

    async def find(self, key: str) -> Wait | None:
        item = await self._item(key, WAIT_PART)
        try:
            return None if item is None else wait_of(item)
        except (LookupError, ValueError) as exc:
            raise BackendError(
                "GetItem", "UnreadableItem", f"what is kept under {key!r} is not ours: {exc!r}"
            ) from exc

    async def result(self, key: str) -> str | None:
        item = await self._item(key, RESULT_PART)
        with translated("GetItem"):
            return None if item is None else item["result"]["S"]

    async def replace(self, old: Wait | None, new: Wait, result: str | None = None) -> bool:
        """See `aiowfm.ports.TokenStore`.

        Raises:
            BackendUnavailableError: worth another try; whether this one was done is unknown.
            BackendError: refused for good, as ValidationException where an item would have
                more than 400 KB.
        """
        try:
            await self._put_at_last(old, new, result)
        except BackendError as exc:
            if exc.code not in _CONDITION_FAILED:
                raise
        else:
            return True
        # What failed may be the repetition of a write that was done, by the client or by us.
        kept = await self.find(new.key)
        return kept is not None and kept.revision == new.revision

    async def pending(self) -> AsyncIterator[Wait]:
        """See `aiowfm.ports.TokenStore`; each shard is read page by page, as it is needed."""
        async with AsyncExitStack() as opened:
            shards = [
                await opened.enter_async_context(aclosing(self._waiting_in(shard)))
                for shard in range(SHARDS)
            ]
            heads = await at_once([partial(anext, waits, None) for waits in shards])
            heap = [
                (wait.entered, wait.key, shard, wait)  # keys are unique: no two waits compare
                for shard, wait in enumerate(heads)
                if wait is not None
            ]
            heapq.heapify(heap)
            while heap:
                _, _, shard, wait = heapq.heappop(heap)
                yield wait
                following = await anext(shards[shard], None)
                if following is not None:
                    heapq.heappush(heap, (following.entered, following.key, shard, following))

    async def due(self, now: float) -> Sequence[str]:
        """See `aiowfm.ports.TokenStore`; those first that are due the longest."""
        found = await at_once([partial(self._due_in, shard, now) for shard in range(SHARDS)])
        return [key for _, key in islice(sorted(chain.from_iterable(found)), MAX_DUE)]

    async def _item(self, key: str, part: str) -> Item | None:
        client = await self._client()
        with translated("GetItem"):
            answer = await client.get_item(
                TableName=self._table, Key=item_key(key, part), ConsistentRead=True
            )
            item: Item | None = answer.get("Item")
            return item

    async def _put_at_last(self, old: Wait | None, new: Wait, result: str | None) -> None:
        """As `_put`; the client does not repeat what met another write of the same key."""
        for _ in range(MAX_CONFLICTS):
            try:
                return await self._put(old, new, result)
            except BackendUnavailableError as exc:
                if exc.code not in _CONFLICT:
                    raise
            await anyio.sleep(random.uniform(0, CONFLICT_PAUSE_SECONDS))
        await self._put(old, new, result)

    async def _put(self, old: Wait | None, new: Wait, result: str | None) -> None:
        client = await self._client()
        put = {"TableName": self._table, "Item": wait_item(new), **_condition(old)}
        secrets = (new.token or "", new.message, result or "")
        if result is None:
            with translated("PutItem", secret=secrets):
                await client.put_item(**put)
        else:
            beside = {"TableName": self._table, "Item": result_item(new, result)}
            with translated("TransactWriteItems", secret=secrets):
                await client.transact_write_items(TransactItems=[{"Put": put}, {"Put": beside}])

    async def _waiting_in(self, shard: int) -> AsyncGenerator[Wait, None]:
        client = await self._client()
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "pending",
            "KeyConditionExpression": "waiting_shard = :shard",
            "ExpressionAttributeValues": {":shard": number(shard)},
            "Limit": PAGE_SIZE,
        }
        while True:
            with translated("Query"):
                page = await client.query(**query)
                items = page["Items"]
            for item in items:
                try:
                    wait = wait_of(item)
                except (BackendError, LookupError, ValueError) as exc:
                    log.warning("an item of table %s is passed over: %r", self._table, exc)
                else:
                    yield wait
            if not page.get("LastEvaluatedKey"):
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def _due_in(self, shard: int, now: float) -> list[tuple[float, str]]:
        client = await self._client()
        with translated("Query"):
            answer = await client.query(
                TableName=self._table,
                IndexName="due",
                KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                ExpressionAttributeValues={":shard": number(shard), ":now": number(now)},
                Limit=MAX_DUE,
            )
            return [(float(item["due_at"]["N"]), item["task_key"]["S"]) for item in answer["Items"]]


def _condition(old: Wait | None) -> Mapping[str, Any]:
    """What must be kept for a write to be done."""
    if old is None:
        return {"ConditionExpression": "attribute_not_exists(task_key)"}
    return {
        "ConditionExpression": (
            "revision = :revision AND #status = :status AND token_hash = :token_hash"
        ),
        "ExpressionAttributeNames": {"#status": "status"},  # a word that DynamoDB keeps
        "ExpressionAttributeValues": {
            ":revision": text(old.revision),
            ":status": text(old.status),
            ":token_hash": text(old.token_hash),
        },
    }
