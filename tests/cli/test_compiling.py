from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aiowfm.cli.app import app

TWO = """
- name: one
  stateMachine:
    States:
      w: {Type: Task, Resource: work, End: true}
    StartAt: w
- name: two
  stateMachine: {StartAt: s, States: {s: {Type: Succeed}}}
"""

PROGRAM = """
from aiowfm import Engine

engine = Engine(app="shop", environment="prod", envelope=False, default_heartbeat=False)
engine.task("work", retry_lost=False)(lambda: None)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "two.yml").write_text(TWO)
    (tmp_path / "compiled_of_test.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return "two.yml"


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["compile", *arguments])
    return done.exit_code, done.output


def machine(*arguments: str) -> dict[str, Any]:
    code, out = run(*arguments)
    assert code == 0, out
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_definition_is_printed_as_it_is_deployed(file: str) -> None:
    options = ["--app", "shop", "--environment", "prod", "--region", "cn-north-1"]
    found = machine(file, "one", *options, "--account-id", "123456789012")
    assert list(found) == ["States", "StartAt"]
    state = found["States"]["w"]
    arn = "arn:aws-cn:states:cn-north-1:123456789012:activity:prod--shop-work"
    assert state["Resource"] == arn
    assert state["HeartbeatSeconds"] == 60
    assert machine(file, "one")["States"]["w"]["Resource"].endswith(":activity:dev--app-work")
    assert run(file, "one", "--json") == run(file, "one")


def test_an_engine_says_what_is_compiled_in(file: str) -> None:
    found = machine(file, "one", "--handlers", "compiled_of_test:engine")
    arn = "arn:aws:states:us-east-1:000000000000:activity:prod--shop-work"
    assert found["States"]["w"] == {"Type": "Task", "Resource": arn, "End": True}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["two.yml"], 2, "since two.yml has 2: one, two", id="both"),
        pytest.param(["two.yml", "tow"], 1, "did you mean 'two'", id="misspelt"),
        pytest.param(["two.yml", "zzz"], 1, "it has one, two", id="unknown"),
        pytest.param(["none.yml"], 1, "none.yml: no such file", id="no file"),
        pytest.param(["two.yml", "one", "--region", "x/y"], 2, "not a region", id="region"),
        pytest.param(["two.yml", "one", "--account-id", "1"], 2, "not 12 digits", id="account"),
        pytest.param(["two.yml", "one", "--app", "a--b"], 2, "app: ", id="app"),
        pytest.param(["two.yml", "one", "--handlers", "x"], 2, "module:engine", id="handlers"),
        pytest.param(
            ["two.yml", "one", "--handlers", "x:y", "--app", "a"], 2, "of its own", id="both ways"
        ),
    ],
)
def test_what_does_not_fit_is_said(file: str, arguments: list[str], code: int, said: str) -> None:
    found, out = run(*arguments)
    assert found == code
    assert said in " ".join(out.split())


def test_problems_of_a_file_are_its_lines(file: str) -> None:
    Path("bad.yml").write_text("name: x\nstateMachine: {StartAt: a, States: {}}\n")
    code, out = run("bad.yml")
    assert code == 1
    assert out.startswith("bad.yml:2:")
