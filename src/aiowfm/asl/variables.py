"""Variables: what a state assigns, as text, and how much of it there may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiowfm.asl.errors import DATA_LIMIT_EXCEEDED, EvaluationError
from aiowfm.asl.payload import MAX_PAYLOAD_BYTES, JsonValue, Payload, parse

if TYPE_CHECKING:
    from aiowfm.asl.frames import Branch, Visit
    from aiowfm.asl.interpreter import Interpreter

# Developer guide, "Passing data between states with variables": of all variables of an
# execution. Those of one Assign field, and so each of them, may have MAX_PAYLOAD_BYTES.
MAX_STORED_BYTES = 10_485_760


def written(run: Interpreter, visit: Visit, assigned: Mapping[str, JsonValue]) -> dict[str, str]:
    """The texts of what *visit* is about to assign.

    Raises:
        EvaluationError: that is too much.
    """
    texts = {
        name: Payload(value).written(f"The variable '{name}'").text
        for name, value in assigned.items()
    }
    added = sum(map(_bytes, texts.values()))
    if added > MAX_PAYLOAD_BYTES:
        raise _too_large(visit, "variables with a size exceeding the maximum number of bytes")
    if run.variable_bytes + added > MAX_STORED_BYTES:
        replaced = sum(visit.branch.sizes.get(name, 0) for name in texts)
        # What it was until now counts what was replaced, and branches that have ended.
        run.variable_bytes = sum(sum(each.sizes.values()) for each in run.branches.values())
        if run.variable_bytes - replaced + added > MAX_STORED_BYTES:
            what = "variables which, with those there are, exceed the maximum number of bytes"
            raise _too_large(visit, what)
    return texts


def assign(run: Interpreter, branch: Branch, texts: Mapping[str, str]) -> None:
    """Give variables of *branch* the values that *texts* are."""
    for name, text in texts.items():
        branch.variables[name] = parse(text)
        branch.sizes[name] = size = _bytes(text)
        run.variable_bytes += size


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _too_large(visit: Visit, what: str) -> EvaluationError:
    cause = f"The state/task '{visit.name}' assigned {what} service limit."
    return EvaluationError(cause, DATA_LIMIT_EXCEEDED)
