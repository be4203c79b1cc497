"""Everything aiowfm raises, but for the `TimeoutError` of `Engine.wait` and `wait_all`.

AiowfmError
  UsageError                  the program is wrong: fix the code
    ConfigError
      FileInUseError          .path
    HandlerTypeError (also TypeError)  DuplicateTaskError (also ValueError)
    EngineStateError (also RuntimeError)
  DefinitionError             .problems
    DefinitionChangedError    .diff
  PayloadError
    NotJsonError
    PayloadTooLargeError      .size_bytes, .limit_bytes
  NotFoundError
    UnknownDefinitionError  WorkflowNotFoundError  UnknownTaskKeyError
  WorkflowExistsError
  WorkflowNotResumableError   .reason
  TaskTokenExpiredError
  FinalizationConflictError   .key, .kind, .error
  InvalidLinkError            .has_expired
  BackendError                .operation, .code; __cause__ is the original
    BackendUnavailableError   .may_have_arrived
    AccessDeniedError
TaskError                     .error, .cause; raised BY handlers, not by aiowfm
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


class AiowfmError(Exception):
    """Base of every error that aiowfm raises."""


class UsageError(AiowfmError):
    """The calling program is wrong and must be changed."""


class ConfigError(UsageError):
    """An option of the engine or of a backend is missing or not usable."""


class FileInUseError(ConfigError):
    """A file of `LocalBackend` has another owner; it takes one process at a time.

    Attributes:
        path: The file.
    """

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        super().__init__(message)


class HandlerTypeError(UsageError, TypeError):
    """A task handler has a signature that cannot be called with a task."""


class DuplicateTaskError(UsageError, ValueError):
    """Two handlers were registered under one task name."""


class EngineStateError(UsageError, RuntimeError):
    """The engine is not in a state that allows this call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a definition.

    Attributes:
        where: The place in the model, as `workflow.state`.
        message: What is wrong and what would be right.
        severity: `error` if the definition cannot be used, else `warning`.
        file: The path it was read from, or None for text and objects.
        line: 1-based, or None where the definition has no text.
        column: 1-based, or None where the definition has no text.
        code: What kind of problem it is; AWS's name for it, where AWS has one.
    """

    where: str
    message: str
    severity: Literal["error", "warning"] = "error"
    file: str | None = None
    line: int | None = None
    column: int | None = None
    code: str = field(default="", compare=False)

    def __str__(self) -> str:
        position = [self.file or "<definitions>"]
        if self.line is not None:
            position += [str(self.line), str(self.column or 1)]
        where = f" {self.where}:" if self.where else ""
        warning = " warning:" if self.severity == "warning" else ""
        return f"{':'.join(position)}:{where}{warning} {self.message}"


class DefinitionError(AiowfmError):
    """One or more workflow definitions cannot be used.

    Attributes:
        problems: Everything that was found, in the order of the file.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class DefinitionChangedError(DefinitionError):
    """A deployed state machine that may not change differs from its definition.

    Attributes:
        diff: A unified diff from the deployed definition to the given one.
    """

    def __init__(self, problem: Problem, diff: str) -> None:
        super().__init__([problem])
        self.diff = diff


class PayloadError(AiowfmError):
    """An input, output or result cannot travel through Step Functions."""


class NotJsonError(PayloadError):
    """A value has no JSON form (RFC 8259); NaN and Infinity have none."""


class PayloadTooLargeError(PayloadError):
    """A payload exceeds what Step Functions takes.

    Attributes:
        size_bytes: Its size as UTF-8 JSON text.
        limit_bytes: The largest size allowed.
    """

    def __init__(self, what: str, size_bytes: int, limit_bytes: int, hint: str = "") -> None:
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(
            f"{what} has {size_bytes:,} bytes as JSON, and Step Functions takes"
            f" at most {limit_bytes:,}{hint}"
        )


class NotFoundError(AiowfmError):
    """What was asked for does not exist."""


class UnknownDefinitionError(NotFoundError):
    """No workflow definition has this name."""


class WorkflowNotFoundError(NotFoundError):
    """No workflow has this id, or the id is not one of a workflow."""


class UnknownTaskKeyError(NotFoundError):
    """No callback task waits, or waited, under this key."""


class WorkflowExistsError(AiowfmError):
    """A workflow of this id was started before, with another input."""


class WorkflowNotResumableError(AiowfmError):
    """A workflow cannot be taken up again: it runs, has succeeded, or ended too long ago.

    Attributes:
        reason: Why, without what to do instead.
    """

    def __init__(self, id: str, reason: str, instead: str = "") -> None:
        self.reason = reason
        super().__init__(f"workflow {id!r} {reason}{instead}")


class TaskTokenExpiredError(AiowfmError):
    """The task timed out, was cancelled or was answered before."""


class FinalizationConflictError(AiowfmError):
    """Another result of this callback task was accepted first.

    Attributes:
        key: Of the callback task.
        kind: `success` or `failure`: what the first result is.
        error: The error name of the first result, if it is a failure.
    """

    def __init__(self, key: str, *, kind: str, error: str | None = None) -> None:
        self.key = key
        self.kind = kind
        self.error = error
        first = f"a {kind}" if error is None else f"a {kind}, {error!r}"
        super().__init__(f"callback {key!r}: another result was accepted first, {first}")


class InvalidLinkError(AiowfmError):
    """A signed link is not one of ours, was changed, or has expired.

    Attributes:
        has_expired: It is ours, and its time is over.
    """

    def __init__(self, message: str, *, has_expired: bool = False) -> None:
        self.has_expired = has_expired
        super().__init__(message)


class BackendError(AiowfmError):
    """The backend refused or failed an operation.

    Attributes:
        operation: The operation, by its name in the service's API.
        code: The backend's own error code.
    """

    def __init__(self, operation: str, code: str, message: str) -> None:
        self.operation = operation
        self.code = code
        super().__init__(f"{operation}: {message} ({code})")


class BackendUnavailableError(BackendError):
    """The backend could not be reached or was overloaded: trying again may help.

    Attributes:
        may_have_arrived: Whether the operation may have been done all the same: a broken
            connection does not tell, a refusal to do it now does.
    """

    def __init__(
        self, operation: str, code: str, message: str, *, may_have_arrived: bool = True
    ) -> None:
        super().__init__(operation, code, message)
        self.may_have_arrived = may_have_arrived


class AccessDeniedError(BackendError):
    """The credentials are missing, wrong, or lack the permission."""


class TaskError(Exception):
    """Raised by a task handler to fail its task with a chosen error name.

    Args:
        error: The name that `Retry` and `Catch` match, at most 256 characters
            (SendTaskFailure, member `error`). Names that start with `States.`
            belong to the States Language.
        cause: Anything for people, at most 32,768 characters.
    """

    def __init__(self, error: str, cause: str = "") -> None:
        if not isinstance(error, str) or not error:
            raise TypeError(f"TaskError needs an error name, a non-empty string, not {error!r}")
        self.error = error
        self.cause = cause
        super().__init__(f"{error}: {cause}" if cause else error)
