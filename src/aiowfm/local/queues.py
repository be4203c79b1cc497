"""Queues in the process, where no SQS endpoint is configured: messages wait to be taken."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass, field


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
