"""Disks that are full, broken or read-only: callers hear of it, and what waited goes on."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

from aiowfm import Engine, LocalBackend
from aiowfm.asl.payload import JsonValue
from aiowfm.errors import BackendUnavailableError
from aiowfm.local.errors import ServiceError
from aiowfm.local.queues import Message, MessageSender
from aiowfm.local.runs import Run
from aiowfm.local.service import Service
from aiowfm.local.storage.database import Database, Durability

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"
PASS = {"p": {"Type": "Pass", "End": True}}
LARGE = json.dumps("x" * 100_000)  # no page that is there has room for it


# Faults. Each gives what SQLite says of it.


@asynccontextmanager
async def full(database: Database) -> AsyncIterator[str]:
    """No space for another page."""
    (pages,) = await database.run(lambda c: c.execute("PRAGMA page_count").fetchone())
    await database.run(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    yield "database or disk is full"
    await database.run(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())


@asynccontextmanager
async def broken(database: Database) -> AsyncIterator[str]:
    """All that is written fails, as on a disk that is not there any more."""
    log = f"{database.path}-wal"
    (file,) = (int(each) for each in os.listdir("/proc/self/fd") if _target(each) == log)
    kept, read_only = os.dup(file), os.open(log, os.O_RDONLY)
    os.dup2(read_only, file)
    try:
        yield "disk I/O error"
    finally:
        os.dup2(kept, file)
        os.close(kept)
        os.close(read_only)


def _target(file: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{file}")
    except OSError:
        return ""


Fault: TypeAlias = Callable[[Database], AbstractAsyncContextManager[str]]
linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")
faults = pytest.mark.parametrize(
    "fault", [pytest.param(full, id="full"), pytest.param(broken, id="broken", marks=linux)]
)


# What they happen to.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "workflows.db"


class Bench:
    """A service on a file."""

    def __init__(
        self, path: Path, durability: Durability = "commit", sender: MessageSender | None = None
    ) -> None:
        self.database = Database(str(path), durability)
        self.service = Service(
            region="eu-west-1", account_id="123456789012", database=self.database, sender=sender
        )

    async def machine(self, name: str, states: Mapping[str, Any]) -> str:
        definition = json.dumps({"StartAt": next(iter(states)), "States": states})
        return await self.service.create_state_machine(name, definition, ROLE, {})

    async def work(self, **fields: Any) -> dict[str, Any]:
        arn = (await self.service.create_activity("work")).arn
        return {"work": {"Type": "Task", "Resource": arn, "End": True} | fields}

    async def task(self) -> tuple[str, str]:
        """Take a task: its token and input."""
        with anyio.fail_after(10):
            task = await self.service.get_activity_task(self.service.activities.arn("work"), None)
        assert task is not None
        return task.token, task.input

    async def ended(self, arn: str) -> Run:
        with anyio.fail_after(15):
            run: Run = await again(lambda: self.service.execution_finished(arn))
            return run

    async def well(self) -> None:
        with anyio.fail_after(15):
            await self.service.store.well()

    async def types(self, arn: str) -> list[str]:
        events = await self.service.get_execution_history(arn)
        assert [event.id for event in events] == list(range(1, len(events) + 1))
        return [event.type for event in events]


async def again(call: Callable[[], Any]) -> Any:
    """Do what a client does with a service that is not available."""
    while True:
        try:
            return await call()
        except ServiceError as exc:
            if exc.code != "ServiceUnavailable":
                raise
        await anyio.sleep(0.02)


@asynccontextmanager
async def opened(bench: Bench) -> AsyncIterator[Bench]:
    async with bench.service.running():
        yield bench


@pytest.fixture
async def bench(path: Path) -> AsyncIterator[Bench]:
    async with opened(Bench(path)) as bench:
        yield bench


@faults
async def test_a_start_that_cannot_be_kept_says_why_and_may_be_repeated(
    bench: Bench, path: Path, fault: Fault
) -> None:
    machine = await bench.machine("m", await bench.work())
    async with fault(bench.database) as reason:
        for name in ("x", "y"):
            with pytest.raises(ServiceError) as caught:
                await bench.service.start_execution(machine, name, LARGE)
            assert caught.value.code == "ServiceUnavailable"
            assert f"{path} cannot be written: {reason}" in caught.value.message
        with closing(copy_of(path)) as connection:
            # Were the process killed now: none of it.
            assert connection.execute("SELECT count(*) FROM executions").fetchone() == (0,)
            assert connection.execute("SELECT count(*) FROM history").fetchone() == (0,)
    await bench.well()
    run = await bench.service.start_execution(machine, "x", LARGE)
    token, input = await bench.task()
    assert input == LARGE
    await bench.service.send_task_success(token, "1")
    assert (await bench.ended(run.arn)).status == "SUCCEEDED"
    assert (await bench.types(run.arn)).count("ExecutionStarted") == 1
    with pytest.raises(ServiceError, match="ExecutionDoesNotExist"):
        await bench.service.describe_execution(bench.service.executions.arn("m", "y"))
    assert len(await bench.service.executions.select("1 = 1", ())) == 1


def copy_of(path: Path) -> sqlite3.Connection:
    """What a process would find if this one were killed now."""
    copy = path.with_name("copy.db")
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    connection = sqlite3.connect(copy)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return connection


@faults
async def test_what_was_under_way_goes_on_after_the_fault(
    bench: Bench, path: Path, fault: Fault
) -> None:
    work = await bench.work()
    wait = {"w": {"Type": "Wait", "Seconds": 1, "Next": "p"}, **PASS}
    item = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "w",
        "States": wait,
    }
    each = {"each": {"Type": "Map", "MaxConcurrency": 2, "ItemProcessor": item, "End": True}}
    called = await bench.machine("called", wait)
    call = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": called},
        "End": True,
    }
    arns = []
    for name, states in {"wait": wait, "map": each, "call": {"call": call}, "task": work}.items():
        machine = await bench.machine(name, states)
        arns.append((await bench.service.start_execution(machine, "x", "[1,2,3,4]")).arn)
    token, _ = await bench.task()
    due = time.time() + 1.1
    async with fault(bench.database):
        with pytest.raises(ServiceError, match="ServiceUnavailable"):
            await bench.service.send_task_success(token, LARGE)
        with pytest.raises(ServiceError, match="ServiceUnavailable"):
            await bench.service.send_task_success(token, LARGE)
        await anyio.sleep(due - time.time())  # timers come due in the fault
    for arn in arns:
        run = await bench.ended(arn)
        assert run.status == "SUCCEEDED", (arn, run.error, run.cause)
        assert (await bench.types(arn))[-1] == "ExecutionSucceeded"
    with pytest.raises(ServiceError, match="TaskTimedOut"):
        await bench.service.send_task_success(token, LARGE)  # it had arrived
    runs = await bench.service.executions.select("1 = 1", ())
    assert [run.status for run in runs] == ["SUCCEEDED"] * (len(arns) + 5)
    with closing(copy_of(path)) as connection:
        rows = connection.execute("SELECT status, count(*) FROM executions GROUP BY 1")
        assert rows.fetchall() == [("SUCCEEDED", len(arns) + 5)]


@faults
async def test_a_task_that_cannot_be_noted_as_taken_is_offered_again(
    bench: Bench, fault: Fault
) -> None:
    machine = await bench.machine("m", await bench.work())
    run = await bench.service.start_execution(machine, "x", "1")
    async with fault(bench.database):
        with pytest.raises(ServiceError, match="ServiceUnavailable"):
            await bench.service.start_execution(machine, "y", LARGE)
        with pytest.raises(ServiceError, match="ServiceUnavailable"):
            await bench.task()
    await bench.well()
    token, input = await bench.task()
    assert input == "1"
    await bench.service.send_task_success(token, "2")
    assert (await bench.ended(run.arn)).status == "SUCCEEDED"
    assert (await bench.types(run.arn)).count("ActivityStarted") == 1


@linux
async def test_an_open_poll_gives_its_task_back_where_that_cannot_be_kept(bench: Bench) -> None:
    machine = await bench.machine("m", await bench.work())
    refused = anyio.Event()
    async with anyio.create_task_group() as group:

        async def poll() -> None:
            with pytest.raises(ServiceError, match="ServiceUnavailable"):
                await bench.task()
            refused.set()

        group.start_soon(poll)
        await anyio.wait_all_tasks_blocked()
        async with broken(bench.database):
            with pytest.raises(ServiceError, match="ServiceUnavailable"):
                await bench.service.start_execution(machine, "x", "1")
            await refused.wait()
    await bench.well()
    token, _ = await bench.task()
    await bench.service.send_task_success(token, "2")
    assert (await bench.ended(bench.service.executions.arn("m", "x"))).status == "SUCCEEDED"


@linux
async def test_an_execution_is_not_redriven_from_a_history_without_its_end(path: Path) -> None:
    async with opened(Bench(path, "none")) as bench:
        machine = await bench.machine("m", await bench.work())
        run = await bench.service.start_execution(machine, "x", "1")
        token, _ = await bench.task()
        await bench.service.store.kept()
        async with broken(bench.database):
            await bench.service.send_task_failure(token, "Broken", None)
            # Nobody knows by now that it cannot be kept.
            with pytest.raises(ServiceError, match="ServiceUnavailable"):
                await bench.service.redrive_execution(run.arn)
        await bench.well()
        await bench.service.redrive_execution(run.arn)
        token, _ = await bench.task()
        await bench.service.send_task_success(token, "2")
        assert (await bench.ended(run.arn)).redrive_count == 1
        types = await bench.types(run.arn)
        assert types.count("ExecutionFailed") == types.count("ExecutionRedriven") == 1


class Sender:
    """Takes all messages."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.has_sent = anyio.Event()

    async def send(self, url: str, body: str, options: Mapping[str, JsonValue]) -> Message:
        self.bodies.append(body)
        self.has_sent.set()
        return Message(len(self.bodies), "id", body)


@linux
async def test_a_message_is_sent_once_its_task_is_kept(path: Path) -> None:
    sender = Sender()
    async with opened(Bench(path, sender=sender)) as bench:
        ask = {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": "url", "MessageBody.$": "$$.Task.Token"},
            "End": True,
        }
        machine = await bench.machine("m", {"ask": ask})
        async with broken(bench.database):
            with pytest.raises(ServiceError, match="ServiceUnavailable"):
                await bench.service.start_execution(machine, "x", "1")
            await anyio.wait_all_tasks_blocked()
            assert sender.bodies == []
        with anyio.fail_after(15):
            await sender.has_sent.wait()
        (token,) = sender.bodies
        await bench.service.send_task_success(token, "2")
        run = await bench.ended(bench.service.executions.arn("m", "x"))
        assert run.status == "SUCCEEDED"


async def test_what_finds_the_store_unavailable_is_tried_again(bench: Bench) -> None:
    tries = 0
    done = anyio.Event()

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ServiceError("ServiceUnavailable", "not now")
        done.set()

    bench.service.executions.beside(work)
    with anyio.fail_after(10):
        await done.wait()
    assert tries == 2


async def test_what_cannot_be_read_is_an_error_of_the_service(bench: Bench, path: Path) -> None:
    machine = await bench.machine("m", PASS)
    run = await bench.service.start_execution(machine, "x", "1")
    await bench.ended(run.arn)
    await bench.database.run(lambda c: c.execute("ALTER TABLE history RENAME TO gone"))
    with pytest.raises(ServiceError) as caught:
        await bench.service.get_execution_history(run.arn)
    assert caught.value.code == "ServiceUnavailable"
    assert f"{path} cannot be read: no such table" in caught.value.message
    await bench.database.run(lambda c: c.execute("ALTER TABLE gone RENAME TO history"))


async def test_half_a_surrogate_pair_in_an_error_is_read_again(path: Path) -> None:
    causes = {"cause": "half \ud83d", "error": "E\ud83d"}
    async with opened(Bench(path)) as bench:
        failed = await bench.machine("failed", await bench.work())
        branch = {"StartAt": "work", "States": await bench.work()}
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "wait"}]
        wait = {"Type": "Wait", "Seconds": 1000, "End": True}
        both = {"Type": "Parallel", "Branches": [branch], "Catch": catch, "End": True}
        waiting = await bench.machine("waiting", {"both": both, "wait": wait})
        arns = []
        for machine in (failed, waiting):
            arns.append((await bench.service.start_execution(machine, "x", "1")).arn)
            token, _ = await bench.task()
            await bench.service.send_task_failure(token, **causes)
        await bench.ended(arns[0])
        before = [await bench.service.get_execution_history(arn) for arn in arns]
    async with opened(Bench(path)) as bench:
        run = await bench.service.describe_execution(arns[0])
        assert (run.error, run.cause) == (causes["error"], causes["cause"])
        assert [await bench.service.get_execution_history(arn) for arn in arns] == before
        assert (await bench.service.describe_execution(arns[1])).status == "RUNNING"


# Through the engine.

DEFINITIONS = """
- name: order
  stateMachine: {StartAt: work, States: {work: {Type: Task, Resource: work, End: true}}}
"""


@faults
async def test_an_engine_says_so_and_goes_on(path: Path, fault: Fault) -> None:
    backend = LocalBackend(path)
    engine = Engine(app="a", environment="e", definitions=DEFINITIONS, backend=backend)
    taken, released = anyio.Event(), anyio.Event()
    calls: list[str] = []

    @engine.task("work", concurrency=2)
    async def work(order: str) -> str:
        calls.append(order[:5])
        if order == "first":
            taken.set()
            await released.wait()
        return order + "!"

    async with engine:
        first = await engine.start_workflow("order", "first", id_suffix="1")
        await taken.wait()
        async with fault(backend._database) as reason:
            for _ in range(2):
                with pytest.raises(BackendUnavailableError) as caught:
                    await engine.start_workflow("order", "x" * 100_000, id_suffix="2")
                assert f"{path} cannot be written: {reason}" in str(caught.value)
                assert caught.value.code == "ServiceUnavailable"
            released.set()
        with anyio.fail_after(15):
            second = await started(engine, "x" * 100_000, "2")
            third = await started(engine, "third", "3")
            for id, output in ((first.id, "first!"), (second, "x" * 100_000 + "!")):
                assert (await engine.wait(id)).output == output
            assert (await engine.wait(third)).output == "third!"
        listed = [workflow.id async for workflow in engine.list_workflows("order")]
    assert sorted(listed) == sorted([first.id, second, third])
    assert sorted(calls) == ["first", "third", "xxxxx"]


async def started(engine: Engine, input: str, suffix: str) -> str:
    while True:
        try:
            return (await engine.start_workflow("order", input, id_suffix=suffix)).id
        except BackendUnavailableError:
            await anyio.sleep(0.02)


# In processes of their own.


def program(*arguments: str) -> Any:
    command = [sys.executable, "-m", "tests.local.fault_program", *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


async def test_a_file_that_may_not_grow_holds_all_up_until_it_may(path: Path) -> None:
    told = program("limited", str(path))
    assert str(path) in told["refusal"]
    assert "cannot be written: " in told["refusal"]
    assert told["right"]
    assert len(set(told["ids"])) == 100
    service = Service(
        region="us-east-1", account_id="000000000000", database=Database(str(path), "commit")
    )
    async with service.running():
        runs = await service.executions.select("1 = 1", ())
        assert sorted(run.name for run in runs) == sorted(told["ids"])
        for run in runs:
            history = await service.store.history(run.number)
            assert [event.id for event in history] == list(range(1, 8))


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that users without privileges reach."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


def allow(path: Path, mode: int) -> None:
    path.chmod(mode)


async def test_a_read_only_file_is_refused_with_the_reason(open_directory: Path) -> None:
    file = open_directory / "workflows.db"
    async with opened(Bench(file)):
        pass
    allow(open_directory, 0o777)
    allow(file, 0o444)
    told = program("unprivileged", str(file))
    assert told["error"] == "ConfigError"
    assert told["message"] == (
        f"LocalBackend({str(file)!r}): it cannot be written: make it and its directory writable"
    )


async def test_a_read_only_directory_is_refused_with_the_reason(open_directory: Path) -> None:
    file = open_directory / "workflows.db"
    async with opened(Bench(file)):
        pass
    allow(file, 0o666)
    allow(open_directory, 0o555)
    told = program("unprivileged", str(file))
    assert told["error"] == "ConfigError"
    assert str(file) in told["message"]
    assert "make it and its directory writable" in told["message"]
    told = program("unprivileged", str(open_directory / "other.db"))
    assert told["error"] == "ConfigError"
    assert "its directory must exist and be writable" in told["message"]
    allow(open_directory, 0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a file of another user's")
async def test_the_note_of_a_killed_owner_with_another_name_is_in_nobodys_way(
    open_directory: Path,
) -> None:
    file = open_directory / "workflows.db"
    allow(open_directory, 0o777)
    await anyio.Path(f"{file}-owner").write_text("{}")
    assert program("unprivileged", str(file)) == {"output": "x"}
