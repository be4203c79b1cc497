from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.validation.test_validation import CASES, cases

from aiowfm.asl.model import STATE_TYPES
from aiowfm.asl.shape import field_names
from aiowfm.cli.schemas import schema_text
from aiowfm.definitions.document import read_file
from aiowfm.definitions.schema import file_schema

ROOT = Path(__file__).parents[2]
SCHEMA = file_schema()
CHECKS = jsonschema.Draft7Validator(SCHEMA)


def wrong(document: object) -> list[tuple[tuple[Any, ...], str]]:
    """Where *document* breaks the schema and how, as an editor would show it."""
    found = []
    waiting = list(CHECKS.iter_errors(document))
    while waiting:
        error = waiting.pop()
        inner = list(error.context or ())
        waiting += inner
        if not inner:
            found.append((tuple(error.absolute_path), error.message))
    return found


def definition(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "n", "stateMachine": {"StartAt": "a", "States": {"a": state}, **fields}}


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_the_documents_hold_the_schema_as_it_is() -> None:
    kept = (ROOT / "docs" / "workflows.schema.json").read_text(encoding="utf-8")
    assert kept == schema_text(), "run: aiowfm schema > docs/workflows.schema.json"


def test_each_type_of_state_has_its_own_fields() -> None:
    for name, model in STATE_TYPES.items():
        assert set(SCHEMA["definitions"][model.__name__]["properties"]) == field_names(model)
        condition, consequence = next(
            (each["if"], each["then"])
            for each in SCHEMA["definitions"]["State"]["allOf"]
            if each["if"]["properties"]["Type"]["const"] == name
        )
        assert condition["required"] == ["Type"]
        assert consequence == {"$ref": f"#/definitions/{model.__name__}"}


@pytest.mark.skipif(not CASES.exists(), reason=f"the cases are not at {CASES}")
def test_all_that_aws_takes_has_the_right_shape() -> None:
    for case in cases():
        if case["valid"] and not case["disputed"]:
            document = {"name": "n", "stateMachine": case["definition"]}
            assert wrong(document) == [], case["id"]
            assert wrong([document]) == [], case["id"]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").rglob("*.yml")), ids=lambda path: str(path.name)
)
def test_the_examples_have_the_right_shape(path: Path) -> None:
    assert wrong(read_file(path).data) == []


@pytest.mark.parametrize(
    ("document", "place", "message"),
    [
        pytest.param({"nam": "n"}, (), "'nam' was unexpected", id="unknown field"),
        pytest.param(
            definition({"Type": "Task", "Resource": "a", "Nxt": "b"}),
            ("stateMachine", "States", "a"),
            "'Nxt' was unexpected",
            id="unknown field of a state",
        ),
        pytest.param(
            definition({"Type": "Tusk"}),
            ("stateMachine", "States", "a", "Type"),
            "'Tusk' is not one of",
            id="type",
        ),
        pytest.param(
            definition({"Type": "Choice", "Choices": [{"IsNul": True}]}),
            ("stateMachine", "States", "a", "Choices", 0),
            "'IsNul' was unexpected",
            id="comparison",
        ),
        pytest.param(
            definition({"Type": "Choice", "Choices": [{"Not": {"NumericEquals": "1"}}]}),
            ("stateMachine", "States", "a", "Choices", 0, "Not", "NumericEquals"),
            "'1' is not of type 'number'",
            id="operand, nested",
        ),
        pytest.param(
            definition({"Type": "Wait", "Seconds": -1, "End": True}),
            ("stateMachine", "States", "a", "Seconds"),
            "-1 is less than the minimum of 0",
            id="number",
        ),
        pytest.param(
            definition({"Type": "Pass", "Next": None}),
            ("stateMachine", "States", "a", "Next"),
            "None is not of type 'string'",
            id="null",
        ),
    ],
)
def test_a_mistake_is_shown_where_it_is(
    document: dict[str, Any], place: tuple[Any, ...], message: str
) -> None:
    assert any(at == place and message in said for at, said in wrong(document)), wrong(document)
    inside = [(at, said) for at, said in wrong([document]) if at == (0, *place)]
    assert any(message in said for _, said in inside)
