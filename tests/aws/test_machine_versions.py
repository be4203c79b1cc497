from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from aiowfm.errors import BackendError, BackendUnavailableError, NotFoundError
from aiowfm.names import StateMachineArn
from aiowfm.ports import OpenBackend
from tests.aws.stub import OK, Answer, Stub, refusal
from tests.ministack import ROLE_ARN

pytestmark = pytest.mark.anyio

ARN = StateMachineArn("arn:aws:states:eu-central-1:123456789012:stateMachine:m")
VERSION = StateMachineArn(f"{ARN}:3")
MACHINE = json.dumps({"StartAt": "p", "States": {"p": {"Type": "Pass", "End": True}}})


@pytest.mark.aws
async def test_versions_are_shown_listed_and_deleted(aws: OpenBackend, environment: str) -> None:
    name = f"{environment}--m---1--p"
    machines, versions = aws.state_machines, aws.machine_versions
    first = await machines.create(name, MACHINE, {}, publish=True, description="one")
    changed = json.dumps(json.loads(MACHINE) | {"Comment": "changed"})
    second = await machines.update(first, changed, {}, description="two")

    shown = await versions.describe(first)
    assert (shown.arn, shown.description, shown.role_arn) == (first, "one", ROLE_ARN)
    assert json.loads(shown.definition or "") == json.loads(MACHINE)
    assert shown.created_at.tzinfo is UTC
    assert (await versions.describe(second)).description == "two"
    listed = await versions.all(second)
    assert [each.arn for each in listed] == [second, first]
    assert not await versions.is_running(first)
    await versions.delete(first)
    await versions.delete(first)
    assert [each.arn for each in await versions.all(first)] == [second]


@pytest.mark.aws
async def test_a_version_that_is_not_there_is_missing(aws: OpenBackend, environment: str) -> None:
    arn = await aws.state_machines.arn(f"{environment}--m---1--p")
    with pytest.raises(NotFoundError):
        await aws.machine_versions.describe(StateMachineArn(f"{arn}:1"))
    with pytest.raises(NotFoundError):
        await aws.machine_versions.all(arn)


async def test_versions_are_gathered_from_all_pages(server: Stub, stubbed: OpenBackend) -> None:
    def page(*numbers: int) -> dict[str, object]:
        versions = [
            {"stateMachineVersionArn": f"{ARN}:{number}", "creationDate": float(number)}
            for number in numbers
        ]
        return {"stateMachineVersions": versions}

    server.answers["ListStateMachineVersions"] = [
        Answer(page(3, 2) | {"nextToken": "more"}),
        Answer(page(1)),
    ]
    found = await stubbed.machine_versions.all(VERSION)
    assert [each.arn[-1] for each in found] == ["3", "2", "1"]
    assert found[0].created_at == datetime.fromtimestamp(3, UTC)
    assert {body["stateMachineArn"] for _, body in server.requests} == {ARN}


@pytest.mark.parametrize(
    ("page", "runs"),
    [
        pytest.param({"executions": []}, False, id="none"),
        pytest.param({"executions": [], "nextToken": "more"}, True, id="an empty page"),
        pytest.param(
            {
                "executions": [
                    {
                        "executionArn": "arn:x:e",
                        "stateMachineArn": ARN,
                        "name": "e",
                        "status": "RUNNING",
                        "startDate": 1.0,
                    }
                ]
            },
            True,
            id="one",
        ),
    ],
)
async def test_running_executions_are_looked_for_by_version(
    server: Stub, stubbed: OpenBackend, page: dict[str, object], runs: bool
) -> None:
    server.answers["ListExecutions"] = [Answer(page)]
    assert await stubbed.machine_versions.is_running(VERSION) is runs
    (_, asked), *_ = server.requests
    assert asked == {"stateMachineArn": VERSION, "statusFilter": "RUNNING", "maxResults": 1}


async def test_a_version_that_an_alias_refers_to_is_refused(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["DeleteStateMachineVersion"] = [refusal("ConflictException")]
    with pytest.raises(BackendError) as caught:
        await stubbed.machine_versions.delete(VERSION)
    assert caught.value.code == "ConflictException"


async def test_a_role_is_set_without_a_version_and_tags_are_added(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers |= {
        "UpdateStateMachine": [Answer({"updateDate": 1.0})],
        "TagResource": [OK],
    }
    await stubbed.state_machines.set_role(VERSION)
    await stubbed.state_machines.tag(VERSION, {"a": "1"})
    role_arn = stubbed.state_machines.role_arn
    assert server.requests == [
        ("UpdateStateMachine", {"stateMachineArn": ARN, "roleArn": role_arn}),
        ("TagResource", {"resourceArn": ARN, "tags": [{"key": "a", "value": "1"}]}),
    ]


async def test_what_somebody_else_changes_at_the_same_time_is_worth_another_try(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["UpdateStateMachine"] = [refusal("ConflictException")]
    with pytest.raises(BackendUnavailableError):
        await stubbed.state_machines.set_role(ARN)
