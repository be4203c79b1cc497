"""What the readers of YAML and of JSON give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiowfm.asl.findings import Pointer

MAX_VALUES = 100_000  # ours: aliases can make a short text say very much


class Position(NamedTuple):
    """A place in a text, 1-based."""

    line: int
    column: int


class SyntaxProblem(NamedTuple):
    """Something wrong with a text, before anyone asks what it means."""

    message: str
    line: int
    column: int


@dataclass(slots=True)
class Reading:
    """Plain data, the position of each of its parts, and what was wrong on the way."""

    data: Any = None
    positions: dict[Pointer, Position] = field(default_factory=dict)
    problems: list[SyntaxProblem] = field(default_factory=list)

    def complain(self, message: str, position: Position) -> None:
        self.problems.append(SyntaxProblem(message, *position))
