from __future__ import annotations

import json
import logging
import socket
import traceback
from functools import partial
from typing import Any

import anyio
import pytest

from aiowfm import Engine
from aiowfm.aws.connection import poll_config, probing_socket
from aiowfm.errors import (
    AiowfmError,
    BackendError,
    BackendUnavailableError,
    ConfigError,
    NotFoundError,
    TaskTokenExpiredError,
)
from aiowfm.names import ActivityArn, activity_name
from aiowfm.ports import ExecutionStatus, OpenBackend, TaskToken
from tests.aws.stub import FAILURE, OK, Answer, Fault, ImpatientSession, Stub, refusal
from tests.ministack import MiniStack

ARN = ActivityArn("arn:aws:states:eu-central-1:123456789012:activity:test--app-pack")
TOKEN = TaskToken("AQCEAAAAKgAAAAMs3cret")

pytestmark = pytest.mark.anyio


@pytest.mark.aws
async def test_an_activity_is_made_once_and_found(aws: OpenBackend, environment: str) -> None:
    name = activity_name(environment, "app", "pack")
    arn = await aws.activities.create(name)
    assert arn.endswith(f":activity:{name}")
    assert await aws.activities.create(name) == arn
    assert await aws.activities.find(name) == arn
    assert await aws.activities.arn(name) == arn


@pytest.mark.aws
async def test_an_activity_made_by_another_is_the_same_one(
    ministack: MiniStack, environment: str
) -> None:
    name = activity_name(environment, "app", "pack")
    arns = []
    for _ in range(2):
        async with ministack.backend().open(max_polls=1) as backend:
            arns.append(await backend.activities.create(name))
    assert arns[0] == arns[1]


@pytest.mark.aws
async def test_an_activity_that_does_not_exist(aws: OpenBackend, environment: str) -> None:
    name = activity_name(environment, "app", "nobody")
    assert await aws.activities.find(name) is None
    with pytest.raises(NotFoundError, match=name):
        await aws.tasks.poll(await aws.activities.arn(name), "worker")


@pytest.mark.aws
async def test_an_account_that_is_not_the_credentials_own_is_an_error(
    ministack: MiniStack, environment: str
) -> None:
    async with ministack.backend(account_id="123456789012").open(max_polls=1) as backend:
        with pytest.raises(ConfigError, match=r"123456789012.*000000000000"):
            await backend.activities.create(activity_name(environment, "app", "pack"))


@pytest.mark.aws
async def test_a_task_is_polled_and_its_outcome_reported(
    aws: OpenBackend, environment: str
) -> None:
    activity = await aws.activities.create(activity_name(environment, "app", "pack"))
    definition = {
        "StartAt": "pack",
        "States": {"pack": {"Type": "Task", "Resource": activity, "End": True}},
    }
    machine = await aws.state_machines.create(
        f"{environment}--pack--0--pack", json.dumps(definition), {}, publish=False
    )

    succeeding = (await aws.executions.start(machine, "succeeding", '{"n": 1}')).arn
    task = await aws.tasks.poll(activity, "worker")
    assert task is not None
    assert json.loads(task.input) == {"n": 1}
    await aws.reporter.heartbeat(task.token)
    await aws.reporter.succeed(task.token, '{"packed": true}')
    done = await aws.executions.finished(succeeding)
    assert (done.status, json.loads(done.output or "")) == (
        ExecutionStatus.SUCCEEDED,
        {"packed": True},
    )
    with pytest.raises(TaskTokenExpiredError):
        await aws.reporter.succeed(task.token, "{}")

    failing = (await aws.executions.start(machine, "failing", "{}")).arn
    task = await aws.tasks.poll(activity, "worker")
    assert task is not None
    await aws.reporter.fail(task.token, "OutOfStock", "sku 17")
    done = await aws.executions.finished(failing)
    assert (done.status, done.error, done.cause) == (
        ExecutionStatus.FAILED,
        "OutOfStock",
        "sku 17",
    )


@pytest.mark.parametrize(
    "answer",
    [Answer({}), Answer({"taskToken": None}), Answer({"taskToken": "", "input": ""})],
    ids=["nothing", "null", "empty"],
)
async def test_a_poll_without_a_task_gives_none(
    server: Stub, stubbed: OpenBackend, answer: Answer
) -> None:
    server.answers["GetActivityTask"] = [answer]
    assert await stubbed.tasks.poll(ARN, "worker") is None
    assert server.requests == [("GetActivityTask", {"activityArn": ARN, "workerName": "worker"})]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(FAILURE, id="500"),
        pytest.param(refusal("ThrottlingException"), id="throttled"),
        pytest.param(Fault.RESET, id="reset"),
        pytest.param(Fault.HANG, id="hanging"),
        pytest.param(Answer({"taskToken": TOKEN}), id="no input"),
    ],
)
async def test_a_failing_poll_is_one_request(
    server: Stub, fault: Answer | Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", "standard")
    server.answers["GetActivityTask"] = [fault]
    async with server.backend(session=ImpatientSession()).open(max_polls=1) as backend:
        with pytest.raises(BackendUnavailableError):
            await backend.tasks.poll(ARN, "worker")
    assert server.operations() == ["GetActivityTask"]


async def test_a_poll_outwaits_the_service() -> None:
    config = poll_config(300)
    assert config.read_timeout >= 65
    assert config.max_pool_connections > 300


async def test_connections_are_probed_while_a_poll_waits(
    server: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.socket] = []

    def watched(address: Any) -> socket.socket:
        made.append(probing_socket(address))
        return made[-1]

    monkeypatch.setattr("aiowfm.aws.connection.probing_socket", watched)
    server.answers["GetActivityTask"] = [Fault.HANG]
    server.answers["SendTaskHeartbeat"] = [OK]
    async with (
        server.backend().open(max_polls=1) as backend,
        anyio.create_task_group() as group,
    ):
        group.start_soon(backend.tasks.poll, ARN, "worker")
        await server.until_hanging(1)
        await backend.reporter.heartbeat(TOKEN)
        assert len(made) == 2
        for each in made:
            assert each.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        group.cancel_scope.cancel()


async def test_a_poll_that_a_stop_abandons_is_counted_and_warned_of(
    server: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["GetActivityTask"] = [Fault.HANG]
    engine = Engine(app="app", environment="test", backend=server.backend(), provision="none")
    engine.task("pack")(lambda: None)
    await engine.start()
    await server.until_hanging(1)
    assert engine.stats().tasks["pack"].open_polls == 1
    await engine.stop(grace=0)
    stats = engine.stats().tasks["pack"]
    assert (stats.open_polls, stats.polls_abandoned) == (0, 1)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.message.startswith("abandoning 1 open polls")


async def test_heartbeats_do_not_queue_behind_polls(server: Stub) -> None:
    polls = 60
    server.answers["GetActivityTask"] = [Fault.HANG]
    server.answers["SendTaskHeartbeat"] = [OK]
    async with (
        server.backend().open(max_polls=polls) as backend,
        anyio.create_task_group() as group,
    ):
        for _ in range(polls):
            group.start_soon(backend.tasks.poll, ARN, "worker")
        await server.until_hanging(polls)  # each has a connection of its own
        await backend.reporter.heartbeat(TOKEN)
        backend.tasks.interrupt(ARN)
        assert server.hanging == polls
        group.cancel_scope.cancel()


async def test_reports_are_tried_again(server: Stub, stubbed: OpenBackend) -> None:
    server.answers["SendTaskSuccess"] = [FAILURE, OK]
    await stubbed.reporter.succeed(TOKEN, "{}")
    assert server.operations() == ["SendTaskSuccess"] * 2


async def test_a_token_that_is_dead_at_the_second_try_may_have_been_taken_at_the_first(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["SendTaskSuccess"] = [FAILURE, refusal("TaskTimedOut")]
    with pytest.raises(BackendUnavailableError):
        await stubbed.reporter.succeed(TOKEN, "{}")
    with pytest.raises(TaskTokenExpiredError):
        await stubbed.reporter.succeed(TOKEN, "{}")


@pytest.mark.parametrize(
    "answer",
    [
        refusal("InvalidToken", f"Invalid Token: '{TOKEN}'"),
        refusal("ValidationException", f"Value '{TOKEN}' at 'taskToken' is too long"),
        refusal("AccessDeniedException", f"not for {TOKEN}"),
    ],
    ids=["token", "validation", "denied"],
)
async def test_neither_errors_nor_logs_show_the_token(
    server: Stub, stubbed: OpenBackend, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiowfm")
    reporter = stubbed.reporter
    for operation in ("SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"):
        server.answers[operation] = [answer]
    for call in (
        partial(reporter.succeed, TOKEN, "{}"),
        partial(reporter.fail, TOKEN, "Error", "cause"),
        partial(reporter.heartbeat, TOKEN),
    ):
        with pytest.raises(AiowfmError) as caught:
            await call()
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in caplog.text


async def test_a_known_account_describes_before_it_creates(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["DescribeActivity"] = [Answer({"activityArn": ARN})]
    assert await stubbed.activities.create("test--app-pack") == ARN
    assert server.operations() == ["DescribeActivity"]


async def test_an_address_that_answers_with_a_web_page_is_noticed(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["DescribeActivity"] = [Answer("<html>log in here</html>")]
    with pytest.raises(BackendUnavailableError, match="cannot read the answer"):
        await stubbed.activities.create("test--app-pack")


async def test_a_refusal_to_create_an_activity_is_raised(
    server: Stub, stubbed: OpenBackend
) -> None:
    server.answers["DescribeActivity"] = [refusal("ActivityDoesNotExist")]
    server.answers["CreateActivity"] = [refusal("ActivityLimitExceeded", "too many")]
    with pytest.raises(BackendError, match="too many") as caught:
        await stubbed.activities.create("test--app-pack")
    assert caught.value.code == "ActivityLimitExceeded"
