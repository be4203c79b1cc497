"""What a picture of a state machine consists of, however it is written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from aiowfm.asl.rules import nested_machines
from aiowfm.graphs.labels import condition, errors, notes, printable, shortened


class Shape(Enum):
    """What a node is; the types of states by their names."""

    TASK = "Task"
    PASS = "Pass"
    CHOICE = "Choice"
    WAIT = "Wait"
    SUCCEED = "Succeed"
    FAIL = "Fail"
    PARALLEL = "Parallel"
    MAP = "Map"
    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class Node:
    """A state, a start or an end.

    Attributes:
        id: Letters and digits, one of a kind in its chart.
        lines: What is written in it.
    """

    id: str
    shape: Shape
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """A transition.

    Attributes:
        group: The group that it leaves as a whole, if it does.
        is_error: Whether it is taken when the state fails.
    """

    source: str
    target: str
    label: str = ""
    group: str | None = None
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """What belongs together: a Map or Parallel with all inside, or one branch of it."""

    id: str
    label: str
    nodes: list[Node] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chart:
    """A state machine as nodes in groups, and the edges between them."""

    title: str
    root: Group
    edges: list[Edge]


def chart_of(machine: Mapping[str, Any], title: str = "") -> Chart:
    """The picture of *machine*, States Language in which nothing is wrong.

    The same machine always has the same picture.
    """
    drawing = _Drawing()
    root = Group("root", "")
    start = drawing.node(root, Shape.START, ("start",))
    entry = drawing.scope(machine, root)
    if entry is not None:
        drawing.edges.insert(0, Edge(start.id, entry))
    return Chart(printable(title), root, drawing.edges)


class _Drawing:
    def __init__(self) -> None:
        self.edges: list[Edge] = []
        self._node_numbers = itertools.count()
        self._group_numbers = itertools.count()

    def node(self, group: Group, shape: Shape, lines: tuple[str, ...]) -> Node:
        shown = tuple(map(printable, lines))
        node = Node(f"n{next(self._node_numbers)}", shape, shown)
        group.nodes.append(node)
        return node

    def scope(self, machine: Mapping[str, Any], group: Group) -> str | None:
        """Draw the states of *machine* into *group*; the node that it begins with."""
        states = machine["States"]
        nodes: dict[str, str] = {}
        around: dict[str, str] = {}
        for name, state in states.items():
            nested = list(nested_machines(state))
            inside = group
            if nested:
                inside = self._group(group, name)
                around[name] = inside.id
            lines = tuple(line for line in notes(state) if line and line != name)
            nodes[name] = self.node(inside, Shape(state["Type"]), (name, *lines)).id
            for number, (_, inner) in enumerate(nested, 1):
                self._inner(inside, nodes[name], state, inner, number)
        last: list[Edge] = []
        for name, state in states.items():
            for edge in _edges(state, nodes[name], nodes, around.get(name)):
                (self.edges if edge.target else last).append(edge)
        if last:
            end = self.node(group, Shape.END, ("end",)).id
            self.edges += [Edge(each.source, end, group=each.group) for each in last]
        return nodes.get(machine["StartAt"])

    def _inner(
        self,
        group: Group,
        header: str,
        state: Mapping[str, Any],
        machine: Mapping[str, Any],
        number: int,
    ) -> None:
        is_map = state["Type"] == "Map"
        label = f"branch {number}"
        if is_map:
            mode = machine.get("ProcessorConfig", {}).get("Mode", "INLINE")
            label = "each item" if mode == "INLINE" else "each item, distributed"
        entry = self.scope(machine, self._group(group, label))
        if entry is not None:
            self.edges.append(Edge(header, entry))

    def _group(self, around: Group, label: str) -> Group:
        group = Group(f"g{next(self._group_numbers)}", printable(label))
        around.groups.append(group)
        return group


def _edges(
    state: Mapping[str, Any], source: str, nodes: Mapping[str, str], group: str | None
) -> Iterator[Edge]:
    """The transitions of a state; those without a target end its scope."""
    for label, target, is_error in _transitions(state):
        if target in nodes:
            # A group cannot lead as a whole to a node of its own.
            leaves = group if nodes[target] != source else None
            yield Edge(source, nodes[target], printable(label), leaves, is_error)
    if state.get("End") is True or state["Type"] in ("Succeed", "Fail"):
        yield Edge(source, "", "", group)


def _transitions(state: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Labels and targets, and whether they are for errors."""
    for rule in state.get("Choices") or ():
        yield condition(rule), rule.get("Next", ""), False
    yield "otherwise", state.get("Default", ""), False
    yield "", state.get("Next", ""), False
    for catcher in state.get("Catch") or ():
        yield shortened(errors(catcher)), catcher.get("Next", ""), True
