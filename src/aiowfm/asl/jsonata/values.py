"""Values of the JSONata library, and the errors and bounds that hold for all of them.

The library (jsonata-python) is the only code here without types: its values are
`Value`, its parsed expressions `Node`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from aiowfm.asl.jsonata.library import Functions, JException, Jsonata, Utils
from aiowfm.asl.jsonata.text import json_text

MAX_STEPS = 500_000  # sub-expressions evaluated, and large values in proportion
MAX_DEPTH = 1_500  # of sub-expressions in one another
MAX_NODES = 500_000  # values in one value, wherever they are shared
MAX_HEIGHT = 400  # of arrays and objects in one another
MAX_CHARS = 4_194_304  # of one string
MAX_RANGE = 10_000_000  # of `[a..b]`, the limit of JSONata itself

OUT_OF_BOUNDS = "U1001"  # the code that JSONata's own tools give to expressions without end

NULL: Final = Utils.NULL_VALUE  # None is undefined to the library
JList: Final = Utils.JList

Value: TypeAlias = Any  # a value of the library: None is undefined
Node: TypeAlias = Any  # of a parsed expression


def fail(code: str, *inserts: Value) -> JException:
    """The library's error for *code*."""
    return JException(code, -1, *inserts)


def too_long() -> JException:
    return fail(OUT_OF_BOUNDS, "Expression evaluation timeout: Check for infinite loop")


def too_deep() -> JException:
    return fail(
        OUT_OF_BOUNDS,
        "Stack overflow error: Check for non-terminating recursive function."
        " Consider rewriting as tail-recursive",
    )


def too_large(what: str, most: int) -> JException:
    return fail(OUT_OF_BOUNDS, f"The expression makes {what} of more than {most:,}")


class Frame(Jsonata.Frame):  # type: ignore[misc]  # the library has no types
    """Names in scope; looked up in a loop, for frames may lie thousands deep."""

    def bind(self, name: str, val: Value) -> None:
        self.bindings[name] = val

    def lookup(self, name: str) -> Value:
        frame = self
        while frame is not None:
            if name in frame.bindings:
                return frame.bindings[name]
            frame = frame.parent
        return None


class ObjectValue(dict[str, Value]):
    """An object that an expression made, and its size once that is known."""

    __slots__ = ("size",)
    size: tuple[int, int]


def copied(value: Value, objects: set[int]) -> Value:
    """A deep copy; the identities of the objects in it are added to *objects*."""
    if isinstance(value, dict):
        copy = {key: copied(item, objects) for key, item in value.items()}
        objects.add(id(copy))
        return copy
    if isinstance(value, list):
        return [copied(item, objects) for item in value]
    return "" if is_function(value) else value


def swapped_sort(items: Value, must_swap: Callable[[Value, Value], bool]) -> Value:
    """*items* in order; two neighbours in the wrong order *must_swap*."""

    class Key:
        __slots__ = ("value",)

        def __init__(self, value: Value) -> None:
            self.value = value

        def __lt__(self, later: Key) -> bool:
            return must_swap(later.value, self.value)

    return items if len(items) <= 1 else sorted(items, key=Key)


def is_function(value: Value) -> bool:
    return bool(Utils.is_function(value) or Functions.is_lambda(value) or Functions.is_regex(value))


def sequence(items: Iterable[Value] = ()) -> Value:
    result = JList(items)
    result.sequence = True
    return result


def marked(value: Value, spend: Callable[[int], None]) -> Value:
    """*value*, the nulls in it made what the library takes for null; copied only if need be.

    *spend* is told of the steps that takes.
    """
    if value is None:
        return NULL
    if isinstance(value, dict):
        spend(len(value) >> 2)
        changed = {
            key: found
            for key, item in value.items()
            if (item is None or isinstance(item, list | dict))
            and (found := marked(item, spend)) is not item
        }
        return {**value, **changed} if changed else value
    if isinstance(value, list):
        spend(len(value) >> 2)
        items = [marked(i, spend) if i is None or isinstance(i, list | dict) else i for i in value]
        is_same = all(new is old for new, old in zip(items, value, strict=True))
        return value if is_same else items
    return value


_INSERT = re.compile(r"\{\{(\{)?\w+\}\}(?(1)\}|)")


def message(error: JException) -> str:
    """What *error* says, in the words of the JavaScript library."""
    template = JException.error_codes.get(error.error)
    inserts = [error.current, error.expected, error.extra]
    if template is None:
        return str(error.current) if error.error == OUT_OF_BOUNDS else str(error.error)
    template = template.replace(" Object ", " function ")
    template = re.sub(r'"([a-z-]+(?: [a-z]+)*|])"', r"'\1'", template)

    def filled(match: re.Match[str]) -> str:
        value = inserts.pop(0) if inserts else None
        return str(value) if match[1] else json_text(value)

    return _INSERT.sub(filled, template)
