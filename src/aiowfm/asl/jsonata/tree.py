"""Reading the text of a JSONata expression."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiowfm.asl.jsonata.functions import strict
from aiowfm.asl.jsonata.library import JException, Parser
from aiowfm.asl.jsonata.strings import compiled
from aiowfm.asl.jsonata.values import Node, fail, message

_SURROGATES = re.compile(r"(?<!\\)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


_PLAIN = frozenset({type(None), bool, int, float, str})


class InvalidExpressionError(ValueError):
    """A text that is no JSONata expression.

    Attributes:
        code: Of the kind of mistake, like S0201; empty if there is none.
        message: What is wrong.
        position: Where, in characters from the start of the expression.
    """

    def __init__(self, code: str, message: str, position: int) -> None:
        super().__init__(f"{message} (at character {position})")
        self.code = code
        self.message = message
        self.position = position


class _Younger(Parser.Symbol):  # type: ignore[misc]  # the library has no types
    """An operator that is younger than what AWS runs: two characters that make no sense."""

    def led(self, left: Node) -> Node:
        raise JException("S0211", self.position, self.id[1])


class _Parser(Parser):  # type: ignore[misc]  # the library has no types
    """Without the operators `?:` and `??`."""

    def __init__(self) -> None:
        super().__init__()
        for operator in ("?:", "??"):
            symbol = _Younger(self, operator)
            symbol.lbp = self.symbol_table[operator].lbp
            self.symbol_table[operator] = symbol


# Parsers that nobody uses: the table of symbols takes longer to make than most trees.
_SPARE: list[_Parser] = []


@contextmanager
def _parser() -> Iterator[_Parser]:
    """A parser for one text, without memory of others."""
    try:
        parser = _SPARE.pop()
    except IndexError:
        parser = _Parser()
    try:
        yield parser
    finally:
        parser.node = parser.source = parser.lexer = None
        parser.errors, parser.ancestry = [], []
        parser.ancestor_label = parser.ancestor_index = 0
        _SPARE.append(parser)


def parsed(text: str) -> Node:
    """The tree of the expression *text*.

    Raises:
        InvalidExpressionError: it is none.
    """
    with _parser() as parser:
        return _parsed(text, parser)


def _parsed(text: str, parser: _Parser) -> Node:
    try:
        tree = parser.parse(_SURROGATES.sub(_joined, text), compiled)
    except JException as error:
        if error.error == "S0301" and error.current is not None:
            error.error = "S0103"  # the library gives both this code
        if error.error == "S0102":
            error.current = re.split(r"[^0-9.eE+-]", text[error.location :])[0]
        known = error.error in JException.error_codes
        code = error.error if known else ""
        position = max(error.location, 0)
        raise InvalidExpressionError(code, message(error), position) from error
    except RecursionError as error:
        raise InvalidExpressionError("", "The expression is nested too deep", 0) from error
    except KeyError as error:
        operator = fail("S0204", error.args[0])
        position = parser.lexer.position
        raise InvalidExpressionError("S0204", message(operator), position) from error
    except IndexError as error:
        code = "S0106" if "/*" in text else "S0207"
        raise InvalidExpressionError(code, message(fail(code)), len(text)) from error
    except Exception as error:
        # The library raises whatever its Python happens to raise.
        codes = (code for code, text in JException.error_codes.items() if text == str(error))
        raise InvalidExpressionError(next(codes, ""), str(error), parser.lexer.position) from error
    return tree


def _joined(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16), int(pair[2], 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def names_in(tree: Node) -> dict[str, dict[str, Any]]:
    """What the expression *tree* looks at: of each variable, which members of members.

    `$a.b.c` and `$a.b.d[0]` give `{"a": {"b": {"c": {}, "d": {}}}}`; no members means
    all of them.
    """
    nodes = list(nodes_in(tree))
    paths: list[list[str]] = []
    within_paths: set[int] = set()
    for node in nodes:
        if node.signature is not None:
            node.signature = strict(node.signature)
        if node.type == "path" and node.steps[0].type == "variable":
            paths.append(_leading_names(node.steps))
            within_paths.add(id(node.steps[0]))
    # From a member, the operator % leads back up to where others are.
    if any(node.type == "parent" for node in nodes):
        within_paths.clear()
    paths += [[n.value] for n in nodes if n.type == "variable" and id(n) not in within_paths]
    names: dict[str, dict[str, Any]] = {}
    for path in sorted(paths, key=len):
        members = names
        for name in path[:-1]:
            if members.get(name) == {}:
                break
            members = members.setdefault(name, {})
        else:
            members[path[-1]] = {}
    return names


def _leading_names(steps: list[Node]) -> list[str]:
    """The variable that a path begins with and the names that simply follow it."""
    names: list[str] = []
    for step in steps:
        if names and step.type != "name":
            break
        names.append(str(step.value))
        if any((step.stages, step.predicate, step.focus, step.index, step.tuple, step.group)):
            break
    return names


def nodes_in(tree: Node) -> Iterator[Node]:
    """*tree* and all that is in it."""
    seen: set[int] = set()
    waiting: list[Any] = [tree]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list | tuple):
            waiting.extend(found)
        elif isinstance(found, Parser.Symbol) and id(found) not in seen:
            seen.add(id(found))
            yield found
            # Of some fifty attributes nearly all are None or plain values.
            waiting += [each for each in vars(found).values() if type(each) not in _PLAIN]
