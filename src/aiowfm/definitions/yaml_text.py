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
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from aiowfm.asl.findings import Pointer
from aiowfm.asl.shape import MAX_DEPTH
from aiowfm.definitions.reading import MAX_VALUES, Position, Reading

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    _TAG + name
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "map", "seq")
)
# ruamel would take seconds to give up on this one.
_BRACKETS = re.compile(rf"(?:[\[{{]\s*){{{MAX_DEPTH + 1}}}")


def read_yaml(text: str) -> Reading:
    """*text*, which must be one YAML document."""
    reading = Reading()
    if brackets := _BRACKETS.search(text):
        reading.complain(f"nested more than {MAX_DEPTH} deep", _place(text, brackets.start()))
        return reading
    yaml = YAML(typ="rt", pure=True)
    try:
        node = yaml.compose(text)
        if node is not None:
            reading.data = _Walk(yaml, reading).run(node)
    except _TooMuchError as exc:
        reading.data = None
        reading.complain(*exc.args)
    except MarkedYAMLError as exc:
        reading.complain(*_in_words(exc))
    except ReaderError as exc:
        message = f"not YAML: the character U+{exc.character:04X} is not allowed"
        reading.complain(message, _place(text, exc.position))
    except RecursionError:
        reading.complain("nested too deep", Position(1, 1))
    except YAMLError as exc:
        reading.complain(f"not YAML: {exc}", Position(1, 1))
    return reading


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


class _TooMuchError(Exception):
    """The text means more than anyone can want; reading stops."""


class _Walk:
    """Makes plain data of ruamel's nodes."""

    def __init__(self, yaml: YAML, reading: Reading) -> None:
        self._constructor = yaml.constructor
        self._reading = reading
        self._left = MAX_VALUES

    def run(self, node: Node) -> Any:
        self._reading.positions[()] = _position(node)
        return self._value(node, ())

    def _value(self, node: Node, pointer: Pointer) -> Any:
        self._count(node)
        if len(pointer) > MAX_DEPTH:  # an alias inside its own anchor never ends
            raise _TooMuchError(f"nested more than {MAX_DEPTH} deep", _position(node))
        if node.tag not in _PLAIN_TAGS:
            self._reading.complain(
                f"the tag {node.tag} has no meaning here: take it out", _position(node)
            )
            return None
        if isinstance(node, MappingNode):
            return self._object(node, pointer)
        if isinstance(node, SequenceNode):
            found = []
            for index, each in enumerate(node.value):
                self._reading.positions[*pointer, index] = _position(each)
                found.append(self._value(each, (*pointer, index)))
            return found
        return self._scalar(node)

    def _count(self, node: Node) -> None:
        self._left -= 1
        if self._left < 0:
            raise _TooMuchError(f"more than {MAX_VALUES:,} values, by aliases", _position(node))

    def _object(self, node: MappingNode, pointer: Pointer) -> dict[str, Any]:
        found: dict[str, Any] = {}
        own: set[str] = set()
        merged: list[tuple[Node, Node]] = []
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merged += self._merged(value, len(pointer))
            elif not isinstance(key, ScalarNode):
                self._reading.complain("a key must be a string", _position(key))
            elif key.value in own:
                self._reading.complain(f"key {key.value!r} stands here twice", _position(key))
            else:
                own.add(key.value)
                self._put(found, key, value, pointer)
        for key, value in merged:
            if isinstance(key, ScalarNode) and key.value not in found:
                self._put(found, key, value, pointer)
        return found

    def _put(self, found: dict[str, Any], key: Node, value: Node, pointer: Pointer) -> None:
        steps = (*pointer, key.value)
        self._reading.positions[steps] = _position(key)
        found[key.value] = self._value(value, steps)

    def _merged(self, node: Node, depth: int) -> Iterator[tuple[Node, Node]]:
        """The members that `<<: *anchor` or `<<: [*one, *two]` brings, the strongest first."""
        if depth > MAX_DEPTH:
            raise _TooMuchError(f"nested more than {MAX_DEPTH} deep", _position(node))
        if isinstance(node, SequenceNode):
            for each in node.value:
                yield from self._merged(each, depth + 1)
        elif isinstance(node, MappingNode):
            further = []
            for key, value in node.value:
                if key.tag == f"{_TAG}merge":
                    further.append(value)
                else:
                    self._count(key)
                    yield key, value
            for each in further:
                yield from self._merged(each, depth + 1)
        else:
            self._reading.complain("<< merges an object or a list of objects", _position(node))

    def _scalar(self, node: Node) -> Any:
        try:
            match str(node.tag).removeprefix(_TAG):
                case "int":
                    return int(self._constructor.construct_yaml_int(node))
                case "float":
                    number = float(self._constructor.construct_yaml_float(node))
                    if math.isfinite(number):
                        return number
                    self._reading.complain(f"JSON has no number {node.value}", _position(node))
                    return None
                case "bool":
                    return bool(self._constructor.construct_yaml_bool(node))
                case "null":
                    return None
        except (ValueError, KeyError):
            self._reading.complain(f"{node.value!r} is not of type {node.tag}", _position(node))
            return None
        return str(node.value)


def _place(text: str, index: int) -> Position:
    return Position(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _position(node: Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
