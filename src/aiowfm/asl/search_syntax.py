"""The syntax of searches: paths with more in them than names and indexes.

It is that of Jayway JsonPath, which Step Functions reads paths with; what searches find
is in `searches`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import regex

from aiowfm.asl.comparisons import COMPARISONS
from aiowfm.asl.payload import JsonValue, parse

MAX_NESTING = 16  # of filters and functions in one another
MATCHES = "=~"

_SINGLE, _DOUBLE = r"'(?:[^'\\]|\\.)*'", r'"(?:[^"\\]|\\.)*"'
_QUOTED = re.compile(f"{_SINGLE}|{_DOUBLE}", re.DOTALL)
_NAMES = re.compile(rf"\[\s*(?:{_QUOTED.pattern})(?:\s*,\s*(?:{_QUOTED.pattern}))*\s*\]", re.DOTALL)
_ALL = re.compile(r"\[\s*\*\s*\]|\*")
_INDEXES = re.compile(r"\[\s*-?\d{1,10}(?:\s*,\s*-?\d{1,10})*\s*\]")
_SLICE = re.compile(r"\[\s*(?:(-?\d{1,10})\s*)?:\s*(?:(-?\d{1,10})\s*)?\]")
_WHERE = re.compile(r"\[\s*\?\s*(?=\()")
_END_OF_WHERE = re.compile(r"\s*\]")
_NAME = re.compile(r"[^\s.\[\](){}'\",*?]+")
_OPERATOR = re.compile(r"\s*([<>=~!]+|[A-Za-z]+)\s*")
_NUMBER = re.compile(r"-?[\d.]+(?:[eE][-+]?\d+)?")
_REGEX = re.compile(r"/((?:[^/\\]|\\.)*)/([a-zA-Z]*)", re.DOTALL)
_PLAIN = re.compile(r"[^\[\](){}'\"/]+")
_SKIPPED = re.compile(f"{_QUOTED.pattern}|{_REGEX.pattern}", re.DOTALL)
_CONSTANT = re.compile(r"true|false|null")
_CONSTANTS: dict[str, JsonValue] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Names:
    """Members: `.a`, `['a']`, `['a', 'b']`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Indexes:
    """Items: `[0]`, `[0, -1]`."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """Items from one index up to another, of which one may be missing: `[1:]`."""

    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class Everything:
    """All members or items: `*`."""


@dataclass(frozen=True, slots=True)
class Descent:
    """What comes next may be at any depth: `..`."""


@dataclass(frozen=True, slots=True)
class Where:
    """Those that fulfil a condition: `[?(@.a > 1)]`."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Call:
    """A function of what was found: `.length()`."""

    name: str
    arguments: tuple[Operand, ...]


Step: TypeAlias = Names | Indexes | Slice | Everything | Descent | Where | Call


@dataclass(frozen=True, slots=True)
class Query:
    """A path: from the root, or in a filter from the item that is looked at."""

    steps: tuple[Step, ...]
    of_root: bool

    @property
    def is_of_all_matches(self) -> bool:
        """Whether it ends in a function of all that is found at any depth, `$..a.length()`."""
        return (
            bool(self.steps)
            and isinstance(self.steps[-1], Call)
            and isinstance(self.steps[0], Descent)
        )

    @property
    def is_definite(self) -> bool:
        """Whether it leads to one value at most."""
        return self.is_of_all_matches or all(map(_is_definite, self.steps))


def _is_definite(step: Step) -> bool:
    return isinstance(step, Names | Call) or (isinstance(step, Indexes) and len(step.indexes) == 1)


@dataclass(frozen=True, slots=True)
class Constant:
    """JSON that is written in a path."""

    value: JsonValue


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression."""

    compiled: regex.Pattern[str]


Operand: TypeAlias = Constant | Pattern | Query


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values between which an operator stands."""

    left: Operand
    operator: str
    right: Operand


@dataclass(frozen=True, slots=True)
class Exists:
    """A path that must lead somewhere."""

    query: Query


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Several:
    """Conditions of which all, or any, must be fulfilled."""

    conditions: tuple[Condition, ...]
    is_all: bool


Condition: TypeAlias = Comparison | Exists | Not | Several


def parse_query(text: str, nesting: int = 0) -> Query:
    """The path written as *text*, which begins with `$` or `@`.

    Args:
        text: The path.
        nesting: In how many filters and functions it stands.

    Raises:
        ValueError: it is none.
    """
    if nesting > MAX_NESTING:
        raise ValueError("filters are nested too deep")
    return Query(tuple(_steps(text, nesting)), text[0] == "$")


def unquoted(quoted: str) -> str:
    """The text in quotes; a backslash is part of it, but before its own quote or another one."""
    return re.sub(rf"\\([{quoted[0]}\\])", r"\1", quoted[1:-1])


def _steps(text: str, nesting: int) -> Iterator[Step]:
    at = 1
    while at < len(text):
        if text.startswith("..", at):
            yield Descent()
            at += 2
        elif text[at] == ".":
            at += 1
        elif text[at] != "[":
            raise ValueError(f"'.' or '[' must stand at character {at + 1}")
        if at == len(text):
            raise ValueError("it ends in '.'")
        step, at = _step(text, at, nesting)
        yield step


def _step(text: str, at: int, nesting: int) -> tuple[Step, int]:
    """The step that begins at *at*, and where it ends."""
    if found := _NAMES.match(text, at):
        names = tuple(unquoted(quoted) for quoted in _QUOTED.findall(found[0]))
        return Names(names), found.end()
    if found := _ALL.match(text, at):
        return Everything(), found.end()
    if found := _INDEXES.match(text, at):
        return Indexes(tuple(map(int, re.findall(r"-?\d+", found[0])))), found.end()
    if (found := _SLICE.match(text, at)) and (found[1] or found[2]):
        first, last = (None if index is None else int(index) for index in found.groups())
        return Slice(first, last), found.end()
    if found := _WHERE.match(text, at):
        end = _closing(text, found.end())
        condition = _ConditionReader(text[found.end() : end], nesting).whole()
        closed = _END_OF_WHERE.match(text, end)
        if closed is None:
            raise ValueError(f"']' must stand at character {end + 1}")
        return Where(condition), closed.end()
    found = _NAME.match(text, at)
    if found is None:
        what = "a name, an index, '*' or a filter '?(…)'" if text[at] == "[" else "a name"
        raise ValueError(f"{what} must stand at character {at + 1}")
    if text.startswith(" ", found.end()):
        raise ValueError(f"a name with a space, at character {found.end() + 1}, needs ['…']")
    if not text.startswith("(", found.end()):
        return Names((found[0],)), found.end()
    end = _closing(text, found.end())
    arguments = _ConditionReader(text[found.end() + 1 : end - 1], nesting).arguments()
    return Call(found[0], tuple(arguments)), end


def _closing(text: str, at: int) -> int:
    """Behind the bracket that closes the one at *at*; what is in quotes or `/` does not count."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    waited_for: list[str] = []
    while at < len(text):
        if (skipped := _PLAIN.match(text, at)) or (skipped := _SKIPPED.match(text, at)):
            at = skipped.end()
            continue
        if text[at] in pairs:
            waited_for.append(pairs[text[at]])
        elif text[at] == waited_for[-1]:
            waited_for.pop()
        at += 1
        if not waited_for:
            return at
    raise ValueError(f"a {waited_for[-1]!r} is missing")


class _ConditionReader:
    """Reads what stands in the brackets of a filter or a function."""

    def __init__(self, text: str, nesting: int) -> None:
        self._text = text
        self._nesting = nesting
        self._at = 0

    def whole(self) -> Condition:
        condition = self._condition()
        if not self._is_at_end:
            self._fail("'&&', '||' or an operator")
        return condition

    def arguments(self) -> Iterator[Operand]:
        while not self._is_at_end:
            yield self._operand()
            if not self._is_at_end and not self._takes(","):
                self._fail("','")

    @property
    def _is_at_end(self) -> bool:
        self._skip_space()
        return self._at == len(self._text)

    def _takes(self, symbol: str) -> bool:
        self._skip_space()
        found = self._text.startswith(symbol, self._at)
        self._at += len(symbol) * found
        return found

    def _condition(self) -> Condition:
        conditions = [self._conjunction()]
        while self._takes("||"):
            conditions.append(self._conjunction())
        return conditions[0] if len(conditions) == 1 else Several(tuple(conditions), is_all=False)

    def _conjunction(self) -> Condition:
        conditions = [self._part()]
        while self._takes("&&"):
            conditions.append(self._part())
        return conditions[0] if len(conditions) == 1 else Several(tuple(conditions), is_all=True)

    def _part(self) -> Condition:
        if self._takes("!"):
            return Not(self._part())
        if self._takes("("):
            condition = self._condition()
            if not self._takes(")"):
                self._fail("')'")
            return condition
        left = self._operand()
        found = _OPERATOR.match(self._text, self._at)
        if found is None:
            if not isinstance(left, Query):
                self._fail("an operator")
            return Exists(left)
        operator = found[1].lower()
        if operator != MATCHES and operator not in COMPARISONS:
            raise ValueError(f"there is no operator {found[1]!r}")
        self._at = found.end()
        return Comparison(left, operator, self._operand())

    def _operand(self) -> Operand:
        self._skip_space()
        text, at = self._text, self._at
        if text.startswith(("$", "@"), at):
            self._at = _end_of_path(text, at)
            return parse_query(text[at : self._at], self._nesting + 1)
        if found := _QUOTED.match(text, at):
            self._at = found.end()
            return Constant(unquoted(found[0]))
        if found := _REGEX.match(text, at):
            self._at = found.end()
            return Pattern(_compiled(found[1], found[2]))
        if found := _CONSTANT.match(text, at):
            self._at = found.end()
            return Constant(_CONSTANTS[found[0]])
        if text.startswith(("[", "{"), at):
            self._at = _closing(text, at)
            return Constant(parse(_QUOTED.sub(_in_double_quotes, text[at : self._at])))
        found = _NUMBER.match(text, at)
        if found is None:
            self._fail("a path or a value")
        self._at = found.end()
        return Constant(parse(found[0]))

    def _skip_space(self) -> None:
        while self._text.startswith((" ", "\t", "\n", "\r"), self._at):
            self._at += 1

    def _fail(self, wanted: str) -> NoReturn:
        found = repr(self._text[self._at]) if self._at < len(self._text) else "the end"
        raise ValueError(f"{wanted} must stand in the filter, not {found}")


def _end_of_path(text: str, at: int) -> int:
    at += 1
    while at < len(text):
        if text[at] in "[(":
            at = _closing(text, at)
        elif text[at] in "<>=~!)]}, \t\n\r" or text.startswith(("&&", "||"), at):
            break
        else:
            at += 1
    return at


def _in_double_quotes(quoted: re.Match[str]) -> str:
    return quoted[0] if quoted[0][0] == '"' else json.dumps(unquoted(quoted[0]))


def _compiled(source: str, flags: str) -> regex.Pattern[str]:
    known = "".join(flag for flag in flags if flag in "imsx")
    return regex.compile(f"(?{known}){source}" if known else source)
