"""`aiowfm schema`: the JSON Schema of files with definitions."""

from __future__ import annotations

from json import dumps

import typer

from aiowfm.cli.options import AlwaysJsonOption
from aiowfm.definitions.schema import file_schema


def schema(json: AlwaysJsonOption = False) -> None:
    """Print the JSON Schema of files with definitions, for editors."""
    typer.echo(schema_text(), nl=False)


def schema_text() -> str:
    """The schema as text, which docs/workflows.schema.json holds."""
    return dumps(file_schema(), indent=2) + "\n"
