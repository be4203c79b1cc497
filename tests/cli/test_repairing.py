"""`aiowfm cancel` and `aiowfm resume`, in this process."""

from __future__ import annotations

import pytest

from tests.cli.conftest import ENGINE, Shop


def status_of(shop: Shop, id: str) -> str:
    status: str = shop("show", ENGINE, id, "--json").json["status"]
    return status


def test_workflows_are_cancelled_by_their_ids(shop: Shop) -> None:
    ids = [shop.started("slow", {}) for _ in range(2)]
    done = shop("cancel", ENGINE, *ids, "--reason", "no use")
    assert done.code == 0
    assert done.out.splitlines() == [f"cancelled {id}" for id in ids]
    shown = shop("show", ENGINE, ids[0], "--json").json
    assert (shown["status"], shown["cause"]) == ("cancelled", "no use")


def test_one_that_has_ended_stays_as_it_is(shop: Shop) -> None:
    id = shop.ended("order", {})
    done = shop("cancel", ENGINE, id)
    assert (done.code, done.out) == (0, f"{id} had succeeded before\n")
    assert shop("cancel", ENGINE, id, "--json").json[0]["is_done"] is False
    assert status_of(shop, id) == "succeeded"


def test_an_id_that_is_unknown_does_not_keep_others_from_it(shop: Shop) -> None:
    id = shop.started("slow", {})
    done = shop("cancel", ENGINE, "dev--slow--0--wait--x", id)
    assert (done.code, done.out) == (1, f"cancelled {id}\n")
    assert "there is no workflow 'dev--slow--0--wait--x'" in done.err


def test_many_are_cancelled_by_filters_after_a_dry_run(shop: Shop) -> None:
    ids = [shop.started("slow", {}) for _ in range(3)]
    other = shop.started("approval", {"id": "k"})
    done = shop("cancel", ENGINE, "--name", "slow", "--dry-run")
    assert sorted(done.out.splitlines()) == sorted(f"would cancel {id}" for id in ids)
    assert status_of(shop, ids[0]) == "running"
    done = shop("cancel", ENGINE, "--name", "slow", "--yes", "--json")
    assert {each["id"] for each in done.json if each["is_done"]} == set(ids)
    assert status_of(shop, other) == "running"


def test_a_failed_workflow_goes_on_where_it_failed(shop: Shop) -> None:
    id = shop.ended("order", {"poor": 1, "count": 1})
    (shop.directory / "rich").touch()
    done = shop("resume", ENGINE, id)
    assert (done.code, done.out) == (0, f"resumed {id}\n")
    done = shop("follow", ENGINE, id)  # and works on it
    assert (done.code, done.json) == (0, [0])
    first, second = shop("show", ENGINE, id, "--json").json["jobs"][0]["attempts"]
    assert (first["error"], second["status"]) == ("CardDeclined", "succeeded")


def test_a_new_workflow_begins_at_a_state(shop: Shop) -> None:
    id = shop.ended("order", {"poor": 1})
    done = shop("resume", ENGINE, id, "--start-at", "lines", "--input", '{"items": [5]}', "--json")
    (repair,) = done.json
    assert (repair["id"], repair["is_done"], repair["error"]) == (id, True, None)
    shown = shop("show", ENGINE, repair["result"], "--json").json
    assert (shown["input"], shown["retry_for"]) == ({"items": [5]}, id)
    said = shop("resume", ENGINE, id, "--start-at", "lines", "--input", "{}").out
    assert said.startswith(f"resumed {id} as dev--order--0--lines--")


def test_many_are_resumed_by_filters(shop: Shop) -> None:
    failed = [shop.ended("order", {"poor": 1}) for _ in range(2)]
    shop.ended("order", {})
    done = shop("resume", ENGINE, "--error", "CardDeclined", "--dry-run", "--json")
    assert {each["id"] for each in done.json} == set(failed)
    done = shop("resume", ENGINE, "--error", "CardDeclined", "--yes", "--limit", "1")
    assert done.out == f"resumed {failed[1]}\n"
    assert [status_of(shop, id) for id in failed] == ["failed", "running"]


def test_what_cannot_be_resumed_ends_with_1(shop: Shop) -> None:
    id = shop.ended("order", {})
    done = shop("resume", ENGINE, id)
    assert (done.code, done.out) == (1, "")
    assert "succeeded" in done.err
    failed = shop.ended("order", {"poor": 1})
    done = shop("resume", ENGINE, failed, "--start-at", "nowhere")
    assert done.code == 1
    assert "nowhere" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["cancel", ENGINE], "give ids, or filters", id="nothing"),
        pytest.param(["cancel", ENGINE, "x", "--name", "slow"], "not both", id="both"),
        pytest.param(["cancel", ENGINE, "x", "--dry-run"], "--dry-run", id="dry run of an id"),
        pytest.param(["cancel", ENGINE, "--name", "slow"], "nobody can be asked", id="unsure"),
        pytest.param(["resume", ENGINE, "x", "--input", "{}"], "new workflow", id="input"),
        pytest.param(
            ["resume", ENGINE, "--name", "x", "-y", "--start-at", "a", "--input", "{}"],
            "single ids",
            id="input for many",
        ),
        pytest.param(
            ["resume", ENGINE, "x", "--start-at", "a", "--variables", "[]"],
            "not an object",
            id="variables",
        ),
        pytest.param(["resume", ENGINE, "--status", "succeeded", "-y"], "only failed", id="status"),
    ],
)
def test_calls_that_do_not_fit_are_refused(shop: Shop, arguments: list[str], said: str) -> None:
    done = shop(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.said
