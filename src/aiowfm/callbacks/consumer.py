"""Reads the queue of callbacks: keeps each token, then deletes the message."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from aiowfm.backoff import Backoff
from aiowfm.callbacks.arrivals import Arrivals, BusyError, DuplicateTaskKeyError
from aiowfm.callbacks.completion import Completion
from aiowfm.callbacks.messages import (
    CallbackMessage,
    UnreadableMessageError,
    UnusableMessageError,
    read,
)
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.callbacks.transitions import LEASE_SECONDS
from aiowfm.errors import (
    AccessDeniedError,
    AiowfmError,
    BackendError,
    BackendUnavailableError,
    NotFoundError,
    TaskTokenExpiredError,
)
from aiowfm.ports import (
    MAX_RECEIVES,
    VISIBILITY_SECONDS,
    CallbackQueue,
    QueueMessage,
    TaskReporter,
    TokenStore,
)
from aiowfm.tasks.outcomes import CALLBACK_FAILED, DUPLICATE_TASK_KEY, failed
from aiowfm.waits import TaskToken, Wait

log = logging.getLogger("aiowfm.callbacks")

BATCH = 10  # messages; ReceiveMessage
MOST_LOOPS = 4
BUSY_SECONDS = 2.0  # until a message is looked at again whose key is being finished
LONGEST_PAUSE_SECONDS = 900.0  # of a message that is given back


@dataclass(slots=True)
class _Batch:
    """What is to be done with the messages that were received together."""

    done: list[QueueMessage] = field(default_factory=list)
    again: list[tuple[QueueMessage, float]] = field(default_factory=list)
    early: list[Wait] = field(default_factory=list)
    outage: str | None = None  # a key that could not be asked for


class Consumer:
    """Reads until it is stopped: one loop, and more while there is much to read."""

    def __init__(
        self,
        queue: CallbackQueue,
        tokens: TokenStore,
        arrivals: Arrivals,
        completion: Completion,
        reporter: TaskReporter,
        *,
        tally: CallbackTally,
    ) -> None:
        self._queue = queue
        self._tokens = tokens
        self._arrivals = arrivals
        self._completion = completion
        self._reporter = reporter
        self._tally = tally
        self._loops = 0
        self._stopping = anyio.Event()

    async def run(self) -> None:
        """Read until `stop` has been called and what was received is dealt with."""
        async with anyio.create_task_group() as group:
            self._start(group)

    def stop(self) -> None:
        """Receive no more; what was received is dealt with, and no open call is cut."""
        self._stopping.set()
        self._queue.interrupt()

    def _start(self, group: TaskGroup) -> None:
        self._loops += 1
        group.start_soon(self._loop, group)

    async def _loop(self, group: TaskGroup) -> None:
        backoff = Backoff()
        try:
            while not self._stopping.is_set():
                try:
                    messages = await self._queue.receive()
                except AiowfmError as exc:
                    log.warning("receiving callbacks failed: %s", exc)
                    await self._pause(backoff.next_delay())
                    continue
                backoff.reset()
                if not messages and self._loops > 1:
                    return
                if len(messages) == BATCH and self._loops < MOST_LOOPS:
                    self._start(group)
                if messages:
                    await self._deal_with(messages)
        finally:
            self._loops -= 1

    async def _deal_with(self, messages: Sequence[QueueMessage]) -> None:
        self._tally.received += len(messages)
        batch = _Batch()
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep_hidden, messages)
            async with anyio.create_task_group() as work:
                for message in messages:
                    work.start_soon(self._sort, message, batch)
            group.cancel_scope.cancel()
        await self._give_back(batch)
        async with anyio.create_task_group() as group:
            for wait in batch.early:
                group.start_soon(self._deliver, wait)
        if batch.outage is not None:
            await self._until_answered(batch.outage)

    async def _keep_hidden(self, messages: Sequence[QueueMessage]) -> None:
        """Let nobody else see *messages* while they are dealt with."""
        while True:
            await anyio.sleep(VISIBILITY_SECONDS / 3)
            await self._hide(messages, VISIBILITY_SECONDS)

    async def _sort(self, message: QueueMessage, batch: _Batch) -> None:
        """Do what a message asks for, and say in *batch* what becomes of it."""
        facts = {"message_id": message.id}
        try:
            read_message = read(message.body)
        except UnreadableMessageError as exc:
            self._tally.unreadable += 1
            log.error("a message is left for the dead-letter queue: %s", exc, extra=facts)
            return
        except UnusableMessageError as exc:
            await self._reject(exc.token, CALLBACK_FAILED, str(exc), message, batch)
            return
        token = read_message.token
        try:
            await self._keep(read_message, message, batch)
        except DuplicateTaskKeyError as exc:
            await self._reject(token, DUPLICATE_TASK_KEY, str(exc), message, batch)
        except BusyError:
            batch.again.append((message, BUSY_SECONDS))
        except (BackendUnavailableError, AccessDeniedError, NotFoundError) as exc:
            log.warning("a callback could not be kept: %s", exc, extra=facts)
            batch.outage = read_message.key
            batch.again.append((message, _pause_of(message)))
        except BackendError as exc:
            why = f"the callback cannot be kept: {exc}"
            await self._reject(token, CALLBACK_FAILED, why, message, batch)
        except Exception:
            # A defect of ours. Before the message is a dead letter, its workflow must not hang.
            log.exception("a callback could not be kept", extra=facts)
            if message.receive_count >= MAX_RECEIVES:
                why = "the callback could not be kept; the log of the worker says why"
                await self._reject(token, CALLBACK_FAILED, why, message, batch)
            else:
                batch.again.append((message, _pause_of(message)))

    async def _keep(self, message: CallbackMessage, received: QueueMessage, batch: _Batch) -> None:
        wait = await self._arrivals.keep(message)
        batch.done.append(received)
        if wait is not None:
            batch.early.append(wait)

    async def _reject(
        self, token: TaskToken, error: str, why: str, message: QueueMessage, batch: _Batch
    ) -> None:
        """Fail a task that nobody will ever finish."""
        outcome = failed(error, why)
        try:
            await self._reporter.fail(token, outcome.error, outcome.cause)
        except TaskTokenExpiredError:
            pass  # nobody waits for it any more
        except AiowfmError as exc:
            log.warning("a task could not be failed, which is tried again: %s", exc)
            batch.again.append((message, _pause_of(message)))
            return
        else:
            self._tally.rejected += 1
            log.warning("failed a callback task: %s", error, extra={"message_id": message.id})
        batch.done.append(message)

    async def _give_back(self, batch: _Batch) -> None:
        if batch.done:
            try:
                await self._queue.delete(batch.done)
            except AiowfmError as exc:
                # They come again, and change nothing then.
                log.warning("messages could not be deleted: %s", exc)
        by_pause: dict[float, list[QueueMessage]] = {}
        for message, pause in batch.again:
            by_pause.setdefault(pause, []).append(message)
        for pause, messages in by_pause.items():
            await self._hide(messages, pause)

    async def _hide(self, messages: Sequence[QueueMessage], seconds: float) -> None:
        try:
            await self._queue.hide(messages, seconds)
        except AiowfmError as exc:
            log.warning("messages may be seen again too early: %s", exc)

    async def _deliver(self, wait: Wait) -> None:
        """Deliver a result that came before its task; what takes long goes on by itself."""
        with anyio.move_on_after(LEASE_SECONDS):
            try:
                await self._completion.deliver_kept(wait)
            except AiowfmError as exc:
                log.warning("a result that came early was not delivered: %s", exc)

    async def _until_answered(self, key: str) -> None:
        """Receive nothing until the store answers: what is received meanwhile would be in vain."""
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                await self._tokens.find(key)
            except AiowfmError as exc:
                log.warning("callbacks are not received until their store answers: %s", exc)
                await self._pause(backoff.next_delay())
            else:
                return

    async def _pause(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stopping.wait()


def _pause_of(message: QueueMessage) -> float:
    """How long a message is hidden that is given back: longer each time."""
    return min(2.0**message.receive_count, LONGEST_PAUSE_SECONDS)
