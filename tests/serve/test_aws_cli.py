"""The AWS CLI against the server: create, start, work, look back."""

from __future__ import annotations

import json

import anyio.to_thread
import pytest

from tests.awscli import AwsCli
from tests.serve.test_clients import ROLE, task_machine

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def walk(url: str) -> None:
    aws = AwsCli(url)
    arn = "arn:aws:states:us-east-1:000000000000:activity:work"
    activity = aws("create-activity", name="work")
    assert activity["activityArn"] == arn
    machine = aws("create-state-machine", name="m", definition=task_machine(arn), role_arn=ROLE)
    machine_arn = machine["stateMachineArn"]
    started = aws("start-execution", state_machine_arn=machine_arn, name="x", input='{"a": 1}')
    execution = started["executionArn"]
    task = aws("get-activity-task", activity_arn=arn, worker_name="me")
    assert json.loads(task["input"]) == {"a": 1}
    assert aws("send-task-success", task_token=task["taskToken"], task_output='"done"') == {}
    described = aws("describe-execution", execution_arn=execution)
    assert (described["status"], described["output"]) == ("SUCCEEDED", '"done"')
    history = aws("get-execution-history", execution_arn=execution, page_size="2")
    assert [event["type"] for event in history["events"]] == [
        "ExecutionStarted",
        "TaskStateEntered",
        "ActivityScheduled",
        "ActivityStarted",
        "ActivitySucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    listed = aws("list-executions", state_machine_arn=machine_arn)
    assert [each["name"] for each in listed["executions"]] == ["x"]
    refused = aws.run("describe-execution", execution_arn=f"{execution}-not")
    assert refused.returncode in (254, 255)
    assert "(ExecutionDoesNotExist)" in refused.stderr


@pytest.mark.timeout(60)  # each command starts a Python of its own
async def test_the_aws_cli_walks_from_an_activity_to_the_history(url: str) -> None:
    await anyio.to_thread.run_sync(walk, url)
