"""Every function with arguments that nobody should give it: it gives a value, or its error."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from random import Random

import pytest

from aiowfm.asl.jsonata import JsonataError
from aiowfm.asl.jsonata.expressions import Expression
from aiowfm.asl.jsonata.functions import FUNCTIONS
from tests.asl.driver import run

ODD = (
    "1e20",
    "99999999999999999999",
    "-1e300",
    "-1",
    "0",
    "1.5",
    "''",
    "'[Y]'",
    "'99999999999999999999'",
    "'\\ud800'",
    "null",
    "true",
    "[]",
    "[1, 'a', null]",
    "{'a': [[]]}",
    "function($x) { $x }",
    "$nothing",
    "/a/",
)


@pytest.mark.parametrize("name", FUNCTIONS.bindings)
def test_odd_arguments_give_a_value_or_an_evaluation_error(name: str) -> None:
    random = Random(name)
    more = [tuple(random.choices(ODD, k=count)) for count in (3, 4, 5) for _ in range(60)]
    for arguments in ((), *product(ODD), *product(ODD, ODD), *more):
        expression = Expression(f"${name}({', '.join(arguments)})")
        with suppress(JsonataError):
            expression.evaluate({}, Random(1), 1_700_000_000.0)


@pytest.mark.parametrize("number", ["1e20", "99999999999999999999", "-1e300"])
def test_a_time_that_no_calendar_has_is_an_evaluation_error(number: str) -> None:
    state = {"Type": "Pass", "Output": f"{{% $fromMillis({number}) %}}", "End": True}
    machine = {"QueryLanguage": "JSONata", "StartAt": "p", "States": {"p": state}}
    failure = run(machine).run.failure
    assert failure is not None
    assert failure.error == "States.QueryEvaluationError"
    assert "The JSONata expression '$fromMillis(" in (failure.cause or "")
