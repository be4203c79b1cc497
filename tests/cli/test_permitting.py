"""`aiowfm iam`: what it prints, and from where it takes regions, accounts and roles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.test_doctoring import run

VARIABLES = {"ENVIRONMENT": "prod", "URL": "http://127.0.0.1:9"}
LOCAL = {"ENVIRONMENT": "prod"}
ROLE_ARN = "arn:aws-cn:iam::123456789012:role/workflows"


def printed(*options: str, **variables: str) -> Any:
    code, out, err = run("iam", *options, **variables)
    assert (code, err) == (0, "")
    return json.loads(out)


def test_all_policies_are_printed_by_name_and_nothing_is_asked() -> None:
    made = printed(**VARIABLES)
    assert printed("--json", **VARIABLES) == made
    names = ["state-machine-trust", "state-machine", "worker", "finalizer", "deployer", "doctor"]
    assert list(made) == names
    for name in names:
        assert printed("--role", name, **VARIABLES) == made[name]
        assert made[name]["Version"] == "2012-10-17"
    assert made["state-machine"]["Statement"][0]["Resource"] == [
        "arn:aws:sqs:eu-central-1:000000000000:prod--shop-callbacks"
    ]


def test_the_engine_says_how_it_provisions_and_an_option_says_otherwise() -> None:
    def creates(*options: str, **variables: str) -> bool:
        return "CreateActivity" in json.dumps(
            printed("--role", "worker", *options, **VARIABLES | variables)
        )

    assert not creates(PROVISION="check")
    assert creates(PROVISION="create")
    assert creates("--provision", "create", PROVISION="none")
    assert not creates("--provision", "none", PROVISION="create")


def test_an_embedded_engine_needs_to_be_told_where() -> None:
    code, *said = run("iam", **LOCAL)
    assert code == 2
    assert "--region, --role-arn: " in "".join(said)
    made = printed("--region", "cn-north-1", "--role-arn", ROLE_ARN, **LOCAL)
    assert made["state-machine"]["Statement"][0]["Resource"] == [
        "arn:aws-cn:sqs:cn-north-1:123456789012:prod--shop-callbacks"
    ]


def test_a_role_of_another_account_is_refused() -> None:
    code, *said = run("iam", "--role-arn", ROLE_ARN, **VARIABLES)
    assert code == 2
    assert "is a role of another" in "".join(said)
    assert printed("--role-arn", ROLE_ARN, "--account-id", "123456789012", **VARIABLES)


@pytest.mark.parametrize(
    "options",
    [
        ("--region", "Europe"),
        ("--account-id", "123"),
        ("--role-arn", "workflows"),
        ("--role", "nurse"),
        ("--provision", "maybe"),
    ],
)
def test_a_wrong_call_ends_with_two(options: tuple[str, str]) -> None:
    assert run("iam", *options, **VARIABLES)[0] == 2
