"""`aiowfm deploy`, against MiniStack and `aiowfm serve`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from botocore.retries.standard import ExponentialBackoff
from typer.testing import CliRunner

from aiowfm.cli.app import app
from tests.ministack import MiniStack
from tests.places import ACCOUNT_ID, AwsPlace, aws_place


@pytest.fixture(params=["served", pytest.param("ministack", marks=pytest.mark.aws)])
def place(request: pytest.FixtureRequest) -> AwsPlace:
    if request.param == "served":
        return aws_place(request.getfixturevalue("served_url"), account_id=ACCOUNT_ID)
    server: MiniStack = request.getfixturevalue("ministack")
    return aws_place(server.url)


MODULE = "tests.cli.deployed_program:make_engine"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


# Reads a line with the variables of deployments at once, has a process for each, and writes
# what they end with.
DEPLOYING = f"""
import aioboto3, functools, json, os, sys
from botocore import loaders
from aiowfm.cli.app import app
from tests.cli import deployed_program

# Read once what takes a second in each process.
loaders.create_loader = functools.cache(loaders.create_loader)
loaders.create_loader(None).load_service_model("stepfunctions", "service-2")
loaders.create_loader(None).load_data("endpoints")

for line in sys.stdin:
    children = []
    for variables in json.loads(line):
        if (child := os.fork()) == 0:
            os.environ.update(variables)
            os.dup2(2, 1)
            app(["deploy", {MODULE!r}])
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(json.dumps(codes), flush=True)
"""


@pytest.fixture(scope="module")
def deploying() -> Iterator[subprocess.Popen[str]]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    program = [sys.executable, "-c", DEPLOYING]
    with subprocess.Popen(program, text=True, env=os.environ | KEYS, **pipes) as started:  # type: ignore[call-overload]  # of two pipes
        yield started
        started.stdin.close()


def at_once(program: subprocess.Popen[str], variables: list[dict[str, str]]) -> list[int]:
    """What deployments with *variables* end with."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(f"{json.dumps(variables)}\n")
    program.stdin.flush()
    codes: list[int] = json.loads(program.stdout.readline())
    return codes


def deploy(place: AwsPlace, *options: str, **variables: str) -> tuple[int, str, str]:
    """In this process, which has loaded what others take a second for."""
    done = CliRunner().invoke(
        app, ["deploy", MODULE, *options], env={**KEYS, "URL": place.url, **variables}
    )
    return done.exit_code, done.stdout, done.stderr


def test_a_deployment_is_shown_done_and_then_nothing_is_left_to_do(
    place: AwsPlace, environment: str
) -> None:
    first: dict[str, str] = {"ENVIRONMENT": environment, "RESULT": "old"}
    name = f"{environment}--flow---1--work"
    lines = [
        f"+ activity {environment}--shop-work: create",
        f"+ state machine {name}: create",
    ]
    dry = deploy(place, "--dry-run", **first)
    assert dry == (
        0,
        "\n".join([*lines, "2 to create, 0 to change, 0 to repair, 0 unchanged.\n"]),
        "",
    )
    assert deploy(place, "--dry-run", "--exit-code", **first)[0] == 3
    done = deploy(place, **first)
    assert done == (0, "\n".join([*lines, "2 created, 0 changed, 0 repaired, 0 unchanged.\n"]), "")
    code, out, _ = deploy(place, **first)
    assert (code, out.splitlines()[-1]) == (0, "Nothing to do.")
    assert deploy(place, "--dry-run", "--exit-code", **first)[0] == 0

    code, out, _ = deploy(place, **first | {"RESULT": "new"})
    assert code == 0
    assert f"~ state machine {name}: change\n" in out
    assert '    -      "Result": "old",\n    +      "Result": "new",\n' in out
    assert len((anyio.run(place.describe, name))["versions"]) == 2


def test_what_may_not_change_ends_with_one_and_is_left(place: AwsPlace, environment: str) -> None:
    variables: dict[str, str] = {"ENVIRONMENT": environment, "RESULT": "old", "VERSION": "0"}
    assert deploy(place, **variables)[0] == 0
    before = anyio.run(place.describe, f"{environment}--flow--0--work")
    for options in ((), ("--dry-run",)):
        code, out, err = deploy(place, *options, **variables | {"RESULT": "new"})
        assert code == 1
        assert f"! state machine {environment}--flow--0--work: differs, but is immutable\n" in out
        assert '    +      "Result": "new",\n' in out
        assert "flow: differs from the deployed state machine" in err
        assert "Traceback" not in err
    code, out, _ = deploy(place, **variables | {"APP": "bank"})
    assert code == 1
    assert "another application's\n" in out
    assert anyio.run(place.describe, f"{environment}--flow--0--work") == before


@pytest.mark.parametrize("same", [True, False], ids=["the same", "another each"])
def test_processes_that_deploy_at_once_settle_it(
    place: AwsPlace, environment: str, same: bool, deploying: subprocess.Popen[str]
) -> None:
    variables: dict[str, str] = {"ENVIRONMENT": environment, "RESULT": "old"}
    name = f"{environment}--flow---1--work"
    for round in ("create", "change"):
        results = [f"{round} {number * (not same)}" for number in range(2)]
        wishes = [variables | {"URL": str(place.url), "RESULT": result} for result in results]
        assert at_once(deploying, wishes) == [0, 0]
        now: dict[str, Any] = anyio.run(place.describe, name)
        newest = place.client_call("DescribeStateMachine", stateMachineArn=now["versions"][0])
        assert any(f'"{result}"' in newest["definition"] for result in results)
    # Whoever comes next finds what is deployed, whichever process wrote its tags last.
    for result in set(results):
        code, _, err = deploy(place, **variables | {"RESULT": result})
        assert (code, err) == (0, "")
        now = anyio.run(place.describe, name)
        assert f'"{result}"' in now["definition"]


def test_programs_get_what_would_change_and_what_was_done(
    served_url: str, environment: str
) -> None:
    place = aws_place(served_url, account_id=ACCOUNT_ID)
    variables: dict[str, str] = {"ENVIRONMENT": environment, "RESULT": "old", "VERSION": "0"}
    name = f"{environment}--flow--0--work"
    machine = {"kind": "state machine", "name": name, "role": None, "note": ""}

    def planned(*options: str, **more: str) -> tuple[int, dict[str, Any]]:
        code, out, _ = deploy(place, "--json", *options, **variables | more)
        return code, json.loads(out)

    code, dry = planned("--dry-run", "--exit-code")
    assert (code, dry["is_done"], dry["has_changes"], dry["problems"]) == (3, False, True, [])
    activity, first = dry["changes"]
    assert activity == {
        "kind": "activity",
        "name": f"{environment}--shop-work",
        "change": "create",
    }
    assert first.items() >= (machine | {"change": "create"}).items()
    code, done = planned()
    assert (code, done["is_done"], done["changes"]) == (0, True, dry["changes"])
    code, done = planned()
    assert (code, done["is_done"], done["has_changes"]) == (0, False, False)
    code, done = planned(RESULT="new")
    assert (code, done["is_done"]) == (1, False)
    assert done["changes"][1]["change"] == "differs"
    assert '"Result": "new"' in done["changes"][1]["diff"]
    assert done["problems"][0]["where"] == "flow"


def test_a_place_without_an_engine_is_a_line() -> None:
    done = CliRunner().invoke(app, ["deploy", "nothing.like.this:engine"])
    assert done.exit_code == 2
    assert done.stderr.startswith("aiowfm: there is no module 'nothing', neither")
    assert done.stderr.count("\n") == 1


def test_a_backend_that_is_not_there_is_a_line(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    # The SDK tries five times, and waits for seconds in between.
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    variables = {"URL": "http://127.0.0.1:9", "ENVIRONMENT": environment, "RESULT": "x"}
    done = CliRunner().invoke(app, ["deploy", MODULE], env={**KEYS, **variables})
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("aiowfm: ")
    assert done.stderr.count("\n") == 1
