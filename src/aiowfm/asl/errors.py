"""Errors inside the States Language: what fails a state, as opposed to the program."""

from __future__ import annotations

from dataclasses import dataclass

ALL = "States.ALL"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
RUNTIME = "States.Runtime"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"

# Neither Retry nor Catch sees these, not even with States.ALL.
UNCATCHABLE = frozenset({RUNTIME, DATA_LIMIT_EXCEEDED})


class EvaluationError(Exception):
    """Something in a state's definition cannot be evaluated on its data.

    Attributes:
        error: The error name.
        cause: What AWS says, without the words that name the state.
        location: The field of a JSONata state, as `Output/total`.
        is_late: Whether the field had a value, which then could not be used.
    """

    def __init__(
        self,
        cause: str,
        error: str = RUNTIME,
        *,
        location: str | None = None,
        is_late: bool = False,
    ) -> None:
        super().__init__(cause)
        self.error = error
        self.cause = cause
        self.location = location
        self.is_late = is_late


@dataclass(slots=True)
class Failure:
    """Why a state failed.

    Attributes:
        at: When, in seconds since the epoch: retry delays count from here.
        is_heartbeat: Whether it is a timeout for want of a heartbeat, which the
            history shows as a plain timeout.
        is_of_child: Whether it is that of a branch or iteration.
    """

    error: str | None
    cause: str | None
    at: float
    is_heartbeat: bool = False
    is_of_child: bool = False

    def matches(self, names: list[str]) -> bool:
        """Whether *names* (ErrorEquals of a retrier or catcher) name this failure."""
        if self.error in UNCATCHABLE:
            return False
        return any(
            name == self.error
            or name == ALL
            or (name == TASK_FAILED and self.error != TIMEOUT)
            or (name == HEARTBEAT_TIMEOUT and self.is_heartbeat)
            for name in names
        )

    def details(self) -> dict[str, object]:
        """The members `error` and `cause` of a history event; absent where not known."""
        details: dict[str, object] = {}
        if self.error is not None:
            details["error"] = self.error
        if self.cause is not None:
            details["cause"] = self.cause
        return details
