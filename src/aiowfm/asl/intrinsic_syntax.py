"""The syntax of intrinsic functions; what the functions do is in `intrinsics`.

    call     = name "(" [ argument *( "," argument ) ] ")"
    argument = call / path / number / "true" / "false" / "null" / "'" text "'"

In a text a backslash stands before each of `'`, `{`, `}` and itself, and before
nothing else; braces need it only where they would make a `{}`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.paths import InvalidPathError, Path, compile_path
from aiowfm.asl.payload import JsonValue, parse

MAX_NESTING = 10  # calls in one another (developer guide, "Intrinsic functions")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_SPACE = re.compile(r"\s*")
_IN_TEXT = re.compile(r"\\(?P<escaped>.?)|(?P<slot>\{\})|(?P<end>')|[^\\'{]+|\{", re.DOTALL)
_CONSTANTS: dict[str, JsonValue] = {"true": True, "false": False, "null": None}


class InvalidIntrinsicError(EvaluationError, ValueError):
    """A text that is not the call of an intrinsic function; as with `InvalidPathError`,
    the state fails where this is only found when it is used.

    Attributes:
        position: Where, as an index into the text.
    """

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"{text!r}, character {position + 1}: {problem}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, true, false or null."""

    value: JsonValue


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted text, cut where it has an unescaped `{}`."""

    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A path into the input, the context object or a variable."""

    path: Path


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; `position` is where its name begins."""

    name: str
    arguments: tuple[Argument, ...]
    position: int


Argument: TypeAlias = Literal | Text | Reference | Call


def parse_intrinsic(text: str) -> Call:
    """The call written as *text*.

    Raises:
        InvalidIntrinsicError: it is none.
    """
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> Call:
        call = self._call(nesting=1)
        self._skip_space()
        if self._at < len(self._text):
            self._fail(f"nothing may follow the call, but {self._text[self._at]!r} does")
        return call

    def _call(self, *, nesting: int) -> Call:
        position = self._at
        name = self._matched(_NAME)
        if name is None:
            self._fail("a function must stand here, like States.Format(...)")
        if not self._skip("("):
            self._fail(f"'(' must follow {name}, which reads like the name of a function")
        if nesting > MAX_NESTING:
            self._fail(f"functions nested more than {MAX_NESTING} deep", position)
        arguments: list[Argument] = []
        self._skip_space()
        while not self._skip(")"):
            if arguments and not self._skip(","):
                what = repr(self._text[self._at]) if self._at < len(self._text) else "the end"
                self._fail(f"',' or ')' must follow an argument of {name}, not {what}")
            self._skip_space()
            arguments.append(self._argument(nesting))
            self._skip_space()
        return Call(name, tuple(arguments), position)

    def _argument(self, nesting: int) -> Argument:
        if self._text.startswith("$", self._at):
            return self._reference()
        if self._skip("'"):
            return self._quoted(self._at - 1)
        position = self._at
        if (number := self._matched(_NUMBER)) is not None:
            return Literal(self._number(number, position))
        word = _NAME.match(self._text, position)
        if word is None:
            self._fail(
                "an argument must stand here: a path, a number, true, false, null,"
                " a text in single quotes, or another function"
            )
        if word[0] in _CONSTANTS:
            self._at = word.end()
            return Literal(_CONSTANTS[word[0]])
        return self._call(nesting=nesting + 1)

    def _number(self, number: str, position: int) -> JsonValue:
        try:
            value = parse(number)
        except ValueError as exc:
            self._fail(f"not a number: {exc}", position)
        if isinstance(value, float) and not math.isfinite(value):
            self._fail("this number is too large", position)
        return value

    def _quoted(self, opening: int) -> Text:
        pieces = [""]
        while (token := _IN_TEXT.match(self._text, self._at)) is not None:
            self._at = token.end()
            if token["end"]:
                return Text(tuple(pieces))
            if token["slot"]:
                pieces.append("")
            elif token["escaped"] is None:
                pieces[-1] += token[0]
            elif token["escaped"] and token["escaped"] in r"'{}\\":
                pieces[-1] += token["escaped"]
            else:
                self._fail("a backslash may only stand before ' { } or \\", token.start())
        self._fail("this text has no closing quote", opening)

    def _reference(self) -> Reference:
        position = self._at
        path = self._text[position : self._end_of_path()]
        try:
            return Reference(compile_path(path))
        except InvalidPathError as exc:
            self._fail(str(exc), position)

    def _end_of_path(self) -> int:
        """Moves behind a path: to the ',' or ')' that is in no bracket and no quotes."""
        depth, quote = 0, ""
        while self._at < len(self._text):
            character = self._text[self._at]
            if quote:
                if character == "\\":
                    self._at += 1
                elif character == quote:
                    quote = ""
            elif depth and character in "'\"":
                quote = character
            elif character in "[(":
                depth += 1
            elif depth and character in "])":
                depth -= 1
            elif not depth and (character in ",)" or character.isspace()):
                break
            self._at += 1
        return self._at

    def _matched(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[0]

    def _skip(self, character: str) -> bool:
        found = self._text.startswith(character, self._at)
        self._at += found
        return found

    def _skip_space(self) -> None:
        self._matched(_SPACE)

    def _fail(self, problem: str, position: int | None = None) -> NoReturn:
        at = self._at if position is None else position
        raise InvalidIntrinsicError(self._text, at, problem)
