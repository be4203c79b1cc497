"""What is done about callbacks, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class CallbackTally:
    """The numbers, counted as things happen; see `CallbackStats`."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    unreadable: int = 0
    rejected: int = 0
    delivered: int = 0
    probably_delivered: int = 0
    expired: int = 0

    def stats(self) -> CallbackStats:
        return CallbackStats(**asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackStats:
    """What this process did about callbacks since the engine was started.

    Attributes:
        received: Messages of waiting tasks, repeated ones too.
        stored: Waits that began with one of them.
        duplicates: Messages that came again or too late, and changed nothing.
        unreadable: Messages that nobody can be told of; they go to the dead-letter queue.
        rejected: Tasks that were failed with `aiowfm.CallbackFailed` or
            `aiowfm.DuplicateTaskKey`.
        delivered: Results that Step Functions took.
        probably_delivered: Results whose task was over after an attempt whose outcome is unknown.
        expired: Accepted results whose task was over before they could be delivered, or never
            came to wait.
    """

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    unreadable: int = 0
    rejected: int = 0
    delivered: int = 0
    probably_delivered: int = 0
    expired: int = 0
