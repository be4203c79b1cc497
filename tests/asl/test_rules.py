from __future__ import annotations

import math
from typing import Any

import pytest

from aiowfm.asl import rules
from aiowfm.asl.findings import Finding

TASK = {"Type": "Task", "Resource": "work", "End": True}
PASS = {"Type": "Pass", "End": True}


def machine(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"StartAt": "it", "States": {"it": state}, **fields}


def choice(rule: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "StartAt": "it",
        "States": {"it": {"Type": "Choice", "Choices": [rule], **fields}, "to": PASS},
    }


def only(definition: object) -> Finding:
    (finding,) = rules.problems(definition)
    assert finding.severity == "error"
    return finding


def messages(definition: object) -> list[str]:
    return [finding.message for finding in rules.problems(definition)]


def nested(depth: int) -> dict[str, Any]:
    inner = {"StartAt": "s0", "States": {"s0": PASS}}
    for level in range(1, depth):
        name = f"s{level}"
        state = {"Type": "Parallel", "End": True, "Branches": [inner]}
        inner = {"StartAt": name, "States": {name: state}}
    return inner


@pytest.mark.parametrize(
    ("definition", "pointer", "message"),
    [
        pytest.param(3, (), "a definition must be an object, not 3", id="not an object"),
        pytest.param(
            {"StartAt": "a", "States": {}}, ("States",), "States must not be empty", id="no states"
        ),
        pytest.param(
            {"States": {"a": PASS}}, (), "a state machine needs StartAt", id="missing field"
        ),
        pytest.param(
            machine(PASS, TimeoutSecond=1),
            ("TimeoutSecond",),
            "a state machine has no field 'TimeoutSecond'; did you mean 'TimeoutSeconds'?",
            id="unknown field",
        ),
        pytest.param(
            machine({**TASK, "Timeoutseconds": 1}),
            ("States", "it", "Timeoutseconds"),
            "a Task state has no field 'Timeoutseconds'; did you mean 'TimeoutSeconds'?",
            id="unknown field of a state",
        ),
        pytest.param(
            machine({"Type": "Succeed", "Retry": []}),
            ("States", "it", "Retry"),
            "a Succeed state has no field 'Retry': it belongs to Task, Parallel, Map",
            id="field of another type",
        ),
        pytest.param(
            machine({**TASK, "Retry": [{"ErrorEquals": ["x"], "Max": 1}]}),
            ("States", "it", "Retry", 0, "Max"),
            "a retrier has no field 'Max'; it may have BackoffRate, Comment, ErrorEquals,"
            " IntervalSeconds, JitterStrategy, MaxAttempts, MaxDelaySeconds",
            id="unknown field without a near one",
        ),
        pytest.param(
            machine({"Type": "Tusk", "Resource": "a", "End": True}),
            ("States", "it", "Type"),
            "unknown state Type 'Tusk'; did you mean 'Task'?"
            " (one of Task, Pass, Choice, Wait, Succeed, Fail, Parallel, Map)",
            id="unknown type",
        ),
        pytest.param(
            machine({"End": True}),
            ("States", "it"),
            "a state needs Type: one of Task, Pass, Choice, Wait, Succeed, Fail, Parallel, Map",
            id="no type",
        ),
        pytest.param(
            machine({"Type": "Task", "End": True}),
            ("States", "it"),
            "a Task state needs Resource",
            id="no resource",
        ),
        pytest.param(
            machine({**TASK, "TimeoutSeconds": 0}),
            ("States", "it", "TimeoutSeconds"),
            "TimeoutSeconds must be at least 1, not 0",
            id="number too small",
        ),
        pytest.param(
            machine({**TASK, "TimeoutSeconds": "10"}),
            ("States", "it", "TimeoutSeconds"),
            "TimeoutSeconds must be a whole number, not '10'",
            id="number as a string",
        ),
        pytest.param(
            machine({**TASK, "Retry": [{"ErrorEquals": ["x"], "BackoffRate": "2"}]}),
            ("States", "it", "Retry", 0, "BackoffRate"),
            "BackoffRate must be a number, not '2'",
            id="rate as a string",
        ),
        pytest.param(
            machine({**TASK, "TimeoutSeconds": "{% 10"}),
            ("States", "it", "TimeoutSeconds"),
            "TimeoutSeconds must be a whole number or a JSONata expression '{% … %}', not '{% 10'",
            id="half an expression",
        ),
        pytest.param(
            machine({**TASK, "Retry": [{"ErrorEquals": [True]}]}),
            ("States", "it", "Retry", 0, "ErrorEquals", 0),
            "ErrorEquals[0] must be a string, not true",
            id="element of a list",
        ),
        pytest.param(
            {"StartAt": "ti", "States": {"it": PASS}},
            ("StartAt",),
            "StartAt names no state: 'ti'; the states here are 'it'",
            id="StartAt",
        ),
        pytest.param(
            {
                "StartAt": "hello",
                "States": {"hello": {"Type": "Pass", "Next": "wrld"}, "world": PASS},
            },
            ("States", "hello", "Next"),
            "Next names no state: 'wrld'; did you mean 'world'?",
            id="Next",
        ),
        pytest.param(
            choice({"Variable": "$.a", "IsNull": True, "Next": "too"}, Default="to"),
            ("States", "it", "Choices", 0, "Next"),
            "Next names no state: 'too'; did you mean 'to'?",
            id="Next of a choice rule",
        ),
        pytest.param(
            choice({"Variable": "$.a", "IsNull": True, "Next": "to"}, Default="two"),
            ("States", "it", "Default"),
            "Default names no state: 'two'; did you mean 'to'?",
            id="Default",
        ),
        pytest.param(
            machine({**TASK, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "x"}]}),
            ("States", "it", "Catch", 0, "Next"),
            "Next names no state: 'x'; the states here are 'it'",
            id="Next of a catcher",
        ),
        pytest.param(
            machine({"Type": "Pass"}),
            ("States", "it"),
            "a Pass state needs Next or End: true",
            id="neither Next nor End",
        ),
        pytest.param(
            machine({**PASS, "Next": "it"}),
            ("States", "it", "End"),
            "Next and End: true exclude each other: keep one",
            id="Next and End",
        ),
        pytest.param(
            machine({"Type": "Pass", "Next": "it"}),
            ("States",),
            "no end: at least one state must have End: true, or be a Succeed or Fail",
            id="no end",
        ),
        pytest.param(
            {"StartAt": "a", "States": {"a": PASS, "b": PASS}},
            ("States", "b"),
            "nothing leads to state 'b' from StartAt: take it out or lead to it",
            id="unreachable",
        ),
        pytest.param(
            machine({"Type": "Wait", "End": True}),
            ("States", "it"),
            "a Wait state needs one of Seconds, SecondsPath, Timestamp, TimestampPath",
            id="Wait without a duration",
        ),
        pytest.param(
            machine({"Type": "Wait", "Seconds": 1, "SecondsPath": "$.s", "End": True}),
            ("States", "it", "SecondsPath"),
            "Seconds and SecondsPath exclude each other: keep one",
            id="Wait with two",
        ),
        pytest.param(
            machine({"Type": "Map", "End": True}),
            ("States", "it"),
            "a Map state needs one of ItemProcessor, Iterator",
            id="Map without a processor",
        ),
        pytest.param(
            machine({**TASK, "TimeoutSeconds": 1, "TimeoutSecondsPath": "$.t"}),
            ("States", "it", "TimeoutSecondsPath"),
            "TimeoutSeconds and TimeoutSecondsPath exclude each other: keep one",
            id="value and path",
        ),
        pytest.param(
            machine({"Type": "Fail", "Cause": "c", "CausePath": "$.c"}),
            ("States", "it", "CausePath"),
            "Cause and CausePath exclude each other: keep one",
            id="Cause and CausePath",
        ),
        pytest.param(
            machine({"Type": "Parallel", "Branches": [], "End": True}),
            ("States", "it", "Branches"),
            "Branches must not be empty",
            id="no branches",
        ),
        pytest.param(
            machine({**PASS, "Result": math.nan}),
            ("States", "it", "Result"),
            "Result: JSON has no number nan",
            id="not a number",
        ),
        pytest.param(
            machine({**PASS, "Result": {1: 2}}),
            ("States", "it", "Result"),
            "the keys of a JSON object are strings, not 1",
            id="key that is not a string",
        ),
        pytest.param(
            machine({**PASS, "Result": {1, 2}}),
            ("States", "it", "Result"),
            "Result must be a JSON value, not of type set",
            id="not JSON",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(
    definition: object, pointer: tuple[str | int, ...], message: str
) -> None:
    assert only(definition) == Finding(pointer=pointer, message=message)


@pytest.mark.parametrize(
    ("rule", "steps", "message"),
    [
        pytest.param(
            {"Variable": "$.a", "StringEqual": "x"},
            ("StringEqual",),
            "unknown comparison 'StringEqual'; did you mean 'StringEquals'?",
            id="unknown operator",
        ),
        pytest.param(
            {"Variable": "$.a"},
            (),
            "a choice rule needs a comparison, And, Or or Not",
            id="nothing",
        ),
        pytest.param(
            {"Variable": "$.a", "IsNull": True, "IsString": True},
            ("IsString",),
            "IsNull and IsString in one rule: keep one, or put each into a rule under And",
            id="two comparisons",
        ),
        pytest.param(
            {"IsNull": True},
            (),
            "IsNull needs Variable: the path of what it compares",
            id="no variable",
        ),
        pytest.param(
            {"Variable": "$.a", "NumericEquals": "1"},
            ("NumericEquals",),
            "NumericEquals must be a number, not '1'",
            id="operand of another type",
        ),
        pytest.param(
            {"Variable": "$.a", "NumericEquals": True},
            ("NumericEquals",),
            "NumericEquals must be a number, not true",
            id="true is no number",
        ),
        pytest.param(
            {"Not": {"Variable": "$.a", "IsNull": True, "Next": "to"}},
            ("Not", "Next"),
            "a rule inside Not has no Next: only the outermost has",
            id="Next inside",
        ),
        pytest.param(
            {"Or": [{"And": [{"Variable": "$.a", "IsNul": True}]}]},
            ("Or", 0, "And", 0, "IsNul"),
            "unknown comparison 'IsNul'; did you mean 'IsNull'?",
            id="deep inside",
        ),
        pytest.param(
            {"Condition": "{% true %}"},
            ("Condition",),
            "Condition is JSONata's: use Variable and a comparison, or QueryLanguage: JSONata",
            id="JSONata's Condition",
        ),
    ],
)
def test_a_choice_rule_has_one_comparison_that_exists(
    rule: dict[str, Any], steps: tuple[str | int, ...], message: str
) -> None:
    finding = only(choice({**rule, "Next": "to"}))
    assert finding == Finding(pointer=("States", "it", "Choices", 0, *steps), message=message)


def test_an_outermost_choice_rule_needs_next() -> None:
    definition = choice({"Variable": "$.a", "IsNull": True}, Default="to")
    assert messages(definition) == ["a choice rule needs Next"]


def test_a_jsonata_choice_rule_needs_a_condition() -> None:
    rule = {"Variable": "$.a", "IsNull": True, "Next": "to"}
    assert messages(choice(rule, QueryLanguage="JSONata")) == [
        "Variable is not JSONata's, the query language of this state:"
        " write Condition with an expression"
    ]
    empty = choice({"Next": "to"}, QueryLanguage="JSONata")
    assert messages(empty) == ["a JSONata choice rule needs Condition"]
    good = choice({"Condition": "{% true %}", "Next": "to"}, QueryLanguage="JSONata")
    assert messages(good) == []


def test_mistakes_inside_map_and_parallel_are_found() -> None:
    bad = {"StartAt": "in", "States": {"in": {"Type": "Pass", "Next": "out"}}}
    definition = {
        "StartAt": "p",
        "States": {
            "p": {"Type": "Parallel", "Branches": [bad], "Next": "m"},
            "m": {
                "Type": "Map",
                "ItemProcessor": {"StartAt": "w", "States": {"w": {"Type": "Wait", "End": True}}},
                "Next": "out",
            },
            "out": PASS,
        },
    }
    assert [finding.pointer for finding in rules.problems(definition)] == [
        ("States", "p", "Branches", 0, "States", "in", "Next"),
        ("States", "m", "ItemProcessor", "States", "w"),
    ]
    assert "nothing leads into or out of a Map or branch" in messages(definition)[0]


def test_a_state_name_is_used_once_in_the_whole_machine() -> None:
    branch = {"StartAt": "same", "States": {"same": PASS}}
    finding = only(machine({"Type": "Parallel", "Branches": [branch, branch], "End": True}))
    assert finding.pointer == ("States", "it", "Branches", 1, "States", "same")
    assert "/States/it/Branches/0/States/same" in finding.message


def test_a_mistake_of_shape_does_not_hide_the_others() -> None:
    definition = {
        "StartAt": "a",
        "Foo": 1,
        "States": {"a": {"Type": "Task", "Next": "d"}, "b": {"Type": "Bad"}, "c": 5},
    }
    pointers = {finding.pointer for finding in rules.problems(definition)}
    assert pointers == {
        ("Foo",),
        ("States", "a"),
        ("States", "a", "Next"),
        ("States", "b", "Type"),
        ("States", "c"),
    }


def test_a_state_that_is_named_like_a_type_or_a_field_is_no_trouble() -> None:
    definition = {
        "StartAt": "Pass",
        "States": {"Pass": {"Type": "Pass", "Next": "Retry"}, "Retry": {"Type": "Pass", "No": 1}},
    }
    pointers = {finding.pointer for finding in rules.problems(definition)}
    assert pointers == {("States", "Retry", "No"), ("States", "Retry")}


@pytest.mark.parametrize("depth", [51, 5000])
def test_a_definition_that_is_nested_too_deep_is_refused(depth: int) -> None:
    assert "nested more than 200 deep" in only(nested(depth)).message


def test_deep_nesting_within_the_limit_is_fine() -> None:
    assert rules.problems(nested(45)) == []
    rule: dict[str, Any] = {"Variable": "$.a", "IsNull": True}
    for _ in range(90):
        rule = {"And": [rule]}
    assert rules.problems(choice({**rule, "Next": "to"})) == []


def test_a_value_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "nested more than" in only(machine({**PASS, "Result": endless})).message


def test_a_good_definition_can_be_parsed() -> None:
    assert rules.problems(machine(TASK)) == []
    assert rules.parse(machine(TASK)).start_at == "it"


def test_a_state_needs_a_name_of_at_most_80_characters() -> None:
    definition = {
        "StartAt": "it",
        "States": {"it": {"Type": "Pass", "Next": "x" * 81}, "x" * 81: PASS, "": PASS},
    }
    found = messages(definition)
    assert "the name of a state must be a string that is not empty, not ''" in found
    assert any("the name of a state must be at most 80 characters" in each for each in found)


def jsonata(**fields: Any) -> dict[str, Any]:
    return machine({**PASS, **fields}, QueryLanguage="JSONata")


def mapping(**fields: Any) -> dict[str, Any]:
    processor = {"StartAt": "in", "States": {"in": PASS}}
    return machine({"Type": "Map", "ItemProcessor": processor, "End": True, **fields})


def caught(**fields: Any) -> dict[str, Any]:
    definition = machine({**TASK, "Catch": [{"ErrorEquals": ["x"], "Next": "to", **fields}]})
    definition["States"]["to"] = PASS
    return definition


@pytest.mark.parametrize(
    ("definition", "steps", "message"),
    [
        pytest.param(
            machine({**PASS, "InputPath": "rubbish"}),
            ("InputPath",),
            "InputPath: 'rubbish' is not a path: paths begin with '$'",
            id="InputPath",
        ),
        pytest.param(
            machine({**PASS, "OutputPath": "$.a["}),
            ("OutputPath",),
            "OutputPath: '$.a[' is not a path",
            id="OutputPath",
        ),
        pytest.param(
            mapping(ItemsPath="States.Array(1)"),
            ("ItemsPath",),
            "ItemsPath: 'States.Array(1)' is not a path",
            id="a call is no path",
        ),
        pytest.param(
            machine({**PASS, "ResultPath": "$.a[*]"}),
            ("ResultPath",),
            "ResultPath: '$.a[*]' may lead to several places: it must lead to one",
            id="ResultPath to several places",
        ),
        pytest.param(
            machine({**PASS, "ResultPath": "$$.Execution"}),
            ("ResultPath",),
            "ResultPath: '$$.Execution' is no place in the input",
            id="ResultPath into the context",
        ),
        pytest.param(
            caught(ResultPath="error"),
            ("Catch", 0, "ResultPath"),
            "ResultPath: 'error' is not a path",
            id="ResultPath of a catcher",
        ),
        pytest.param(
            machine({"Type": "Wait", "SecondsPath": "$.", "End": True}),
            ("SecondsPath",),
            "SecondsPath: '$.' is not a path",
            id="SecondsPath",
        ),
        pytest.param(
            machine({**TASK, "TimeoutSecondsPath": "t"}),
            ("TimeoutSecondsPath",),
            "TimeoutSecondsPath: 't' is not a path",
            id="TimeoutSecondsPath",
        ),
        pytest.param(
            mapping(MaxConcurrencyPath="$$.Execution.Input.n"),
            ("MaxConcurrencyPath",),
            "MaxConcurrencyPath: '$$.Execution.Input.n' leads into the context object",
            id="a number in the context",
        ),
        pytest.param(
            mapping(ItemBatcher={"MaxItemsPerBatchPath": "n"}),
            ("ItemBatcher", "MaxItemsPerBatchPath"),
            "MaxItemsPerBatchPath: 'n' is not a path",
            id="ItemBatcher",
        ),
        pytest.param(
            machine({"Type": "Fail", "ErrorPath": "States.Hash($.a"}),
            ("ErrorPath",),
            "ErrorPath: 'States.Hash($.a', character 16",
            id="ErrorPath with half a call",
        ),
        pytest.param(
            machine({"Type": "Fail", "CausePath": "States.MathAdd($.a, 1)"}),
            ("CausePath",),
            "CausePath: 'States.MathAdd($.a, 1)' does not give a string",
            id="CausePath with a number",
        ),
        pytest.param(
            machine({**TASK, "Parameters": {"list": [{"x.$": "nopath"}]}}),
            ("Parameters", "list", 0),
            "x.$ must be a path or call a function: 'nopath' is not a path",
            id="Parameters",
        ),
        pytest.param(
            machine({**TASK, "ResultSelector": {"x.$": "States.Nothing()"}}),
            ("ResultSelector",),
            "there is no function States.Nothing",
            id="ResultSelector with an unknown function",
        ),
        pytest.param(
            mapping(ItemSelector={"x.$": 1}),
            ("ItemSelector",),
            "x.$ must be a path or call a function: the value of the field 'x.$' must be a path",
            id="ItemSelector",
        ),
        pytest.param(
            machine({"Type": "Wait", "Seconds": 1, "Assign": {"x.$": "$x y"}, "End": True}),
            ("Assign",),
            "x.$ must be a path or call a function: '$x y' is not a path",
            id="Assign of a Wait",
        ),
        pytest.param(
            caught(Assign={"x.$": "y"}),
            ("Catch", 0, "Assign"),
            "x.$ must be a path or call a function: 'y' is not a path",
            id="Assign of a catcher",
        ),
        pytest.param(
            choice({"Variable": "foo", "IsNull": True, "Next": "to"}),
            ("Choices", 0, "Variable"),
            "Variable: 'foo' is not a path",
            id="Variable",
        ),
        pytest.param(
            choice({"Not": {"Variable": "$.a", "StringEqualsPath": "b"}, "Next": "to"}),
            ("Choices", 0, "Not", "StringEqualsPath"),
            "StringEqualsPath: 'b' is not a path",
            id="operand that is a path",
        ),
        pytest.param(
            choice({"Variable": "$.a", "IsNull": True, "Assign": {"x.$": "y"}, "Next": "to"}),
            ("Choices", 0, "Assign"),
            "x.$ must be a path or call a function: 'y' is not a path",
            id="Assign of a choice rule",
        ),
        pytest.param(
            jsonata(Output={"a": ["{% $( %}"]}),
            ("Output", "a", 0),
            'a[0] is no JSONata expression: Expected ")" before end of expression (at character 2)',
            id="JSONata",
        ),
        pytest.param(
            machine(
                {"Type": "Wait", "Seconds": "{% 1 + %}", "QueryLanguage": "JSONata", "End": True}
            ),
            ("Seconds",),
            "Seconds is no JSONata expression",
            id="JSONata of one state",
        ),
        pytest.param(
            choice({"Condition": "{% a[1,2) %}", "Next": "to"}, QueryLanguage="JSONata"),
            ("Choices", 0, "Condition"),
            "Condition is no JSONata expression",
            id="Condition",
        ),
    ],
)
def test_a_path_or_expression_that_cannot_be_read_is_refused(
    definition: object, steps: tuple[str | int, ...], message: str
) -> None:
    finding = only(definition)
    assert finding.pointer == ("States", "it", *steps)
    assert message in finding.message


@pytest.mark.parametrize(
    "path",
    [
        "$",
        "$$",
        "$$.Map.Item.Value",
        "$orders[0].id",
        "$..price",
        "$.lines[?(@.price > 10)].id",
        # What AWS's library takes and the one used here does not.
        "$.[0]",
        "$.lines.length()",
        "$.@type",
        "$.lines[?(@.kind nin ['a (b)', \"c\"])]",
        "$.concat('(', $.a)",
    ],
)
def test_each_path_that_aws_takes_is_fine(path: str) -> None:
    assert messages(machine({**PASS, "InputPath": path, "Parameters": {"x.$": path}})) == []


@pytest.mark.parametrize("path", ["$.a(", "$.a]", "$.a[]", "$.a[?(@.b]", "$...", "$.a b", "$['a"])
def test_what_aws_does_not_take_either_is_refused(path: str) -> None:
    assert only(machine({**PASS, "InputPath": path})).pointer == ("States", "it", "InputPath")


def test_data_is_not_looked_at() -> None:
    result = {"x.$": "nopath", "InputPath": "rubbish", "y": "{% $( %}"}
    assert messages(machine({**PASS, "Result": result})) == []
    assert messages(machine({**PASS, "Parameters": {"InputPath": "x", "y": "{% $( %}"}})) == []
    assert messages(jsonata(Comment="{% $( %}", Output={"x.$": "nopath"})) == []
    assert messages(machine({**PASS, "InputPath": None, "ResultPath": None})) == []
