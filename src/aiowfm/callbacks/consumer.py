"""Reads the queue of callbacks: keeps each token, then deletes the message."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from aiowfm.backoff import Backoff
from aiowfm.callbacks.arrivals import Arrivals, BusyError, DuplicateTaskKeyError, UnkeepableError
from aiowfm.callbacks.messages import UnreadableMessageError, UnusableMessageError, read
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.errors import AiowfmError, BackendError, TaskTokenExpiredError
from aiowfm.ports import (
    MAX_MESSAGES,
    MAX_RECEIVES,
    VISIBILITY_SECONDS,
    CallbackQueue,
    QueueMessage,
    TaskReporter,
)
from aiowfm.tasks.outcomes import CALLBACK_FAILED, DUPLICATE_TASK_KEY, failed
from aiowfm.waits import TASK_ID_LENGTH, TaskToken, token_hash

log = logging.getLogger("aiowfm.callbacks")

MAX_LOOPS = 4  # each with one receive that is open
LONGEST_PAUSE_SECONDS = 900.0  # of a message that is given back
BUSY_MARGIN_SECONDS = 1.0  # after the lease of the one who delivers has run out
# What is wrong with what is kept under one key, and says nothing of others.
_OF_ONE_KEY = frozenset({"UnknownLayout", "UnreadableItem"})


@dataclass(slots=True)
class _Batch:
    """What is to be done with messages that were looked at."""

    done: list[QueueMessage] = field(default_factory=list)
    again: list[tuple[QueueMessage, float]] = field(default_factory=list)
    held: list[QueueMessage] = field(default_factory=list)


class Consumer:
    """Reads until it is stopped: one loop, and more while there is much to read."""

    def __init__(
        self,
        queue: CallbackQueue,
        arrivals: Arrivals,
        reporter: TaskReporter,
        *,
        tally: CallbackTally,
    ) -> None:
        self._queue = queue
        self._arrivals = arrivals
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
                if len(messages) == MAX_MESSAGES and self._loops < MAX_LOOPS:
                    self._start(group)
                if messages:
                    self._tally.received += len(messages)
                    await self._deal_with(messages)
        finally:
            self._loops -= 1

    async def _deal_with(self, messages: Sequence[QueueMessage]) -> None:
        """See *messages* to their end; nothing else is received before.

        In an outage they are held, and looked at until the store and Step Functions answer.
        """
        async with anyio.create_task_group() as group:
            hiding = _Hidden(list(messages))
            group.start_soon(self._keep_hidden, hiding)
            backoff = Backoff()
            while hiding.messages:
                batch = await self._sorted(hiding.messages)
                hiding.messages = batch.held
                await self._give_back(batch)
                if batch.held:
                    log.warning("no callbacks are received until these can be kept")
                    await self._pause(backoff.next_delay())
                    if self._stopping.is_set():
                        await self._hide(batch.held, 0)
                        break
            group.cancel_scope.cancel()

    async def _keep_hidden(self, hiding: _Hidden) -> None:
        """Let nobody else see messages while they are dealt with."""
        while True:
            await anyio.sleep(VISIBILITY_SECONDS / 3)
            await self._hide(hiding.messages, VISIBILITY_SECONDS)

    async def _sorted(self, messages: Sequence[QueueMessage]) -> _Batch:
        batch = _Batch()
        async with anyio.create_task_group() as group:
            for message in messages:
                group.start_soon(self._sort, message, batch)
        return batch

    async def _sort(self, message: QueueMessage, batch: _Batch) -> None:
        """Do what a message asks for, and say in *batch* what becomes of it."""
        facts = {"message_id": message.id}
        try:
            await self._keep(message, batch)
        except BusyError as exc:
            pause = max(exc.seconds + BUSY_MARGIN_SECONDS, _pause_of(message))
            await self._again(message, pause, "its key was never free", batch)
        except AiowfmError as exc:
            log.warning("message %s could not be kept: %s", message.id, exc, extra=facts)
            if isinstance(exc, BackendError) and exc.code in _OF_ONE_KEY:
                await self._again(message, _pause_of(message), str(exc), batch)
            else:
                batch.held.append(message)
        except Exception:
            # A defect of ours, which must not end the others.
            log.exception("message %s could not be kept", message.id, extra=facts)
            why = "it could not be kept; the log of the worker says why"
            await self._again(message, _pause_of(message), why, batch)

    async def _keep(self, message: QueueMessage, batch: _Batch) -> None:
        try:
            found = read(message.body)
        except UnreadableMessageError as exc:
            self._tally.unreadable += message.receive_count == 1
            facts = {"message_id": message.id}
            log.error(
                "message %s is left for the dead-letter queue: %s", message.id, exc, extra=facts
            )
            return
        except UnusableMessageError as exc:
            await self._reject(exc.token, CALLBACK_FAILED, str(exc))
        else:
            try:
                await self._arrivals.keep(found)
            except DuplicateTaskKeyError as exc:
                await self._reject(found.token, DUPLICATE_TASK_KEY, str(exc))
            except UnkeepableError as exc:
                await self._reject(found.token, CALLBACK_FAILED, f"it cannot be kept: {exc}")
        batch.done.append(message)

    async def _again(self, message: QueueMessage, pause: float, why: str, batch: _Batch) -> None:
        """Give a message back; the last time its task is failed, lest its workflow hang."""
        if message.receive_count < MAX_RECEIVES:
            batch.again.append((message, pause))
            return
        try:
            token = read(message.body).token
            await self._reject(token, CALLBACK_FAILED, f"received {MAX_RECEIVES} times: {why}")
        except AiowfmError as exc:
            log.warning(
                "the task of message %s could not be failed, which is tried again: %s",
                message.id,
                exc,
                extra={"message_id": message.id},
            )
            batch.held.append(message)
        except Exception:
            log.exception(
                "message %s becomes a dead letter", message.id, extra={"message_id": message.id}
            )
        else:
            batch.done.append(message)

    async def _reject(self, token: TaskToken, error: str, why: str) -> None:
        """Fail a task that nobody will ever finish."""
        outcome = failed(error, why)
        try:
            await self._reporter.fail(token, outcome.error, outcome.cause)
        except TaskTokenExpiredError:
            return  # nobody waits for it any more
        self._tally.rejected += 1
        facts = {"task_id": token_hash(token)[:TASK_ID_LENGTH]}
        log.warning("failed a callback task: %s", error, extra=facts)

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
        if not messages:
            return
        try:
            await self._queue.hide(messages, seconds)
        except AiowfmError as exc:
            log.warning("messages may be seen again too early: %s", exc)

    async def _pause(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stopping.wait()


@dataclass(slots=True)
class _Hidden:
    """The messages that are being dealt with."""

    messages: list[QueueMessage]


def _pause_of(message: QueueMessage) -> float:
    """How long a message is hidden that is given back: longer each time."""
    return min(2.0**message.receive_count, LONGEST_PAUSE_SECONDS)
