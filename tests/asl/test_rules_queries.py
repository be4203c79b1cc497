from __future__ import annotations

from typing import Any

import pytest

from aiowfm.asl import rules
from aiowfm.asl.findings import SCHEMA, UNSUPPORTED_JSONATA
from tests.asl.test_rules import PASS, TASK, caught, choice, jsonata, machine, mapping, only

WAIT = {"Type": "Wait", "End": True}


def in_jsonata(definition: dict[str, Any]) -> dict[str, Any]:
    return definition | {"QueryLanguage": "JSONata"}


@pytest.mark.parametrize(
    ("state", "field", "instead"),
    [
        pytest.param({**PASS, "InputPath": "$.a"}, "InputPath", "$states.input", id="InputPath"),
        pytest.param({**PASS, "OutputPath": None}, "OutputPath", "Output", id="null"),
        pytest.param({**PASS, "ResultPath": "$.a"}, "ResultPath", "Output", id="ResultPath"),
        pytest.param({**PASS, "Result": 1}, "Result", "Output", id="Result"),
        pytest.param({**PASS, "Parameters": {}}, "Parameters", "Output", id="Parameters of Pass"),
        pytest.param({**TASK, "Parameters": {}}, "Parameters", "Arguments", id="Parameters"),
        pytest.param({**TASK, "ResultSelector": {}}, "ResultSelector", "Output", id="selector"),
        pytest.param(
            {**TASK, "TimeoutSecondsPath": "$.t"},
            "TimeoutSecondsPath",
            "TimeoutSeconds with an expression",
            id="TimeoutSecondsPath",
        ),
        pytest.param(
            {**TASK, "HeartbeatSecondsPath": "$.t"},
            "HeartbeatSecondsPath",
            "HeartbeatSeconds",
            id="HeartbeatSecondsPath",
        ),
        pytest.param({**WAIT, "SecondsPath": "$.s"}, "SecondsPath", "Seconds", id="SecondsPath"),
        pytest.param(
            {**WAIT, "TimestampPath": "$.t"}, "TimestampPath", "Timestamp", id="TimestampPath"
        ),
        pytest.param({"Type": "Fail", "ErrorPath": "$.e"}, "ErrorPath", "Error", id="ErrorPath"),
        pytest.param({"Type": "Fail", "CausePath": "$.c"}, "CausePath", "Cause", id="CausePath"),
        pytest.param(
            mapping(ItemsPath="$.a")["States"]["it"], "ItemsPath", "Items", id="ItemsPath"
        ),
        pytest.param(
            mapping(Parameters={})["States"]["it"], "Parameters", "ItemSelector", id="of a Map"
        ),
        pytest.param(
            mapping(MaxConcurrencyPath="$.n")["States"]["it"],
            "MaxConcurrencyPath",
            "MaxConcurrency",
            id="MaxConcurrencyPath",
        ),
        pytest.param(
            mapping(ToleratedFailureCountPath="$.n")["States"]["it"],
            "ToleratedFailureCountPath",
            "ToleratedFailureCount",
            id="ToleratedFailureCountPath",
        ),
    ],
)
def test_a_jsonata_state_has_no_field_of_jsonpath(
    state: dict[str, Any], field: str, instead: str
) -> None:
    finding = only(in_jsonata(machine(state)))
    assert finding.pointer == ("States", "it", field)
    assert finding.message.startswith(
        f"{field} is not JSONata's, the query language of this state: write {instead}"
    )
    assert finding.aws == (
        f"The QueryLanguage is set to 'JSONata', but field '{field}' is only supported"
        " for the 'JSONPath' QueryLanguage"
    )
    assert (finding.code, finding.at) == (SCHEMA, ("States", "it"))


@pytest.mark.parametrize(
    ("definition", "steps"),
    [
        pytest.param(caught(ResultPath="$.e"), ("Catch", 0, "ResultPath"), id="catcher"),
        pytest.param(
            choice({"Variable": "$.a", "IsNull": True, "Next": "to"}),
            ("Choices", 0, "Variable"),
            id="choice rule",
        ),
        pytest.param(
            choice({"Not": {"Variable": "$.a", "IsNull": True}, "Next": "to"}),
            ("Choices", 0, "Not"),
            id="combination",
        ),
        pytest.param(
            mapping(ItemBatcher={"MaxItemsPerBatchPath": "$.n"}),
            ("ItemBatcher", "MaxItemsPerBatchPath"),
            id="ItemBatcher",
        ),
        pytest.param(
            mapping(ItemReader={"Resource": "r", "ReaderConfig": {"MaxItemsPath": "$.n"}}),
            ("ItemReader", "ReaderConfig", "MaxItemsPath"),
            id="ReaderConfig",
        ),
        pytest.param(
            mapping(ResultWriter={"Resource": "r", "Parameters": {}}),
            ("ResultWriter", "Parameters"),
            id="ResultWriter",
        ),
    ],
)
def test_nor_has_a_part_of_it(definition: dict[str, Any], steps: tuple[str | int, ...]) -> None:
    finding = only(in_jsonata(definition))
    assert finding.pointer == ("States", "it", *steps)
    assert finding.at == ("States", "it", *steps[:-1])


@pytest.mark.parametrize(
    ("definition", "steps"),
    [
        pytest.param(machine({**TASK, "Arguments": {}}), ("Arguments",), id="Arguments"),
        pytest.param(machine({**PASS, "Output": 1}), ("Output",), id="Output"),
        pytest.param(mapping(Items=[1]), ("Items",), id="Items"),
        pytest.param(caught(Output=1), ("Catch", 0, "Output"), id="Output of a catcher"),
        pytest.param(
            choice({"Variable": "$.a", "IsNull": True, "Output": 1, "Next": "to"}),
            ("Choices", 0, "Output"),
            id="Output of a choice rule",
        ),
        pytest.param(
            choice({"Condition": "{% true %}", "Next": "to"}),
            ("Choices", 0, "Condition"),
            id="Condition",
        ),
        pytest.param(
            mapping(ItemReader={"Resource": "r", "Arguments": {}}),
            ("ItemReader", "Arguments"),
            id="ItemReader",
        ),
    ],
)
def test_a_jsonpath_state_has_no_field_of_jsonata(
    definition: dict[str, Any], steps: tuple[str | int, ...]
) -> None:
    finding = only(definition)
    assert finding.pointer == ("States", "it", *steps)
    assert finding.aws == (
        f"The QueryLanguage is set to 'JSONPath', but field '{steps[-1]}' is only supported"
        " for the 'JSONata' QueryLanguage"
    )
    assert finding.at == ("States", "it", *steps[:-1])


def test_a_map_takes_no_arguments_in_any_language() -> None:
    finding = only(in_jsonata(mapping(Arguments={})))
    assert finding.pointer == ("States", "it", "Arguments")
    assert finding.aws == "Field 'Arguments' is not supported"
    assert finding.message == "a Map state has no field 'Arguments': it belongs to Task, Parallel"


def test_the_language_of_a_state_comes_before_that_of_the_machine() -> None:
    assert rules.problems(machine({**PASS, "QueryLanguage": "JSONata", "Output": 1})) == []
    bad = only(machine({**PASS, "QueryLanguage": "JSONata", "Result": 1}))
    assert bad.pointer == ("States", "it", "Result")


def test_the_states_inside_a_map_have_the_language_of_the_machine() -> None:
    definition = mapping(QueryLanguage="JSONata", Output=1)
    definition["States"]["it"]["ItemProcessor"]["States"]["in"] = {**PASS, "Output": 1}
    assert only(definition).at == ("States", "it", "ItemProcessor", "States", "in")


def test_a_jsonata_machine_has_no_jsonpath_states() -> None:
    finding = only(in_jsonata(machine({**PASS, "QueryLanguage": "JSONPath", "Result": 1})))
    assert finding.pointer == ("States", "it", "QueryLanguage")
    assert finding.at == ("States", "it")
    assert finding.aws == (
        "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"
    )


@pytest.mark.parametrize("text", ["{% 1", "1 %}", " {% 1 %}", "{% 1 %} ", "{%}"])
def test_a_string_is_an_expression_as_a_whole_or_not_at_all(text: str) -> None:
    finding = only(jsonata(Output={"a": [text]}))
    assert finding.pointer == ("States", "it", "Output", "a", 0)
    assert finding.message == (
        "a[0] must start with '{%' and end with '%}' to be an expression,"
        f" or do neither, not {text!r}"
    )
    assert finding.aws == "JSONata string must start with {% and end with %}"


@pytest.mark.parametrize("text", ["", "1", "a {% 1 %} b", "% 1 %", "{ % 1 % }"])
def test_other_strings_stand_for_themselves(text: str) -> None:
    assert rules.problems(jsonata(Comment="{% 1", Output=text)) == []


def test_half_an_expression_for_a_number_is_found_once() -> None:
    finding = only(in_jsonata(machine({**TASK, "TimeoutSeconds": "{% 10"})))
    assert finding.message.startswith("TimeoutSeconds must be a whole number or a JSONata")


def task(**fields: Any) -> dict[str, Any]:
    return in_jsonata(machine({**TASK, **fields}))


RESULT = "{% $states.result.a %}"
ERROR = "{% $states.errorOutput.Error & $states.input.a %}"


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param(task(Output=RESULT, Assign={"a": RESULT}), id="result of a Task"),
        pytest.param(in_jsonata(mapping(Output={"a": [RESULT]})), id="result of a Map"),
        pytest.param(in_jsonata(caught(Output=ERROR, Assign={"e": ERROR})), id="of a catcher"),
        pytest.param(task(Arguments="{% $states %}"), id="all of $states"),
        pytest.param(
            task(Arguments="{% ($states := {'a': 1}; $states.a) %}"), id="another $states"
        ),
        pytest.param(task(Arguments="{% $states.context.Execution.Id %}"), id="context"),
    ],
)
def test_states_has_what_there_is_by_then(definition: dict[str, Any]) -> None:
    assert rules.problems(definition) == []


@pytest.mark.parametrize(
    ("definition", "steps", "name"),
    [
        pytest.param(task(Arguments=RESULT), ("Arguments",), "result", id="before the result"),
        pytest.param(jsonata(Output={"a": RESULT}), ("Output", "a"), "result", id="of a Pass"),
        pytest.param(
            in_jsonata(caught(Output=RESULT)), ("Catch", 0, "Output"), "result", id="of a failure"
        ),
        pytest.param(task(Output=ERROR), ("Output",), "errorOutput", id="error without one"),
        pytest.param(
            in_jsonata(mapping(ItemSelector={"i": "{% $states.item %}"})),
            ("ItemSelector", "i"),
            "item",
            id="no member at all",
        ),
    ],
)
def test_and_nothing_else(
    definition: dict[str, Any], steps: tuple[str | int, ...], name: str
) -> None:
    finding = only(definition)
    assert finding.pointer == ("States", "it", *steps)
    assert f"there is no $states.{name} here, but $states.context" in finding.message
    assert finding.aws == f"Field '$states.{name}' does not exist."
    assert finding.code == UNSUPPORTED_JSONATA


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("phone", "phone"),
        ("phone.home[a = 1]", "phone"),
        ("$sum(prices)", "prices"),
        ("$map($states.input.a, function($v) { $v + b })", "b"),
        ("{'a': b}", "b"),
        ("[-b]", "b"),
        ("($x := b; $x)", "b"),
        ("$x ? $y : b", "b"),
        ("$x ~> $f(b)", "b"),
        ("$.total", "$"),
    ],
)
def test_an_expression_has_no_input_of_its_own(expression: str, name: str) -> None:
    finding = only(jsonata(Output=f"{{% {expression} %}}"))
    assert f"Output refers to {name!r}, but an expression has no input" in finding.message
    assert finding.aws == f"Reference to '{name}' at the top level is not supported."
    assert finding.code == UNSUPPORTED_JSONATA


def test_the_root_of_the_input_is_named_otherwise() -> None:
    finding = only(jsonata(Output="{% $$ %}"))
    assert finding.aws == "Reference to '$$' is not supported."


@pytest.mark.parametrize(
    "expression",
    [
        "$orders[$.total > 10 and open].lines^(price){kind: $sum(price)}",
        "$x.(a; b.c)",
        "$x ~> |a|{'b': c}|",
        "$filter($states.input.a, function($v, $k) { $k > 1 })",
        "'a' & \"b\" & 1",
        "($f := function($x) { $x.a }; $f($states.input))",
    ],
)
def test_inside_a_path_names_are_fine(expression: str) -> None:
    assert rules.problems(jsonata(Output=f"{{% {expression} %}}")) == []
