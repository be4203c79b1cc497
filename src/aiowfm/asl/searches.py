"""Searches: paths that may lead to several places, or end in a function.

They are followed as Jayway JsonPath follows them, which Step Functions uses, but within
bounds: a few characters of a path can ask for any number of nodes, and a regular expression
in it can take any time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import regex

from aiowfm.asl.comparisons import COMPARISONS, NOTHING
from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.payload import JsonValue, dump
from aiowfm.asl.search_syntax import (
    MATCHES,
    Call,
    Comparison,
    Condition,
    Constant,
    Descent,
    Everything,
    Exists,
    Indexes,
    Names,
    Not,
    Operand,
    Pattern,
    Query,
    Several,
    Slice,
    Step,
    Where,
    parse_query,
)

# What one search visits. All that an input of 262,144 bytes can have fits once.
MAX_NODES = 300_000

# Seconds that a regular expression is given for one text, ever more of them, and the nodes
# that could be visited meanwhile.
_PATIENCE = ((0.00005, 2), (0.0005, 250), (0.005, 2_500), (0.05, 25_000), (0.1, 50_000))


class PathNotFoundError(Exception):
    """A path that must lead somewhere leads nowhere; the text says where it ended."""


class NodeSearch:
    """A compiled search.

    Attributes:
        is_definite: Whether it leads to one value, and not to a list of them.
    """

    __slots__ = ("_query", "_text", "is_definite")

    def __init__(self, text: str, expression: str) -> None:
        """Compile *expression*, which is *text* with `$` for what it begins at.

        Raises:
            ValueError: it is no path.
        """
        self._text = text
        try:
            self._query = parse_query(expression)
        except RecursionError as exc:
            raise ValueError("nested too deep") from exc
        except (re.error, regex.error) as exc:
            raise ValueError(f"a regular expression in it is none: {exc}") from exc
        self.is_definite = self._query.is_definite

    def find(self, root: JsonValue, spend: Callable[[int], None]) -> JsonValue:
        """What it leads to from *root*; *spend* is told how many nodes that took.

        Raises:
            PathNotFoundError: it leads nowhere.
            EvaluationError: it takes too long, or cannot be applied to the values.
        """
        search = _Search(root)
        try:
            return search.result(self._query, root)
        except PathNotFoundError as exc:
            if not self.is_definite:
                return []
            raise PathNotFoundError(str(exc) or f"No results for path: {self._text}") from None
        except _UnfitError as exc:
            raise EvaluationError(f"Invalid path '{self._text}' : {exc}") from exc
        except RecursionError as exc:
            what = "the data or the path is nested too deep"
            raise EvaluationError(f"Invalid path '{self._text}' : {what}") from exc
        finally:
            spend(search.visited)


class _UnfitError(Exception):
    """Why a search cannot go on."""


class _Search:
    """One search through a document."""

    __slots__ = ("_root", "visited")

    def __init__(self, root: JsonValue) -> None:
        self._root = root
        self.visited = 0

    def result(self, query: Query, item: JsonValue) -> JsonValue:
        """What *query* gives: a value, or a list if it may lead to several."""
        found = self._found(query, item)
        if not query.is_definite:
            return found
        if not found:
            raise PathNotFoundError
        return found[-1]

    def _spend(self, nodes: int) -> None:
        self.visited += nodes
        if self.visited > MAX_NODES:
            raise _UnfitError(f"more than {MAX_NODES:,} nodes are visited")

    def _found(self, query: Query, item: JsonValue) -> list[JsonValue]:
        nodes: list[JsonValue] = [self._root if query.of_root else item]
        self._spend(1)
        if query.is_of_all_matches:
            *steps, call = query.steps
            assert isinstance(call, Call)
            matches = self._found(Query(tuple(steps), query.of_root), item)
            return [_called_on_matches(call, matches, self._index(call, item))]
        is_definite, descends, way = True, False, "$"
        for place, step in enumerate(query.steps):
            if isinstance(step, Descent):
                is_definite, descends = False, True
                continue
            is_last = place == len(query.steps) - 1
            way += _shown(step)
            found: list[JsonValue] = []
            for node in nodes:
                if descends:
                    reached = self._below(step, node, is_last)
                else:
                    reached = self._next(step, node, is_last, way if is_definite else None)
                for value in reached:
                    self._spend(1)
                    found.append(value)
            descends = False
            nodes = found
            is_definite = is_definite and Query((step,), of_root=True).is_definite
        return nodes

    def _below(self, step: Step, node: JsonValue, is_last: bool) -> Iterator[JsonValue]:
        """Where *step* leads from *node* and all that is in it."""
        waiting = [node]
        while waiting:
            holder = waiting.pop()
            if not isinstance(holder, dict | list):
                continue
            self._spend(1)
            if self._fits(step, holder):
                if isinstance(holder, list) and not is_last:
                    yield from holder  # Jayway takes all items here, whatever the indexes
                else:
                    yield from self._next(step, holder, is_last, None)
            held = list(holder.values()) if isinstance(holder, dict) else holder
            waiting.extend(reversed(held))

    def _fits(self, step: Step, holder: JsonValue) -> bool:
        match step:
            case Names(names):
                return isinstance(holder, dict) and all(name in holder for name in names)
            case Indexes() | Slice():
                return isinstance(holder, list)
            case Where(condition):
                return self._holds(condition, holder)
        return isinstance(step, Everything)

    def _next(
        self, step: Step, node: JsonValue, is_last: bool, way: str | None
    ) -> Iterator[JsonValue]:
        """Where *step* leads from *node*; *way* is all of it if it must lead somewhere."""
        match step:
            case Names(names):
                if len(names) > 1 and not is_last:
                    raise _UnfitError(
                        f"Multi properties can only be used as path leafs: {way or _shown(step)}"
                    )
                if not isinstance(node, dict):
                    if way is not None:
                        raise PathNotFoundError(f"Missing property in path {way}")
                elif len(names) > 1:
                    yield {name: node[name] for name in names if name in node}
                elif names[0] in node:
                    yield node[names[0]]
                elif way is not None and not is_last:
                    raise PathNotFoundError(f"Missing property in path {way}")
            case Indexes() | Slice() if not isinstance(node, list):
                if way is not None:
                    raise PathNotFoundError(f"No results for path: {way}")
            case Indexes(indexes):
                assert isinstance(node, list)
                yield from (node[i] for i in indexes if -len(node) <= i < len(node))
            case Slice():
                assert isinstance(node, list)
                yield from (node[i] for i in _range(step, len(node)) if -len(node) <= i)
            case Everything():
                if isinstance(node, dict | list):
                    yield from node.values() if isinstance(node, dict) else node
            case Where(condition):
                if way is not None and not isinstance(node, dict | list):
                    raise _UnfitError(
                        "Filter: [?] can not be applied to primitives."
                        f" Current context is: {dump(node)}"
                    )
                items = node if isinstance(node, list) else [node] if isinstance(node, dict) else []
                yield from (item for item in items if self._holds(condition, item))
            case Call():
                yield _called(step, node, self._index(step, node))

    def _index(self, call: Call, node: JsonValue) -> int:
        """The argument of `index(…)`."""
        value = self._value(call.arguments[0], node) if call.arguments else 0
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def _holds(self, condition: Condition, item: JsonValue) -> bool:
        self._spend(1)
        match condition:
            case Several(conditions, is_all):
                return (all if is_all else any)(self._holds(each, item) for each in conditions)
            case Not(negated):
                return not self._holds(negated, item)
            case Exists(query):
                try:
                    found = self._found(query, item)
                except PathNotFoundError:
                    return False
                return bool(found) or not (
                    query.is_definite or any(isinstance(step, Descent) for step in query.steps)
                )
            case Comparison(left, operator, right) if operator == MATCHES:
                return self._matches(left, right, item)
            case Comparison(left, operator, right):
                values = self._value(left, item), self._value(right, item)
                for value in values:
                    if isinstance(value, str | list):
                        self._spend(len(value) >> 3)
                return COMPARISONS[operator](*values)

    def _value(self, operand: Operand, item: JsonValue) -> object:
        if isinstance(operand, Constant):
            return operand.value
        if isinstance(operand, Pattern):
            return NOTHING
        try:
            return self.result(operand, item)
        except PathNotFoundError:
            return NOTHING

    def _matches(self, left: Operand, right: Operand, item: JsonValue) -> bool:
        if isinstance(left, Pattern):
            left, right = right, left
        if not isinstance(right, Pattern) or isinstance(left, Pattern):
            return False
        value = self._value(left, item)
        return any(
            self._is_match(right.compiled, each)
            for each in (value if isinstance(value, list) else [value])
        )

    def _is_match(self, pattern: regex.Pattern[str], value: object) -> bool:
        text = value if isinstance(value, str) else ""
        if isinstance(value, bool | int | float):
            text = dump(value)
        for seconds, nodes in _PATIENCE:
            self._spend(nodes)
            try:
                return pattern.fullmatch(text, timeout=seconds) is not None
            except TimeoutError:
                pass
        raise _UnfitError("a regular expression takes too long")


def _shown(step: Step) -> str:
    match step:
        case Names(names):
            return "[" + ", ".join(f"'{name}'" for name in names) + "]"
        case Indexes(indexes):
            return "[" + ",".join(map(str, indexes)) + "]"
    return ""  # what comes after it need not be there


def _range(step: Slice, length: int) -> range:
    """The indexes of a slice; only the ends that are missing count from the other end."""
    first, last = step.first, step.last
    if last is None:
        assert first is not None
        return range(max(0, first + length if first < 0 else first), length)
    if first is None:
        return range(min(length, last + length if last < 0 else last))
    return range(first, min(length, last))


def _called(call: Call, node: JsonValue, index: int) -> JsonValue:
    """What a function gives; Step Functions has no results for those of numbers and texts."""
    if call.name in ("length", "size"):
        return len(node) if isinstance(node, dict | list) else None
    if call.name == "keys" and isinstance(node, dict):
        return [*node]
    place = {"first": 0, "last": -1, "index": index}.get(call.name)
    if place is None or not isinstance(node, list) or not -len(node) <= place < len(node):
        raise PathNotFoundError
    return node[place]


def _called_on_matches(call: Call, matches: list[JsonValue], index: int) -> JsonValue:
    if call.name in ("length", "size"):
        return sum(len(match) for match in matches if isinstance(match, dict | list))
    return _called(call, matches, index)
