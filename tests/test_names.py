from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aiowfm.names import (
    MAX_NAME_LENGTH,
    WorkflowId,
    activity_name,
    cleaned,
    last_part,
    parse_workflow_id,
    random_suffix,
    sibling_arn,
    state_machine_name,
    state_machine_prefix,
)

ALLOWED = "abcXYZ019_.-"
# Neither '--' inside nor '-' at an end: what the checks of names let through.
PARTS = st.text(ALLOWED, min_size=1, max_size=12).filter(
    lambda text: "--" not in text and text.strip("-") == text
)
# The name of a state may also begin or end with '-', if only by cleaning.
STATES = st.text(ALLOWED + " ?ü", min_size=1, max_size=12).filter(
    lambda text: "--" not in cleaned(text)
)


@given(
    environment=PARTS,
    name=PARTS,
    version=st.integers(-1, 99),
    start_at=STATES,
    suffix=PARTS,
)
def test_a_workflow_id_is_read_back_as_it_was_made(
    environment: str, name: str, version: int, start_at: str, suffix: str
) -> None:
    made = WorkflowId(environment, name, version, cleaned(start_at), suffix)
    assume(len(str(made)) <= MAX_NAME_LENGTH)
    assert parse_workflow_id(str(made)) == made


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param(
            "dev--orders--0--charge--o-17", ("dev", "orders", 0, "charge", "o-17"), id="plain"
        ),
        pytest.param(
            "dev--orders---1--charge--x1", ("dev", "orders", -1, "charge", "x1"), id="version -1"
        ),
        pytest.param(
            "dev--orders--3--paid----x1", ("dev", "orders", 3, "paid--", "x1"), id="state ends in -"
        ),
        pytest.param(
            "dev--orders--3--paid---x1",
            ("dev", "orders", 3, "paid-", "x1"),
            id="state ends in one -",
        ),
        pytest.param(
            "dev--orders--3---paid--x1",
            ("dev", "orders", 3, "-paid", "x1"),
            id="state begins with -",
        ),
        pytest.param(
            "dev--orders---1---paid---x1",
            ("dev", "orders", -1, "-paid-", "x1"),
            id="dashes all over",
        ),
        pytest.param("a--b--12--c--d", ("a", "b", 12, "c", "d"), id="short"),
    ],
)
def test_a_workflow_id_says_what_its_parts_are(
    text: str, parts: tuple[str, str, int, str, str]
) -> None:
    assert parse_workflow_id(text) == WorkflowId(*parts)
    assert str(WorkflowId(*parts)) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("run-17", id="a name of another program"),
        pytest.param("dev--orders--0--charge", id="no suffix"),
        pytest.param("dev--orders--0--charge--", id="empty suffix"),
        pytest.param("dev--orders--x--charge--o", id="version no number"),
        pytest.param("dev--orders---2--charge--o", id="version -2"),
        pytest.param("--orders--0--charge--o", id="no environment"),
        pytest.param("dev--orders--0--char ge--o", id="forbidden character"),
        pytest.param("dev--orders--0--charge--o\n", id="line end"),
        pytest.param("dev--orders--0--charge--" + "o" * 60, id="too long"),
    ],
)
def test_another_text_is_no_workflow_id(text: str) -> None:
    assert parse_workflow_id(text) is None


@given(st.text(max_size=40))
def test_cleaned_names_have_the_same_length_and_only_what_step_functions_allows(text: str) -> None:
    assert re.fullmatch(r"[0-9A-Za-z_.\-]*", cleaned(text))
    assert len(cleaned(text)) == len(text)
    assert cleaned(cleaned(text)) == cleaned(text)


def test_names_have_the_forms_that_other_programs_know() -> None:
    assert activity_name("dev", "my app", "charge/card") == "dev--my-app-charge-card"
    assert state_machine_prefix("dev", "hello world") == "dev--hello-world--"
    assert state_machine_name("dev", "hello-world", 0, "hello") == "dev--hello-world--0--hello"
    assert state_machine_name("dev", "hello", -1, "is it?") == "dev--hello---1--is-it-"
    assert WorkflowId("dev", "hello", 2, "a", "s").state_machine == "dev--hello--2--a"


@given(name=PARTS, version=st.integers(-1, 9), start_at=STATES)
def test_the_name_of_a_state_machine_begins_with_the_prefix_of_its_definition(
    name: str, version: int, start_at: str
) -> None:
    machine = state_machine_name("dev", name, version, start_at)
    assert machine.startswith(state_machine_prefix("dev", name))


def test_suffixes_are_random_and_may_stand_in_a_workflow_id() -> None:
    suffixes = {random_suffix() for _ in range(100)}
    assert len(suffixes) == 100
    for suffix in suffixes:
        assert re.fullmatch(r"[a-z0-9]{8}", suffix)


def test_an_arn_leads_to_its_siblings() -> None:
    arn = "arn:aws-cn:states:cn-north-1:123456789012:activity:dev--app-charge"
    assert sibling_arn(arn, "stateMachine", "m") == (
        "arn:aws-cn:states:cn-north-1:123456789012:stateMachine:m"
    )
    assert last_part(arn) == "dev--app-charge"
