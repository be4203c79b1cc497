from __future__ import annotations

import itertools
import json
from datetime import UTC, timedelta

import pytest

from aiowfm.aws.instants import MAX_DELAY_SECONDS, delays
from aiowfm.errors import BackendError, NotFoundError
from aiowfm.names import ExecutionArn, StateMachineArn
from aiowfm.ports import ExecutionExistsError, ExecutionStatus, OpenBackend
from tests.aws.stub import Answer, Stub, refusal

pytestmark = pytest.mark.anyio

ARN = ExecutionArn("arn:aws:states:eu-central-1:123456789012:execution:m:e")

WAITING = json.dumps(
    {"StartAt": "wait", "States": {"wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
)
PASSING = json.dumps({"StartAt": "go", "States": {"go": {"Type": "Pass", "End": True}}})


@pytest.fixture
def name(environment: str) -> str:
    return f"{environment}--m--0--s"


async def machine(aws: OpenBackend, name: str, definition: str) -> StateMachineArn:
    return await aws.state_machines.create(name, definition, {}, publish=False)


@pytest.mark.aws
async def test_an_execution_is_started_and_described(aws: OpenBackend, name: str) -> None:
    arn = (await aws.executions.start(await machine(aws, name, WAITING), "one", '{"n": 1}')).arn
    assert arn == await aws.executions.arn(name, "one")
    execution = await aws.executions.describe(arn)
    assert (execution.arn, execution.name) == (arn, "one")
    assert execution.status is ExecutionStatus.RUNNING
    assert execution.input == '{"n": 1}'
    assert (execution.output, execution.stopped_at, execution.error) == (None, None, None)
    assert execution.started_at.tzinfo is UTC


@pytest.mark.aws
async def test_a_finished_execution_shows_its_output(aws: OpenBackend, name: str) -> None:
    arn = (await aws.executions.start(await machine(aws, name, PASSING), "one", '{"n": 1}')).arn
    done = await aws.executions.finished(arn)
    assert done.status is ExecutionStatus.SUCCEEDED
    assert json.loads(done.output or "") == {"n": 1}
    assert done.stopped_at is not None
    assert done.stopped_at - done.started_at >= timedelta(0)
    assert done.stopped_at.tzinfo is UTC


@pytest.mark.aws
async def test_a_name_that_is_taken_is_told(aws: OpenBackend, name: str) -> None:
    arn = await machine(aws, name, WAITING)
    await aws.executions.start(arn, "one", "{}")
    with pytest.raises(ExecutionExistsError, match="one"):
        await aws.executions.start(arn, "one", '{"n": 2}')


@pytest.mark.aws
async def test_what_does_not_exist_is_told(aws: OpenBackend, name: str) -> None:
    with pytest.raises(NotFoundError, match=name):
        await aws.executions.start(await aws.state_machines.arn(name), "one", "{}")
    existing = await machine(aws, name, WAITING)
    with pytest.raises(NotFoundError):
        await aws.executions.start(StateMachineArn(f"{existing}:9"), "one", "{}")
    missing = await aws.executions.arn(name, "nobody")
    with pytest.raises(NotFoundError, match="nobody"):
        await aws.executions.describe(missing)
    with pytest.raises(NotFoundError, match="nobody"):
        await aws.executions.finished(missing)
    with pytest.raises(NotFoundError, match="nobody"):
        await aws.executions.stop(missing, "")


@pytest.mark.aws
async def test_a_running_execution_is_stopped_and_may_be_stopped_again(
    aws: OpenBackend, name: str
) -> None:
    arn = (await aws.executions.start(await machine(aws, name, WAITING), "one", "{}")).arn
    for _ in range(2):
        await aws.executions.stop(arn, "not needed")
    done = await aws.executions.finished(arn)
    assert (done.status, done.cause) == (ExecutionStatus.ABORTED, "not needed")


@pytest.mark.aws
async def test_stopping_what_has_succeeded_changes_nothing(aws: OpenBackend, name: str) -> None:
    arn = (await aws.executions.start(await machine(aws, name, PASSING), "one", "{}")).arn
    done = await aws.executions.finished(arn)
    await aws.executions.stop(arn, "")
    assert await aws.executions.describe(arn) == done


@pytest.mark.aws
async def test_executions_are_listed_by_status(aws: OpenBackend, name: str) -> None:
    arn = await machine(aws, name, WAITING)
    for execution in ("one", "two", "three"):
        await aws.executions.start(arn, execution, "{}")

    everything = [execution async for execution in aws.executions.list(name, None)]
    assert {execution.name for execution in everything} == {"one", "two", "three"}
    assert all(execution.input is None for execution in everything)
    moments = [execution.started_at for execution in everything]
    assert moments == sorted(moments, reverse=True)

    await aws.executions.stop(await aws.executions.arn(name, "two"), "")
    aborted = aws.executions.list(name, ExecutionStatus.ABORTED)
    assert [execution.name async for execution in aborted] == ["two"]


@pytest.mark.aws
async def test_a_machine_that_does_not_exist_has_no_executions(aws: OpenBackend, name: str) -> None:
    assert [execution async for execution in aws.executions.list(name, None)] == []


async def test_a_machine_that_aws_does_not_know_has_no_executions(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["ListExecutions"] = [refusal("StateMachineDoesNotExist")]
    assert [execution async for execution in stubbed.executions.list("m", None)] == []


async def test_a_page_is_fetched_only_when_it_is_needed(server: Stub, stubbed: OpenBackend) -> None:
    server.answers["ListExecutions"] = [
        Answer({"executions": [_execution("RUNNING"), _execution("FAILED")], "nextToken": "two"}),
        Answer({"executions": [_execution("ABORTED")]}),
    ]
    listing = stubbed.executions.list("m", ExecutionStatus.FAILED)
    assert server.requests == []
    await anext(listing)
    await anext(listing)
    assert len(server.requests) == 1
    assert [execution.status async for execution in listing] == [ExecutionStatus.ABORTED]
    machine_arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:m"
    assert server.requests[1][1]["nextToken"] == "two"
    assert server.requests[1][1]["stateMachineArn"] == machine_arn
    assert server.requests[1][1]["statusFilter"] == "FAILED"


async def test_waiting_goes_on_while_the_backend_is_unavailable(
    server: Stub, stubbed: OpenBackend, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["DescribeExecution"] = [
        Answer(_execution("RUNNING")),
        refusal("ConflictException", "not now"),
        Answer(_execution("PENDING_REDRIVE")),
        Answer(_execution("SUCCEEDED") | {"input": '"s3cret"', "output": '"s3cret"'}),
    ]
    done = await stubbed.executions.finished(ARN)
    assert done.status is ExecutionStatus.SUCCEEDED
    assert len(server.requests) == 4
    assert "not now" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0], ids=str)
def test_delays_grow_up_to_a_limit(chance: float) -> None:
    first = list(itertools.islice(delays(lambda: chance), 40))
    assert 0.05 <= first[0] <= 0.1
    assert first == sorted(first)
    assert MAX_DELAY_SECONDS / 2 <= first[-1] <= MAX_DELAY_SECONDS


async def test_the_cause_of_a_stop_is_cut_and_may_be_empty(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["StopExecution"] = [Answer({"stopDate": 1.0})]
    await stubbed.executions.stop(ARN, "x" * 40_000)
    await stubbed.executions.stop(ARN, "")
    assert len(server.requests[0][1]["cause"]) == 32_768
    assert server.requests[1][1] == {"executionArn": ARN}


@pytest.mark.parametrize(
    ("code", "status"),
    [("ValidationException", "RUNNING"), ("InvalidArn", "SUCCEEDED")],
    ids=["running", "another reason"],
)
async def test_a_refusal_to_stop_is_raised(
    server: Stub, stubbed: OpenBackend, code: str, status: str
) -> None:
    server.answers["StopExecution"] = [refusal(code)]
    server.answers["DescribeExecution"] = [Answer(_execution(status))]
    with pytest.raises(BackendError) as caught:
        await stubbed.executions.stop(ARN, "")
    assert caught.value.code == code


def _execution(status: str) -> dict[str, object]:
    return {
        "executionArn": ARN,
        "stateMachineArn": "arn:aws:states:eu-central-1:123456789012:stateMachine:m",
        "name": "e",
        "status": status,
        "startDate": 1_700_000_000.5,
    }
