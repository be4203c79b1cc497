"""`aiowfm ls` and `aiowfm show`, in this process."""

from __future__ import annotations

import pytest

from tests.cli.conftest import ENGINE, Shop


def test_workflows_are_listed_newest_first(shop: Shop) -> None:
    ids = [shop.ended("order", {"count": 1}), shop.ended("order", {"poor": 1})]
    ids.append(shop.started("slow", {}))
    done = shop("ls", ENGINE)
    head, *rows = done.out.splitlines()
    assert head.split() == ["ID", "STATUS", "STARTED", "TOOK"]
    assert [row.split()[:2] for row in rows] == [
        [ids[2], "running"],
        [ids[1], "failed"],
        [ids[0], "succeeded"],
    ]
    assert [each["id"] for each in shop("ls", ENGINE, "--json").json] == ids[::-1]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        pytest.param(["order"], [1, 0], id="name"),
        pytest.param(["gone"], [], id="unknown name"),
        pytest.param(["--status", "failed"], [1], id="status"),
        pytest.param(["--error", "CardDeclined"], [1], id="error"),
        pytest.param(["--tag", "team=core"], [1, 0], id="tag"),
        pytest.param(["--tag", "team=other"], [], id="other tag"),
        pytest.param(["--id-prefix", "dev--slow"], [2], id="prefix"),
        pytest.param(["--limit", "1"], [2], id="limit"),
        pytest.param(["--limit", "0"], [2, 1, 0], id="no limit"),
        pytest.param(["--since", "10m"], [2, 1, 0], id="ago"),
        pytest.param(["--since", "2020-01-01"], [2, 1, 0], id="date"),
        pytest.param(["--since", "2999-01-01T09:30+02:00"], [], id="instant"),
    ],
)
def test_filters_find(shop: Shop, filters: list[str], found: list[int]) -> None:
    ids = [shop.ended("order", {"count": 1}), shop.ended("order", {"poor": 1})]
    ids.append(shop.started("slow", {}))
    done = shop("ls", ENGINE, *filters, "--json")
    assert [each["id"] for each in done.json] == [ids[index] for index in found]


def test_nothing_found_is_no_row_and_no_error(shop: Shop) -> None:
    shop.ended("order", {})
    done = shop("ls", ENGINE, "slow")
    assert (done.code, done.out, done.err) == (0, "", "no workflows\n")


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        pytest.param(["--since", "yesterday"], "neither a time like", id="since"),
        pytest.param(["--tag", "team"], "'team' is not KEY=VALUE", id="tag"),
        pytest.param(["--status", "done"], "'done' is not one of", id="status"),
    ],
)
def test_filters_that_cannot_be_are_wrong_calls(shop: Shop, filters: list[str], said: str) -> None:
    done = shop("ls", ENGINE, *filters)
    assert done.code == 2
    assert said in done.said


def test_a_failed_workflow_is_shown_with_its_reason_first(shop: Shop) -> None:
    done = shop("show", ENGINE, shop.ended("order", {"poor": 1}))
    assert done.code == 0
    status, why, *_ = done.out.splitlines()
    assert status.split() == ["status", "failed"]
    assert why.split(maxsplit=1) == ["why", "in charge: CardDeclined: no \ufffd[31m money"]
    assert 'input    {"poor": 1}' in done.out
    assert "✗ charge Task" in done.out


def test_states_are_shown_as_a_tree_with_what_a_map_has_done(shop: Shop) -> None:
    done = shop("show", ENGINE, shop.ended("order", {"count": 8}))
    assert "✓ charge Task" in done.out
    assert "✓ lines Map" in done.out
    assert "8/8" in done.out
    assert "[4] ✓ pack Task" in done.out
    assert "[5]" not in done.out
    assert "… 3 more" in done.out


def test_json_has_all_jobs(shop: Shop) -> None:
    shown = shop("show", ENGINE, shop.ended("order", {"count": 8}), "--json").json
    packs = [job for job in shown["jobs"] if job["state"] == "pack"]
    assert [job["path"] for job in packs] == [["lines", each, "pack"] for each in range(8)]
    assert [job["output"] for job in packs] == [each * 10 for each in range(8)]
    assert shown["failed_job"] is None


@pytest.mark.parametrize("command", ["show", "follow", "cancel", "resume"])
@pytest.mark.parametrize(
    ("id", "said"),
    [
        pytest.param("x", "'x' is not the id of a workflow", id="no id"),
        pytest.param("dev--order--0--charge--x", "there is no workflow", id="unknown"),
        pytest.param("prod--order--0--charge--x", "'prod'", id="another environment"),
    ],
)
def test_an_unknown_id_is_said_in_a_line(shop: Shop, command: str, id: str, said: str) -> None:
    shop.ended("order", {})
    done = shop(command, ENGINE, id)
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert done.err.startswith("aiowfm: ")
    assert done.err.count("\n") == 1
