from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.aws.token_items import (
    LISTED,
    SHARDS,
    Item,
    result_item,
    wait_item,
    wait_of,
)
from aiowfm.errors import BackendError
from aiowfm.waits import (
    Acceptance,
    Delivery,
    Fence,
    Owner,
    TaskToken,
    Wait,
    WaitStatus,
    entered_text,
)
from tests.callbacks.storage import NOW, waiting

seconds = st.floats(0, 1e11, allow_subnormal=False) | st.integers(0, 10**11).map(float)
counts = st.integers(0, 10**6)
acceptances = st.builds(
    Acceptance,
    kind=st.sampled_from(["success", "failure"]),
    digest=st.text(),
    error=st.none() | st.text(),
    at=seconds,
    was_early=st.booleans(),
    may_have_arrived=st.booleans(),
    delivery=st.none() | st.sampled_from(Delivery),
)
waits = st.builds(
    Wait,
    key=st.text(min_size=1),
    status=st.sampled_from(WaitStatus),
    revision=st.text(),
    wait_id=st.text(),
    token=st.none() | st.text(min_size=1).map(TaskToken),
    token_hash=st.text(),
    owner=st.none() | st.builds(Owner, st.text(), st.text(), st.none() | counts),
    fence=st.none() | st.builds(Fence, st.floats(0, 1e11).map(entered_text), counts, counts),
    heartbeat_seconds=st.none() | seconds,
    timeout_seconds=st.none() | seconds,
    message=st.text(),
    arrived_at=seconds,
    due_at=st.none() | seconds,
    expires_at=st.integers(0, 10**11).map(float),
    acceptance=st.none() | acceptances,
)


@given(waits)
def test_an_item_gives_its_wait_back(wait: Wait) -> None:
    assert wait_of(wait_item(wait)) == wait


@given(waits)
def test_an_index_gives_all_of_a_pending_wait_but_the_token(wait: Wait) -> None:
    wait = replace(wait, status=WaitStatus.WAITING, acceptance=None)
    keys = {"task_key", "part", "waiting_shard", "entered"}
    shown: Item = {
        name: value for name, value in wait_item(wait).items() if name in keys | set(LISTED)
    }
    assert wait_of(shown) == replace(wait, token=None)


@given(waits)
def test_an_item_is_in_the_indexes_it_belongs_to(wait: Wait) -> None:
    item = wait_item(wait)
    assert ("waiting_shard" in item) == (wait.status is WaitStatus.WAITING)
    assert ("due_shard" in item) == ("due_at" in item) == (wait.due_at is not None)


def test_an_index_takes_no_more_attributes() -> None:
    assert len(LISTED) <= 20


def test_the_layout_is_what_other_programs_rely_on() -> None:
    wait = replace(
        waiting("order"),
        revision="r1",
        wait_id="w1",
        token=TaskToken("AQCE"),
        token_hash="h1",
        owner=Owner("arn", "approve", 3),
        fence=Fence("2027-01-15T08:00:00.000Z", 1, 2),
        heartbeat_seconds=600.0,
        timeout_seconds=3_600.5,
        due_at=NOW + 1.5,
        acceptance=Acceptance(
            kind="failure",
            digest="d1",
            error="Refused",
            at=NOW,
            delivery=Delivery.DELIVERED,
        ),
    )
    assert wait_item(wait) == {
        "task_key": {"S": "order"},
        "part": {"S": "wait"},
        "layout": {"N": "1"},
        "status": {"S": "WAITING"},
        "revision": {"S": "r1"},
        "wait_id": {"S": "w1"},
        "token": {"S": "AQCE"},
        "token_hash": {"S": "h1"},
        "execution": {"S": "arn"},
        "state": {"S": "approve"},
        "map_index": {"N": "3"},
        "entered": {"S": "2027-01-15T08:00:00.000Z"},
        "redrive": {"N": "1"},
        "attempt": {"N": "2"},
        "heartbeat_seconds": {"N": "600.0"},
        "timeout_seconds": {"N": "3600.5"},
        "message": {"S": '{"order": "o-17"}'},
        "arrived_at": {"N": "1800000000.0"},
        "expires_at": {"N": "1800003600"},
        "waiting_shard": {"N": "0"},
        "due_shard": {"N": "0"},
        "due_at": {"N": "1800000001.5"},
        "outcome": {"S": "failure"},
        "result_digest": {"S": "d1"},
        "error": {"S": "Refused"},
        "accepted_at": {"N": "1800000000.0"},
        "was_early": {"BOOL": False},
        "may_have_arrived": {"BOOL": False},
        "delivery": {"S": "DELIVERED"},
    }
    assert result_item(wait, "{}") == {
        "task_key": {"S": "order"},
        "part": {"S": "result"},
        "layout": {"N": "1"},
        "wait_id": {"S": "w1"},
        "result": {"S": "{}"},
        "expires_at": {"N": "1800003600"},
    }


def test_an_item_expires_at_a_whole_second_and_not_too_early() -> None:
    item = wait_item(replace(waiting("order"), expires_at=NOW + 0.25))
    assert item["expires_at"] == {"N": str(math.ceil(NOW + 0.25))}


def test_keys_are_spread_over_the_shards() -> None:
    shards = [int(wait_item(waiting(f"k-{n}"))["waiting_shard"]["N"]) for n in range(1_000)]
    assert set(shards) == set(range(SHARDS))
    assert max(shards.count(shard) for shard in range(SHARDS)) < 200


def test_a_newer_layout_is_not_misread() -> None:
    item = wait_item(waiting("order")) | {"layout": {"N": "2"}}
    with pytest.raises(BackendError, match="layout 2, and this release reads 1"):
        wait_of(item)
