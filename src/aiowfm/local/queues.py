"""Where messages go: to a sender that is handed in, else to queues in the process."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiowfm.asl.payload import JsonValue


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
    """A message as SendMessage leaves it."""

    id: str
    body: str = field(repr=False)

    @property
    def md5(self) -> str:
        return hashlib.md5(self.body.encode(), usedforsecurity=False).hexdigest()


class Queues:
    """Queues by URL; each is made when something is first sent to it."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, deque[Message]] = defaultdict(deque)

    def send(self, url: str, body: str) -> Message:
        message = Message(str(uuid.uuid4()), body)
        self._waiting[url].append(message)
        return message

    def take(self, url: str) -> Message | None:
        """The message that has waited longest."""
        waiting = self._waiting.get(url)
        return waiting.popleft() if waiting else None
