from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.callbacks.messages import MAX_FIELDS_BYTES, UnreadableMessageError, read
from aiowfm.waits import Fence, Owner
from tests.callbacks.house import EXECUTION, body


def text(**members: Any) -> str:
    return json.dumps({"TaskToken": "t", "TaskKey": "k"} | members)


def test_a_message_says_who_waits_and_when() -> None:
    found = read(body("t", "k", redrive=1, attempt=2, index=3, heartbeat=60, timeout=90.5))
    assert (found.token, found.key, found.fields) == ("t", "k", '{"amount":7}')
    assert found.owner == Owner(EXECUTION, "ask", 3)
    assert found.fence == Fence("2027-01-15T08:00:00.000Z", 1, 2)
    assert (found.heartbeat_seconds, found.timeout_seconds) == (60, 90.5)


@pytest.mark.parametrize(
    ("entered", "shown"),
    [
        pytest.param("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z", id="whole seconds"),
        pytest.param("2026-01-02T03:04:05.6789Z", "2026-01-02T03:04:05.678Z", id="microseconds"),
        pytest.param("2026-01-02T03:04:05.006+01:00", "2026-01-02T02:04:05.006Z", id="a zone"),
    ],
)
def test_instants_have_one_form_in_which_they_compare(entered: str, shown: str) -> None:
    found = read(body(entered=entered))
    assert found.fence == Fence(shown, 0, 0)


@pytest.mark.parametrize(
    "about",
    [
        pytest.param(None, id="nothing"),
        pytest.param("text", id="text"),
        pytest.param({"state": "s", "entered": "2026-01-02T03:04:05Z"}, id="no execution"),
        pytest.param({"execution": "e", "state": "s", "entered": "soon"}, id="no instant"),
        pytest.param(
            {"execution": "e", "state": "s", "entered": "2026-01-02T03:04:05Z", "attempt": "1"},
            id="an attempt in words",
        ),
    ],
)
def test_a_message_of_another_program_has_neither_owner_nor_fence(about: object) -> None:
    found = read(text(aiowfm=about))
    assert (found.owner, found.fence) == (None, None)
    assert found.wait_id == read(text()).wait_id


def test_an_emulator_that_knows_no_redrives_is_understood() -> None:
    found = read(body(redrive=None))
    assert found.fence is not None
    assert found.fence.redrive == 0


def test_each_wait_has_an_id_of_its_own() -> None:
    ids = {read(text).wait_id for text in (body(), body(attempt=1), body(index=0))}
    assert len(ids) == 3
    assert read(body("other")).wait_id == read(body()).wait_id  # it is the wait's, not the token's


def test_secrets_and_payloads_are_not_shown() -> None:
    assert "secret" not in repr(read(text(TaskToken="secret-token", note="secret")))


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=4_000), max_size=30))
def test_what_is_kept_of_the_other_members_fits_and_is_true(members: dict[str, str]) -> None:
    members = {name: value for name, value in members.items() if name not in RESERVED}
    found = read(text(**members))
    kept = json.loads(found.fields)
    assert len(found.fields.encode(errors="surrogatepass")) <= MAX_FIELDS_BYTES
    assert kept.items() <= members.items()
    if len(json.dumps(members, ensure_ascii=True)) < MAX_FIELDS_BYTES / 2:
        assert kept == members


RESERVED = {"TaskToken", "TaskKey", "aiowfm"}


def test_the_largest_members_are_left_out_first() -> None:
    found = read(text(small=1, large="x" * 40_000, other="y" * 20_000))
    assert json.loads(found.fields).keys() == {"small", "other"}


def test_half_of_a_surrogate_pair_is_kept_as_what_it_was() -> None:
    found = read('{"TaskToken": "t", "TaskKey": "k", "odd": "\\ud800", "even": "ö"}')
    found.fields.encode()
    assert json.loads(found.fields) == {"odd": "\ud800", "even": "ö"}


def test_nesting_that_can_be_read_and_not_written_is_left_out() -> None:
    kept = set()
    for depth in range(500, 1_000, 5):
        deep = "[" * depth + "]" * depth
        try:
            found = read(f'{{"TaskToken": "t", "TaskKey": "k", "deep": {deep}}}')
        except UnreadableMessageError:
            break
        assert found.key == "k"
        kept.add(found.fields)
    assert kept


def test_nesting_without_end_is_unreadable() -> None:
    with pytest.raises(UnreadableMessageError):
        read("[" * 200_000)
