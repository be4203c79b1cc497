"""The JSON Schema of files with definitions, made of the models: for editors, as one types.

It says what fields there are and what they hold. What goes beyond that, such as where Next
leads, is the rules' matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from aiowfm.asl.choice import OPERATORS
from aiowfm.asl.model import STATE_TYPES, ChoiceRule, StateMachine
from aiowfm.definitions.definition import MACHINE, WorkflowDefinition

# The draft that editors know best.
_DRAFT = "http://json-schema.org/draft-07/schema#"
_PLACE = "#/definitions/{model}"
_STATE = "State"
_OPERANDS: Mapping[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "timestamp": {"type": "string"},
    "path": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
}


class _Generator(GenerateJsonSchema):
    """Without a word on the table of the state's types, which `_by_type` replaces."""

    def __init__(self, by_alias: bool = True, ref_template: str = _PLACE, **others: Any) -> None:
        super().__init__(by_alias, ref_template, **others)
        self.ignored_warning_kinds = {"skipped-discriminator"}


def file_schema() -> dict[str, Any]:
    """The schema of a file: a definition, or a list of them."""
    _, made = models_json_schema(
        [(WorkflowDefinition, "validation"), (StateMachine, "validation")],
        ref_template=_PLACE,
        schema_generator=_Generator,
    )
    models: dict[str, Any] = _cleaned(made["$defs"])
    definition, rule = models[WorkflowDefinition.__name__], models[ChoiceRule.__name__]
    definition["properties"][MACHINE] = _ref(StateMachine.__name__)
    definition["description"] = "A workflow: its name, and the state machine that it is."
    rule["properties"] |= {
        name: _OPERANDS[comparison.operand] for name, comparison in OPERATORS.items()
    }
    rule["additionalProperties"] = False
    models[_STATE] = _by_type()
    one = _ref(WorkflowDefinition.__name__)
    return {
        "$schema": _DRAFT,
        "title": "Workflow definitions of aiowfm",
        "anyOf": [one, {"type": "array", "items": one}],
        "definitions": dict(sorted(models.items())),
    }


def _by_type() -> dict[str, Any]:
    """A state: its Type says which fields it has.

    With conditions instead of alternatives, a mistake in a Task is one of a Task, and not of
    none of eight types.
    """
    return {
        "description": "A state; what else it has depends on its Type.",
        "type": "object",
        "required": ["Type"],
        "properties": {"Type": {"enum": list(STATE_TYPES)}},
        "allOf": [
            {
                "if": {"required": ["Type"], "properties": {"Type": {"const": name}}},
                "then": _ref(model.__name__),
            }
            for name, model in STATE_TYPES.items()
        ],
    }


def _cleaned(schema: Any) -> Any:
    """*schema* without what says nothing, and with one place for what a state is."""
    if isinstance(schema, list):
        return [_cleaned(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "discriminator" in schema:
        return _ref(_STATE)
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}  # in this draft nothing may stand beside it
    return {
        key: {name: _cleaned(each) for name, each in value.items()}
        if key == "properties"
        else _cleaned(value)
        for key, value in schema.items()
        if not _says_nothing(key, value)
    }


def _says_nothing(key: str, value: object) -> bool:
    # A title is the field's name again; null as a default says that the field is not there.
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None)


def _ref(model: str) -> dict[str, Any]:
    return {"$ref": _PLACE.format(model=model)}
