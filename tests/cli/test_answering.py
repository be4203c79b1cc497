"""`aiowfm pending`, `complete` and `fail`, in this process."""

from __future__ import annotations

import pytest

from tests.cli.conftest import ENGINE, Shop


@pytest.fixture
def parked(shop: Shop) -> str:
    """The id of a workflow that waits under the key k1, its token being kept."""
    id = shop.started("approval", {"id": "k1"})
    # A worker reads the queue; nothing tells from outside when it has, but the store does.
    for _ in range(100):
        assert shop("run", ENGINE, "order", "--input", '{"count": 0}').code == 0
        if shop("pending", ENGINE, "--json").json:
            return id
    raise AssertionError("nothing is pending")


def test_what_waits_is_listed(shop: Shop, parked: str) -> None:
    head, row = shop("pending", ENGINE).out.splitlines()
    assert head.split() == ["KEY", "SINCE", "EXPIRES", "STATE", "WORKFLOW", "MESSAGE"]
    assert row.startswith("k1 ")
    assert row.endswith(f'approve  {parked}  {{"note": "please"}}')
    (task,) = shop("pending", ENGINE, "--json").json
    assert (task["key"], task["workflow_id"], task["attempt"]) == ("k1", parked, 0)
    assert "token" not in str(task).lower()


def test_a_task_is_completed_once(shop: Shop, parked: str) -> None:
    done = shop("complete", ENGINE, "k1", "--output", '{"by": "ops"}')
    assert (done.code, done.out) == (0, "k1: delivered: the workflow goes on\n")
    assert shop("show", ENGINE, parked, "--json").json["output"] == {"by": "ops"}
    assert shop("pending", ENGINE).err == "nothing waits\n"
    again = shop("complete", ENGINE, "k1", "--output", '{"by": "ops"}', "--json")
    assert again.json == {"key": "k1", "finalization": "ALREADY_FINALIZED"}
    other = shop("fail", ENGINE, "k1", "--error", "No")
    assert other.code == 1
    assert "another result was accepted first" in other.err


def test_a_task_is_failed(shop: Shop, parked: str) -> None:
    done = shop("fail", ENGINE, "k1", "--error", "Denied", "--cause", "too dear", "--json")
    assert done.json == {"key": "k1", "finalization": "DELIVERED"}
    shown = shop("show", ENGINE, parked, "--json").json
    assert (shown["status"], shown["error"], shown["cause"]) == ("failed", "Denied", "too dear")


def test_another_wait_of_a_key_is_left_alone(shop: Shop, parked: str) -> None:
    done = shop("complete", ENGINE, "k1", "--wait-id", "another")
    assert done.code == 1
    (task,) = shop("pending", ENGINE, "--json").json
    done = shop("complete", ENGINE, "k1", "--wait-id", task["wait_id"])
    assert done.code == 0
    assert shop("show", ENGINE, parked, "--json").json["output"] == {}


def test_a_key_that_nothing_waits_under_is_an_error_unless_it_may_be_early(shop: Shop) -> None:
    shop.ended("order", {})
    done = shop("complete", ENGINE, "k2")
    assert (done.code, done.out) == (1, "")
    assert "no callback task waits under 'k2'" in done.err
    done = shop("complete", ENGINE, "k2", "--early")
    assert (done.code, done.out) == (0, "k2: kept until its task waits\n")


def test_wrong_calls(shop: Shop) -> None:
    assert shop("complete", ENGINE, "k", "--output", "{").code == 2
    assert shop("fail", ENGINE, "k").code == 2
