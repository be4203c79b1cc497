from __future__ import annotations

import json

import pytest

from aiowfm.errors import BackendError, BackendUnavailableError, NotFoundError
from aiowfm.names import StateMachineArn
from aiowfm.ports import ExecutionStatus, OpenBackend
from tests.aws.stub import OK, Answer, Stub, refusal

pytestmark = pytest.mark.anyio

ARN = StateMachineArn("arn:aws:states:eu-central-1:123456789012:stateMachine:m")


def passing(result: object) -> str:
    state = {"Type": "Pass", "Result": result, "End": True}
    return json.dumps({"StartAt": "give", "States": {"give": state}})


@pytest.mark.aws
async def test_a_state_machine_is_created_and_found(aws: OpenBackend, environment: str) -> None:
    name = f"{environment}--m--0--give"
    assert await aws.state_machines.find(name) is None
    arn = await aws.state_machines.create(name, passing(1), {"team": "core"}, publish=False)
    assert arn == await aws.state_machines.arn(name)
    found = await aws.state_machines.find(name)
    assert found is not None
    assert found.arn == arn
    assert json.loads(found.definition) == json.loads(passing(1))
    assert found.tags == {"team": "core"}
    assert await aws.state_machines.newest_version(arn) is None


@pytest.mark.aws
@pytest.mark.parametrize("publish", [False, True], ids=["plain", "published"])
async def test_creating_the_same_again_gives_the_same(
    aws: OpenBackend, environment: str, publish: bool
) -> None:
    name = f"{environment}--m--0--give"
    arn = await aws.state_machines.create(name, passing(1), {}, publish=publish)
    respelled = json.dumps(json.loads(passing(1)), indent=2)
    assert await aws.state_machines.create(name, passing(1), {}, publish=publish) == arn
    assert await aws.state_machines.create(name, respelled, {}, publish=publish) == arn


@pytest.mark.aws
async def test_creating_another_of_the_same_name_is_refused(
    aws: OpenBackend, environment: str
) -> None:
    name = f"{environment}--m--0--give"
    await aws.state_machines.create(name, passing(1), {}, publish=False)
    with pytest.raises(BackendError, match="already exists") as caught:
        await aws.state_machines.create(name, passing(2), {}, publish=False)
    assert caught.value.code == "StateMachineAlreadyExists"


@pytest.mark.aws
async def test_an_update_publishes_a_version_and_changes_tags(
    aws: OpenBackend, environment: str
) -> None:
    name = f"{environment}--m---1--give"
    first = await aws.state_machines.create(
        name, passing(1), {"team": "core", "hash": "a"}, publish=True
    )
    plain = await aws.state_machines.arn(name)
    assert first == f"{plain}:1"
    # A caller may remember the version's ARN only.
    second = await aws.state_machines.update(first, passing(2), {"team": "core", "hash": "b"})
    assert second == f"{plain}:2"
    assert await aws.state_machines.newest_version(plain) == second
    found = await aws.state_machines.find(name)
    assert found is not None
    assert json.loads(found.definition) == json.loads(passing(2))
    assert found.tags == {"team": "core", "hash": "b"}

    # MiniStack takes the ARN of an old version but runs the newest definition.
    execution = await aws.executions.start(second, "one", "{}")
    done = await aws.executions.finished(execution.arn)
    assert (done.status, done.output) == (ExecutionStatus.SUCCEEDED, "2")


@pytest.mark.aws
async def test_names_are_found_by_prefix(aws: OpenBackend, environment: str) -> None:
    names = [f"{environment}--m--{version}--give" for version in range(3)]
    for name in [*names, f"{environment}--mm--0--give"]:
        await aws.state_machines.create(name, passing(1), {}, publish=False)
    assert sorted(await aws.state_machines.names(f"{environment}--m--")) == names


async def test_names_are_gathered_from_all_pages(server: Stub, stubbed: OpenBackend) -> None:
    server.answers["ListStateMachines"] = [
        Answer({"stateMachines": [_listed("t--a"), _listed("x--a")], "nextToken": "two"}),
        Answer({"stateMachines": [], "nextToken": "three"}),
        Answer({"stateMachines": [_listed("t--b")]}),
    ]
    assert await stubbed.state_machines.names("t--") == ["t--a", "t--b"]
    assert [body.get("nextToken") for _, body in server.requests] == [None, "two", "three"]


async def test_only_tags_that_changed_are_sent_and_after_the_update(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["UpdateStateMachine"] = [
        Answer({"updateDate": 1.0, "stateMachineVersionArn": f"{ARN}:7"})
    ]
    server.answers["ListTagsForResource"] = [
        Answer({"tags": [{"key": "a", "value": "1"}, {"key": "theirs", "value": "x"}]})
    ]
    server.answers["TagResource"] = [OK]
    assert await stubbed.state_machines.update(ARN, passing(1), {"a": "1", "b": "2"}) == f"{ARN}:7"
    assert server.operations() == ["UpdateStateMachine", "ListTagsForResource", "TagResource"]
    assert server.requests[0][1]["publish"] is True
    assert server.requests[0][1]["roleArn"].endswith(":role/workflows")
    assert server.requests[2][1]["tags"] == [{"key": "b", "value": "2"}]

    server.requests.clear()
    await stubbed.state_machines.update(ARN, passing(1), {"a": "1"})
    assert server.operations() == ["UpdateStateMachine", "ListTagsForResource"]


async def test_a_definition_that_aws_refuses_is_told(server: Stub, stubbed: OpenBackend) -> None:
    server.answers["CreateStateMachine"] = [refusal("InvalidDefinition", "no StartAt")]
    with pytest.raises(BackendError, match="no StartAt"):
        await stubbed.state_machines.create("m", "{}", {}, publish=False)


async def test_one_that_exists_unpublished_is_published(server: Stub, stubbed: OpenBackend) -> None:
    server.answers |= {
        "CreateStateMachine": [refusal("StateMachineAlreadyExists")],
        "DescribeStateMachine": [Answer({"stateMachineArn": ARN, "definition": passing(1)})],
        "ListTagsForResource": [Answer({"tags": []})],
        "ListStateMachineVersions": [Answer({"stateMachineVersions": []})],
        "UpdateStateMachine": [Answer({"stateMachineVersionArn": f"{ARN}:1"})],
    }
    version = await stubbed.state_machines.create("m", passing(1), {}, publish=True)
    assert version == f"{ARN}:1"


async def test_one_that_vanishes_while_it_is_created_is_worth_another_try(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers |= {
        "CreateStateMachine": [refusal("StateMachineAlreadyExists")],
        "DescribeStateMachine": [refusal("StateMachineDoesNotExist")],
    }
    with pytest.raises(BackendUnavailableError, match="deleted"):
        await stubbed.state_machines.create("m", passing(1), {}, publish=False)


@pytest.mark.aws
async def test_what_does_not_exist_cannot_be_updated(aws: OpenBackend, environment: str) -> None:
    arn = await aws.state_machines.arn(f"{environment}--nobody--0--give")
    with pytest.raises(NotFoundError):
        await aws.state_machines.update(arn, passing(1), {})


async def test_two_updates_at_once_are_worth_another_try(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["UpdateStateMachine"] = [refusal("ConflictException")]
    with pytest.raises(BackendUnavailableError):
        await stubbed.state_machines.update(ARN, passing(1), {})


def _listed(name: str) -> dict[str, object]:
    return {"name": name, "stateMachineArn": f"arn:x:{name}", "type": "STANDARD"}
