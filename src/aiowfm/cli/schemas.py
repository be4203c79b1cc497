"""`aiowfm schema`: the JSON Schema of files with definitions."""

from __future__ import annotations

import json

from aiowfm.definitions.schema import file_schema


def schema_text() -> str:
    """The schema as text, which docs/workflows.schema.json holds."""
    return json.dumps(file_schema(), indent=2) + "\n"
