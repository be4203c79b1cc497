"""`aiowfm graph`: prints the state machine of a definition as a picture."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from aiowfm.cli.choosing import FileArgument, NameArgument, chosen
from aiowfm.cli.refusals import refusals
from aiowfm.graphs import as_dot, as_mermaid, chart_of


class GraphFormat(StrEnum):
    """The language of the picture."""

    MERMAID = "mermaid"
    DOT = "dot"


_WRITERS = {GraphFormat.MERMAID: as_mermaid, GraphFormat.DOT: as_dot}


def graph(
    file: FileArgument,
    name: NameArgument = None,
    format: Annotated[
        GraphFormat, typer.Option(help="For Mermaid, or for Graphviz.")
    ] = GraphFormat.MERMAID,
) -> None:
    """Print the state machine of a definition as a picture.

    States have shapes by their types, Choices are labelled with their conditions, and what
    errors lead to is dashed.
    """
    with refusals():
        definition = chosen(file, name)
    chart = chart_of(definition.state_machine, definition.name)
    typer.echo(_WRITERS[format](chart), nl=False)
