"""How large variables may be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asl.driver import Driver, run

# With quotes, less than half of what the variables of one Assign may have.
HALF = "x" * 131_000
TEXT = {
    "whole": "x" * 262_142,
    "too large": "x" * 262_143,
    "two bytes each": "é" * 131_070,
    "two bytes each, too large": "é" * 131_072,
    "half": HALF,
}


def chain(*states: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A machine of *states*, one after another."""
    last = len(states) - 1
    return fields | {
        "StartAt": "s0",
        "States": {
            f"s{place}": state | ({"End": True} if place == last else {"Next": f"s{place + 1}"})
            for place, state in enumerate(states)
        },
    }


def assigning(*names: str) -> dict[str, Any]:
    return {"Type": "Pass", "Assign": {name + ".$": "$.text" for name in names}, "OutputPath": "$"}


def cause(driver: Driver) -> str:
    failure = driver.run.failure
    assert failure is not None
    assert failure.error == "States.DataLimitExceeded"
    return failure.cause or ""


@pytest.mark.parametrize(
    ("names", "text", "fits"),
    [
        ("a", "whole", True),
        ("a", "too large", False),
        ("a", "two bytes each", True),
        ("a", "two bytes each, too large", False),
        ("ab", "half", True),
        ("abc", "half", False),
    ],
)
def test_the_variables_of_one_assign_have_a_limit(names: str, text: str, fits: bool) -> None:
    make = {"Type": "Pass", "QueryLanguage": "JSONata", "Assign": dict.fromkeys(names, TEXT[text])}
    done = run(chain(make))
    if fits:
        assert done.run.status == "SUCCEEDED"
    else:
        assert "The state/task 's0' assigned variables with a size exceeding" in cause(done)


def test_no_catcher_sees_that_limit() -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "s1"}]
    work = {"Type": "Task", "Resource": "work", "Catch": catch, "Assign": {"a": TEXT["too large"]}}
    assert "'s0'" in cause(run(chain(work, {"Type": "Pass"}), handlers={"work": lambda _: 1}))


def test_all_variables_together_have_a_limit() -> None:
    names = [f"v{number}" for number in range(81)]  # 80 of half a field fit: 10,480,160 bytes
    full = chain(*(assigning(name) for name in names[:80]))
    assert run(full, {"text": HALF}).run.status == "SUCCEEDED"
    done = run(chain(*(assigning(name) for name in names)), {"text": HALF})
    assert "The state/task 's80' assigned variables which, with those there are" in cause(done)


def test_what_is_replaced_does_not_count() -> None:
    again = chain(*(assigning("a", "b") for _ in range(50)))
    assert run(again, {"text": HALF}).run.status == "SUCCEEDED"


def test_what_branches_that_have_ended_had_does_not_count() -> None:
    each = {
        "Type": "Map",
        "Items": list(range(100)),
        "MaxConcurrency": 1,
        "ItemProcessor": chain({"Type": "Pass", "Assign": {"inner": HALF}, "Output": 1}),
    }
    outer = {"Type": "Pass", "Assign": {"a": HALF}, "Output": {}}
    machine = chain(each, outer, QueryLanguage="JSONata")
    done = run(machine)
    assert done.run.status == "SUCCEEDED"
    assert run(machine).history == done.history


@pytest.mark.parametrize("length", [20, 100, 161])
def test_the_limit_is_the_same_after_a_restart(length: int) -> None:
    names = [f"v{number}" for number in range(81)]
    whole = run(chain(*(assigning(name) for name in names)), {"text": HALF})
    assert cause(whole.resumed_at(length).finish()) == cause(whole)
