"""Workflows behind a proxy that breaks every fifth request: all end right, none runs twice.

`make test-faults` runs thousands of them and prints what happened.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from aiowfm import Engine
from tests.faults.load import (
    TASKS_PER_WORKFLOW,
    Account,
    HurriedSession,
    backend,
    definition,
    handled,
    load,
)
from tests.faults.microburst import CONTROL, POLL, REPORTS, Fault, Rule, proxy, spread
from tests.ministack import REGION, MiniStack
from tests.serve.test_files import Server

WORKFLOWS = int(os.environ.get("AIOWFM_FAULT_WORKFLOWS", "60"))
SHARE = 0.2
HEARTBEAT_SECONDS = 5
WORK_SECONDS = 0.02  # so that the first heartbeat finds the handler running

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.aws,
    pytest.mark.slow,
    pytest.mark.timeout(100 + WORKFLOWS),
]

OF_CONTROL = [fault for fault in Fault if fault is not Fault.LATE]
# A silent poll takes 70 seconds: see the last test.
OF_POLLS = [fault for fault in Fault if fault not in (Fault.SILENT_BEFORE, Fault.SILENT_AFTER)]
# The emulator never gives a task out again.
OF_POLLS_THAT_ARRIVE = [fault for fault in OF_POLLS if fault is not Fault.RESET_AFTER]

LOST_SOON_BACK = {
    "HeartbeatSeconds": HEARTBEAT_SECONDS,
    "Retry": [
        {
            "ErrorEquals": ["aiowfm.WorkerStopped", "States.HeartbeatTimeout"],
            "IntervalSeconds": 1,
            "MaxAttempts": 50,
            "BackoffRate": 1.0,
        }
    ],
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """`aiowfm serve`."""
    made = Server(tmp_path / "workflows.db")
    made.start()
    yield made
    made.kill()


def faults_of(polls: Sequence[Fault]) -> list[Rule]:
    return [*spread(SHARE, [POLL], polls), *spread(SHARE, [*REPORTS, *CONTROL], OF_CONTROL)]


async def run(
    url: str,
    region: str,
    environment: str,
    rules: list[Rule],
    directory: Path,
    where: str,
    **fields: Any,
) -> tuple[Account, Counter[tuple[str, Fault]]]:
    account = Account()
    with proxy(url, rules, directory) as between:
        engine = Engine(
            app="shop",
            environment=environment,
            definitions=definition(**fields),
            backend=backend(between.url, region, HurriedSession()),
            concurrency=50,
            max_pollers=10,
        )
        handled(engine, account.ran, WORK_SECONDS)
        await load(engine, account, WORKFLOWS)
        injected = between.injected()
    print("\n" + account.line(f"{where}: {listed(injected)}"))
    return account, injected


def listed(injected: Counter[tuple[str, Fault]]) -> str:
    kinds: Counter[str] = Counter()
    for (_, fault), count in injected.items():
        kinds[fault.name.lower()] += count
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"{injected.total()} faults ({listed})"


def check(account: Account, injected: Counter[tuple[str, Fault]]) -> None:
    """All ended right, and no attempt at a task ran twice."""
    assert {fault for (_, fault), count in injected.items() if count} >= set(OF_CONTROL)
    assert account.wrong == {}
    assert len(account.outputs) == WORKFLOWS
    assert account.repeated == []
    done = {(number, task) for number, task, _ in account.runs}
    assert len(done) == WORKFLOWS * TASKS_PER_WORKFLOW
    assert account.lost == 0


@pytest.mark.long
async def test_faults_before_an_emulator_lose_and_double_nothing(
    ministack: MiniStack, environment: str, tmp_path: Path
) -> None:
    rules = faults_of(OF_POLLS_THAT_ARRIVE)
    account, injected = await run(ministack.url, REGION, environment, rules, tmp_path, "emulator")
    check(account, injected)
    assert account.extra_runs == 0


async def test_faults_before_a_server_lose_nothing_and_double_only_what_was_reported_late(
    server: Server, environment: str, tmp_path: Path
) -> None:
    rules = faults_of(OF_POLLS)
    account, injected = await run(
        server.url, "us-east-1", environment, rules, tmp_path, "serve", **LOST_SOON_BACK
    )
    check(account, injected)
    # A handler runs again where its heartbeats or its result came too late, or the task itself.
    late = [(report, fault) for report in REPORTS for fault in OF_CONTROL] + [(POLL, Fault.LATE)]
    assert account.extra_runs <= sum(injected[each] for each in late)


@pytest.mark.long
async def test_a_poll_that_falls_silent_is_given_up_and_its_task_comes_back(
    server: Server, environment: str, tmp_path: Path
) -> None:
    account = Account()
    rules = [Rule(operation=POLL, fault=Fault.SILENT_AFTER, share=1, times=1)]
    with proxy(server.url, rules, tmp_path) as between:
        engine = Engine(
            app="shop",
            environment=environment,
            definitions=definition(**LOST_SOON_BACK | {"HeartbeatSeconds": 1}),
            backend=backend(between.url, "us-east-1", HurriedSession(polls=3)),
        )
        handled(engine, account.ran, 0)
        await load(engine, account, 1)
        assert between.injected() == {(POLL, Fault.SILENT_AFTER): 1}
    assert account.wrong == {}
    assert account.extra_runs == 0
