from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from aiowfm.errors import (
    AccessDeniedError,
    BackendError,
    BackendUnavailableError,
    ConfigError,
)
from aiowfm.names import callbacks_name
from aiowfm.ports import CallbackStorage, OpenBackend, TaskToken
from tests.aws.stub import OK, Answer, Stub, refusal, session
from tests.ministack import REGION, Emulator
from tests.ministack import session as emulator_session

pytestmark = pytest.mark.anyio

QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/app-callbacks"


@dataclass(frozen=True, slots=True)
class Account:
    """An account at an emulator, seen through plain clients."""

    name: str
    storage: CallbackStorage
    sqs: Any
    dynamodb: Any

    async def attributes(self, queue: str) -> dict[str, str]:
        url = (await self.sqs.get_queue_url(QueueName=queue))["QueueUrl"]
        answer = await self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        attributes: dict[str, str] = answer["Attributes"]
        return attributes

    async def tags(self, queue: str) -> dict[str, str]:
        url = (await self.sqs.get_queue_url(QueueName=queue))["QueueUrl"]
        tags: dict[str, str] = (await self.sqs.list_queue_tags(QueueUrl=url))["Tags"]
        return tags

    async def make_table(self, *keys: tuple[str, str, str]) -> None:
        await self.dynamodb.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": kind} for name, _, kind in keys
            ],
            KeySchema=[{"AttributeName": name, "KeyType": role} for name, role, _ in keys],
        )


@pytest.fixture(
    params=[
        pytest.param("ministack", marks=pytest.mark.aws),
        pytest.param("moto", marks=pytest.mark.aws),
    ]
)
async def account(request: pytest.FixtureRequest, environment: str) -> AsyncIterator[Account]:
    emulator: Emulator = request.getfixturevalue(request.param)
    where = {"region_name": REGION, "endpoint_url": emulator.url}
    name = callbacks_name(environment, "shop")
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(emulator.backend().open(max_polls=1))
        sqs = await stack.enter_async_context(emulator_session().client("sqs", **where))
        dynamodb = await stack.enter_async_context(emulator_session().client("dynamodb", **where))
        yield Account(name, opened.callbacks(name), sqs, dynamodb)


async def test_what_is_missing_is_named(account: Account) -> None:
    assert await account.storage.missing() == [
        f"queue {account.name}",
        f"dead-letter queue {account.name}-dlq",
        f"table {account.name}",
    ]
    assert (await account.dynamodb.list_tables())["TableNames"].count(account.name) == 0
    await account.storage.create({})
    assert await account.storage.missing() == []


async def test_the_queues_are_made_as_promised(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "aiowfm")
    await account.storage.create({"application": "shop"})
    queue = await account.attributes(account.name)
    dead_letters = await account.attributes(f"{account.name}-dlq")
    assert queue["VisibilityTimeout"] == "60"
    assert queue["ReceiveMessageWaitTimeSeconds"] == "20"
    redrive = json.loads(queue["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == dead_letters["QueueArn"]
    assert int(redrive["maxReceiveCount"]) == 10
    for each in (queue, dead_letters):
        assert each["SqsManagedSseEnabled"] == "true"
        assert each["MessageRetentionPeriod"] == "1209600"
    assert await account.tags(account.name) == {"application": "shop"}
    assert await account.tags(f"{account.name}-dlq") == {"application": "shop"}
    await account.storage.create({"application": "shop"})
    assert caplog.text == ""


async def test_a_queue_without_a_redrive_policy_gets_one(account: Account) -> None:
    await account.sqs.create_queue(QueueName=account.name, Attributes={"VisibilityTimeout": "31"})
    assert f"redrive policy of queue {account.name}" in await account.storage.missing()
    await account.storage.create({})
    assert await account.storage.missing() == []
    queue = await account.attributes(account.name)
    dead_letters = await account.attributes(f"{account.name}-dlq")
    assert json.loads(queue["RedrivePolicy"])["deadLetterTargetArn"] == dead_letters["QueueArn"]
    assert queue["VisibilityTimeout"] == "31"


async def test_the_table_is_made_as_promised(account: Account) -> None:
    await account.storage.create({"application": "shop"})
    table = (await account.dynamodb.describe_table(TableName=account.name))["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [
        ("task_key", "HASH"),
        ("part", "RANGE"),
    ]
    indexes = {index["IndexName"]: index for index in table["GlobalSecondaryIndexes"]}
    assert indexes["pending"]["Projection"]["ProjectionType"] == "INCLUDE"
    assert "token" not in indexes["pending"]["Projection"]["NonKeyAttributes"]
    assert indexes["due"]["Projection"]["ProjectionType"] == "KEYS_ONLY"
    to_live = await account.dynamodb.describe_time_to_live(TableName=account.name)
    assert to_live["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "expires_at",
    }
    backups = await account.dynamodb.describe_continuous_backups(TableName=account.name)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    tags = await account.dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])
    assert tags["Tags"] == [{"Key": "application", "Value": "shop"}]


async def test_a_queue_of_another_make_is_used_and_that_is_logged(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    attributes = {"VisibilityTimeout": "31", "SqsManagedSseEnabled": "true"}
    await account.sqs.create_queue(QueueName=account.name, Attributes=attributes)
    await account.storage.create({})
    assert (await account.attributes(account.name))["VisibilityTimeout"] == "31"
    logged = [record.getMessage() for record in caplog.records]
    start = f"queue {account.name} is used with"
    assert f"{start} VisibilityTimeout 31; it would have been made with 60" in logged


async def test_a_table_with_another_key_is_refused(account: Account) -> None:
    await account.make_table(("id", "HASH", "S"))
    for call in (account.storage.create, lambda _: account.storage.missing()):
        with pytest.raises(ConfigError, match=r"has the key id \(S\), and .* need task_key"):
            await call({})


async def test_a_table_with_a_key_of_another_type_is_refused(account: Account) -> None:
    await account.make_table(("task_key", "HASH", "S"), ("part", "RANGE", "N"))
    with pytest.raises(ConfigError, match=r"task_key \(S\), part \(N\), and"):
        await account.storage.create({})


async def test_a_table_without_the_indexes_is_refused(account: Account) -> None:
    await account.make_table(("task_key", "HASH", "S"), ("part", "RANGE", "S"))
    with pytest.raises(ConfigError, match="no index pending and no index due"):
        await account.storage.create({})
    missing = await account.storage.missing()
    assert f"index pending of table {account.name}" in missing
    assert f"time to live by expires_at of table {account.name}" in missing


# What emulators do not do, by a script

TABLE = {
    "TableStatus": "ACTIVE",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": kind}
        for name, kind in [
            ("task_key", "S"),
            ("part", "S"),
            ("waiting_shard", "N"),
            ("entered", "S"),
            ("due_shard", "N"),
            ("due_at", "N"),
        ]
    ],
    "KeySchema": [
        {"AttributeName": "task_key", "KeyType": "HASH"},
        {"AttributeName": "part", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": name,
            "IndexStatus": "ACTIVE",
            "KeySchema": [
                {"AttributeName": partition, "KeyType": "HASH"},
                {"AttributeName": sort, "KeyType": "RANGE"},
            ],
        }
        for name, partition, sort in [
            ("pending", "waiting_shard", "entered"),
            ("due", "due_shard", "due_at"),
        ]
    ],
}
CREATING = Answer({"Table": TABLE | {"TableStatus": "CREATING"}})
UNINDEXED = [index | {"IndexStatus": "CREATING"} for index in TABLE["GlobalSecondaryIndexes"]]  # type: ignore[operator]  # of dicts
NO_TABLE = refusal("ResourceNotFoundException")
EXISTS = {"QueueUrl": QUEUE_URL}


def to_live(status: str, attribute: str = "expires_at") -> Answer:
    return Answer(
        {"TimeToLiveDescription": {"TimeToLiveStatus": status, "AttributeName": attribute}}
    )


def backups(status: str) -> Answer:
    recovery = {"PointInTimeRecoveryStatus": status}
    return Answer(
        {
            "ContinuousBackupsDescription": {
                "ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": recovery,
            }
        }
    )


@pytest.fixture
def made(server: Stub, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """A server where everything is made already; nobody waits for long."""
    monkeypatch.setattr("aiowfm.aws.instants.FIRST_DELAY_SECONDS", 0.001)
    attributes = {
        "QueueArn": "arn:aws:sqs:eu-central-1:123456789012:app-callbacks-dlq",
        "MessageRetentionPeriod": "1209600",
        "KmsMasterKeyId": "alias/own",
        "ReceiveMessageWaitTimeSeconds": "20",
        "VisibilityTimeout": "60",
        "RedrivePolicy": json.dumps(
            {
                "maxReceiveCount": 10,
                "deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:app-callbacks-dlq",
            }
        ),
    }
    server.answers = {
        "GetQueueUrl": [Answer(EXISTS)],
        "GetQueueAttributes": [Answer({"Attributes": attributes})],
        "DescribeTable": [Answer({"Table": TABLE})],
        "DescribeTimeToLive": [to_live("ENABLED")],
        "DescribeContinuousBackups": [backups("ENABLED")],
    }
    return server


@pytest.fixture
def scripted(made: Stub, stubbed: OpenBackend) -> CallbackStorage:
    return stubbed.callbacks("app-callbacks")


async def test_what_is_there_is_only_looked_at(
    made: Stub, scripted: CallbackStorage, caplog: pytest.LogCaptureFixture
) -> None:
    await scripted.create({})
    assert {each for each in made.operations() if not each.startswith(("Get", "Describe"))} == set()
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_what_somebody_else_makes_meanwhile_is_waited_for(
    made: Stub, scripted: CallbackStorage
) -> None:
    made.answers |= {
        "GetQueueUrl": [refusal("QueueDoesNotExist"), Answer(EXISTS)],
        "CreateQueue": [refusal("QueueNameExists")],
        "DescribeTable": [
            Answer({"Table": TABLE | {"TableStatus": "DELETING"}}),
            NO_TABLE,
            CREATING,
            Answer({"Table": TABLE | {"GlobalSecondaryIndexes": UNINDEXED}}),
            Answer({"Table": TABLE}),
        ],
        "CreateTable": [refusal("ResourceInUseException")],
        "DescribeTimeToLive": [to_live("DISABLED"), to_live("ENABLING")],
        "UpdateTimeToLive": [refusal("ValidationException", "TimeToLive is already enabled")],
    }
    await scripted.create({})
    assert made.operations().count("DescribeTable") == 5
    assert made.operations().count("CreateTable") == 1
    assert made.operations().count("CreateQueue") == 1


async def test_a_queue_that_was_just_deleted_is_made_when_its_name_is_free(
    made: Stub, scripted: CallbackStorage
) -> None:
    made.answers |= {
        "GetQueueUrl": [*[refusal("QueueDoesNotExist")] * 3, Answer(EXISTS)],
        "CreateQueue": [*[refusal("QueueDeletedRecently")] * 2, Answer(EXISTS)],
        "GetQueueAttributes": [
            refusal("QueueDoesNotExist"),
            *made.answers["GetQueueAttributes"],
        ],
    }
    await scripted.create({})
    assert made.operations().count("CreateQueue") == 3


async def test_what_never_becomes_usable_is_an_error(
    made: Stub, scripted: CallbackStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiowfm.aws.provisioning.LIMIT_SECONDS", 0.05)
    made.answers["DescribeTable"] = [CREATING]
    with pytest.raises(BackendUnavailableError, match="table app-callbacks is not usable after"):
        await scripted.create({})


async def test_a_time_to_live_that_cannot_be_enabled_is_an_error(
    made: Stub, scripted: CallbackStorage
) -> None:
    made.answers["DescribeTimeToLive"] = [to_live("DISABLED")]
    made.answers["UpdateTimeToLive"] = [refusal("ValidationException", "modified too often")]
    with pytest.raises(BackendError, match="modified too often"):
        await scripted.create({})
    made.answers["UpdateTimeToLive"] = [refusal("AccessDeniedException")]
    with pytest.raises(AccessDeniedError, match="UpdateTimeToLive"):
        await scripted.create({})


async def test_a_time_to_live_by_another_attribute_is_refused(
    made: Stub, scripted: CallbackStorage
) -> None:
    made.answers["DescribeTimeToLive"] = [to_live("ENABLED", "ttl")]
    with pytest.raises(ConfigError, match="time to live by ttl"):
        await scripted.create({})


async def test_a_queue_that_keeps_what_nobody_can_use_is_not_complete(
    made: Stub, scripted: CallbackStorage, caplog: pytest.LogCaptureFixture
) -> None:
    assert await scripted.missing() == []
    made.answers["GetQueueAttributes"] = [Answer({"Attributes": {"VisibilityTimeout": "60"}})]
    assert await scripted.missing() == ["redrive policy of queue app-callbacks"]
    caplog.set_level(logging.INFO)
    made.answers["GetQueueAttributes"] = [refusal("AccessDeniedException")]
    assert await scripted.missing() == []
    assert "was not looked at" in caplog.text


async def test_an_index_with_another_key_is_refused(made: Stub, scripted: CallbackStorage) -> None:
    index = {
        "IndexName": "due",
        "KeySchema": [{"AttributeName": "due_at", "KeyType": "HASH"}],
    }
    made.answers["DescribeTable"] = [Answer({"Table": TABLE | {"GlobalSecondaryIndexes": [index]}})]
    with pytest.raises(ConfigError, match=r"index due of table .* has the key due_at \(N\)"):
        await scripted.missing()


async def test_backups_of_a_new_table_are_waited_for(made: Stub, scripted: CallbackStorage) -> None:
    made.answers["DescribeContinuousBackups"] = [backups("DISABLED")]
    made.answers["UpdateContinuousBackups"] = [
        refusal("ContinuousBackupsUnavailableException"),
        OK,
    ]
    await scripted.create({})
    assert made.operations().count("UpdateContinuousBackups") >= 2


async def test_backups_that_are_never_ready_hold_up_nothing(
    made: Stub,
    scripted: CallbackStorage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("aiowfm.aws.provisioning.LIMIT_SECONDS", 0.05)
    made.answers["DescribeContinuousBackups"] = [backups("DISABLED")]
    made.answers["UpdateContinuousBackups"] = [refusal("ContinuousBackupsUnavailableException")]
    await scripted.create({})
    assert "table app-callbacks has no point-in-time recovery yet" in caplog.text


@pytest.mark.parametrize("code", ["UnknownOperationException", "AccessDeniedException"])
async def test_no_backups_are_no_fault(
    made: Stub, scripted: CallbackStorage, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    made.answers["DescribeContinuousBackups"] = [refusal(code)]
    await scripted.create({})
    assert "table app-callbacks has no point-in-time recovery" in caplog.text


async def test_a_fault_of_either_is_one_plain_error(made: Stub, scripted: CallbackStorage) -> None:
    made.answers["GetQueueUrl"] = [refusal("AccessDeniedException")]
    made.answers["DescribeTable"] = [refusal("AccessDeniedException")]
    with pytest.raises(AccessDeniedError):
        await scripted.create({})


@pytest.mark.parametrize("code", ["AccessDeniedException", "QueueDoesNotExist"])
async def test_a_queue_that_does_not_answer_has_the_url_it_would_have(
    made: Stub, scripted: CallbackStorage, code: str
) -> None:
    made.answers["GetQueueUrl"] = [refusal(code)]
    assert await scripted.queue_url() == f"{made.url}/123456789012/app-callbacks"


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "sqs.eu-central-1.amazonaws.com"),
        ("cn-north-1", "sqs.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "sqs.us-gov-west-1.amazonaws.com"),
    ],
)
async def test_a_url_that_is_made_up_is_of_the_region(
    region: str, host: str, monkeypatch: pytest.MonkeyPatch, server: Stub
) -> None:
    async def denied(client: Any, name: str) -> str:
        raise AccessDeniedError("GetQueueUrl", "AccessDenied", "no")

    monkeypatch.setattr("aiowfm.aws.callbacks.find_queue", denied)
    backend = server.backend(region=region, endpoint_url={"stepfunctions": server.url})
    async with backend.open(max_polls=1) as opened:
        url = await opened.callbacks("app-callbacks").queue_url()
    assert url == f"https://{host}/123456789012/app-callbacks"


class CountingSession:
    """Remembers which services were asked for."""

    def __init__(self) -> None:
        self.services: list[str] = []

    def client(self, service_name: str, **options: Any) -> Any:
        self.services.append(service_name)
        return session().client(service_name, **options)


async def test_clients_that_only_callbacks_need_are_opened_when_they_are_used(
    made: Stub,
) -> None:
    counting = CountingSession()
    made.answers["SendTaskHeartbeat"] = [OK]
    made.answers["GetItem"] = [OK]
    async with made.backend(session=counting).open(max_polls=1) as opened:
        storage = opened.callbacks("app-callbacks")
        await opened.reporter.heartbeat(TaskToken("token"))
        assert counting.services == ["stepfunctions"] * 2
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(storage.tokens.find, "order")
                group.start_soon(opened.callbacks("other").queue_url)
    assert sorted(counting.services) == ["dynamodb", "sqs", *["stepfunctions"] * 2]


async def test_the_clock_is_that_of_the_world(stubbed: OpenBackend) -> None:
    first = stubbed.now()
    assert 1.7e9 < first <= stubbed.now()
