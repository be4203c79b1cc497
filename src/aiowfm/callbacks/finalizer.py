"""`engine.finalizer`: finishes callback tasks by the application's own keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import anyio
from pydantic import SecretStr

from aiowfm.callbacks import links, results
from aiowfm.callbacks.callbacks import Callbacks
from aiowfm.callbacks.deliveries import unknown
from aiowfm.callbacks.messages import key_problem
from aiowfm.callbacks.results import AcceptedResult, Finalization
from aiowfm.callbacks.tasks import CallbackTask
from aiowfm.errors import (
    ConfigError,
    TaskTokenExpiredError,
    UsageError,
)

Value = TypeVar("Value")

DEFAULT_LINK_SECONDS = 7 * 24 * 60 * 60.0


class Call(Protocol):
    """Awaits work as a call of the engine."""

    def __call__(self, work: Awaitable[Value], /) -> Awaitable[Value]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackLink:
    """A link that was opened: signed by us, and not expired.

    Attributes:
        key: The callback task's key.
        wait_id: The wait that the link was made for; give it to `success` or `failure`.
        outcome: The answer that the link stands for, as it was named when it was made.
        expires_at: When the link expires.
        task: The task as it is now; None if nothing is kept of it any more.
    """

    key: str
    wait_id: str
    outcome: str
    expires_at: datetime
    task: CallbackTask | None

    @property
    def is_open(self) -> bool:
        """Whether the wait that the link was made for still waits."""
        return (
            self.task is not None
            and self.task.wait_id == self.wait_id
            and self.task.status == "WAITING"
        )


class Finalizer:
    """Finishes callback tasks from anywhere in the program, in any process of it.

    The engine must be running, with or without a worker. Every call raises `UsageError` for what
    cannot be a key: one is text of 1 to 2,048 bytes (the partition key of a DynamoDB table).
    """

    def __init__(
        self,
        callbacks: Callable[[str], Callbacks],
        call: Call,
        *,
        link_secret: SecretStr | None = None,
    ) -> None:
        """For the engine alone.

        Args:
            callbacks: The callbacks of the running engine, for the call that is named.
            call: How it is reached.
            link_secret: What links are signed with, unless they come with a secret.
        """
        self._callbacks = callbacks
        self._call = call
        self._link_secret = link_secret

    async def success(
        self, key: str, result: object = None, *, wait_id: str | None = None, early: bool = True
    ) -> Finalization:
        """Finish the callback task *key* with *result*.

        The first result that is accepted for a wait is the only one; it is delivered whatever
        becomes of the caller, or of this process. Repeating a call is safe.

        Args:
            key: The task's key, as its `TaskKey` gave it.
            result: The output of the state: JSON, or a pydantic model; at most 262,144 bytes as
                JSON (SendTaskSuccess, member `output`).
            wait_id: Which of the key's waits is meant; None: the one there is.
            early: Whether a result is kept, for `early_ttl_seconds`, if nothing waits yet.

        Raises:
            UnknownTaskKeyError: nothing waits, and *early* is false.
            FinalizationConflictError: another result was accepted first.
            TaskTokenExpiredError: the task is over, or it is not the wait that is meant.
            NotJsonError: the result has no JSON form.
            PayloadTooLargeError: the result is too large.
            BackendUnavailableError: try again, which is safe. With the code `StillDelivering`
                the result was accepted and is being delivered; else that is not known.
            AccessDeniedError: it may have been accepted; a process that is allowed to delivers it.
        """
        kept = results.success(key, result)
        return await self._finalize("finalizer.success()", key, kept, wait_id, early)

    async def failure(
        self,
        key: str,
        error: BaseException | str,
        cause: str | None = None,
        *,
        wait_id: str | None = None,
        early: bool = True,
    ) -> Finalization:
        """Fail the callback task *key*, for Retry and Catch to deal with; else as `success`.

        Args:
            key: The task's key.
            error: An exception, which is reported as one that a handler raises, or a name of
                at most 256 characters (SendTaskFailure, member `error`).
            cause: For people, at most 32,768 characters (member `cause`); both are cut to that.
            wait_id: As of `success`.
            early: As of `success`.

        Raises:
            UsageError: *error* is neither an exception nor a name, or *cause* is not text.
        """
        kept = results.failure(error, cause)
        return await self._finalize("finalizer.failure()", key, kept, wait_id, early)

    async def heartbeat(self, key: str) -> None:
        """Say that somebody works on the callback task *key*: its HeartbeatSeconds begin anew.

        Raises:
            UnknownTaskKeyError: nothing waits under the key.
            TaskTokenExpiredError: the task is over.
            BackendUnavailableError: worth another try.
        """
        callbacks = self._of(key, "finalizer.heartbeat()")
        await self._call(callbacks.completion.heartbeat(key))

    @asynccontextmanager
    async def keep_alive(self, key: str) -> AsyncIterator[None]:
        """Send heartbeats for the callback task *key* until this is left.

        They go out at a third of the state's HeartbeatSeconds. When the task is over, and no
        result of ours is the reason, what is inside is cancelled.

        Raises:
            UnknownTaskKeyError: nothing waits under the key.
            TaskTokenExpiredError: the task is over.
            BackendUnavailableError: the first heartbeat could not be sent.
        """
        await self.heartbeat(key)
        callbacks = self._of(key, "finalizer.keep_alive()")
        beats = callbacks.beats(key)
        with anyio.CancelScope() as inside:
            beats.begin(inside)
            try:
                yield
            finally:
                beats.end()
        if beats.error is not None:
            raise beats.error

    async def get(self, key: str) -> CallbackTask | None:
        """Show the callback task *key*, one that is over too; None if nothing is kept of it."""
        callbacks = self._of(key, "finalizer.get()")
        return await self._call(callbacks.get(key))

    async def result(self, key: str) -> AcceptedResult | None:
        """The result that was accepted for the callback task *key*; None if none was."""
        callbacks = self._of(key, "finalizer.result()")
        return await self._call(callbacks.result(key))

    async def pending(self, limit: int | None = None) -> AsyncIterator[CallbackTask]:
        """The callback tasks that wait, longest first, paged lazily.

        On AWS it may lag by some seconds, and a task whose workflow was cancelled is shown until
        somebody tries to finish it or its time is over.

        Args:
            limit: At most so many; None: all.

        Raises:
            UsageError: *limit* is negative.
        """
        if limit is not None and limit < 0:
            raise UsageError(f"limit={limit!r}: it must not be negative")
        callbacks = self._callbacks("finalizer.pending()")
        async with aclosing(callbacks.pending(limit)) as found:
            while (task := await self._call(anext(found, None))) is not None:
                yield task

    async def link(
        self,
        key: str,
        outcome: str,
        base_url: str,
        secret: str | bytes | None = None,
        expires_in: float = DEFAULT_LINK_SECONDS,
        *,
        wait_id: str | None = None,
    ) -> str:
        """A signed link for a person, to one *outcome* of the callback task that waits now.

        It may be sent by mail: it holds no token, and opening it changes nothing.

        Args:
            key: The task's key.
            outcome: What the link stands for, in the application's words, as `approve`.
            base_url: The page that shows it, which calls `open_link`.
            secret: Signs it, at least 16 bytes; None: `link_secret` of the configuration.
            expires_in: Seconds until it is not valid any more.
            wait_id: The wait that is meant; None: the one there is.

        Raises:
            UnknownTaskKeyError: nothing waits under the key.
            TaskTokenExpiredError: the task is over, or another waits.
            ConfigError: there is no secret.
            UsageError: the secret is too short, or outcome or address are not usable.
        """
        callbacks = self._of(key, "finalizer.link()")
        if not isinstance(outcome, str) or not outcome:
            raise UsageError(
                f"a link needs the name of an outcome, like 'approve', not {outcome!r}"
            )
        used = self._secret(secret)
        task = await self._call(callbacks.get(key))
        if task is None or task.status == "EARLY":
            raise unknown(key)
        if task.status != "WAITING" or wait_id not in (None, task.wait_id):
            raise TaskTokenExpiredError(f"callback {key!r}: the wait is over")
        facts = links.LinkFacts(
            key=key,
            wait_id=task.wait_id,
            outcome=outcome,
            expires=int(callbacks.now() + expires_in),
        )
        return links.signed(base_url, facts, used)

    async def open_link(self, url: str, secret: str | bytes | None = None) -> CallbackLink:
        """Check the link *url* and show what it is for; this never finishes anything.

        Programs that look at mail follow links: finish the task in the handler of a POST only,
        with the link's `key` and `wait_id`.

        Args:
            url: All of it, as it was requested; host and path may be others.
            secret: What it was signed with; None: `link_secret` of the configuration.

        Raises:
            InvalidLinkError: it is not ours, was changed, or has expired.
            ConfigError: there is no secret.
            UsageError: the secret is too short.
        """
        callbacks = self._callbacks("finalizer.open_link()")
        facts = links.verified(url, self._secret(secret), callbacks.now())
        return CallbackLink(
            key=facts.key,
            wait_id=facts.wait_id,
            outcome=facts.outcome,
            expires_at=datetime.fromtimestamp(facts.expires, UTC),
            task=await self._call(callbacks.get(facts.key)),
        )

    async def _finalize(
        self, what: str, key: str, result: results.Result, wait_id: str | None, early: bool
    ) -> Finalization:
        callbacks = self._of(key, what)
        return await self._call(
            callbacks.completion.finalize(key, result, wait_id=wait_id, early=early)
        )

    def _of(self, key: str, what: str) -> Callbacks:
        callbacks = self._callbacks(what)
        problem = key_problem(key)
        if problem is not None:
            raise UsageError(f"the key of a callback task {problem}")
        return callbacks

    def _secret(self, secret: str | bytes | None) -> str | bytes:
        used = secret
        if not used and self._link_secret is not None:
            used = self._link_secret.get_secret_value()
        if not used:
            raise ConfigError(
                "links need a secret: give one, or set link_secret (AIOWFM_LINK_SECRET)"
            )
        return used
