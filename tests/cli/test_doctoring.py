"""`aiowfm doctor`, against MiniStack, `aiowfm serve` and the embedded backend."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from botocore.retries.standard import ExponentialBackoff
from typer.testing import CliRunner

from aiowfm.cli.app import app
from tests.cli.test_deploying import KEYS, place
from tests.places import AwsPlace

__all__ = ["place"]  # a fixture

MODULE = "tests.cli.examined_program:make_engine"


def run(command: str, *options: str, **variables: str) -> tuple[int, str, str]:
    environment = {"COLUMNS": "200", **KEYS, **variables}
    done = CliRunner().invoke(app, [command, MODULE, *options], env=environment)
    return done.exit_code, done.stdout, done.stderr


def diagnosis(*options: str, **variables: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and what was found by what it is about."""
    code, out, _ = run("doctor", *options, "--json", **variables)
    shown = json.loads(out)
    assert shown["healthy"] is (code == 0)
    found: dict[str, list[dict[str, Any]]] = {}
    for check in shown["checks"]:
        found.setdefault(check.pop("subject"), []).append(check)
    return code, found


@pytest.mark.aws
def test_what_is_missing_is_deployed_and_then_well(ministack: Any, environment: str) -> None:
    variables = {"ENVIRONMENT": environment, "URL": ministack.url}
    code, found = diagnosis(**variables)
    assert code == 1
    missing = [f"activity {environment}--shop-work", f"table {environment}--shop-callbacks"]
    for subject in missing:
        assert found[subject][0]["health"] == "problem"
    code, out, _ = run("doctor", **variables)
    assert code == 1
    assert f"✗  activity {environment}--shop-work" in out
    assert "run `aiowfm deploy`" in out

    assert run("deploy", **variables)[0] == 0
    code, found = diagnosis(**variables)
    assert code == 0
    for subject in missing:
        assert found[subject][0]["health"] == "ok"
    code, out, _ = run("doctor", "--processes", "1000000", **variables)
    assert code == 1
    assert "✗  heartbeat rate" in out
    assert "problems: 2," in out  # that of polls is the other


def test_a_server_that_has_no_queues_is_said_to_have_none(
    served_url: str, environment: str
) -> None:
    code, found = diagnosis(ENVIRONMENT=environment, URL=served_url)
    assert code == 1
    assert found["Step Functions"][0]["health"] == "ok"
    assert found["credentials"][0]["health"] == "unknown"
    assert found[f"activity {environment}--shop-work"][0]["health"] == "problem"
    storage = found[f"queues and table {environment}--shop-callbacks"][0]
    assert (storage["health"], "GetQueueUrl" in storage["message"]) == ("problem", True)
    assert "states:StartExecution" in found["permissions"][0]["message"]
    assert found["dynamodb:PutItem"][0]["health"] == "unknown"


def test_an_embedded_engine(tmp_path: Path, environment: str) -> None:
    path = tmp_path / "shop.db"
    variables = {"ENVIRONMENT": environment, "LOCAL_PATH": str(path), "PROVISION": "create"}
    code, found = diagnosis(**variables)
    assert (code, found["backend"][0]["health"]) == (0, "ok")
    code, out, _ = run("doctor", **variables | {"LOCAL_PATH": ":memory:"})
    assert code == 0
    assert "!  backend" in out
    assert "in memory" in out
    path.write_bytes(b"something else, and no database at all" * 100)
    code, found = diagnosis(**variables)
    assert (code, found["backend"][0]["health"]) == (1, "problem")


def test_an_endpoint_that_is_not_there(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    code, found = diagnosis(ENVIRONMENT=environment, URL="http://127.0.0.1:9")
    assert code == 1
    (problem,) = found["Step Functions"]
    assert problem["health"] == "problem"
    assert "http://127.0.0.1:9 cannot be reached" in problem["message"]
    assert f"activity {environment}--shop-work" not in found


def test_a_profile_that_does_not_exist(environment: str) -> None:
    variables = {"ENVIRONMENT": environment, "URL": "http://127.0.0.1:9", "AWS_PROFILE": "nobody's"}
    code, found = diagnosis(**variables)
    assert code == 1
    assert "nobody's" in found["backend"][0]["message"]


def test_no_credentials_are_a_row_and_no_traceback(tmp_path: Path, environment: str) -> None:
    nowhere: dict[str, str | None] = {name: None for name in os.environ if name[:4] == "AWS_"}
    nowhere |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }
    variables = {"ENVIRONMENT": environment, "URL": "http://127.0.0.1:9"}
    done = CliRunner().invoke(app, ["doctor", MODULE, "--json"], env=nowhere | variables)
    assert (done.exit_code, done.stderr) == (1, "")
    problems = [
        each["subject"] for each in json.loads(done.stdout)["checks"] if each["health"] == "problem"
    ]
    assert problems == ["credentials"]


def test_drift_is_a_problem(place: AwsPlace, environment: str) -> None:
    variables = {
        "ENVIRONMENT": environment,
        "URL": str(place.url),
        "RESULT": "old",
        "CALLBACKS": "no",
    }
    assert run("deploy", **variables)[0] == 0
    assert diagnosis(**variables)[0] == 0
    name = f"{environment}--flow---1--work"
    assert anyio.run(place.describe, name)["versions"]
    code, found = diagnosis(**variables | {"RESULT": "new"})
    assert code == 1
    assert found[f"state machine {name}"][0]["message"] == "it differs from its definition"


def test_a_wrong_call_ends_with_two(environment: str) -> None:
    for options in (["--processes", "0"], ["--role", "nurse"], ["--format", "xml"]):
        assert run("doctor", *options, ENVIRONMENT=environment)[0] == 2
