"""YAML text as nodes with positions: no values yet, and aliases are the nodes they stand for.

The events are ruamel's. Where its C parser is installed (`ruamel.yaml.clib`), that one reads,
about ten times as fast; what it refuses, the one in Python reads once more, for its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import ScalarNode

from aiowfm.asl.shape import MAX_DEPTH
from aiowfm.definitions.reading import MAX_VALUES, Position, TooMuchError

TAG = "tag:yaml.org,2002:"
# Longer texts with a mistake are not read again by the slow parser for better words.
MAX_READ_AGAIN = 1_000_000

# ruamel would take seconds to give up on this one.
_BRACKETS = re.compile(rf"(?:[\[{{]\s*){{{MAX_DEPTH + 1}}}")


@dataclass(slots=True, eq=False)
class Scalar:
    """A string, number, …, as it is written, and its tag."""

    tag: str
    text: str
    position: Position


@dataclass(slots=True, eq=False)
class Sequence:
    """A list."""

    tag: str
    position: Position
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapping:
    """An object; keys may be anything, and stand twice."""

    tag: str
    position: Position
    items: list[tuple[Node, Node]] = field(default_factory=list)


Node: TypeAlias = Scalar | Sequence | Mapping


def composed(text: str) -> tuple[Node | None, YAML]:
    """The one document in *text*, and what knows the meaning of its scalars.

    Raises:
        TooMuchError: it is too deep or too long.
        YAMLError: it is no YAML.
    """
    if brackets := _BRACKETS.search(text):
        raise TooMuchError(f"nested more than {MAX_DEPTH} deep", place(text, brackets.start()))
    if (fast := YAML(typ="safe")).Parser is not None and _is_compiled(fast.Parser):
        try:
            return _Composer(fast.parse(text)).run()
        except UnicodeEncodeError:
            pass  # half a character, which the other one can name
        except YAMLError:
            if len(text) > MAX_READ_AGAIN:
                raise
    return _Composer(YAML(typ="rt", pure=True).parse(text)).run()


def place(text: str, index: int) -> Position:
    """The line and column of the character at *index*."""
    return Position(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _is_compiled(parser: type) -> bool:
    return "_ruamel_yaml" in parser.__module__


def _position(event: Event) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


class _Composer:
    """Puts events together, without recursion: a text can be as deep as it is long."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._yaml = YAML(typ="rt", pure=True)
        self._anchors: dict[str, Node] = {}
        self._tags: dict[str, str] = {}  # of plain scalars

    def run(self) -> tuple[Node | None, YAML]:
        root: Node | None = None
        # What is open, with the key that waits for its value.
        around: list[tuple[Sequence | Mapping, list[Node]]] = []
        left = MAX_VALUES
        for event in self._events:
            if isinstance(event, CollectionEndEvent):
                around.pop()
                continue
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    message = "but found another document"
                    raise ComposerError(None, None, message, event.start_mark)
                self._yaml.version = event.version
            node = self._node(event)
            if node is None:
                continue
            if not around:
                root = node
            else:
                holder, key = around[-1]
                if isinstance(holder, Sequence):
                    holder.items.append(node)
                elif key:
                    holder.items.append((key.pop(), node))
                else:
                    key.append(node)
            left -= not (around and around[-1][1])  # all but keys
            if left < 0:
                raise TooMuchError(f"more than {MAX_VALUES:,} values", _position(event))
            if not isinstance(event, AliasEvent) and not isinstance(node, Scalar):
                if len(around) > MAX_DEPTH:
                    raise TooMuchError(f"nested more than {MAX_DEPTH} deep", _position(event))
                around.append((node, []))
        return root, self._yaml

    def _node(self, event: Any) -> Node | None:
        make: Callable[[Any], Node] | None = _MAKERS.get(type(event))
        if make is None:
            return self._anchored(event) if isinstance(event, AliasEvent) else None
        node = make(event)
        if isinstance(event, ScalarEvent) and isinstance(node, Scalar):
            node.tag = self._tag(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _anchored(self, event: AliasEvent) -> Node:
        if event.anchor not in self._anchors:
            message = f"found undefined alias {event.anchor!r}"
            raise ComposerError(None, None, message, event.start_mark)
        return self._anchors[event.anchor]

    def _tag(self, event: ScalarEvent) -> str:
        """What a scalar without a tag is, by how it is written."""
        if event.tag is not None and event.tag != "!":
            return str(event.tag)
        is_plain, _ = event.implicit
        if not is_plain:
            return f"{TAG}str"
        tag = self._tags.get(event.value)
        if tag is None:
            resolver = self._yaml.resolver
            tag = str(resolver.resolve(ScalarNode, event.value, (True, False)))
            self._tags[event.value] = tag
        return tag


def _tag_of(event: SequenceStartEvent | MappingStartEvent, kind: str) -> str:
    return f"{TAG}{kind}" if event.tag is None or event.tag == "!" else str(event.tag)


_MAKERS: dict[type[Event], Callable[[Any], Node]] = {
    ScalarEvent: lambda event: Scalar("", event.value, _position(event)),
    SequenceStartEvent: lambda event: Sequence(_tag_of(event, "seq"), _position(event)),
    MappingStartEvent: lambda event: Mapping(_tag_of(event, "map"), _position(event)),
}
