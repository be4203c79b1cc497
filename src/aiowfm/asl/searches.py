"""Paths that may lead to several places: a JSONPath library finds them, within bounds.

The library (python-jsonpath) counts nothing, while a few characters of a path can ask for
any number of nodes, and a regular expression in it can take any time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

import regex
from jsonpath import CompoundJSONPath, JSONPath, JSONPathEnvironment, JSONPathError, JSONPathMatch
from jsonpath.exceptions import JSONPathRecursionError
from jsonpath.filter import BaseExpression, FilterQuery, RegexLiteral
from jsonpath.function_extensions import Match, Search
from jsonpath.parse import Parser
from jsonpath.stream import TokenStream

from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.payload import JsonValue

# What one search visits. All that an input of 262,144 bytes can have fits once.
MAX_NODES = 300_000

# Seconds that a regular expression is given for one text, ever more of them, and the nodes
# that could be visited meanwhile.
_PATIENCE = ((0.00005, 2), (0.0005, 250), (0.005, 2_500), (0.05, 25_000), (0.1, 50_000))
_COMPARISONS_PER_NODE = 64
_TOO_DEEP = (JSONPathRecursionError, RecursionError)
_NOT_A_PATH = (JSONPathError, OverflowError, RecursionError, ValueError, re.error, regex.error)


class NodeSearch:
    """A compiled path that a library follows."""

    __slots__ = ("_query", "_text")

    def __init__(self, text: str, expression: str) -> None:
        """Compile *expression*, which is *text* with `$` for what it begins at.

        Raises:
            ValueError: it is no path.
        """
        self._text = text
        try:
            path = _ENVIRONMENT.compile(expression)
        except _NOT_A_PATH as exc:
            raise ValueError(_problem(exc)) from exc
        if isinstance(path, CompoundJSONPath):
            raise ValueError("'&' and '|' between paths are not supported")
        self._query = _Query.of(path)

    def find(self, root: JsonValue, spend: Callable[[int], None]) -> list[JsonValue]:
        """The values it leads to from *root*; *spend* is told how many nodes that took.

        Raises:
            EvaluationError: it takes too long, or its filters do not fit the values.
        """
        visits = _Visits()
        token = _VISITS.set(visits)
        try:
            return [node.obj for node in self._query.finditer(root)]  # type: ignore[misc]  # JSON
        except _TooLongError as exc:
            raise EvaluationError(f"Invalid path '{self._text}' : {exc}") from exc
        except _TOO_DEEP as exc:
            what = "the data or the path is nested too deep"
            raise EvaluationError(f"Invalid path '{self._text}' : {what}") from exc
        except (JSONPathError, TypeError, ValueError) as exc:
            what = "a filter cannot be applied to the data"
            raise EvaluationError(f"Invalid path '{self._text}' : {what}") from exc
        finally:
            _VISITS.reset(token)
            spend(visits.nodes)


class _TooLongError(Exception):
    pass


class _Visits:
    """How many nodes a search has visited."""

    __slots__ = ("nodes",)

    def __init__(self) -> None:
        self.nodes = 0

    def spend(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise _TooLongError(f"more than {MAX_NODES:,} nodes are visited")


# Functions in filters are told nothing of the search they belong to.
_VISITS: ContextVar[_Visits] = ContextVar("visits")


class _Node(JSONPathMatch):
    """A place in the data, counted; the way to it and the nodes below it are not kept."""

    __slots__ = ()

    def __init__(self, **members: Any) -> None:
        _VISITS.get().spend(1)
        super().__init__(**members)

    def new_child(self, obj: object, key: int | str) -> JSONPathMatch:
        _VISITS.get().spend(1)
        child = _Node.__new__(_Node)
        child._filter_context = self._filter_context
        child.obj = obj
        child.parent = None
        child.path = ""
        child.parts = ()
        child.root = self.root
        return child

    def add_child(self, *children: JSONPathMatch) -> None:
        pass


class _Query(JSONPath):
    """A path, or one in a filter, whose nodes are counted."""

    __slots__ = ()

    @classmethod
    def of(cls, path: JSONPath) -> _Query:
        return cls(env=path.env, segments=path.segments, pseudo_root=path.pseudo_root)

    def finditer(self, data: Any, *, filter_context: Any = None) -> Iterable[JSONPathMatch]:
        # The library's own takes a text for JSON and parses it.
        root = _Node(
            filter_context=filter_context or {},
            obj=[data] if self.pseudo_root else data,
            parent=None,
            path="",
            parts=(),
            root=data,
        )
        nodes: Iterable[JSONPathMatch] = [root]
        for segment in self.segments:
            nodes = segment.resolve(nodes)
        return nodes


class _Pattern:
    """A regular expression that is given a little time for each text.

    Its methods raise `_TooLongError` when that is over.
    """

    __slots__ = ("_compiled",)

    def __init__(self, compiled: regex.Pattern[str]) -> None:
        self._compiled = compiled

    def fullmatch(self, text: str) -> bool:
        return _timed(lambda seconds: self._compiled.fullmatch(text, timeout=seconds))

    def search(self, text: str) -> bool:
        return _timed(lambda seconds: self._compiled.search(text, timeout=seconds))


def _timed(match: Callable[[float], object]) -> bool:
    for seconds, nodes in _PATIENCE:
        _VISITS.get().spend(nodes)
        try:
            return match(seconds) is not None
        except TimeoutError:
            pass
    raise _TooLongError("a regular expression takes too long")


class _Match(Match):
    def check_cache(self, pattern: str) -> Any:
        return _timed_pattern(super().check_cache(pattern))


class _Search(Search):
    def check_cache(self, pattern: str) -> Any:
        return _timed_pattern(super().check_cache(pattern))


def _timed_pattern(compiled: regex.Pattern[str] | None) -> _Pattern | None:
    return None if compiled is None else _Pattern(compiled)


class _Parser(Parser):
    def parse_absolute_query(self, stream: TokenStream) -> BaseExpression:
        return _counted(super().parse_absolute_query(stream))

    def parse_relative_query(self, stream: TokenStream) -> BaseExpression:
        return _counted(super().parse_relative_query(stream))

    def parse_regex(self, stream: TokenStream) -> BaseExpression:
        literal = super().parse_regex(stream)
        assert isinstance(literal, RegexLiteral)
        found = literal.value
        flags = "".join(name for flag, name in literal.RE_FLAG_MAP.items() if found.flags & flag)
        source = f"(?{flags}){found.pattern}" if flags else found.pattern
        literal.value = _Pattern(regex.compile(source))  # type: ignore[assignment]  # is asked to match only
        return literal


def _counted(expression: BaseExpression) -> BaseExpression:
    assert isinstance(expression, FilterQuery)
    expression.path = _Query.of(expression.path)
    return expression


class _Environment(JSONPathEnvironment):
    parser_class = _Parser

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        self.function_extensions["match"] = _Match(thread_safe=True)
        self.function_extensions["search"] = _Search(thread_safe=True)

    def compare(self, left: object, operator: str, right: object) -> bool:
        if operator in ("in", "contains"):
            holder = right if operator == "in" else left
            if isinstance(holder, list | dict | str):
                _VISITS.get().spend(len(holder) // _COMPARISONS_PER_NODE)
        return super().compare(left, operator, right)


_ENVIRONMENT = _Environment()


def _problem(exc: Exception) -> str:
    """Why there is no path, in one line."""
    if isinstance(exc, _TOO_DEEP):
        return "nested too deep"
    if isinstance(exc, re.error | regex.error):
        return f"a regular expression in it is none: {exc}"
    if isinstance(exc, JSONPathError):
        return str(exc.args[0] if exc.args else exc).splitlines()[0]
    return "a number in it is too large or not a whole one"
