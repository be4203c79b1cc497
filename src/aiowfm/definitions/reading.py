"""What the readers of YAML and of JSON give."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiowfm.asl.findings import Pointer

MAX_PROBLEMS = 1_000  # ours: nobody reads further
MAX_DIGITS = 1_000  # ours, of a number: reading one takes time that grows faster than it
MAX_VALUES = 250_000  # ours: aliases can make a short text say very much


class Position(NamedTuple):
    """A place in a text, 1-based."""

    line: int
    column: int


class SyntaxProblem(NamedTuple):
    """Something wrong with a text, before anyone asks what it means."""

    message: str
    line: int
    column: int


class TooMuchError(Exception):
    """The text means more than anyone can want; reading stops. Message and position."""


@dataclass(slots=True)
class Reading:
    """Plain data, the position of each of its parts, and what was wrong on the way."""

    data: Any = None
    positions: dict[Pointer, Position] = field(default_factory=dict)
    problems: list[SyntaxProblem] = field(default_factory=list)

    def complain(self, message: str, position: Position) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(SyntaxProblem(message, *position))


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python from looking for cycles of garbage meanwhile.

    Reading makes hundreds of thousands of objects and no such cycle: looking for some again
    and again takes longer than all the rest.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
