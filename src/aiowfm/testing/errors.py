"""What the test kit raises itself; a failed expectation is an AssertionError."""

from __future__ import annotations

from aiowfm.errors import AiowfmError
from aiowfm.tasks.context import CancelReason


class StalledError(AssertionError):
    """Nothing can happen any more: all tasks wait, and none of them for time to pass."""

    def __init__(self, what: str) -> None:
        super().__init__(f"nothing can happen any more, whatever time passes: {what}")


class HandlerCancelledError(AiowfmError):
    """A handler was cancelled in a `TaskEnvironment`.

    Attributes:
        reason: Why, as its context told it.
    """

    def __init__(self, reason: CancelReason) -> None:
        self.reason = reason
        super().__init__(f"the handler was cancelled: {reason.value}")
