"""`aiowfm graph`: prints the state machine of a definition as a picture."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from aiowfm.cli import documents
from aiowfm.cli.choosing import FileArgument, NameArgument, chosen
from aiowfm.cli.options import JsonOption
from aiowfm.graphs import Chart, Group, as_dot, as_mermaid, chart_of


class GraphFormat(StrEnum):
    """The language of the picture."""

    MERMAID = "mermaid"
    DOT = "dot"


_WRITERS = {GraphFormat.MERMAID: as_mermaid, GraphFormat.DOT: as_dot}


def graph(
    file: FileArgument,
    name: NameArgument = None,
    format: Annotated[
        GraphFormat | None, typer.Option(help="For Mermaid, unless given, or for Graphviz.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Print the state machine of a definition as a picture.

    States have shapes by their types, Choices are labelled with their conditions, and what
    errors lead to is dashed. With --json its nodes and edges are printed.
    """
    if json and format is not None:
        raise typer.BadParameter("it is another format", param_hint="--json")
    definition = chosen(file, name)
    chart = chart_of(definition.state_machine, definition.name)
    if json:
        documents.print_json(_fields(chart))
    else:
        typer.echo(_WRITERS[format or GraphFormat.MERMAID](chart), nl=False)


def _fields(chart: Chart) -> dict[str, object]:
    return {
        "title": chart.title,
        "nodes": _node_fields(chart.root),
        "groups": [_group_fields(each) for each in chart.root.groups],
        "edges": [asdict(each) for each in chart.edges],
    }


def _group_fields(group: Group) -> dict[str, object]:
    return {
        "id": group.id,
        "label": group.label,
        "nodes": _node_fields(group),
        "groups": [_group_fields(each) for each in group.groups],
    }


def _node_fields(group: Group) -> list[dict[str, object]]:
    return [
        {"id": each.id, "type": each.shape.value, "lines": list(each.lines)} for each in group.nodes
    ]
