"""How a task ended, in the form in which it is reported."""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from aiowfm.errors import TaskError
from aiowfm.ports import MAX_CAUSE_LENGTH, MAX_ERROR_LENGTH

INVALID_INPUT = "aiowfm.InvalidInput"
INVALID_OUTPUT = "aiowfm.InvalidOutput"
PAYLOAD_TOO_LARGE = "aiowfm.PayloadTooLarge"
WORKER_STOPPED = "aiowfm.WorkerStopped"


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned; *output* is JSON text that fits."""

    output: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler did not return what it should; *error* and *cause* fit."""

    error: str
    cause: str = field(repr=False)


Outcome: TypeAlias = Succeeded | Failed


def failed(error: str, message: str, trace: Sequence[str] = ()) -> Failed:
    """A failure whose cause is the JSON object that Lambda gives, cut to fit."""
    cause = {"errorType": error, "errorMessage": message, "trace": list(trace)}
    text = json.dumps(cause, ensure_ascii=False)
    while len(text) > MAX_CAUSE_LENGTH and cause["trace"]:
        cause["trace"] = cause["trace"][1:]  # the innermost frames are last
        text = json.dumps(cause, ensure_ascii=False)
    while len(text) > MAX_CAUSE_LENGTH:
        # Escapes make a message longer: take off what is over until it fits.
        message = message[: len(message) - max(len(text) - MAX_CAUSE_LENGTH, 1)]
        cause["errorMessage"] = message
        text = json.dumps(cause, ensure_ascii=False)
    return Failed(_encodable(error)[:MAX_ERROR_LENGTH], _encodable(text))


def failed_by(exc: BaseException) -> Failed:
    """The failure that *exc*, raised by a handler, stands for."""
    if isinstance(exc, TaskError):
        error, cause = exc.error[:MAX_ERROR_LENGTH], exc.cause[:MAX_CAUSE_LENGTH]
        return Failed(_encodable(error), _encodable(cause))
    trace = traceback.format_tb(exc.__traceback__)
    return failed(type(exc).__name__, _message(exc), [line.rstrip() for line in trace])


def _message(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:  # noqa: BLE001  # any error in a stranger's __str__
        return "<the exception cannot be shown>"


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
