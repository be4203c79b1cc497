"""Where messages go: to a sender that is handed in, else to queues in the process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import anyio

from aiowfm.asl.payload import JsonValue
from aiowfm.idling import idling
from aiowfm.local.storage.store import Store, numbered
from aiowfm.names import dead_letters_name
from aiowfm.ports import MAX_MESSAGES, MAX_RECEIVES, VISIBILITY_SECONDS

DEAD_LETTER_SECONDS = 14 * 24 * 60 * 60.0  # the longest that SQS keeps a message
CHECK_SECONDS = 60 * 60.0

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
        buried_at: When it came to a dead-letter queue, in seconds since the epoch.
    """

    number: int
    id: str
    body: str = field(repr=False)
    buried_at: float | None = None

    @property
    def md5(self) -> str:
        return hashlib.md5(
            self.body.encode(errors="surrogatepass"), usedforsecurity=False
        ).hexdigest()


@dataclass(frozen=True, slots=True)
class Received:
    """A message that nobody else sees for a while.

    Attributes:
        receipt: Names this receiving of it.
        count: How often it was received, this time included.
    """

    message: Message
    receipt: str
    count: int


@dataclass(slots=True, eq=False)
class _Queue:
    """A queue: what can be seen, what is hidden by receipt, and who waits for more."""

    url: str
    waiting: deque[Message] = field(default_factory=deque)
    hidden: dict[str, tuple[Message, asyncio.TimerHandle]] = field(default_factory=dict)
    receivers: deque[asyncio.Future[None]] = field(default_factory=deque)

    def add(self, message: Message) -> None:
        self.waiting.append(message)
        self.wake()

    def wake(self) -> None:
        """Let one who waits look."""
        while self.receivers:
            receiver = self.receivers.popleft()
            if not receiver.done():
                receiver.set_result(None)
                return


class Queues:
    """Queues by URL; each is made when something is first sent to it.

    A message that was received is hidden until it is deleted, or can be seen again.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._queues: dict[str, _Queue] = {}
        self._counts: Counter[int] = Counter()
        self._newest = 0

    async def load(self) -> None:
        """Read what the store has."""
        for key, text in await self._store.documents(_MESSAGE):
            document = json.loads(text)
            self._newest = int(key)
            self._queue(document["url"]).waiting.append(
                Message(self._newest, document["id"], document["body"], document.get("buried_at"))
            )

    async def run(self) -> None:
        """Remove dead letters that are old, now and every hour, until cancelled."""
        while True:
            oldest = self._now() - DEAD_LETTER_SECONDS
            for queue in self._queues.values():
                for message in list(queue.waiting):
                    if message.buried_at is not None and message.buried_at <= oldest:
                        queue.waiting.remove(message)
                        self._remove(message)
            await anyio.sleep(CHECK_SECONDS)

    def send(self, url: str, body: str) -> Message:
        self._newest += 1
        message = Message(self._newest, str(uuid.uuid4()), body)
        self._put(url, message)
        self._queue(url).add(message)
        return message

    def take(self, url: str) -> Message | None:
        """The message that has waited longest; it is gone from the queue."""
        waiting = self._queue(url).waiting
        if not waiting:
            return None
        message = waiting.popleft()
        self._remove(message)
        return message

    async def receive(self, url: str, wait_seconds: float) -> list[Received]:
        """Up to 10 messages, once there is one; none after *wait_seconds*, or `interrupt`."""
        queue = self._queue(url)
        if not queue.waiting:
            receiver: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            queue.receivers.append(receiver)
            with idling(), anyio.move_on_after(wait_seconds):
                await receiver
            if receiver in queue.receivers:
                queue.receivers.remove(receiver)
        received: list[Received] = []
        while queue.waiting and len(received) < MAX_MESSAGES:
            message = queue.waiting.popleft()
            if self._counts[message.number] >= MAX_RECEIVES:
                self._bury(url, message)
            else:
                received.append(self._received(queue, message))
        if queue.waiting:
            queue.wake()
        return received

    def delete(self, url: str, receipts: Iterable[str]) -> None:
        """Take what was received off the queue; what can be seen again stays."""
        for receipt in receipts:
            found = self._queue(url).hidden.pop(receipt, None)
            if found is not None:
                found[1].cancel()
                self._remove(found[0])

    def hide(self, url: str, receipts: Iterable[str], seconds: float) -> None:
        """Let what was received be seen again in *seconds*."""
        queue = self._queue(url)
        for receipt in receipts:
            if receipt in queue.hidden:
                message, timer = queue.hidden[receipt]
                timer.cancel()
                queue.hidden[receipt] = message, self._timer(queue, receipt, seconds)

    def interrupt(self, url: str) -> None:
        """Let those who wait return."""
        for receiver in self._queue(url).receivers:
            if not receiver.done():
                receiver.set_result(None)

    def close(self) -> None:
        """Let everything be seen again: the event loop that hid it may be gone soon."""
        for queue in self._queues.values():
            for receipt in list(queue.hidden):
                queue.hidden[receipt][1].cancel()
                self._show(queue, receipt)

    def _queue(self, url: str) -> _Queue:
        queue = self._queues.get(url)
        if queue is None:
            queue = self._queues[url] = _Queue(url)
        return queue

    def _received(self, queue: _Queue, message: Message) -> Received:
        receipt = str(uuid.uuid4())
        self._counts[message.number] += 1
        timer = self._timer(queue, receipt, VISIBILITY_SECONDS)
        queue.hidden[receipt] = message, timer
        return Received(message, receipt, self._counts[message.number])

    def _timer(self, queue: _Queue, receipt: str, seconds: float) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, self._show, queue, receipt)

    def _show(self, queue: _Queue, receipt: str) -> None:
        message, _ = queue.hidden.pop(receipt)
        queue.add(message)

    def _bury(self, url: str, message: Message) -> None:
        """Move a message that was received too often to the dead-letter queue."""
        dead_letters = dead_letters_name(url)
        del self._counts[message.number]
        buried = replace(message, buried_at=self._now())
        self._put(dead_letters, buried)
        self._queue(dead_letters).add(buried)

    def _put(self, url: str, message: Message) -> None:
        document: dict[str, object] = {"url": url, "id": message.id, "body": message.body}
        if message.buried_at is not None:
            document["buried_at"] = message.buried_at
        self._store.put(_MESSAGE, numbered(message.number), json.dumps(document))

    def _remove(self, message: Message) -> None:
        self._counts.pop(message.number, None)
        self._store.put(_MESSAGE, numbered(message.number), None)
