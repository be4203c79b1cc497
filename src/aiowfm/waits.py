"""What is kept of a callback task: its wait, from the first message or result to the tombstone.

One key has one wait at a time. The layout of the DynamoDB table is made from these
attributes; `docs/callbacks.md` describes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple, NewType

TaskToken = NewType("TaskToken", str)

MAX_KEY_BYTES = 2_048  # of a partition key; DynamoDB
TASK_ID_LENGTH = 12  # characters of a token's hash, by which logs name a task


class WaitStatus(StrEnum):
    """How far a wait has come."""

    EARLY = "EARLY"
    """A result is there, and the task that it is for has not been heard of yet."""
    WAITING = "WAITING"
    """The task waits for its result."""
    COMPLETING = "COMPLETING"
    """A result was accepted and is being delivered."""
    DONE = "DONE"
    """The result was delivered, or probably so."""
    EXPIRED = "EXPIRED"
    """The task does not wait any more, and no result of ours is the reason."""


class Owner(NamedTuple):
    """Who waits: one state of one execution, for one item where it is inside a Map."""

    execution: str
    state: str
    map_index: int | None


class Fence(NamedTuple):
    """When it waits: of two waits of one owner, the greater is the later.

    Attributes:
        entered: When the state was entered: ISO 8601, UTC, in milliseconds, of fixed width.
        redrive: How often the execution was redriven.
        attempt: How often the state was retried.
    """

    entered: str
    redrive: int
    attempt: int


class Delivery(StrEnum):
    """What became of an accepted result."""

    DELIVERED = "DELIVERED"
    PROBABLY_DELIVERED = "PROBABLY_DELIVERED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """The result that was accepted for a wait; its value is kept beside the wait.

    Attributes:
        kind: `success` or `failure`.
        digest: The same for the same result.
        error: The error name of a failure.
        at: When it was accepted, in seconds since the epoch.
        was_early: It came before any task, and is for whichever waits first.
        may_have_arrived: Somebody may have delivered it already.
        delivery: What became of it.
    """

    kind: str
    digest: str
    error: str | None
    at: float
    was_early: bool = False
    may_have_arrived: bool = False
    delivery: Delivery | None = None

    @property
    def accepted_at(self) -> datetime:
        """When it was accepted, as callback tasks tell times."""
        return datetime.fromtimestamp(self.at, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What is kept under a key.

    Attributes:
        key: The application's key of the task.
        status: How far it has come.
        revision: Differs each time it is kept.
        wait_id: Names this wait among all that the key has had; empty while a result that
            came early fits any.
        token: Secret: whoever has it can finish the task. None before it came, and in listings.
        token_hash: Of the token; empty where there is none.
        owner: Who waits; None where the message did not say.
        fence: When; None where the message did not say.
        heartbeat_seconds: How long Step Functions waits for a sign of life.
        timeout_seconds: How long it waits in all.
        message: The other members of the message as a JSON object, cut to 32 KiB.
        arrived_at: When the message came, or the early result, in seconds since the epoch.
        due_at: When somebody should look at it: a lease or an early result runs out, or the
            task has timed out. None: there is nothing to look for.
        expires_at: When it may be removed.
        acceptance: The result that was accepted for it.
    """

    key: str
    status: WaitStatus
    revision: str
    wait_id: str
    token: TaskToken | None = field(default=None, repr=False)
    token_hash: str = ""
    owner: Owner | None = None
    fence: Fence | None = None
    heartbeat_seconds: float | None = None
    timeout_seconds: float | None = None
    message: str = field(default="{}", repr=False)
    arrived_at: float
    due_at: float | None = None
    expires_at: float
    acceptance: Acceptance | None = None

    @property
    def entered(self) -> str:
        """When the state was entered, as `Fence.entered`; when we heard of it, else."""
        return entered_text(self.arrived_at) if self.fence is None else self.fence.entered


def entered_text(instant: float | datetime) -> str:
    """Seconds since the epoch, or an aware instant, in the form of `Fence.entered`."""
    if isinstance(instant, datetime):
        moment = instant.astimezone(UTC)
    else:
        moment = datetime.fromtimestamp(instant, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def token_hash(token: TaskToken) -> str:
    """What is kept of a token where the token itself must not be."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
