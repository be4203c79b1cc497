"""One definition of a file: by its name, or the only one there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aiowfm.asl.findings import did_you_mean
from aiowfm.definitions import WorkflowDefinition, load_definitions
from aiowfm.errors import UnknownDefinitionError

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A YAML or JSON file.")]
NameArgument = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="One of its definitions, where it has several."),
]


def chosen(file: Path, name: str | None) -> WorkflowDefinition:
    """The definition *name* of *file*.

    Raises:
        DefinitionError: the file has problems.
        UnknownDefinitionError: it has no such definition.
        typer.BadParameter: no name is given, and it has several definitions.
    """
    definitions = {each.name: each for each in load_definitions(file)}
    if name is not None:
        if name not in definitions:
            hint = did_you_mean(name, definitions) or f"; it has {', '.join(definitions)}"
            raise UnknownDefinitionError(f"{file} has no definition {name!r}{hint}")
        return definitions[name]
    if len(definitions) != 1:
        names = ", ".join(definitions) or "none"
        raise typer.BadParameter(
            f"give the name of a definition, since {file} has {len(definitions)}: {names}",
            param_hint="NAME",
        )
    return next(iter(definitions.values()))
