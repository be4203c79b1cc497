"""The part of the ports that callbacks need: a queue, and a store of tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiowfm.waits import Wait

VISIBILITY_SECONDS = 60  # of messages in the queue of callbacks
MAX_RECEIVES = 10  # of one message, before it is a dead letter
RECEIVE_SECONDS = 20  # the longest that ReceiveMessage waits
MAX_MESSAGES = 10  # of each operation on the queue; ReceiveMessage, DeleteMessageBatch, …
MAX_DUE = 100  # keys that `TokenStore.due` gives at once


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """A message that was received; nobody else sees it for a while.

    Attributes:
        receipt: Names this receiving of it.
        receive_count: How often it was received, this time included.
    """

    id: str
    receipt: str = field(repr=False)
    body: str = field(repr=False)
    receive_count: int


class CallbackQueue(Protocol):
    """Where Step Functions says that a callback task waits.

    A message is received at least once, in any order, and again where it is not deleted
    before it can be seen again: after `VISIBILITY_SECONDS`, unless `hide` says otherwise. The
    eleventh time it goes to the dead-letter queue instead.
    """

    async def receive(self) -> Sequence[QueueMessage]:
        """Wait `RECEIVE_SECONDS` for messages; `MAX_MESSAGES` at most, none if none come.

        Cancelling may hide messages until they can be seen again.

        Raises:
            BackendUnavailableError: worth another try.
        """
        ...

    def interrupt(self) -> None:
        """Make open calls of `receive` return at once where that hides nothing."""
        ...

    async def delete(self, messages: Sequence[QueueMessage]) -> None:
        """Take them off the queue; `MAX_MESSAGES` at most."""
        ...

    async def hide(self, messages: Sequence[QueueMessage], seconds: float) -> None:
        """Let them be seen again in *seconds* from now, whole ones; `MAX_MESSAGES` at most."""
        ...


class TokenStore(Protocol):
    """What is kept of callback tasks, by key."""

    async def find(self, key: str) -> Wait | None:
        """What is kept under *key*, as the last `replace` left it, however old it is."""
        ...

    async def result(self, key: str) -> str | None:
        """The result that was last kept with the wait under *key*, as text."""
        ...

    async def replace(self, old: Wait | None, new: Wait, result: str | None = None) -> bool:
        """Keep *new* in the place of *old*, and a *result* with it, both or neither.

        Repeating it is safe.

        Returns:
            False, with nothing done, if what is kept is not *old*: its revision, status and
            token; None: nothing.
        """
        ...

    def pending(self) -> AsyncIterator[Wait]:
        """Those with status WAITING, as they were entered, without tokens; it may lag."""
        ...

    async def due(self, now: float) -> Sequence[str]:
        """Keys of waits whose `due_at` is not after *now*, `MAX_DUE` at most; it may lag."""
        ...


class CallbackStorage(Protocol):
    """The queue and the table of one application's callbacks."""

    @property
    def queue(self) -> CallbackQueue: ...
    @property
    def tokens(self) -> TokenStore: ...

    async def queue_url(self) -> str:
        """The URL that the queue has or would have, as state machines name it."""
        ...

    async def create(self, tags: Mapping[str, str]) -> None:
        """Make what is missing, and wait until it is usable.

        Several processes may do so at once.
        """
        ...

    async def missing(self) -> Sequence[str]:
        """What does not exist, in words."""
        ...
