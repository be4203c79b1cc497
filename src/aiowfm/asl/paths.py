"""JSONPath, as the JSONPath query language of Step Functions reads it.

Paths that can only lead to one place (`$.order.lines[0]`), which are nearly all
of them, are followed here; others are searches (`searches`) and give a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from aiowfm.asl.errors import RESULT_PATH_MATCH_FAILURE, EvaluationError
from aiowfm.asl.payload import JsonValue, dump
from aiowfm.asl.search_syntax import unquoted
from aiowfm.asl.searches import NodeSearch
from aiowfm.asl.searches import PathNotFoundError as PathNotFoundError

# A name ends where the next step, a function or a space begins; before a bracket, a dot is idle.
_STEP = re.compile(
    r"\.(?P<name>[^\s.\[\](){}'\",*?]+)(?=[.\[]|\Z)|\.?\[\s*(?P<index>-?\d{1,10})\s*\]"
    r"|\.?\[\s*(?P<quoted>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")\s*\]",
    re.DOTALL,
)
# `$$` is the context object, `$` and a name a variable, `$` alone the input.
_ROOT = re.compile(r"(?:\$\$|\$(?P<variable>[^\W\d]\w*)?)(?=[.\[]|\Z)")


class Entropy(Protocol):
    """Where random numbers come from; `random.Random` is one."""

    def getrandbits(self, k: int, /) -> int: ...
    def randrange(self, start: int, stop: int, /) -> int: ...


class Scope(Protocol):
    """What expressions are evaluated in."""

    @property
    def input(self) -> JsonValue: ...
    @property
    def context(self) -> JsonValue: ...
    @property
    def variables(self) -> Mapping[str, JsonValue]: ...
    def entropy(self) -> Entropy: ...
    def spend(self, effort: int) -> None:
        """Note how much was done, in units of about two microseconds."""
        ...


class InvalidPathError(EvaluationError, ValueError):
    """A text that is not a path; where it is only found when it is used, its state fails."""


class Path:
    """A compiled path: `$` begins at the input, `$$` at the context object, `$name` at a variable.

    Attributes:
        text: The path as it was written.
        variable: The name of the variable it begins at, if it does.
        steps: What leads to the one place it can lead to; None if there may be others.
    """

    __slots__ = ("_of_context", "_search", "steps", "text", "variable")

    def __init__(self, text: str) -> None:
        self.text = text
        if not text.startswith("$"):
            raise InvalidPathError(f"{text!r} is not a path: paths begin with '$'")
        root = _ROOT.match(text)
        if root is None:
            raise InvalidPathError(
                f"{text!r} is not a path: after '$', '$$' or a variable's name comes '.' or '['"
            )
        self._of_context = text.startswith("$$")
        self.variable: str | None = root["variable"]
        expression = f"${text[root.end() :]}"
        self.steps = _definite_steps(expression)
        self._search = None if self.steps is not None else _search(text, expression)

    def look_up(self, scope: Scope) -> JsonValue:
        """The value that the path leads to; a list for paths that may lead to several.

        Raises:
            PathNotFoundError: it leads nowhere.
            EvaluationError: following it takes too long, or its filters do not fit.
        """
        root = self._root(scope)
        if self.steps is not None:
            return _follow(root, self.steps)
        assert self._search is not None
        return self._search.find(root, scope.spend)

    def _root(self, scope: Scope) -> JsonValue:
        if self._of_context:
            return scope.context
        if self.variable is None:
            return scope.input
        try:
            return scope.variables[self.variable]
        except KeyError:
            raise PathNotFoundError(f"No results for path: {self.text}") from None

    def put(self, root: JsonValue, value: JsonValue) -> JsonValue:
        """*root* with *value* at this place, objects made where they are missing.

        Nothing in *root* is changed: what lies on the way is copied.

        Raises:
            EvaluationError: the place cannot exist in *root*.
        """
        if self.steps is None or self._of_context or self.variable is not None:
            raise EvaluationError(f"'{self.text}' is not a reference path")
        try:
            return _put(root, self.steps, value)
        except (TypeError, IndexError) as exc:
            raise EvaluationError(
                f"Unable to apply ReferencePath {self.text} to input {dump(root)}",
                RESULT_PATH_MATCH_FAILURE,
            ) from exc


@lru_cache(maxsize=4096)
def compile_path(text: str) -> Path:
    """The path written as *text*.

    Raises:
        InvalidPathError: it is none.
    """
    return Path(text)


def _definite_steps(expression: str) -> tuple[str | int, ...] | None:
    steps: list[str | int] = []
    position = 1
    while position < len(expression):
        match = _STEP.match(expression, position)
        if match is None:
            return None
        if match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append(match["name"] or unquoted(match["quoted"]))
        position = match.end()
    return tuple(steps)


def _search(text: str, expression: str) -> NodeSearch:
    try:
        return NodeSearch(text, expression)
    except ValueError as exc:
        raise InvalidPathError(f"{text!r} is not a path: {exc}") from exc


def _follow(value: JsonValue, steps: tuple[str | int, ...]) -> JsonValue:
    for depth, step in enumerate(steps):
        try:
            if isinstance(value, dict) and isinstance(step, str):
                value = value[step]
                continue
            if isinstance(value, list) and isinstance(step, int):
                value = value[step]
                continue
        except (KeyError, IndexError):
            pass
        shown = "".join(f"['{s}']" if isinstance(s, str) else f"[{s}]" for s in steps[: depth + 1])
        what = "No results for path" if depth == len(steps) - 1 else "Missing property in path"
        raise PathNotFoundError(
            f"{what}: ${shown}" if depth == len(steps) - 1 else f"{what} ${shown}"
        )
    return value


def _put(value: JsonValue, steps: tuple[str | int, ...], leaf: JsonValue) -> JsonValue:
    # What is copied hangs in the copy around it; the outermost one in a list.
    top: list[JsonValue] = [value]
    around: Any = top
    place: str | int = 0
    for left, step in zip(range(len(steps) - 1, -1, -1), steps, strict=True):
        found = around[place]
        copy: Any
        if isinstance(step, int):
            if not isinstance(found, list):
                raise TypeError(step)
            copy = list(found)
            copy[step]  # IndexError where there is none
        else:
            if not isinstance(found, Mapping):
                raise TypeError(step)
            copy = dict(found)
            # Only the first object must be there: null on the way counts as missing.
            if left and copy.get(step) is None:
                copy[step] = {}
        around[place] = copy
        around, place = copy, step
    around[place] = leaf
    return top[0]
