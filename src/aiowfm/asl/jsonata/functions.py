"""The functions that JSONata expressions can call in Step Functions.

Those of the library, those that Step Functions adds, and ours in place of the
library's where these differ from the original or would take for ever. There is no
`$eval`, as in Step Functions.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from copy import copy
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final, cast

from aiowfm.asl.jsonata import additions, dates, strings
from aiowfm.asl.jsonata.evaluation import call, evaluation
from aiowfm.asl.jsonata.library import Functions, JException, Jsonata, Signature
from aiowfm.asl.jsonata.values import (
    MAX_HEIGHT,
    MAX_NODES,
    NULL,
    Frame,
    JList,
    ObjectValue,
    Value,
    copied,
    fail,
    is_function,
    sequence,
    swapped_sort,
)

_SUBTYPES: Final = {
    "a": "arrays",
    "b": "booleans",
    "f": "functions",
    "n": "numbers",
    "o": "objects",
    "s": "strings",
}
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?")
_RADIX = re.compile(r"0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+")
_ROUNDING = Context(prec=800, rounding=ROUND_HALF_EVEN)

# Functions that take no time for what they are given, whatever they call.
_QUICK: Final = frozenset(
    {"append", "count", "each", "exists", "filter", "map", "reduce", "sift", "single", "type"}
)

# Functions whose second argument is a picture.
_PICTURED: Final = frozenset(
    {"formatInteger", "formatNumber", "fromMillis", "parseInteger", "toMillis"}
)

# What the library says where the original gives a code.
_CODES: Final = {
    "both integer and fractional parts are empty": "D3085",
    "invalid grouping in picture argument": "D3086",
}


_SYMBOLS: Final[dict[type, str]] = {
    type(None): "m",
    type(NULL): "l",
    bool: "b",
    dict: "o",
    float: "n",
    int: "n",
    JList: "a",
    list: "a",
    ObjectValue: "o",
    str: "s",
}


class _Signature(Signature):  # type: ignore[misc]  # the library has no types
    """A signature to which null is no missing value, with the original's errors."""

    def get_symbol(self, value: Value) -> str:
        symbol = _SYMBOLS.get(type(value))
        return str(super().get_symbol(value)) if symbol is None else symbol

    def validate(self, args: Any, context: Value) -> Value:
        try:
            return super().validate(args, context)
        except JException as error:
            if error.error == "T0411":
                raise fail("T0411", error.expected, self.function_name) from None
            if error.error == "T0412":
                kind = _SUBTYPES.get(error.extra, error.extra)
                raise fail("T0412", error.current, self.function_name, kind) from None
            raise

    def throw_validation_error(self, bad_args: object, bad_sig: str, function_name: str) -> None:
        fitting = 0
        pattern = ""
        for param in self._params:
            pattern += param.regex
            found = re.match(pattern, bad_sig)
            if found is None:
                break
            fitting = found.end()
        raise fail("T0410", fitting + 1, function_name)


def strict(signature: Any) -> Any:
    """A copy of the library's *signature* that tells null from what is missing."""
    result = copy(signature)
    result.__class__ = _Signature
    return result


class Function(Jsonata.JFunction):  # type: ignore[misc]  # the library has no types
    """A function that expressions call by name.

    What goes in and what comes out is counted as steps of the evaluation.
    """

    def __init__(self, name: str, signature: Any, implementation: Callable[..., Value]) -> None:
        super().__init__(None, None)
        self.function_name = name
        self.signature = signature
        self._implementation = implementation
        self._arity = len(inspect.signature(implementation).parameters)
        self._takes_all = name == "zip"

    def call(self, input: Value, args: Sequence[Value]) -> Value:
        current = evaluation()
        current.spend(1)  # a call takes that much longer than most expressions
        count = current.pass_on if self.function_name in _QUICK else current.walk
        for argument in args:
            if isinstance(argument, list | dict | str):
                count(argument)
        given = list(args)
        if not self._takes_all:
            given = given[: self._arity] + [None] * (self._arity - len(given))
        if self.function_name in _PICTURED:
            dates.check_picture(given[1])
        try:
            result = self._implementation(*given)
        except JException as error:
            raise self._corrected(error) from None
        except RecursionError:
            raise
        except RuntimeError as error:
            raise _recoded(error, given) from error
        if isinstance(result, list | dict | str):
            if self.function_name == "append":
                current.pass_on(result)
            else:
                current.admit(result)
        elif isinstance(result, float) and result.is_integer() and abs(result) < 1e21:
            return int(result)
        return result

    def _corrected(self, error: JException) -> JException:
        if error.error in _CODES:
            return fail(_CODES[error.error])
        if error.error == "T1010":
            return fail("T1010", self.function_name)
        return error

    def get_number_of_args(self) -> int:
        return self._arity


def _recoded(error: RuntimeError, args: Sequence[Value]) -> RuntimeError:
    """The library's error for one that it raises as a bare sentence."""
    text = str(error).replace('"', "'")
    for code, template in JException.error_codes.items():
        start = template.replace('"', "'").partition("{{")[0]
        if len(start) > 20 and text.startswith(start):
            insert = text[len(start) :].partition(" ")[0]
            # The library leaves its own placeholder in some: say what it was about.
            return cast("RuntimeError", fail(code, args[1] if insert == "%s" else insert))
    return error


def format_base(value: Value, radix: Value) -> Value:
    base = 10 if radix is None else int(radix)
    if not 2 <= base <= 36:
        raise fail("D3100", base)
    return None if value is None else Functions.base_repr(int(rounded(value, 0)), base).lower()


def shuffle(items: Value) -> Value:
    if items is None or len(items) <= 1:
        return items
    result = list(items)
    pick = evaluation().entropy.random
    for last in range(len(result) - 1, 0, -1):
        other = int(pick() * (last + 1))
        result[last], result[other] = result[other], result[last]
    return result


def number(value: Value) -> Value:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and _RADIX.fullmatch(value):
        return _from_radix(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value) and math.isfinite(float(value)):
        return float(value)
    raise fail("D3030", value)


def _from_radix(text: str) -> float:
    try:
        return float(int(text, 0))
    except OverflowError:
        raise fail("D3030", text) from None


def power(base: Value, exponent: Value) -> Value:
    if base is None or exponent is None:
        return None
    try:
        return math.pow(base, exponent)
    except (OverflowError, ValueError):
        raise fail("D3061", base, exponent) from None


def rounded(value: Value, precision: Value) -> Value:
    if value is None:
        return None
    places = int(precision or 0)
    if abs(places) > 308:
        return value if places > 0 else 0
    exact = Decimal(repr(float(value)))
    return float(exact.quantize(Decimal(1).scaleb(-places), context=_ROUNDING))


def sort(items: Value, comparator: Value) -> Value:
    if items is None or len(items) <= 1:
        return items
    if comparator is None:
        kinds = {_kind(item) for item in items}
        if kinds not in ({"number"}, {"string"}):
            raise fail("D3070")
        return sorted(items)

    def must_swap(left: Value, right: Value) -> bool:
        answer = call(comparator, left, right)
        return answer is not None and answer is not NULL and bool(answer)

    return swapped_sort(items, must_swap)


def _kind(value: Value) -> str:
    if isinstance(value, str):
        return "string"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number else "other"


def distinct(items: Value) -> Value:
    if not isinstance(items, list) or len(items) <= 1:
        return items
    first: dict[object, Value] = {}
    for item in items:
        first.setdefault(_identity(item), item)
    kept = list(first.values())
    return sequence(kept) if isinstance(items, JList) and items.sequence else kept


def _identity(value: Value) -> object:
    """Equal for values that are equal to JSONata."""
    if isinstance(value, dict):
        return "o", frozenset((key, _identity(item)) for key, item in value.items())
    if isinstance(value, list):
        return "a", tuple(_identity(item) for item in value)
    return isinstance(value, bool), value


def spread(value: Value) -> Value:
    if isinstance(value, dict):
        return sequence({key: item} for key, item in value.items())
    if not isinstance(value, list):
        return value
    result = sequence()
    for item in value:
        parts = spread(item)
        result.extend(parts if isinstance(parts, list) else [] if parts is None else [parts])
    return result


def append(first: Value, second: Value) -> Value:
    if first is None or second is None:
        return second if first is None else first
    result = JList(first if isinstance(first, list) else [first])
    result.extend(second if isinstance(second, list) else [second])
    # Known without looking: arrays that grow item by item would take for ever.
    nodes = height = 1
    for part in (first, second):
        inner, inner_height = evaluation().size(part)
        is_list = isinstance(part, list)
        nodes += inner - is_list
        height = max(height, inner_height + (not is_list))
    if nodes <= MAX_NODES and height <= MAX_HEIGHT:
        result.size = nodes, height
    return result


def merge(objects: Value) -> Value:
    if objects is None:
        return None
    result = ObjectValue()
    for item in objects:
        result.update(item)
    return result


def lookup(value: Value, key: Value) -> Value:
    return evaluation().member(value, key)


def clone(value: Value) -> Value:
    return None if value is None else copied(value, set())


def type_name(value: Value) -> Value:
    return "function" if value is not None and is_function(value) else Functions.type(value)


_OURS: Final[dict[str, tuple[str, Callable[..., Value]]]] = {
    "append": ("<xx:a>", append),
    "clone": ("<(oa)-:o>", clone),
    "contains": ("<s-(sf):b>", strings.contains),
    "decodeUrl": ("<s-:s>", strings.decode_url),
    "decodeUrlComponent": ("<s-:s>", strings.decode_url_component),
    "distinct": ("<x:x>", distinct),
    "encodeUrl": ("<s-:s>", strings.encode_url),
    "encodeUrlComponent": ("<s-:s>", strings.encode_url_component),
    "formatBase": ("<n-n?:s>", format_base),
    "hash": ("<ss:s>", additions.hashed),
    "join": ("<a<s>s?:s>", strings.join),
    "lookup": ("<x-s:x>", lookup),
    "lowercase": ("<s-:s>", strings.lowercase),
    "match": ("<s-f<s:o>n?:a<o>>", strings.match),
    "merge": ("<a<o>:o>", merge),
    "number": ("<(nsb)-:n>", number),
    "pad": ("<s-ns?:s>", strings.pad),
    "parse": ("<s-:x>", additions.parse),
    "partition": ("<an:a>", additions.partition),
    "power": ("<n-n:n>", power),
    "random": ("<n?:n>", additions.random),
    "range": ("<nnn:a>", additions.number_range),
    "replace": ("<s-(sf)(sf)n?:s>", strings.replace),
    "round": ("<n-n?:n>", rounded),
    "shuffle": ("<a:a>", shuffle),
    "sort": ("<af?:a>", sort),
    "split": ("<s-(sf)n?:a<s>>", strings.split),
    "spread": ("<x-:a<o>>", spread),
    "string": ("<x-b?:s>", strings.string),
    "toMillis": ("<s-s?:n>", dates.to_millis),
    "type": ("<x:s>", type_name),
    "uuid": ("<:s>", additions.uuid),
}


def _table() -> Frame:
    table = Frame(None)
    for name, function in Jsonata.static_frame.bindings.items():
        if name != "eval" and name not in _OURS:
            signature = strict(function.signature)
            table.bindings[name] = Function(name, signature, function.method)
    for name, (text, implementation) in _OURS.items():
        table.bindings[name] = Function(name, _Signature(text, name), implementation)
    return table


FUNCTIONS: Final = _table()
