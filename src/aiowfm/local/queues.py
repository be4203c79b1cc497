"""Where messages go: to a sender that is handed in, else to queues in the process."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiowfm.asl.payload import JsonValue
from aiowfm.local.storage.store import Store, numbered

_MESSAGE = "message"  # the kind of these documents


class SentMessage(Protocol):
    """What SendMessage answers."""

    @property
    def id(self) -> str: ...

    @property
    def md5(self) -> str: ...


class MessageSender(Protocol):
    """Sends messages to queues outside of the process.

    Cancelling it leaves open whether the message was sent.
    """

    async def send(self, url: str, body: str, options: Mapping[str, JsonValue]) -> SentMessage:
        """Send *body* to the queue *url*.

        Args:
            url: The queue.
            body: The message.
            options: The other parameters of SendMessage, such as `MessageGroupId`.

        Raises:
            BackendUnavailableError: worth another try.
            BackendError: refused; its code is that of SQS, or `SdkClientException`
                where SQS was not reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message as SendMessage leaves it.

    Attributes:
        number: Its place among all messages.
    """

    number: int
    id: str
    body: str = field(repr=False)

    @property
    def md5(self) -> str:
        return hashlib.md5(
            self.body.encode(errors="surrogatepass"), usedforsecurity=False
        ).hexdigest()


class Queues:
    """Queues by URL; each is made when something is first sent to it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: defaultdict[str, deque[Message]] = defaultdict(deque)
        self._newest = 0

    async def load(self) -> None:
        """Read what the store has."""
        for key, text in await self._store.documents(_MESSAGE):
            document = json.loads(text)
            self._newest = int(key)
            self._waiting[document["url"]].append(
                Message(self._newest, document["id"], document["body"])
            )

    def send(self, url: str, body: str) -> Message:
        self._newest += 1
        message = Message(self._newest, str(uuid.uuid4()), body)
        self._waiting[url].append(message)
        document = {"url": url, "id": message.id, "body": body}
        self._store.put(_MESSAGE, numbered(message.number), json.dumps(document))
        return message

    def take(self, url: str) -> Message | None:
        """The message that has waited longest; it is gone from the queue."""
        waiting = self._waiting.get(url)
        if not waiting:
            return None
        message = waiting.popleft()
        self._store.put(_MESSAGE, numbered(message.number), None)
        return message
