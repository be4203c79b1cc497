"""What ARNs, roles and tags of a request may look like, and what is shown of a Map's children."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from aiowfm.local.errors import ServiceError
from aiowfm.local.service import Service

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"
PASS = json.dumps({"StartAt": "p", "States": {"p": {"Type": "Pass", "End": True}}})


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service(region="eu-west-1", account_id="123456789012")
    async with made.running():
        yield made


async def call(service: Service, operation: str, **request: Any) -> dict[str, Any]:
    return await service.call(operation, request)


async def created(service: Service, definition: str = PASS, **request: Any) -> dict[str, Any]:
    request = {"name": "m", "definition": definition, "roleArn": ROLE, **request}
    return await call(service, "CreateStateMachine", **request)


async def refusal(service: Service, operation: str, **request: Any) -> str:
    with pytest.raises(ServiceError) as caught:
        await service.call(operation, request)
    return caught.value.code


# Maps.


def distributed(**fields: Any) -> dict[str, Any]:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "same",
        "States": {"same": {"Type": "Pass", "End": True}},
    }
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}


async def children(service: Service, state: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """A Map run of five items, and its children."""
    branch = {"StartAt": "each", "States": {"each": state}}
    parallel = {"Type": "Parallel", "Branches": [branch], "End": True}
    definition = json.dumps({"StartAt": "all", "States": {"all": parallel}})
    machine = await created(service, definition)
    run = await service.start_execution(machine["stateMachineArn"], "x", "[1, 2, 3, 4, 5]")
    with anyio.fail_after(10):
        await service.execution_finished(run.arn)
    assert run.status == "SUCCEEDED"
    (listed,) = (await call(service, "ListMapRuns", executionArn=run.arn))["mapRuns"]
    arn = listed["mapRunArn"]
    return arn, (await call(service, "ListExecutions", mapRunArn=arn))["executions"]


async def test_a_child_of_a_map_run_says_what_it_belongs_to(service: Service) -> None:
    map_run, listed = await children(service, distributed(Label="each"))
    machine = service.machines.arn("m")
    assert {each["stateMachineArn"] for each in listed} == {f"{machine}/each"}
    assert {each["itemCount"] for each in listed} == {1}
    child = {"executionArn": listed[0]["executionArn"]}
    described = await call(service, "DescribeExecution", **child)
    assert described["stateMachineArn"] == f"{machine}/each"
    assert described["mapRunArn"] == map_run
    assert "itemCount" not in described
    shown = await call(service, "DescribeStateMachineForExecution", **child)
    assert (shown["mapRunArn"], shown["label"]) == (map_run, "each")
    assert (shown["stateMachineArn"], shown["name"]) == (f"{machine}/each", "m")


async def test_the_label_of_a_map_without_one_is_made_up(service: Service) -> None:
    _, listed = await children(service, distributed())
    shown = await call(
        service, "DescribeStateMachineForExecution", executionArn=listed[0]["executionArn"]
    )
    assert shown["stateMachineArn"] == f"{service.machines.arn('m')}/{shown['label']}"
    assert f":m/{shown['label']}:" in listed[0]["executionArn"]


async def test_the_items_of_a_batch_are_counted(service: Service) -> None:
    _, listed = await children(service, distributed(ItemBatcher={"MaxItemsPerBatch": 2}))
    assert sorted(each["itemCount"] for each in listed) == [1, 2, 2]


async def test_other_executions_have_no_items_and_no_map(service: Service) -> None:
    machine = (await created(service))["stateMachineArn"]
    run = await service.start_execution(machine, "x", "{}")
    (listed,) = (await call(service, "ListExecutions", stateMachineArn=machine))["executions"]
    assert not listed.keys() & {"itemCount", "mapRunArn"}
    shown = await call(service, "DescribeStateMachineForExecution", executionArn=run.arn)
    assert not shown.keys() & {"label", "mapRunArn"}


@pytest.mark.parametrize(
    "operation",
    ["DescribeStateMachine", "StartExecution", "UpdateStateMachine", "DeleteStateMachine"],
)
async def test_a_map_is_no_state_machine(service: Service, operation: str) -> None:
    arn = (await created(service))["stateMachineArn"]
    assert await refusal(service, operation, stateMachineArn=f"{arn}/each") == (
        "ValidationException"
    )


# Roles.


@pytest.mark.parametrize(
    "role", ["", "role", "arn:aws:iam::12:role/r", "arn:aws:sqs:eu-west-1:123456789012:queue"]
)
async def test_a_role_is_one_of_iam(service: Service, role: str) -> None:
    request = {"name": "m", "definition": PASS, "roleArn": role}
    assert await refusal(service, "CreateStateMachine", **request) == "InvalidArn"
    arn = (await created(service))["stateMachineArn"]
    refused = await refusal(service, "UpdateStateMachine", stateMachineArn=arn, roleArn=role)
    assert refused == "InvalidArn"
    await call(service, "UpdateStateMachine", stateMachineArn=arn, roleArn=f"{ROLE}s/mine")


# Tags.


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("", "x", id="no key"),
        pytest.param("k" * 129, "x", id="long key"),
        pytest.param("k", "v" * 257, id="long value"),
        pytest.param("aws:cloudformation:stack-name", "x", id="reserved"),
        pytest.param("AWS:x", "x", id="reserved in capitals"),
        pytest.param("k#", "x", id="character"),
    ],
)
async def test_tags_that_may_not_be_are_refused(service: Service, key: str, value: str) -> None:
    tags = [{"key": key, "value": value}]
    arn = (await created(service))["stateMachineArn"]
    for operation, request in (
        ("TagResource", {"resourceArn": arn}),
        ("CreateActivity", {"name": "a"}),
        ("CreateStateMachine", {"name": "n", "definition": PASS, "roleArn": ROLE}),
    ):
        assert await refusal(service, operation, **request, tags=tags) == "ValidationException"
    assert (await call(service, "ListTagsForResource", resourceArn=arn))["tags"] == []


async def test_the_last_of_two_tags_with_one_key_counts(service: Service) -> None:
    tags = [{"key": "k" * 128, "value": value} for value in ("1", "ä _.:/=+-@" * 25)]
    arn = (await created(service, tags=tags))["stateMachineArn"]
    assert (await call(service, "ListTagsForResource", resourceArn=arn))["tags"] == tags[1:]


async def test_versions_and_aliases_have_no_tags(service: Service) -> None:
    made = await created(service, publish=True)
    version = made["stateMachineVersionArn"]
    alias = await call(
        service,
        "CreateStateMachineAlias",
        name="live",
        routingConfiguration=[{"stateMachineVersionArn": version, "weight": 100}],
    )
    for arn in (version, alias["stateMachineAliasArn"], f"{made['stateMachineArn']}/each"):
        for operation, request in (
            ("TagResource", {"tags": [{"key": "k", "value": "v"}]}),
            ("UntagResource", {"tagKeys": ["k"]}),
            ("ListTagsForResource", {}),
        ):
            refused = await refusal(service, operation, resourceArn=arn, **request)
            assert refused == "ResourceNotFound"
