"""`aiowfm run` and `aiowfm follow`, in this process."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import ENGINE, MODULE, Shop


def test_the_output_of_a_workflow_goes_to_standard_output(shop: Shop) -> None:
    done = shop("run", ENGINE, "order", "--input", '{"count": 2}')
    assert (done.code, done.json) == (0, [0, 10])
    assert "dev--order--0--charge--" in done.err
    assert "succeeded" in done.err


def test_a_workflow_in_memory_is_worked_on_too(shop: Shop) -> None:
    done = shop("run", f"{MODULE}:in_memory", "order")
    assert (done.code, done.json) == (0, [0, 10, 20])
    assert not (shop.directory / "shop.db").exists()


def test_input_comes_from_a_file_or_from_standard_input(shop: Shop) -> None:
    (shop.directory / "input.json").write_text('{"count": 1}')
    assert shop("run", ENGINE, "order", "--input", "@input.json").json == [0]
    assert shop("run", ENGINE, "order", "--input", "-", input='{"count": 0}').json == []


@pytest.mark.parametrize(
    ("input", "said"),
    [
        pytest.param("{", "not JSON: Expecting property name", id="syntax"),
        pytest.param("[NaN]", "NaN is not a number of JSON", id="NaN"),
        pytest.param("@none.json", "none.json: No such file", id="no file"),
        pytest.param("@broken.json", "broken.json: not JSON", id="file"),
        pytest.param("-", "standard input: not JSON", id="standard input"),
        pytest.param("[" * 100_000, "not JSON", id="too deep"),
    ],
)
def test_input_that_is_not_json_is_a_wrong_call(shop: Shop, input: str, said: str) -> None:
    (shop.directory / "broken.json").write_text("{]")
    done = shop("run", ENGINE, "order", "--input", input, input="nothing")
    assert done.code == 2
    assert said in done.said
    assert not (shop.directory / "shop.db").exists()


def test_a_failed_workflow_ends_with_4_and_its_error(shop: Shop) -> None:
    done = shop("run", ENGINE, "order", "--input", '{"poor": true}')
    assert (done.code, done.out) == (4, "")
    assert "failed 0" in done.err
    assert "in charge: CardDeclined: no \ufffd[31m money" in done.err
    assert "\x1b" not in done.err.partition("in charge")[2]


def test_json_shows_the_whole_workflow(shop: Shop) -> None:
    done = shop("run", ENGINE, "order", "--json")
    shown = done.json
    assert shown["status"] == "succeeded"
    assert (shown["input"], shown["output"]) == ({}, [0, 10, 20])
    assert shown["tags"] == {"team": "core"}
    failed = shop("run", ENGINE, "order", "--json", "--input", '{"poor": 1}')
    assert failed.code == 4
    shown = failed.json
    assert (shown["status"], shown["error"]) == ("failed", "CardDeclined")
    assert [job["state"] for job in shown["jobs"] if job["id"] == shown["failed_job"]] == ["charge"]


def test_following_shows_a_line_for_each_change(shop: Shop) -> None:
    done = shop("run", ENGINE, "order", "--input", '{"count": 2}', "--follow")
    assert (done.code, done.json) == (0, [0, 10])
    for line in ("charge running", "lines[1].pack succeeded", "lines succeeded"):
        assert line in done.err


def test_following_as_json_is_a_line_for_each_change_and_one_for_the_workflow(shop: Shop) -> None:
    done = shop("run", ENGINE, "order", "--follow", "--json")
    *jobs, last = map(json.loads, done.out.splitlines())
    assert {job["job"]["state"] for job in jobs} == {"charge", "lines", "pack"}
    assert jobs[0]["job"]["status"] == "queued"
    assert last["workflow"]["output"] == [0, 10, 20]


def test_a_workflow_that_has_ended_can_be_followed_too(shop: Shop) -> None:
    id = shop.ended("order", {"poor": True})
    done = shop("follow", ENGINE, id)
    assert done.code == 4
    assert "charge failed" in done.err
    assert shop("cancel", ENGINE, cancelled := shop.started("slow", {})).code == 0
    assert shop("follow", ENGINE, cancelled).code == 5


def test_detached_it_prints_the_id_and_waits_for_nothing(shop: Shop) -> None:
    done = shop("run", ENGINE, "slow", "--detach")
    assert done.code == 0
    assert shop("show", ENGINE, done.out.strip(), "--json").json["status"] == "running"
    assert shop("run", ENGINE, "slow", "--detach", "--json").json["id"].startswith("dev--slow")


def test_what_takes_too_long_ends_with_6_and_goes_on(shop: Shop) -> None:
    done = shop("run", ENGINE, "slow", "--timeout", "0.2", "--no-worker", "--id-suffix", "x")
    assert (done.code, done.out) == (6, "")
    assert "is not finished after 0.2 s" in done.err
    id = "dev--slow--0--wait--x"
    assert shop("follow", ENGINE, id, "--timeout", "0.1", "--no-worker").code == 6
    done = shop("run", ENGINE, "slow", "--timeout", "0", "--no-worker", "--json")
    assert (done.code, done.json["status"]) == (6, "running")
    (shop.directory / "go").touch()
    done = shop("run", ENGINE, "slow", "--id-suffix", "x")
    assert (done.code, done.json) == (0, {})


def test_the_same_suffix_with_another_input_is_refused(shop: Shop) -> None:
    assert shop("run", ENGINE, "order", "--id-suffix", "x").code == 0
    done = shop("run", ENGINE, "order", "--id-suffix", "x", "--input", "[1]")
    assert done.code == 1
    assert "was started before with another input" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param([ENGINE, "ordre"], 1, "did you mean 'order'?", id="name"),
        pytest.param(["nothing:engine", "order"], 2, "there is no module 'nothing'", id="module"),
        pytest.param([ENGINE, "order", "--detach", "--follow"], 2, "nothing is followed", id="2"),
        pytest.param(
            [f"{MODULE}:in_memory", "order", "--detach"], 2, "in memory", id="lost at once"
        ),
        pytest.param([ENGINE], 2, "Missing argument", id="no name"),
        pytest.param([ENGINE, "order", "--timeout", "-1"], 2, "--timeout", id="timeout"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_line(
    shop: Shop, arguments: list[str], code: int, said: str
) -> None:
    done = shop("run", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.said
