"""The queue and the table of one application's callbacks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from aiowfm.aws.arns import Arns
from aiowfm.aws.callback_queues import create_queues, find_queue, missing_of_queues
from aiowfm.aws.callback_table import create_table, missing_of_table
from aiowfm.aws.clients import CallbackClients
from aiowfm.aws.concurrency import at_once
from aiowfm.aws.queues import SqsQueue
from aiowfm.aws.token_store import DynamoTokenStore
from aiowfm.errors import AccessDeniedError

log = logging.getLogger("aiowfm.aws")


class AwsCallbackStorage:
    """See `aiowfm.ports.CallbackStorage`."""

    def __init__(self, name: str, clients: CallbackClients, arns: Arns) -> None:
        self._name = name
        self._clients = clients
        self._arns = arns
        self._url: str | None = None
        self._queue = SqsQueue(clients, self.queue_url)
        self._tokens = DynamoTokenStore(clients.dynamodb, name)

    @property
    def queue(self) -> SqsQueue:
        return self._queue

    @property
    def tokens(self) -> DynamoTokenStore:
        return self._tokens

    async def queue_url(self) -> str:
        """See `aiowfm.ports.CallbackStorage`; asked of SQS once it exists, else made up."""
        if self._url is None:
            client = await self._clients.sqs()
            try:
                self._url = await find_queue(client, self._name)
            except AccessDeniedError as exc:
                self._url = await self._likely_url()
                log.info("taking %s for the URL of the queue: %s", self._url, exc)
        return self._url or await self._likely_url()

    async def create(self, tags: Mapping[str, str]) -> None:
        """See `aiowfm.ports.CallbackStorage`.

        Raises:
            ConfigError: there is a table of this name that cannot be used.
            AccessDeniedError: something may not be made, or not be looked at.
        """

        async def queues() -> None:
            self._url = await create_queues(await self._clients.sqs(), self._name, tags)

        async def table() -> None:
            await create_table(await self._clients.dynamodb(), self._name, tags)

        await at_once([queues, table])

    async def missing(self) -> Sequence[str]:
        """See `aiowfm.ports.CallbackStorage`.

        Raises:
            ConfigError: there is a table of this name that cannot be used.
        """
        return [
            *await missing_of_queues(await self._clients.sqs(), self._name),
            *await missing_of_table(await self._clients.dynamodb(), self._name),
        ]

    async def _likely_url(self) -> str:
        """The client knows the address of SQS in its region and partition."""
        client = await self._clients.sqs()
        account_id = await self._arns.account_id()
        return f"{client.meta.endpoint_url.rstrip('/')}/{account_id}/{self._name}"
