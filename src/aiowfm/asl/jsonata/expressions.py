"""Compiled JSONata expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Literal

from aiowfm.asl.jsonata.evaluation import Entropy, Evaluation
from aiowfm.asl.jsonata.functions import FUNCTIONS
from aiowfm.asl.jsonata.library import JException, deep_stack
from aiowfm.asl.jsonata.tree import names_in, parsed
from aiowfm.asl.jsonata.values import (
    MAX_HEIGHT,
    NULL,
    OUT_OF_BOUNDS,
    Value,
    fail,
    is_function,
    marked,
    message,
    too_deep,
    too_large,
)
from aiowfm.asl.payload import JsonValue

_STEPS_TO_BEGIN = 20  # what an evaluation takes besides, in the time of its steps


class Undefined(Enum):
    """What an expression gives that finds nothing; null is something."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


class JsonataError(Exception):
    """An expression that cannot be evaluated on its data.

    Attributes:
        code: Of the kind of error, like T1006; empty if there is none.
        message: What is wrong, in the words of the JavaScript library.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code
        self.message = message


class Expression:
    """A compiled expression.

    Attributes:
        text: As it was written.
    """

    __slots__ = ("_names", "_tree", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        with deep_stack():
            self._tree = parsed(text)
            self._names = names_in(self._tree)

    def evaluate(
        self,
        bindings: Mapping[str, JsonValue],
        entropy: Entropy,
        now: float,
        spend: Callable[[int], None] = lambda steps: None,
    ) -> JsonValue | Literal[Undefined.UNDEFINED]:
        """The value of the expression.

        *bindings* and what is in them stay as they are; parts of them may be in the result.

        Args:
            bindings: `states` and the variables, by name without `$`.
            entropy: All randomness comes from there.
            now: What `$now()` and `$millis()` give, in seconds since the epoch.
            spend: Is told how many steps it took, also where it fails.

        Raises:
            JsonataError: it has none.
        """
        evaluation = Evaluation(FUNCTIONS, _parsed_once, entropy, now)
        try:
            with deep_stack():
                names = {
                    name: marked(_narrowed(bindings[name], wanted), evaluation.spend)
                    for name, wanted in self._names.items()
                    if name in bindings
                }
                return _plain(evaluation.run(self._tree, None, names))
        except JException as error:
            known = error.error in JException.error_codes or error.error == OUT_OF_BOUNDS
            raise JsonataError(error.error if known else "", _text(message(error))) from error
        except (RecursionError, MemoryError) as error:
            raise JsonataError(OUT_OF_BOUNDS, message(too_deep())) from error
        except Exception as error:
            # The library raises whatever its Python happens to raise.
            raise JsonataError("", _text(str(error)) or type(error).__name__) from error
        finally:
            spend(_STEPS_TO_BEGIN + evaluation.spent)


@lru_cache(maxsize=1024)
def compile_expression(text: str) -> Expression:
    """The expression written as *text*, without `{%` and `%}`.

    Raises:
        InvalidExpressionError: it is none.
    """
    return Expression(text)


_parsed_once = lru_cache(maxsize=64)(parsed)


def _narrowed(value: JsonValue, wanted: Mapping[str, Any]) -> JsonValue:
    """*value* with the *wanted* members only."""
    if not wanted or not isinstance(value, dict):
        return value
    return {name: _narrowed(value[name], of) for name, of in wanted.items() if name in value}


# Results


def _plain(value: Value) -> JsonValue | Literal[Undefined.UNDEFINED]:
    """*value* of the library as JSON."""
    if value is None or is_function(value):
        return UNDEFINED
    return _json(value, 0)


def _json(value: Value, height: int) -> JsonValue:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return (
            value
            if value.isascii()
            else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )
    if isinstance(value, int):
        return value if abs(value) < 1e21 else float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise fail("D1001", value)
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if height >= MAX_HEIGHT:
        raise too_large("a value with a depth", MAX_HEIGHT)
    if isinstance(value, list):
        return [_json(item, height + 1) for item in value]
    if isinstance(value, dict):
        return {
            _text(key): _json(item, height + 1)
            for key, item in value.items()
            if item is NULL or not (item is None or is_function(item))
        }
    return None


def _text(value: str) -> str:
    """*value*, halves of surrogate pairs joined or, alone, replaced."""
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
