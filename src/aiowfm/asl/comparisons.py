"""What the operators in the filters of paths say, as in Jayway JsonPath."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from aiowfm.asl.payload import dump, same


class Nothing(Enum):
    """What a path in a filter gives that leads nowhere; null is something."""

    NOTHING = "nothing"


NOTHING: Final = Nothing.NOTHING


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal; a number can be equal to a text."""
    if left is NOTHING or right is NOTHING:
        return False
    if _is_number(left) and isinstance(right, str):
        try:
            return bool(float(right) == left)
        except ValueError:
            return False
    if isinstance(left, str) and _is_number(right):
        return left == dump(right)
    return same(left, right)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal_of_a_type(left: Any, right: Any) -> bool:
    return _kind(left) is _kind(right) and equal(left, right)


def _kind(value: object) -> type:
    return float if _is_number(value) else type(value)


def _ordered(relation: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if _is_number(left) and _is_number(right):
            return relation(left, right)
        texts = [
            value if isinstance(value, str) else dump(value) if _is_number(value) else None
            for value in (left, right)
        ]
        return None not in texts and relation(*texts)

    return compare


def _in(value: Any, holder: Any) -> bool:
    return isinstance(holder, list) and any(equal(value, each) for each in holder)


def _contains(holder: Any, value: Any) -> bool:
    if isinstance(holder, str):
        return isinstance(value, str) and value in holder
    return _in(value, holder)


def _of_lists(
    quantity: Callable[[Any], bool], *, swapped: bool = False
) -> Callable[[Any, Any], bool]:
    """A comparison of lists: of how many of the items of one the other has an equal."""

    def compare(left: Any, right: Any) -> bool:
        if not isinstance(left, list) or not isinstance(right, list):
            return False
        some, others = (right, left) if swapped else (left, right)
        return quantity(_in(each, others) for each in some)

    return compare


def _has_size(value: Any, size: Any) -> bool:
    return isinstance(value, str | list | dict) and _is_number(size) and len(value) == int(size)


def _is_empty(value: Any, wanted: Any) -> bool:
    return isinstance(value, str | list | dict) and (not value) is wanted


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": equal,
    "===": _equal_of_a_type,
    "!=": lambda left, right: not equal(left, right),
    "!==": lambda left, right: not _equal_of_a_type(left, right),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": _in,
    "nin": lambda value, holder: not _in(value, holder),
    "contains": _contains,
    "subsetof": _of_lists(all),
    "anyof": _of_lists(any),
    "noneof": _of_lists(lambda found: not any(found)),
    "all": _of_lists(all, swapped=True),
    "size": _has_size,
    "empty": _is_empty,
}
