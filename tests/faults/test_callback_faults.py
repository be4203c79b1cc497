"""Callbacks while every fifth request fails and messages come again: none is lost or doubled.

`make test-faults` finishes a thousand of them and prints what happened.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import aioboto3
import pytest
from botocore.retries.standard import ExponentialBackoff

from aiowfm import Engine, LocalBackend
from aiowfm.aws import AwsBackend
from aiowfm.callbacks import overdue, transitions
from aiowfm.local.callbacks import LocalQueue
from aiowfm.ports import Backend, QueueMessage
from tests.faults.callback_load import DEFINITION, SENT_AGAIN, Account, DoublingSession, Load
from tests.faults.load import persistently
from tests.faults.microburst import (
    CONTROL,
    ITEMS,
    MESSAGES,
    PROVISIONING,
    REPORTS,
    Fault,
    proxy,
    spread,
)
from tests.faults.test_faults import OF_CONTROL, SHARE, listed
from tests.ministack import ROLE_ARN, MiniStack
from tests.serve.conftest import CLIENT
from tests.serve.test_files import Server

CALLBACKS = int(os.environ.get("AIOWFM_FAULT_CALLBACKS", "42"))
REGION = "us-east-1"
QUICK = (Fault.THROTTLED, Fault.FAILED, Fault.RESET_BEFORE, Fault.RESET_AFTER)
ENDED = {"TaskSucceeded", "TaskFailed", "TaskTimedOut"}

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(100 + CALLBACKS)]


@pytest.fixture
def server(
    ministack: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """`aiowfm serve`, which sends messages to the queues of the emulator."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    made = Server(tmp_path / "workflows.db", "--sqs-endpoint", ministack.url)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let leases run out while results are being delivered: then others take them over."""
    monkeypatch.setattr(transitions, "LEASE_SECONDS", 4.0)
    monkeypatch.setattr(overdue, "CHECK_SECONDS", 1.0)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients try again sooner: they pause for seconds."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: random.uniform(0, 0.2))


def make_engine(backend: Backend, environment: str) -> Engine:
    return Engine(app="shop", environment=environment, definitions=DEFINITION, backend=backend)


async def run(worker: Engine, web: Engine, restarts: int) -> Account:
    import sys

    sys.path.insert(0, "/tmp")

    load = Load(worker, web)
    await persistently(worker.start)
    await persistently(lambda: web.start(worker=False))
    try:
        await load.run(CALLBACKS, restarts)
    finally:
        await web.stop(grace=0)
        await worker.stop(grace=0)
    return load.account


def check(account: Account) -> None:
    assert account.wrong == {}
    assert len(account.outcomes) == CALLBACKS
    assert account.finalizations["DEFERRED"]
    assert account.finalizations["ALREADY_FINALIZED"]
    assert account.finalizations["CONFLICT"] >= CALLBACKS // 2


async def ends(url: str) -> Counter[str]:
    """How often a task ended, by execution, as the server kept it."""
    counts: Counter[str] = Counter()
    async with aioboto3.Session().client("stepfunctions", endpoint_url=url, **CLIENT) as client:
        machines = (await client.list_state_machines())["stateMachines"]
        assert len(machines) == 1
        pages = client.get_paginator("list_executions").paginate(
            stateMachineArn=machines[0]["stateMachineArn"]
        )
        async for page in pages:
            for execution in page["executions"]:
                arn = execution["executionArn"]
                history = await client.get_execution_history(executionArn=arn)
                counts[arn] = sum(event["type"] in ENDED for event in history["events"])
    return counts


@pytest.mark.aws
@pytest.mark.usefixtures("short_leases", "short_pauses")
@pytest.mark.parametrize(
    ("faults", "functions_calls", "others_calls", "restarts"),
    [
        pytest.param(QUICK, REPORTS, [*MESSAGES, *ITEMS], 0, id="quick"),
        pytest.param(
            OF_CONTROL,
            [*REPORTS, *CONTROL],
            [*MESSAGES, *ITEMS, *PROVISIONING],
            2,
            id="all",
            marks=pytest.mark.long,
        ),
    ],
)
async def test_faults_lose_and_double_no_callback(
    server: Server,
    ministack: MiniStack,
    environment: str,
    tmp_path: Path,
    faults: Collection[Fault],
    functions_calls: Collection[str],
    others_calls: Collection[str],
    restarts: int,
) -> None:
    of_functions = spread(SHARE, functions_calls, faults)
    of_others = spread(SHARE, others_calls, faults)
    for name in ("functions", "others"):
        (tmp_path / name).mkdir()
    with (
        proxy(server.url, of_functions, tmp_path / "functions") as functions,
        proxy(ministack.url, of_others, tmp_path / "others") as others,
    ):
        session = DoublingSession()
        backend = AwsBackend(
            region=REGION,
            role_arn=ROLE_ARN,
            session=session,
            endpoint_url={
                "stepfunctions": functions.url,
                "sqs": others.url,
                "dynamodb": others.url,
                "sts": ministack.url,
            },
        )
        worker, web = make_engine(backend, environment), make_engine(backend, environment)
        account = await run(worker, web, restarts)
        injected = functions.injected() + others.injected()
    ended = await ends(server.url)
    said = account.line(f"callbacks: {listed(injected)}", worker, web)
    print(f"\n{said}, {session.doubled} messages doubled")
    check(account)
    assert len(ended) == CALLBACKS
    assert set(ended.values()) == {1}
    assert session.doubled
    assert {fault for (_, fault), count in injected.items() if count} == set(faults)


@pytest.mark.usefixtures("short_leases")
async def test_doubled_messages_double_no_callback(
    environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend(tmp_path / "workflows.db")
    receive, received = LocalQueue.receive, 0

    async def receive_doubled(queue: LocalQueue) -> list[QueueMessage]:
        nonlocal received
        messages = list(await receive(queue))
        for message in messages:
            received += 1
            if received % SENT_AGAIN == 0:
                queue._service.queues.send(queue._url, message.body)
        return messages

    monkeypatch.setattr(LocalQueue, "receive", receive_doubled)
    worker, web = make_engine(backend, environment), make_engine(backend, environment)
    account = await run(worker, web, restarts=2)
    print("\n" + account.line("callbacks in a file", worker, web))
    check(account)
    assert worker.stats().callbacks.duplicates
