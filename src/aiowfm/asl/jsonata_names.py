"""What JSONata expressions refer to, as far as it can be told before they run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from aiowfm.asl.jsonata.functions import FUNCTIONS
from aiowfm.asl.jsonata.library import deep_stack
from aiowfm.asl.jsonata.tree import names_in, nodes_in, parsed
from aiowfm.asl.jsonata.values import Node

# An expression may give `$states` another meaning.
_BOUND = re.compile(r"\$(\w+)\s*:=")
_PARAMETERS = re.compile(r"(?:function|λ)\s*\(([^)]*)\)")
_VARIABLE = re.compile(r"\$(\w+)")
_REBOUND = re.compile(r"\$states\s*:=|(?:function|λ)\s*\([^)]*\$states\b|[@#]\s*\$states\b")


@dataclass(frozen=True, slots=True)
class References:
    """What an expression refers to.

    Attributes:
        outermost: Names of what there is no context for, since an expression has no
            input of its own: `a`, `$` and `$$`.
        of_states: The members of `$states`, if it refers to those only.
        unknown: Names of functions that are called and exist neither in the language nor
            in the expression; a variable holds JSON, and so no function.
    """

    outermost: tuple[str, ...]
    of_states: tuple[str, ...]
    unknown: tuple[str, ...]


@lru_cache(maxsize=8192)  # more than one definition is likely to have
def references(text: str) -> References:
    """What the JSONata expression *text* refers to.

    Raises:
        InvalidExpressionError: it is none.
    """
    with deep_stack():
        tree = parsed(text)
        try:
            outermost = tuple(dict.fromkeys(_outermost(tree)))
        except RecursionError:  # so deep that evaluating it would fail, too
            outermost = ()
        names = names_in(tree)
        unknown = tuple(sorted(_unknown(tree, text))) if "(" in text else ()
    of_states = () if _REBOUND.search(text) else tuple(names.get("states", ()))
    return References(outermost, of_states, unknown)


def _unknown(tree: Node, text: str) -> set[str]:
    bound = set(_BOUND.findall(text))
    for parameters in _PARAMETERS.findall(text):
        bound.update(_VARIABLE.findall(parameters))
    called = {
        str(node.procedure.value)
        for node in nodes_in(tree)
        if node.type in ("function", "partial") and node.procedure.type == "variable"
    }
    return {name for name in called - bound if name not in FUNCTIONS.bindings}


def _outermost(node: Node) -> Iterator[str]:
    """Only the first step of a path is looked up in the context around it.

    The body of a function keeps the context in which it is written.
    """
    match getattr(node, "type", None):
        case "path":
            yield from _outermost(node.steps[0])
        case "name":
            yield str(node.value)
        case "variable" if node.value in ("", "$"):
            yield f"${node.value}"
        case "unary":
            yield from _outermost(node.expression)
            yield from _each(node.expressions or ())
            for pair in node.lhs_object or ():
                yield from _each(pair)
        case "binary" | "apply":
            yield from _each((node.lhs, node.rhs))
        case "bind":
            yield from _outermost(node.rhs)
        case "function" | "partial":
            yield from _outermost(node.procedure)
            yield from _each(node.arguments or ())
        case "lambda":
            yield from _outermost(node.body)
        case "condition":
            yield from _each((node.condition, node.then, getattr(node, "_else", None)))
        case "block":
            yield from _each(node.expressions)


def _each(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        yield from _outermost(node)
