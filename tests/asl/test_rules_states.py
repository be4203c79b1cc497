from __future__ import annotations

import json
from typing import Any

import pytest

from aiowfm.asl import rules
from aiowfm.asl.findings import DUPLICATE_LABEL, DUPLICATE_STATE, LABEL, NO_END, Finding
from aiowfm.asl.key_rules import repeated_keys
from tests.asl.test_rules import PASS, TASK, caught, choice, machine, mapping, only

ACTIVITY = "arn:aws:states:eu-west-1:123456789012:activity:a"


def express(definition: object) -> list[Finding]:
    return rules.problems(definition, express=True)


def distributed(
    state: dict[str, Any] = PASS, execution_type: str | None = "STANDARD", **fields: Any
) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED"}
    if execution_type is not None:
        config["ExecutionType"] = execution_type
    processor = {"ProcessorConfig": config, "StartAt": "in", "States": {"in": state}}
    return machine({"Type": "Map", "ItemProcessor": processor, "End": True, **fields})


# --- Retry, Catch and time limits ----------------------------------------------------


@pytest.mark.parametrize("field", ["Retry", "Catch"])
@pytest.mark.parametrize(
    ("errors", "place", "message"),
    [
        pytest.param(
            [["a", "States.ALL"]], (0, 1), "States.ALL must be alone in ErrorEquals", id="not alone"
        ),
        pytest.param(
            [["States.ALL"], ["a"]], (0, 0), "States.ALL must be in the last", id="not last"
        ),
    ],
)
def test_a_catch_all_is_alone_and_last(
    field: str, errors: list[list[str]], place: tuple[int, int], message: str
) -> None:
    definition = caught()
    entries: list[dict[str, Any]] = [{"ErrorEquals": names} for names in errors]
    if field == "Catch":
        entries = [entry | {"Next": "to"} for entry in entries]
    definition["States"]["it"][field] = entries
    if field == "Retry":
        definition["States"]["it"]["Catch"] = [{"ErrorEquals": ["States.ALL"], "Next": "to"}]
    finding = only(definition)
    assert finding.pointer == ("States", "it", field, place[0], "ErrorEquals", place[1])
    assert message in finding.message
    assert finding.aws == "States.ALL must appear alone and at end of list"


def test_the_longest_delay_between_retries_has_a_limit() -> None:
    retriers = [
        {"ErrorEquals": ["a"], "MaxDelaySeconds": 31_622_400},
        {"ErrorEquals": ["b"], "MaxDelaySeconds": 31_622_401},
    ]
    finding = only(machine({**TASK, "Retry": retriers}))
    assert finding.pointer == ("States", "it", "Retry", 1, "MaxDelaySeconds")


@pytest.mark.parametrize("heartbeat", [10, 11])
def test_a_heartbeat_is_shorter_than_the_timeout(heartbeat: int) -> None:
    finding = only(machine({**TASK, "TimeoutSeconds": 10, "HeartbeatSeconds": heartbeat}))
    assert finding.pointer == ("States", "it", "HeartbeatSeconds")
    assert finding.message == (
        f"HeartbeatSeconds must be less than TimeoutSeconds, 10, not {heartbeat}"
    )


def test_times_that_are_known_only_later_are_fine() -> None:
    path = {"TimeoutSecondsPath": "$.t", "HeartbeatSeconds": 10}
    assert rules.problems(machine({**TASK, **path})) == []
    expression = {"TimeoutSeconds": "{% 3 %}", "HeartbeatSeconds": 10}
    assert rules.problems(machine({**TASK, **expression}, QueryLanguage="JSONata")) == []
    assert rules.problems(machine({**TASK, "TimeoutSeconds": 11, "HeartbeatSeconds": 10})) == []


# --- Maps ----------------------------------------------------------------------------


def test_a_distributed_map_says_how_its_children_run() -> None:
    assert rules.problems(distributed()) == []
    finding = only(distributed(execution_type=None))
    assert finding.pointer == ("States", "it", "ItemProcessor", "ProcessorConfig")
    assert finding.message == "Mode DISTRIBUTED needs ExecutionType: STANDARD or EXPRESS"
    assert finding.missing == "ExecutionType"


def test_an_inline_map_does_not() -> None:
    definition = mapping()
    config = {"Mode": "INLINE", "ExecutionType": "STANDARD"}
    definition["States"]["it"]["ItemProcessor"]["ProcessorConfig"] = config
    finding = only(definition)
    assert finding.pointer[-1] == "ExecutionType"
    assert finding.aws == "Field 'ExecutionType' is not supported"


def test_an_express_machine_has_no_distributed_maps() -> None:
    (finding,) = express(distributed())
    assert finding.pointer == ("States", "it", "ItemProcessor", "ProcessorConfig", "Mode")
    assert finding.aws == (
        "The field 'Mode' with value 'DISTRIBUTED' is not supported inside 'EXPRESS' state machines"
    )


@pytest.mark.parametrize(
    "resource",
    [
        ACTIVITY,
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "arn:aws:states:::states:startExecution.sync:2",
    ],
)
def test_the_express_children_of_a_map_wait_for_nobody(resource: str) -> None:
    task = {**TASK, "Resource": resource}
    assert rules.problems(distributed(task)) == []
    finding = only(distributed(task, "EXPRESS"))
    assert finding.pointer[-3:] == ("States", "in", "Resource")
    inline = mapping()["States"]["it"]
    inline["ItemProcessor"]["States"] = {"in": task}
    inner = {**inline, "ItemProcessor": {"StartAt": "deep", "States": {"deep": task}}}
    assert only(distributed(inner, "EXPRESS")).pointer[-2:] == ("deep", "Resource")


def test_a_label_is_used_once_and_not_empty() -> None:
    first, second = distributed(Label="same"), distributed(Label="same")
    states = {"a": first["States"]["it"], "b": second["States"]["it"]}
    states["a"] = {**states["a"], "Next": "b"}
    del states["a"]["End"]
    processor = states["b"]["ItemProcessor"]
    processor |= {"StartAt": "in2", "States": {"in2": PASS}}
    finding = only({"StartAt": "a", "States": states})
    assert finding == Finding(
        pointer=("States", "b", "Label"),
        message="two Maps have the Label 'same', the other is /States/a: change one",
    )
    assert (finding.code, finding.aws) == (DUPLICATE_LABEL, "Duplicate Label name: same")
    empty = only(distributed(Label=""))
    assert (empty.code, empty.message) == (LABEL, "Label cannot be empty")


@pytest.mark.parametrize("number", [-1, 100_000_001])
def test_the_items_that_are_read_are_limited(number: int) -> None:
    reader = {"Resource": "r", "ReaderConfig": {"MaxItems": number}}
    finding = only(distributed(ItemReader=reader))
    assert finding.pointer[-1] == "MaxItems"
    assert finding.aws in ("Minimum value is 0", "Maximum value is 100000000")


# --- resources, templates, ends ------------------------------------------------------


@pytest.mark.parametrize("resource", ["work", "${work", "arn:aws:lambda", "arn::states:::"])
def test_what_is_deployed_has_arns_as_resources(resource: str) -> None:
    definition = machine({**TASK, "Resource": resource})
    assert rules.problems(definition) == []
    (finding,) = rules.problems(definition, arns=True)
    assert finding.pointer == ("States", "it", "Resource")
    assert finding.message == f"Resource must be an ARN, like arn:aws:states:::…, not {resource!r}"
    assert finding.aws == "Value is not a valid resource ARN"


@pytest.mark.parametrize(
    "resource",
    [
        ACTIVITY,
        "arn:aws:states:::lambda:invoke",
        "arn:aws-cn:lambda:cn-north-1:123456789012:function:f:$LATEST",
        "arn:aws:states:::aws-sdk:s3:listObjectsV2",
    ],
)
def test_arns_of_all_kinds_are_fine(resource: str) -> None:
    assert rules.problems(machine({**TASK, "Resource": resource}), arns=True) == []


def test_a_template_gives_each_member_once() -> None:
    finding = only(machine({**TASK, "Parameters": {"in": [{"a": 1, "a.$": "$.a"}]}}))
    assert finding.pointer == ("States", "it", "Parameters", "in", 0, "a.$")
    assert finding.message == "a.$ and a give one member twice: keep one"
    assert finding.aws == "Cannot have both the field 'a.$' and the field 'a' at the same time"
    assert finding.at == ("States", "it", "Parameters")


def test_a_loop_without_an_end_is_named_alone() -> None:
    loop: dict[str, Any] = {"Type": "Pass", "Next": "b"}
    states = {"a": loop, "b": {"Type": "Pass", "Next": "a"}, "lost": loop}
    finding = only({"StartAt": "a", "States": states})
    assert (finding.code, finding.aws) == (NO_END, "Workflow has no terminal state")
    states["lost"] = PASS
    assert only({"StartAt": "a", "States": states}).aws == 'State "lost" is not reachable.'


def test_aws_calls_every_target_next() -> None:
    rule = {"Variable": "$.a", "IsNull": True, "Next": "to"}
    assert only(choice(rule, Default="too")).aws == "Missing 'Next' target: too"


def test_a_name_that_two_states_have_has_a_code_of_its_own() -> None:
    branch = {"StartAt": "same", "States": {"same": PASS}}
    finding = only(machine({"Type": "Parallel", "Branches": [branch, branch], "End": True}))
    assert (finding.code, finding.aws) == (DUPLICATE_STATE, "Duplicate State name: same")


# --- what only the text shows --------------------------------------------------------


def test_a_state_that_is_given_twice_is_an_error() -> None:
    state = json.dumps(PASS)
    (finding,) = repeated_keys(f'{{"StartAt": "a", "States": {{"a": {state}, "a": {state}}}}}')
    assert finding == Finding(
        pointer=("States", "a"), message="the state 'a' is given twice: rename one"
    )
    assert (finding.code, finding.aws) == (DUPLICATE_STATE, "Duplicate State name: a")


def test_another_key_that_is_given_twice_is_worth_a_warning() -> None:
    text = '{"StartAt": "a", "States": {"a": {"Result": [{"States": 1, "States": 2}]}}}'
    (finding,) = repeated_keys(text)
    assert finding.severity == "warning"
    assert finding.pointer == ("States", "a", "Result", 0, "States")
    assert finding.message == "the key 'States' is given twice, and the last one counts"


@pytest.mark.parametrize("text", ["{}", "[]", "1", '{"a": {"b": 1}, "b": [1, 1]}'])
def test_keys_that_are_given_once_are_fine(text: str) -> None:
    assert repeated_keys(text) == []


# --- What a distributed Map is told --------------------------------------------------


@pytest.mark.parametrize("batcher", [{}, {"BatchInput": {"a": 1}}], ids=["empty", "input"])
def test_a_batcher_says_how_large_batches_are(batcher: dict[str, Any]) -> None:
    finding = only(distributed(ItemBatcher=batcher))
    assert finding.pointer == ("States", "it", "ItemBatcher")
    assert finding.message.startswith("ItemBatcher needs MaxItemsPerBatch or MaxInputBytes")


@pytest.mark.parametrize(
    "size",
    [
        {"MaxItemsPerBatch": 2},
        {"MaxItemsPerBatchPath": "$.n"},
        {"MaxInputBytesPerBatch": 2},
        {"MaxInputBytesPerBatchPath": "$.n", "MaxItemsPerBatch": 3},
    ],
    ids=str,
)
def test_by_number_or_bytes_or_both(size: dict[str, Any]) -> None:
    assert rules.problems(distributed(ItemBatcher=size)) == []


def test_headers_that_are_given_are_given() -> None:
    def reading(**config: Any) -> dict[str, Any]:
        resource = "arn:aws:states:::s3:getObject"
        config = {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", **config}
        return distributed(ItemReader={"Resource": resource, "ReaderConfig": config})

    assert rules.problems(reading(CSVHeaders=["a"])) == []
    assert rules.problems(reading(CSVHeaderLocation="FIRST_ROW")) == []
    finding = only(reading())
    assert finding.pointer == ("States", "it", "ItemReader", "ReaderConfig")
    assert finding.message == "CSVHeaderLocation GIVEN needs CSVHeaders: the names of the columns"
    assert finding.missing == "CSVHeaders"
