"""How the local service says no: by AWS's error codes."""

from __future__ import annotations

from aiowfm.errors import (
    BackendError,
    BackendUnavailableError,
    NotFoundError,
    TaskTokenExpiredError,
)
from aiowfm.executions import ExecutionExistsError, NotRedrivableError


class ServiceError(Exception):
    """A refusal, as the Step Functions API would answer.

    Attributes:
        code: AWS's name for it.
        message: AWS's words, or ours where AWS has none.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


_NOT_FOUND = frozenset(
    {"ActivityDoesNotExist", "ExecutionDoesNotExist", "StateMachineDoesNotExist"}
)
DEFECT = "The embedded engine failed; its log says why."  # the cause of States.Runtime then
UNAVAILABLE = "ServiceUnavailable"  # of the API: worth another try
_TOKEN_IS_DEAD = frozenset({"InvalidToken", "TaskDoesNotExist", "TaskTimedOut"})


class translated:
    """Turns the service's refusals into the errors that cross a port."""

    __slots__ = ("_operation",)

    def __init__(self, operation: str) -> None:
        self._operation = operation

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, ServiceError):
            raise _translation(self._operation, exc) from exc


def _translation(operation: str, error: ServiceError) -> Exception:
    if error.code in _NOT_FOUND:
        return NotFoundError(f"{operation}: {error.message}")
    if error.code in _TOKEN_IS_DEAD:
        return TaskTokenExpiredError(f"{operation}: {error.message} ({error.code})")
    if error.code == "ExecutionAlreadyExists":
        return ExecutionExistsError(error.message)
    if error.code == "ExecutionNotRedrivable":
        return NotRedrivableError(error.message)
    if error.code == UNAVAILABLE:
        return BackendUnavailableError(operation, error.code, error.message)
    return BackendError(operation, error.code, error.message)
