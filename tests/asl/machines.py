"""Machines without mistakes, of all types of states, for tests that make some."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import strategies as st

from aiowfm.asl.model import STATE_TYPES
from aiowfm.asl.shape import field_names

JSONPATH, JSONATA = "JSONPath", "JSONata"
PATHS = st.sampled_from(["$", "$.a", "$.a.b[0]", "$['a b']", "$$.Execution.Input.a"])
TARGETS = st.sampled_from(["$", "$.a", "$.a.b[0]", None])
TEMPLATES = st.sampled_from(
    [{}, {"a": 1}, {"a.$": "$.a"}, {"a": [{"b.$": "States.Format('{}', $.c)"}]}]
)
EXPRESSIONS = st.sampled_from(
    ["{% $states.input.a %}", "{% $states.context.Execution.Id %}", "{% 1 + 2 %}", "{% $uuid() %}"]
)
VALUES = st.one_of(EXPRESSIONS, st.sampled_from([1, None, {"a": "{% [1] %}"}, ["text", True]]))
SECONDS = st.integers(1, 99_999_999)
TEXTS = st.sampled_from(["", "text", "größer als $.a 😀"])
RETRIERS = st.fixed_dictionaries(
    {"ErrorEquals": st.sampled_from([["a"], ["States.Timeout", "b"]])},
    optional={
        "IntervalSeconds": st.integers(1, 99),
        "MaxAttempts": st.integers(0, 99),
        "BackoffRate": st.sampled_from([1, 1.5, 3]),
        "MaxDelaySeconds": st.integers(100, 1000),
        "JitterStrategy": st.sampled_from(["NONE", "FULL"]),
        "Comment": TEXTS,
    },
)

# Which states there are follows from one another, and not from what each is.
STRUCTURE = {"Type", "Next", "End", "Choices", "Default", "Branches", "ItemProcessor", "Iterator"}
CHOSEN = {"Retry", "Catch", "Assign", "QueryLanguage", "Label"}
BOTH: dict[str, st.SearchStrategy[Any]] = {
    "Comment": TEXTS,
    "Resource": st.sampled_from(["work", "other"]),
    "TimeoutSeconds": st.integers(100, 1000),
    "HeartbeatSeconds": st.integers(1, 99),
    "MaxConcurrency": st.integers(0, 40),
    "ToleratedFailureCount": st.integers(0, 10),
    "ToleratedFailurePercentage": st.sampled_from([0, 12.5, 100]),
    "ItemSelector": TEMPLATES,
    "Seconds": st.integers(0, 99_999_999),
    "Timestamp": st.sampled_from(["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+01:00"]),
    "Error": TEXTS,
    "Cause": TEXTS,
    "Credentials": st.just({"RoleArn": "arn:aws:iam::123456789012:role/a"}),
    "ItemBatcher": st.just({"MaxItemsPerBatch": 5}),
    "ResultWriter": st.just({"Resource": "arn:aws:states:::s3:putObject"}),
}
BY_PATH = (
    "TimeoutSeconds",
    "HeartbeatSeconds",
    "Seconds",
    "Timestamp",
    "Error",
    "Cause",
    "MaxConcurrency",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
)
ONLY: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    JSONPATH: {
        "InputPath": PATHS | st.none(),
        "OutputPath": PATHS | st.none(),
        "ItemsPath": PATHS,
        "ResultPath": TARGETS,
        "Parameters": TEMPLATES,
        "ResultSelector": TEMPLATES,
        "Result": st.sampled_from([1, None, {"a": ["b"]}]),
        "ItemReader": st.just(
            {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSON", "MaxItemsPath": "$.most"},
                "Parameters": {"Bucket.$": "$.bucket", "Key": "k"},
            }
        ),
        **{f"{name}Path": st.sampled_from(["$.a", "$.a.b[0]"]) for name in BY_PATH},
    },
    JSONATA: {
        "Arguments": VALUES,
        "Output": VALUES,
        "Items": st.sampled_from(["{% $states.input.items %}", [1, {"a": "{% 1 %}"}]]),
        "ItemReader": st.just(
            {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
                "Arguments": {"Bucket": "{% $states.input.bucket %}", "Key": "k"},
            }
        ),
    },
}
OF_DISTRIBUTED = {"ItemReader", "ItemBatcher", "ResultWriter"} | {
    f"ToleratedFailure{what}{path}" for what in ("Count", "Percentage") for path in ("", "Path")
}
WAITS = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"]
RULES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"Variable": "$.a", "StringEquals": "x"},
        {"Variable": "$.a", "NumericLessThanPath": "$.b"},
        {
            "And": [
                {"Variable": "$.a", "IsNull": True},
                {"Not": {"Variable": "$", "IsString": True}},
            ]
        },
        {"Variable": "$$.State.Name", "TimestampGreaterThan": "2026-01-31T12:00:00Z"},
    ]
)


def fields_of(kind: str, language: str) -> frozenset[str]:
    """The fields that a state of *kind* may have in *language*, of those that are generated."""
    other = ONLY[JSONATA if language == JSONPATH else JSONPATH].keys() - ONLY[language].keys()
    fields = field_names(STATE_TYPES[kind]) - STRUCTURE - CHOSEN - other
    if kind == "Pass" and language == JSONATA:
        fields -= {"Parameters", "Result"}
    return fields


@st.composite
def machines(draw: st.DrawFn, language: str | None = None) -> dict[str, Any]:
    """A state machine, whose query language may be given."""
    chosen = language or draw(st.sampled_from([JSONPATH, JSONATA]))
    numbers = count()
    machine = _branch(draw, chosen, numbers, depth=0)
    machine |= {"QueryLanguage": chosen, "TimeoutSeconds": draw(SECONDS)}
    if draw(st.booleans()):
        machine |= {"Comment": draw(TEXTS), "Version": "1.0"}
    return machine


def _branch(draw: st.DrawFn, language: str, numbers: count[int], depth: int) -> dict[str, Any]:
    names = [f"s{next(numbers)}" for _ in range(draw(st.integers(1, 4)))]
    states = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        states[name] = _state(draw, language, numbers, depth, names, following)
    return {"StartAt": names[0], "States": states}


def _state(
    draw: st.DrawFn,
    language: str,
    numbers: count[int],
    depth: int,
    names: list[str],
    following: str | None,
) -> dict[str, Any]:
    kinds = ["Task", "Pass", "Wait"] + (["Map", "Parallel"] if depth < 2 else [])
    kinds += ["Choice"] if following else ["Succeed", "Fail"]
    kind = draw(st.sampled_from(kinds))
    state: dict[str, Any] = {"Type": kind}
    possible = {
        name: strategy
        for name, strategy in {**BOTH, **ONLY[language]}.items()
        if name in fields_of(kind, language)
    }
    is_distributed = kind == "Map" and draw(st.booleans())
    if not is_distributed:
        possible = {name: each for name, each in possible.items() if name not in OF_DISTRIBUTED}
    wait = draw(st.sampled_from([name for name in WAITS if name in possible] or [""]))
    for name in sorted(draw(st.sets(st.sampled_from(sorted(possible)), max_size=4))):
        if name not in WAITS or kind != "Wait":
            state[name] = draw(possible[name])
    for name in [name for name in state if name.endswith("Path")]:
        if name.removesuffix("Path") in state:
            del state[name]
    if kind == "Task":
        state["Resource"] = "work"
    if kind == "Wait":
        state[wait] = draw(possible[wait])
    if kind == "Parallel":
        number = draw(st.integers(1, 2))
        state["Branches"] = [_branch(draw, language, numbers, depth + 1) for _ in range(number)]
    if kind == "Map":
        processor = _branch(draw, language, numbers, depth + 1)
        if is_distributed:
            state["Label"] = f"label{next(numbers)}"
            config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
            processor["ProcessorConfig"] = config
        state[draw(st.sampled_from(["ItemProcessor", "Iterator"]))] = processor
    if kind in ("Task", "Map", "Parallel"):
        if draw(st.booleans()):
            state["Retry"] = [draw(RETRIERS), {"ErrorEquals": ["States.ALL"]}]
        if draw(st.booleans()):
            catchers = [["a", "b"], ["States.ALL"]]
            target = st.sampled_from(names)
            state["Catch"] = [{"ErrorEquals": each, "Next": draw(target)} for each in catchers]
    if kind not in ("Succeed", "Fail") and draw(st.booleans()):
        name = f"v{next(numbers)}"
        state["Assign"] = {name: draw(VALUES)} if language == JSONATA else {f"{name}.$": "$.a"}
    if kind == "Choice":
        assert following
        state["Choices"] = [_rule(draw, language, following)]
        state["Default"] = draw(st.sampled_from(names))
    elif kind not in ("Succeed", "Fail"):
        state |= {"Next": following} if following else {"End": True}
    return state


def _rule(draw: st.DrawFn, language: str, target: str) -> dict[str, Any]:
    if language == JSONATA:
        condition = draw(st.sampled_from([True, "{% $states.input.a = 1 %}"]))
        return {"Condition": condition, "Next": target}
    return {**draw(RULES), "Next": target}
