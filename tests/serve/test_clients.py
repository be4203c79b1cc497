"""AWS's own clients against the server: create, start, work, look back."""

from __future__ import annotations

import json
from typing import Any

import anyio
import anyio.to_thread
import pytest
from botocore.exceptions import ClientError

from tests.serve.conftest import boto3_client

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::000000000000:role/anyone"
PASS = json.dumps({"StartAt": "p", "States": {"p": {"Type": "Pass", "End": True}}})


def task_machine(activity: str, **fields: Any) -> str:
    state = {"Type": "Task", "Resource": activity, "End": True} | fields
    return json.dumps({"StartAt": "work", "States": {"work": state}})


def walk(url: str) -> list[str]:
    """From an activity to the history of an execution, over boto3."""
    with boto3_client(url) as sfn:
        activity = sfn.create_activity(name="work")["activityArn"]
        machine = sfn.create_state_machine(
            name="m", definition=task_machine(activity), roleArn=ROLE
        )["stateMachineArn"]
        started = sfn.start_execution(stateMachineArn=machine, name="x", input='{"a": 1}')
        task = sfn.get_activity_task(activityArn=activity, workerName="me")
        assert json.loads(task["input"]) == {"a": 1}
        sfn.send_task_heartbeat(taskToken=task["taskToken"])
        sfn.send_task_success(taskToken=task["taskToken"], output='"done"')
        described = sfn.describe_execution(executionArn=started["executionArn"])
        assert (described["status"], described["output"]) == ("SUCCEEDED", '"done"')
        assert described["startDate"] <= described["stopDate"]
        pages = sfn.get_paginator("get_execution_history").paginate(
            executionArn=started["executionArn"], PaginationConfig={"PageSize": 2}
        )
        return [event["type"] for page in pages for event in page["events"]]


async def test_boto3_walks_from_an_activity_to_the_history(url: str) -> None:
    assert await anyio.to_thread.run_sync(walk, url) == [
        "ExecutionStarted",
        "TaskStateEntered",
        "ActivityScheduled",
        "ActivityStarted",
        "ActivitySucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]


async def test_errors_arrive_as_the_classes_of_boto3(client: Any) -> None:
    with pytest.raises(client.exceptions.StateMachineDoesNotExist) as caught:
        await client.start_execution(
            stateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:none"
        )
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(client.exceptions.InvalidArn):
        await client.describe_activity(activityArn="work")
    with pytest.raises(client.exceptions.InvalidDefinition):
        await client.create_state_machine(name="m", definition="{}", roleArn=ROLE)
    with pytest.raises(client.exceptions.ActivityDoesNotExist):
        await client.get_activity_task(
            activityArn="arn:aws:states:us-east-1:000000000000:activity:none"
        )
    with pytest.raises(ClientError, match=r"ValidationException.*'name'.*equal to 80"):
        await client.create_activity(name="x" * 81)


async def test_lists_are_paged_by_opaque_tokens(client: Any) -> None:
    for number in range(5):
        await client.create_activity(name=f"a{number}")
    names = []
    async for page in client.get_paginator("list_activities").paginate(
        PaginationConfig={"PageSize": 2}
    ):
        names.append([each["name"] for each in page["activities"]])
    assert names == [["a0", "a1"], ["a2", "a3"], ["a4"]]
    page = await client.list_activities(maxResults=2)
    with pytest.raises(client.exceptions.InvalidToken):
        await client.list_state_machines(nextToken=page["nextToken"])


async def test_an_express_execution_is_answered_when_it_is_over(client: Any) -> None:
    machine = await client.create_state_machine(
        name="e", definition=PASS, roleArn=ROLE, type="EXPRESS"
    )
    arn = machine["stateMachineArn"]
    done = await client.start_sync_execution(stateMachineArn=arn, input="[1]")
    assert (done["status"], done["output"]) == ("SUCCEEDED", "[1]")
    with pytest.raises(client.exceptions.StateMachineTypeNotSupported):
        await client.list_executions(stateMachineArn=arn)


async def test_executions_are_listed_newest_first_and_by_status(client: Any) -> None:
    machine = await client.create_state_machine(name="m", definition=PASS, roleArn=ROLE)
    arn = machine["stateMachineArn"]
    for name in "abc":
        await client.start_execution(stateMachineArn=arn, name=name)
    listed = await client.list_executions(stateMachineArn=arn)
    assert [each["name"] for each in listed["executions"]] == ["c", "b", "a"]
    running = await client.list_executions(stateMachineArn=arn, statusFilter="RUNNING")
    assert running["executions"] == []


async def test_a_deleted_machine_is_there_until_what_runs_on_it_has_ended(client: Any) -> None:
    wait = {"StartAt": "w", "States": {"w": {"Type": "Wait", "Seconds": 600, "End": True}}}
    machine = await client.create_state_machine(name="m", definition=json.dumps(wait), roleArn=ROLE)
    arn = machine["stateMachineArn"]
    started = await client.start_execution(stateMachineArn=arn, name="x")
    await client.delete_state_machine(stateMachineArn=arn)
    assert (await client.describe_state_machine(stateMachineArn=arn))["status"] == "DELETING"
    with pytest.raises(client.exceptions.StateMachineDeleting):
        await client.create_state_machine(name="m", definition=PASS, roleArn=ROLE)
    await client.stop_execution(executionArn=started["executionArn"])
    await anyio.wait_all_tasks_blocked()
    await client.create_state_machine(name="m", definition=PASS, roleArn=ROLE)
    assert (await client.list_executions(stateMachineArn=arn))["executions"] == []
    await client.start_execution(stateMachineArn=arn, name="x")
