"""State machines to draw: one with all types of states, and any names and conditions."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

ALL_TYPES: dict[str, Any] = {
    "StartAt": "charge",
    "States": {
        "charge": {
            "Type": "Task",
            "Resource": "pay",
            "Retry": [
                {"ErrorEquals": ["Busy", "Slow"], "MaxAttempts": 5},
                {"ErrorEquals": ["States.ALL"]},
            ],
            "Catch": [{"ErrorEquals": ["Declined"], "Next": "refuse"}],
            "Next": "large?",
        },
        "large?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.total", "NumericGreaterThan": 100, "Next": "ask"},
                {
                    "And": [
                        {"Variable": "$.vip", "BooleanEquals": True},
                        {"Not": {"Variable": "$.late", "IsPresent": True}},
                    ],
                    "Next": "pause",
                },
            ],
            "Default": "note",
        },
        "ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"MessageBody": {"TaskKey.$": "$.id"}},
            "Next": "note",
        },
        "pause": {"Type": "Wait", "Seconds": 30, "Next": "note"},
        "note": {"Type": "Pass", "Next": "pick"},
        "pick": {
            "Type": "Map",
            "MaxConcurrency": 4,
            "ItemProcessor": {
                "StartAt": "one",
                "States": {"one": {"Type": "Task", "Resource": "one", "End": True}},
            },
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "refuse"}],
            "Next": "both",
        },
        "both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "a", "States": {"a": {"Type": "Pass", "End": True}}},
                {"StartAt": "b", "States": {"b": {"Type": "Succeed"}}},
            ],
            "Next": "done",
        },
        "done": {"Type": "Succeed"},
        "refuse": {"Type": "Fail", "Error": "Refused"},
    },
}

# What languages of pictures might take for something of theirs.
TRICKY = [
    "end",
    'say "no"',
    "a\\",
    "\\N and \\n",
    "line\nbreak\ttab",
    "<b>bold</b>",
    "&lt; & #35;",
    "%% comment %%{init: {}}%%",
    "`markdown`",
    "$$x^2$$",
    "a --> b; c",
    "] } ) | >",
    "style x:#fff;",
    "graph",
    "ä 中文 😀",
    "\x00\x1b[31m\u2028\u202e",
    "x" * 200,
]

texts = st.one_of(st.sampled_from(TRICKY), st.text(min_size=1, max_size=20))


@st.composite
def machines(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """Any machine, with names and texts of all kinds."""
    names = draw(st.lists(texts, min_size=1, max_size=5, unique=True))
    target = st.sampled_from(names)
    states: dict[str, Any] = {}
    for name in names:
        kinds = ["Task", "Pass", "Choice", "Wait", "Succeed", "Fail"]
        kind = draw(st.sampled_from([*kinds, "Map", "Parallel"] if depth else kinds))
        state: dict[str, Any] = {"Type": kind}
        if kind == "Choice":
            rule = {"Variable": draw(texts), "StringEquals": draw(texts), "Next": draw(target)}
            other = {"Condition": draw(texts), "Next": draw(target)}
            state |= {"Choices": [rule, other], "Default": draw(target)}
        elif kind == "Fail":
            state["Error"] = draw(texts)
        elif kind != "Succeed":
            state |= draw(st.one_of(st.just({"End": True}), target.map(lambda to: {"Next": to})))
        if kind == "Task":
            state["Resource"] = draw(texts)
            state["Retry"] = [{"ErrorEquals": [draw(texts)]}]
        elif kind == "Map":
            state["ItemProcessor"] = draw(machines(depth - 1))
        elif kind == "Parallel":
            state["Branches"] = draw(st.lists(machines(depth - 1), min_size=1, max_size=2))
        if kind in ("Task", "Map", "Parallel"):
            state["Catch"] = [{"ErrorEquals": [draw(texts)], "Next": draw(target)}]
        states[name] = state
    return {"StartAt": draw(target), "States": states}
