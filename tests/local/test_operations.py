"""The operations by name, in AWS's shapes: what the recorded cases do not cover."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiowfm.local.errors import ServiceError
from aiowfm.local.service import Service

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"
PASS = {"StartAt": "p", "States": {"p": {"Type": "Pass", "End": True}}}


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service(region="eu-west-1", account_id="123456789012")
    async with made.running():
        yield made


async def created(service: Service, name: str = "m", **request: Any) -> dict[str, Any]:
    definition = json.dumps(request.pop("definition", PASS))
    call = {"name": name, "definition": definition, "roleArn": ROLE, **request}
    return await service.call("CreateStateMachine", call)


async def refusal(service: Service, operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        await service.call(operation, request)
    return caught.value.code, caught.value.message


async def test_an_alias_shares_executions_between_two_versions(service: Service) -> None:
    first: Any = await created(service, publish=True)
    changed = {**PASS, "Comment": "2"}
    second: Any = await service.call(
        "UpdateStateMachine",
        {
            "stateMachineArn": first["stateMachineArn"],
            "definition": json.dumps(changed),
            "publish": True,
        },
    )
    versions = [first["stateMachineVersionArn"], second["stateMachineVersionArn"]]
    alias: Any = await service.call(
        "CreateStateMachineAlias",
        {
            "name": "live",
            "routingConfiguration": [
                {"stateMachineVersionArn": arn, "weight": 50} for arn in versions
            ],
        },
    )
    for _ in range(40):
        await service.call("StartExecution", {"stateMachineArn": alias["stateMachineAliasArn"]})
    listed: Any = await service.call(
        "ListExecutions", {"stateMachineArn": alias["stateMachineAliasArn"]}
    )
    assert len(listed["executions"]) == 40
    assert {run["stateMachineVersionArn"] for run in listed["executions"]} == set(versions)


async def test_an_alias_of_another_form_conflicts(service: Service) -> None:
    made: Any = await created(service, publish=True)
    route = {"stateMachineVersionArn": made["stateMachineVersionArn"], "weight": 100}
    request: dict[str, Any] = {"name": "live", "routingConfiguration": [route]}
    await service.call("CreateStateMachineAlias", request)
    code, _ = await refusal(service, "CreateStateMachineAlias", **request, description="another")
    assert code == "ConflictException"
    gone = {**route, "stateMachineVersionArn": f"{made['stateMachineArn']}:7"}
    code, _ = await refusal(
        service, "CreateStateMachineAlias", name="b", routingConfiguration=[gone]
    )
    assert code == "ResourceNotFound"


async def test_history_is_paged_in_both_directions(service: Service) -> None:
    made = await created(service)
    run: Any = await service.call("StartExecution", {"stateMachineArn": made["stateMachineArn"]})
    for backwards, ids in ((False, [1, 2, 3, 4]), (True, [4, 3, 2, 1])):
        request: dict[str, Any] = {
            "executionArn": run["executionArn"],
            "maxResults": 3,
            "reverseOrder": backwards,
            "includeExecutionData": False,
        }
        first: Any = await service.call("GetExecutionHistory", request)
        request["nextToken"] = first["nextToken"]
        second: Any = await service.call("GetExecutionHistory", request)
        assert [event["id"] for event in first["events"] + second["events"]] == ids
        assert "nextToken" not in second
        assert '"input"' not in json.dumps([first, second])
    request["reverseOrder"] = False
    assert (await refusal(service, "GetExecutionHistory", **request))[0] == "InvalidToken"


async def test_all_problems_of_a_definition_are_named_at_their_places(service: Service) -> None:
    definition = {
        "StartAt": "a",
        "States": {
            "a": {"Type": "Pass", "Next": "nowhere"},
            "b": {"Type": "Wait", "Timestamp": "soon", "End": True},
        },
    }
    request = {"definition": json.dumps(definition)}
    answer: Any = await service.call("ValidateStateMachineDefinition", request)
    assert answer["result"] == "FAIL"
    assert {(each["code"], each["location"]) for each in answer["diagnostics"]} == {
        ("MISSING_TRANSITION_TARGET", "/States/a/Next"),
        ("SCHEMA_VALIDATION_FAILED", "/States/b/Timestamp"),
    }
    one: Any = await service.call("ValidateStateMachineDefinition", {**request, "maxResults": 1})
    assert (len(one["diagnostics"]), one["truncated"]) == (1, True)
    code, message = await refusal(service, "CreateStateMachine", name="m", roleArn=ROLE, **request)
    assert code == "InvalidDefinition"
    assert "Missing 'Next' target: nowhere at /States/a/Next" in message


@pytest.mark.parametrize("text", ["null", "[]", "3", '"x"', "{", "[" * 5000, "", "{}"])
async def test_what_is_no_definition_is_refused(service: Service, text: str) -> None:
    for operation, extra in (
        ("CreateStateMachine", {"name": "m"}),
        ("TestState", {}),
    ):
        code, _ = await refusal(service, operation, definition=text, roleArn=ROLE, **extra)
        assert code == "InvalidDefinition"
    answer = await service.call("ValidateStateMachineDefinition", {"definition": text})
    assert answer["result"] == "FAIL"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(
            {"Type": "Pass", "Parameters": {"a.$": "$.nope"}, "Next": "x"},
            {"status": "FAILED", "error": "States.Runtime"},
            id="fails",
        ),
        pytest.param(
            {"Type": "Wait", "Seconds": 600, "Next": "x"},
            {"status": "SUCCEEDED", "output": "{}", "nextState": "x"},
            id="a Wait is not waited for",
        ),
        pytest.param(
            {"Type": "Fail", "Error": "E", "Cause": "c"},
            {"status": "FAILED", "error": "E", "cause": "c"},
            id="Fail",
        ),
    ],
)
async def test_a_state_is_tried_by_itself(
    service: Service, state: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = await service.call("TestState", {"definition": json.dumps(state), "roleArn": ROLE})
    assert {name: answer.get(name) for name in expected} == expected


async def test_what_cannot_be_redriven_says_why(service: Service) -> None:
    made = await created(service)
    run: Any = await service.call("StartExecution", {"stateMachineArn": made["stateMachineArn"]})
    code, message = await refusal(service, "RedriveExecution", executionArn=run["executionArn"])
    assert code == "ExecutionNotRedrivable"
    assert "Execution is SUCCEEDED and cannot be redriven" in message


async def test_a_deleted_activity_keeps_what_waits_for_one_of_its_name(service: Service) -> None:
    activity: Any = await service.call("CreateActivity", {"name": "work"})
    arn = activity["activityArn"]
    task = {"StartAt": "t", "States": {"t": {"Type": "Task", "Resource": arn, "End": True}}}
    made = await created(service, definition=task)
    for name in ("stays", "goes"):
        await service.call(
            "StartExecution", {"stateMachineArn": made["stateMachineArn"], "name": name}
        )
    await service.call("DeleteActivity", {"activityArn": arn})
    goes = service.executions.arn("m", "goes")
    await service.call("StopExecution", {"executionArn": goes})
    await service.call("CreateActivity", {"name": "work"})
    assert len(service.activities.get(arn).waiting) == 1


async def test_tags_are_limited(service: Service) -> None:
    made = await created(service)
    tags = [{"key": str(number), "value": ""} for number in range(51)]
    code, _ = await refusal(service, "TagResource", resourceArn=made["stateMachineArn"], tags=tags)
    assert code == "TooManyTags"


async def test_variables_that_states_refer_to_are_listed(service: Service) -> None:
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "a",
        "States": {
            "a": {"Type": "Pass", "Assign": {"x": 1, "y": "$not"}, "Next": "b"},
            "b": {
                "Type": "Pass",
                "Output": "{% ($z := $x + $sum([1]); $map([$z], function($i) {$i})) %}",
                "End": True,
            },
        },
    }
    made = await created(service, definition=definition)
    shown = await service.call("DescribeStateMachine", {"stateMachineArn": made["stateMachineArn"]})
    assert shown["variableReferences"] == {"b": ["x"]}


@pytest.mark.parametrize("backwards", [False, True])
async def test_a_page_of_a_history_has_no_more_data_than_can_be_written_at_once(
    service: Service, backwards: bool
) -> None:
    names = [f"p{number}" for number in range(8)]
    states: dict[str, Any] = {
        name: {"Type": "Pass", "Next": following}
        for name, following in zip(names, [*names[1:], "end"], strict=True)
    }
    states["end"] = {"Type": "Succeed"}
    machine = await created(service, definition={"StartAt": "p0", "States": states})
    input = json.dumps("x" * 200_000)
    run = await service.start_execution(machine["stateMachineArn"], "large", input)
    request: dict[str, Any] = {
        "executionArn": run.arn,
        "maxResults": 1000,
        "reverseOrder": backwards,
    }
    pages: list[list[int]] = []
    token: Any = None
    while token is not None or not pages:
        answer: Any = await service.call(
            "GetExecutionHistory", request | ({"nextToken": token} if token else {})
        )
        pages.append([event["id"] for event in answer["events"]])
        token = answer.get("nextToken")
    ids = [id for page in pages for id in page]
    assert sorted(ids, reverse=backwards) == ids
    assert len(ids) == len(set(ids)) == 20
    assert all(1 <= len(page) <= 6 for page in pages)


async def test_too_many_tags_are_refused_even_if_they_are_one(service: Service) -> None:
    tags = [{"key": "same", "value": "same"}] * 51
    code, _ = await refusal(service, "CreateActivity", name="a", tags=tags)
    assert code == "TooManyTags"
