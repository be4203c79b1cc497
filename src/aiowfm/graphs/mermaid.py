"""Charts as Mermaid flowcharts (https://mermaid.js.org/syntax/flowchart.html)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from aiowfm.graphs.chart import Chart, Edge, Group, Shape

_INDENT = "    "
_SHAPES = {
    Shape.TASK: ("[", "]"),
    Shape.PASS: ("(", ")"),
    Shape.CHOICE: ("{", "}"),
    Shape.WAIT: ("{{", "}}"),
    Shape.SUCCEED: ("([", "])"),
    Shape.FAIL: ("[/", "\\]"),
    Shape.PARALLEL: ("[[", "]]"),
    Shape.MAP: ("[/", "/]"),
    Shape.START: ("((", "))"),
    Shape.END: ("(((", ")))"),
}
# All else is written as an entity: even inside quotes, Mermaid looks for #, %%, `, $$ and tags.
_PLAIN = frozenset(" _.,-()=+*/'!?|[]")


def as_mermaid(chart: Chart) -> str:
    """*chart* as the text of a flowchart, which ends with a line break."""
    return "".join(f"{line}\n" for line in _lines(chart))


def _lines(chart: Chart) -> Iterator[str]:
    if chart.title:
        yield from ("---", f"title: {json.dumps(chart.title)}", "---")
    yield "flowchart TD"
    yield from _content(chart.root, _INDENT)
    for edge in chart.edges:
        yield f"{_INDENT}{_edge(edge)}"


def _content(group: Group, indent: str) -> Iterator[str]:
    for node in group.nodes:
        opening, closing = _SHAPES[node.shape]
        yield f"{indent}{node.id}{opening}{_quoted(*node.lines)}{closing}"
    for each in group.groups:
        yield f"{indent}subgraph {each.id}[{_quoted(each.label)}]"
        yield f"{indent}{_INDENT}direction TB"
        yield from _content(each, indent + _INDENT)
        yield f"{indent}end"


def _edge(edge: Edge) -> str:
    arrow = "-.->" if edge.is_error else "-->"
    label = f"|{_quoted(edge.label)}|" if edge.label else ""
    return f"{edge.group or edge.source} {arrow}{label} {edge.target}"


def _quoted(*lines: str) -> str:
    return '"' + "<br/>".join(map(_escaped, lines)) + '"'


def _escaped(text: str) -> str:
    return "".join(each if each.isalnum() or each in _PLAIN else f"#{ord(each)};" for each in text)
