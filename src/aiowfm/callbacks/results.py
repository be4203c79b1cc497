"""Results of callback tasks: what is kept of them, and when two are the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum

from aiowfm.asl.payload import JsonValue
from aiowfm.errors import UsageError
from aiowfm.payloads import json_text
from aiowfm.ports import MAX_CAUSE_LENGTH, MAX_ERROR_LENGTH
from aiowfm.tasks.outcomes import (
    Failed,
    Outcome,
    Succeeded,
    encodable,
    error_name,
    failed_by,
    message_of,
)

SUCCESS, FAILURE = "success", "failure"
_OUTPUT, _FAILURE = f"{SUCCESS}:", f"{FAILURE}:"


class Finalization(StrEnum):
    """What became of a result that was given to the finalizer."""

    DELIVERED = "DELIVERED"
    """Step Functions took it: the workflow goes on."""
    PROBABLY_DELIVERED = "PROBABLY_DELIVERED"
    """The task was over when it was sent again, after an attempt whose outcome is unknown."""
    DEFERRED = "DEFERRED"
    """The task does not wait yet; it is delivered when it does."""
    ALREADY_FINALIZED = "ALREADY_FINALIZED"
    """The same result was accepted before."""


@dataclass(frozen=True, slots=True)
class Result:
    """A result to deliver.

    Attributes:
        digest: The same for the same result, whatever the order of members.
    """

    outcome: Outcome
    digest: str

    @property
    def kind(self) -> str:
        return SUCCESS if isinstance(self.outcome, Succeeded) else FAILURE

    @property
    def error(self) -> str | None:
        return None if isinstance(self.outcome, Succeeded) else self.outcome.error

    @property
    def text(self) -> str:
        """What is kept of it."""
        return kept(self.outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedResult:
    """The result that was accepted for a callback task.

    Attributes:
        kind: `success` or `failure`.
        output: That of a success.
        error: The error name of a failure.
        cause: That of a failure.
    """

    kind: str
    output: JsonValue = field(default=None, repr=False)
    error: str | None = None
    cause: str | None = field(default=None, repr=False)


def success(key: str, value: object) -> Result:
    """The success with *value*: JSON, or a pydantic model.

    Raises:
        NotJsonError: it has no JSON form.
        PayloadTooLargeError: it has more than 262,144 bytes.
    """
    text = json_text(value, f"the result of callback {key!r}")
    canonical = json.dumps(json.loads(text), sort_keys=True)
    return Result(Succeeded(text), _digest(SUCCESS, canonical))


def failure(error: BaseException | str, cause: str | None) -> Result:
    """The failure that *error* names or is.

    Raises:
        UsageError: *error* is neither an exception nor a name, or *cause* no text.
    """
    if cause is not None and not isinstance(cause, str):
        raise UsageError(f"the cause of a failure must be a string, not {type(cause).__name__}")
    if isinstance(error, BaseException):
        # Where it was raised may differ from time to time, what it says does not.
        said = message_of(error) if cause is None else cause
        outcome = failed_by(error) if cause is None else _failed(error_name(error), cause)
        return Result(outcome, _digest(FAILURE, outcome.error, said))
    if not isinstance(error, str) or not error:
        raise UsageError(f"a failure needs an exception or the name of an error, not {error!r}")
    outcome = _failed(error, cause or "")
    return Result(outcome, _digest(FAILURE, outcome.error, outcome.cause))


def kept(outcome: Outcome) -> str:
    """*outcome* as text, for `loaded`; hardly longer than itself, as an item holds 400 KB."""
    if isinstance(outcome, Succeeded):
        return _OUTPUT + outcome.output
    return _FAILURE + json.dumps([outcome.error, outcome.cause], ensure_ascii=False)


def loaded(text: str) -> Outcome:
    """The outcome that `kept` made *text* of."""
    if text.startswith(_OUTPUT):
        return Succeeded(text.removeprefix(_OUTPUT))
    error, cause = json.loads(text.removeprefix(_FAILURE))
    return Failed(error, cause)


def accepted(outcome: Outcome) -> AcceptedResult:
    """*outcome* as it is shown."""
    if isinstance(outcome, Succeeded):
        return AcceptedResult(kind=SUCCESS, output=json.loads(outcome.output))
    return AcceptedResult(kind=FAILURE, error=outcome.error, cause=outcome.cause)


def _failed(error: str, cause: str) -> Failed:
    return Failed(encodable(error[:MAX_ERROR_LENGTH]), encodable(cause[:MAX_CAUSE_LENGTH]))


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
