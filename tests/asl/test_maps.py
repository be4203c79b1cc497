"""What a Map runs over, and what its ItemSelector sees."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asl.driver import run

ITEMS = {"web": {"port": 80}, "db": 5432}
PAIRS = [{"Key": "web", "Value": {"port": 80}}, {"Key": "db", "Value": 5432}]
SELECTED = [
    {"i": 0, "k": "web", "v": {"port": 80}, "s": "STATE_DATA"},
    {"i": 1, "k": "db", "v": 5432, "s": "STATE_DATA"},
]
OF_CONTEXT = {"i": "Index", "k": "Key", "v": "Value", "s": "Source"}
IN_JSONPATH = {name + ".$": f"$$.Map.Item.{field}" for name, field in OF_CONTEXT.items()}
IN_JSONATA = {
    name: f"{{% $states.context.Map.Item.{field} %}}" for name, field in OF_CONTEXT.items()
}


def map_machine(mode: str, language: str = "JSONPath", **fields: Any) -> dict[str, Any]:
    execution = {"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {}
    processor = {
        "ProcessorConfig": {"Mode": mode} | execution,
        "StartAt": "p",
        "States": {"p": {"Type": "Pass", "End": True}},
    }
    state = {"Type": "Map", "ItemProcessor": processor, "End": True} | fields
    return {"QueryLanguage": language, "StartAt": "each", "States": {"each": state}}


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(map_machine("INLINE", ItemsPath="$.items"), id="inline"),
        pytest.param(map_machine("DISTRIBUTED", ItemsPath="$.items"), id="distributed"),
        pytest.param(
            map_machine("DISTRIBUTED", "JSONata", Items="{% $states.input.items %}"),
            id="distributed, JSONata",
        ),
    ],
)
def test_the_members_of_an_object_are_items(machine: dict[str, Any]) -> None:
    assert run(machine, {"items": ITEMS}).output == PAIRS
    assert run(machine, {"items": {}}).output == []


def test_the_input_can_be_that_object() -> None:
    assert run(map_machine("DISTRIBUTED"), ITEMS).output == PAIRS
    assert run(map_machine("DISTRIBUTED", "JSONata"), ITEMS).output == PAIRS


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_an_item_selector_sees_key_value_and_source(mode: str) -> None:
    machine = map_machine(mode, ItemSelector=IN_JSONPATH)
    assert run(machine, ITEMS).output == SELECTED
    without_key = {name: path for name, path in IN_JSONPATH.items() if name != "k.$"}
    done = run(map_machine(mode, ItemSelector=without_key), [7])
    assert done.output == [{"i": 0, "v": 7, "s": "STATE_DATA"}]


def test_so_does_one_in_jsonata() -> None:
    machine = map_machine("DISTRIBUTED", "JSONata", ItemSelector=IN_JSONATA)
    assert run(machine, ITEMS).output == SELECTED


def test_only_objects_have_keys() -> None:
    failure = run(map_machine("INLINE", ItemSelector=IN_JSONPATH), [7]).run.failure
    assert failure is not None
    assert "The JSONPath '$$.Map.Item.Key' specified for the field 'k.$'" in (failure.cause or "")


def test_an_inline_map_in_jsonata_takes_no_object() -> None:
    """As recorded on AWS, whatever its documentation says."""
    literal = map_machine("INLINE", "JSONata", Items="{% $states.input %}")
    for machine in (literal, map_machine("INLINE", "JSONata")):
        failure = run(machine, ITEMS).run.failure
        assert failure is not None
        assert failure.error == "States.QueryEvaluationError"


def test_states_in_an_inline_map_see_the_item_of_an_object() -> None:
    machine = map_machine("INLINE")
    states = machine["States"]["each"]["ItemProcessor"]["States"]
    states["p"] |= {"Parameters": {"item.$": "$$.Map.Item"}}
    first, second = run(machine, ITEMS).output
    assert first == {"item": {"Index": 0, "Key": "web", "Value": {"port": 80}}}
    assert second["item"]["Key"] == "db"
    assert run(machine, [1]).output == [{"item": {"Index": 0, "Value": 1}}]


def test_members_are_batched() -> None:
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"x": 1}}
    done = run(map_machine("DISTRIBUTED", ItemBatcher=batcher), ITEMS)
    assert done.output == [{"BatchInput": {"x": 1}, "Items": PAIRS}]
