"""Charts in the language of Graphviz (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from collections.abc import Iterator

from aiowfm.graphs.chart import Chart, Edge, Group, Shape

_INDENT = "    "
_SHAPES = {
    Shape.TASK: "shape=box",
    Shape.PASS: "shape=box, style=rounded",
    Shape.CHOICE: "shape=diamond",
    Shape.WAIT: "shape=hexagon",
    Shape.SUCCEED: "shape=ellipse",
    Shape.FAIL: "shape=octagon",
    Shape.PARALLEL: "shape=box3d",
    Shape.MAP: "shape=folder",
    Shape.START: "shape=circle",
    Shape.END: "shape=doublecircle",
}


def as_dot(chart: Chart) -> str:
    """*chart* as the text of a digraph, which ends with a line break."""
    return "".join(f"{line}\n" for line in _lines(chart))


def _lines(chart: Chart) -> Iterator[str]:
    yield f"digraph {_quoted(chart.title)} {{"
    yield f"{_INDENT}compound=true;"
    if chart.title:
        yield f"{_INDENT}label={_quoted(chart.title)};"
        yield f"{_INDENT}labelloc=t;"
    yield from _content(chart.root, _INDENT)
    for edge in chart.edges:
        yield f"{_INDENT}{_edge(edge)}"
    yield "}"


def _content(group: Group, indent: str) -> Iterator[str]:
    for node in group.nodes:
        yield f"{indent}{node.id} [label={_quoted(*node.lines)}, {_SHAPES[node.shape]}];"
    for each in group.groups:
        yield f"{indent}subgraph cluster_{each.id} {{"
        yield f"{indent}{_INDENT}label={_quoted(each.label)};"
        yield from _content(each, indent + _INDENT)
        yield f"{indent}}}"


def _edge(edge: Edge) -> str:
    attributes = []
    if edge.label:
        attributes.append(f"label={_quoted(edge.label)}")
    if edge.is_error:
        attributes.append("style=dashed")
    if edge.group is not None:
        attributes.append(f"ltail=cluster_{edge.group}")
    shown = f" [{', '.join(attributes)}]" if attributes else ""
    return f"{edge.source} -> {edge.target}{shown};"


def _quoted(*lines: str) -> str:
    return '"' + "\\n".join(map(_escaped, lines)) + '"'


def _escaped(text: str) -> str:
    """*text* as it is: Graphviz reads backslashes and entities in labels."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
