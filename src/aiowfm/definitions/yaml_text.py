"""YAML text as plain data with positions.

The values are JSON's: a date stays the text it was written as, keys are strings, and no
tag makes an object of Python's. Anchors, aliases and merge keys work.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError

from aiowfm.asl.findings import Pointer, shown
from aiowfm.asl.shape import MAX_DEPTH
from aiowfm.definitions.reading import MAX_DIGITS, MAX_VALUES, Position, Reading, TooMuchError
from aiowfm.definitions.yaml_nodes import (
    TAG,
    Mapping,
    Node,
    Scalar,
    Sequence,
    composed,
    place,
)

_PLAIN_TAGS = frozenset(
    TAG + name
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "map", "seq")
)
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,17})", re.ASCII)


def read_yaml(text: str) -> Reading:
    """*text*, which must be one YAML document."""
    reading = Reading()
    try:
        node, yaml = composed(text)
        if node is not None:
            reading.data = _Walk(yaml, reading).run(node)
    except TooMuchError as exc:
        reading.data = None
        reading.complain(*exc.args)
    except MarkedYAMLError as exc:
        reading.complain(*_in_words(exc))
    except ReaderError as exc:
        reading.complain(*_character(exc, text))
    except YAMLError as exc:
        reading.complain(f"not YAML: {exc}", Position(1, 1))
    return reading


def _character(exc: ReaderError, text: str) -> tuple[str, Position]:
    character = exc.character
    code = ord(character) if isinstance(character, str) else int(character)
    return f"not YAML: the character U+{code:04X} is not allowed", place(text, exc.position)


def _in_words(exc: MarkedYAMLError) -> tuple[str, Position]:
    mark = exc.problem_mark or exc.context_mark
    position = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
    problem = str(exc.problem or exc.context)
    if "'\\t'" in problem:
        return "not YAML: a tab cannot indent; use spaces", position
    if "another document" in problem:
        return "a second YAML document begins here: put all definitions in one list", position
    context = f", {exc.context}" if exc.context and exc.problem else ""
    return f"not YAML: {problem}{context}", position


class _Walk:
    """Makes plain data of nodes."""

    def __init__(self, yaml: YAML, reading: Reading) -> None:
        self._constructor = yaml.constructor
        self._reading = reading
        self._left = MAX_VALUES

    def run(self, node: Node) -> Any:
        self._reading.positions[()] = node.position
        return self._value(node, ())

    def _value(self, node: Node, pointer: Pointer) -> Any:
        self._count(node)
        if len(pointer) > MAX_DEPTH:  # an alias inside its own anchor never ends
            raise TooMuchError(f"nested more than {MAX_DEPTH} deep", node.position)
        if node.tag not in _PLAIN_TAGS:
            self._reading.complain(
                f"the tag {node.tag} has no meaning here: take it out", node.position
            )
            return None
        if isinstance(node, Mapping):
            return self._object(node, pointer)
        if isinstance(node, Sequence):
            found = []
            for index, each in enumerate(node.items):
                self._reading.positions[*pointer, index] = each.position
                found.append(self._value(each, (*pointer, index)))
            return found
        return self._scalar(node)

    def _count(self, node: Node) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooMuchError(f"more than {MAX_VALUES:,} values, by aliases", node.position)

    def _object(self, node: Mapping, pointer: Pointer) -> dict[str, Any]:
        found: dict[str, Any] = {}
        own: set[str] = set()
        merged: list[tuple[Node, Node]] = []
        for key, value in node.items:
            if key.tag == f"{TAG}merge":
                merged += self._merged(value, len(pointer))
            elif not isinstance(key, Scalar):
                self._reading.complain("a key must be a string", key.position)
            elif key.text in own:
                self._reading.complain(f"key {key.text!r} stands here twice", key.position)
            else:
                own.add(key.text)
                self._put(found, key, value, pointer)
        for key, value in merged:
            if isinstance(key, Scalar) and key.text not in found:
                self._put(found, key, value, pointer)
        return found

    def _put(self, found: dict[str, Any], key: Scalar, value: Node, pointer: Pointer) -> None:
        steps = (*pointer, key.text)
        self._reading.positions[steps] = key.position
        found[key.text] = self._value(value, steps)

    def _merged(self, node: Node, depth: int) -> Iterator[tuple[Node, Node]]:
        """The members that `<<: *anchor` or `<<: [*one, *two]` brings, the strongest first."""
        if depth > MAX_DEPTH:
            raise TooMuchError(f"nested more than {MAX_DEPTH} deep", node.position)
        if isinstance(node, Sequence):
            for each in node.items:
                yield from self._merged(each, depth + 1)
        elif isinstance(node, Mapping):
            further = []
            for key, value in node.items:
                if key.tag == f"{TAG}merge":
                    further.append(value)
                else:
                    self._count(key)
                    yield key, value
            for each in further:
                yield from self._merged(each, depth + 1)
        else:
            self._reading.complain("<< merges an object or a list of objects", node.position)

    def _scalar(self, node: Scalar) -> Any:
        kind = node.tag.removeprefix(TAG)
        if kind in ("int", "float") and len(node.text) > MAX_DIGITS:
            message = f"a number of more than {MAX_DIGITS:,} digits; quote it to make it a string"
            self._reading.complain(message, node.position)
            return None
        try:
            match kind:
                case "int":
                    if _DECIMAL.fullmatch(node.text):
                        return int(node.text)
                    return int(self._constructor.construct_yaml_int(_for_ruamel(node)))
                case "float":
                    number = float(self._constructor.construct_yaml_float(_for_ruamel(node)))
                    if math.isfinite(number):
                        return number
                    self._reading.complain(f"JSON has no number {node.text}", node.position)
                    return None
                case "bool":
                    return bool(self._constructor.construct_yaml_bool(_for_ruamel(node)))
                case "null":
                    return None
        except (ValueError, KeyError):
            self._reading.complain(f"{shown(node.text)} is not of type {node.tag}", node.position)
            return None
        return node.text


def _for_ruamel(node: Scalar) -> ScalarNode:
    return ScalarNode(node.tag, node.text)
