"""How a task ended, in the form in which it is reported."""

from __future__ import annotations

import json
import traceback
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeGuard

from aiowfm.errors import TaskError
from aiowfm.ports import MAX_CAUSE_LENGTH, MAX_ERROR_LENGTH

INVALID_INPUT = "aiowfm.InvalidInput"
INVALID_OUTPUT = "aiowfm.InvalidOutput"
PAYLOAD_TOO_LARGE = "aiowfm.PayloadTooLarge"
WORKER_STOPPED = "aiowfm.WorkerStopped"
CALLBACK_FAILED = "aiowfm.CallbackFailed"
DUPLICATE_TASK_KEY = "aiowfm.DuplicateTaskKey"

MAX_FRAMES = 50  # of a traceback, in a cause


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
    error = encodable(error[:MAX_ERROR_LENGTH])
    message = message[:MAX_CAUSE_LENGTH]
    frames = list(trace)[-MAX_FRAMES:]
    while len(_cause(error, message, frames)) > MAX_CAUSE_LENGTH and frames:
        frames = frames[1:]  # the innermost are last
    # Escapes make a message longer: how much of it fits is found by trying.
    kept = bisect_right(
        range(len(message) + 1),
        MAX_CAUSE_LENGTH,
        key=lambda length: len(_cause(error, message[:length], frames)),
    )
    return Failed(error, encodable(_cause(error, message[: kept - 1], frames)))


def failed_by(exc: BaseException) -> Failed:
    """The failure that *exc*, raised by a handler, stands for."""
    if _is_complete(exc):
        return Failed(error_name(exc), encodable(str(exc.cause)[:MAX_CAUSE_LENGTH]))
    trace = traceback.format_tb(exc.__traceback__, limit=-MAX_FRAMES)
    return failed(error_name(exc), message_of(exc), [line.rstrip() for line in trace])


def error_name(exc: BaseException) -> str:
    """The error name under which *exc* is reported."""
    name = str(exc.error) if _is_complete(exc) else type(exc).__name__
    return encodable(name[:MAX_ERROR_LENGTH])


def _is_complete(exc: BaseException) -> TypeGuard[TaskError]:
    return isinstance(exc, TaskError) and hasattr(exc, "error")  # a subclass may not call ours


def message_of(exc: BaseException) -> str:
    """What *exc* says, or that it cannot say it."""
    try:
        return str(exc)
    except BaseException:  # noqa: BLE001  # whatever a stranger's __str__ raises
        return "<the exception cannot be shown>"


def encodable(text: str) -> str:
    """*text* without halves of surrogate pairs, which UTF-8 has no form for."""
    return text.encode(errors="replace").decode()


def place_of(exc: BaseException) -> str:
    """Where *exc* was raised, for a log: ` (file.py:12)`, or nothing."""
    frames = traceback.extract_tb(exc.__traceback__, limit=-1)
    return f" ({frames[0].filename}:{frames[0].lineno})" if frames else ""


def _cause(error: str, message: str, frames: Sequence[str]) -> str:
    cause = {"errorType": error, "errorMessage": message, "trace": frames}
    return json.dumps(cause, ensure_ascii=False)
