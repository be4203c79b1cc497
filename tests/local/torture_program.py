"""A mixed load on one file, made to be killed at any moment and started again.

    python -m tests.local.torture_program FILE LEDGER COUNT [--held] [--last]

What was acknowledged it writes to the ledger, which survives it. Each start takes up what the
file has and adds workflows until there are COUNT; with `--last` it waits for the end of all.
With `--held` it says that it is loaded, and begins when a line comes. A number in this line
that is not 0 is that of the SQL statement before which it kills itself: moments that others
rarely hit.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from aiowfm import Engine, LocalBackend, TaskContext, TaskError
from aiowfm.definitions import CALLBACK_RESOURCE
from aiowfm.local.adapters import OpenLocalBackend
from aiowfm.local.service import Service
from aiowfm.names import activity_name
from aiowfm.ports import TaskToken

APP, ENVIRONMENT = "torture", "test"
FEEDERS = 3
LONGEST_PAUSE_SECONDS = 0.1  # between two starts of a feeder
MOST_STARTS = 25  # in one life, but for the last
LONGEST_WORK_SECONDS = 0.02

# A killed worker is noticed after two seconds, and that may happen in each life.
LOST = {
    "ErrorEquals": ["States.Timeout"],
    "IntervalSeconds": 1,
    "MaxAttempts": 500,
    "BackoffRate": 1,
}


def task(resource: str, **fields: Any) -> dict[str, Any]:
    state: dict[str, Any] = {
        "Type": "Task",
        "Resource": resource,
        "HeartbeatSeconds": 2,
        "Retry": [*fields.pop("Retry", ()), LOST],
    }
    return state | fields if "Next" in fields else state | {"End": True} | fields


def machine(**states: Mapping[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def wait(**fields: Any) -> dict[str, Any]:
    return {"Type": "Wait", "Seconds": 1} | (fields or {"End": True})


BUSY = {"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 3}
MACHINES: dict[str, dict[str, Any]] = {
    "chain": machine(
        first=task("double", Next="pause"), pause=wait(Next="second"), second=task("double")
    ),
    "retry": machine(flaky=task("flaky", Retry=[BUSY])),
    "parallel": machine(
        both={
            "Type": "Parallel",
            "Branches": [
                machine(left=task("double")),
                machine(pause=wait(Next="right"), right=task("flaky", Retry=[BUSY])),
                machine(plain={"Type": "Pass", "End": True}),
            ],
            "End": True,
        }
    ),
    "map": machine(
        spread=task("spread", Next="each"),
        each={
            "Type": "Map",
            "MaxConcurrency": 2,
            "ItemProcessor": machine(square=task("square")),
            "End": True,
        },
    ),
    "caught": machine(
        both={
            "Type": "Parallel",
            "Branches": [machine(pause=wait()), machine(refuse=task("refuse"))],
            "Catch": [{"ErrorEquals": ["Refused"], "ResultPath": "$.caught", "Next": "sorry"}],
            "End": True,
        },
        sorry={"Type": "Pass", "InputPath": "$.caught.Error", "End": True},
    ),
    "many": machine(
        spread=task("spread", Next="each"),
        each={
            "Type": "Map",
            "MaxConcurrency": 2,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                **machine(square=task("square")),
            },
            "End": True,
        },
    ),
    "mended": machine(
        mend=task("mend", Parameters={"n.$": "$.n", "again.$": "$$.Execution.RedriveCount"})
    ),
    "asked": machine(
        ask={
            "Type": "Task",
            "Resource": CALLBACK_RESOURCE,
            "TimeoutSeconds": 100_000,
            "Parameters": {"MessageBody": {"TaskKey.$": "States.Format('{}', $.n)"}},
            "End": True,
        }
    ),
    "cancelled": machine(long={"Type": "Wait", "Seconds": 100_000, "End": True}),
}
# Of the service alone: engines run no such definitions.
CALLING = "calling"
KINDS = (*MACHINES, CALLING)


def kind_of(number: int) -> str:
    return KINDS[number % len(KINDS)]


def expected(number: int) -> object:
    """The output of a workflow with this number, None for those that have none."""
    n = number
    outputs: dict[str, object] = {
        "chain": {"n": 4 * n},
        "retry": {"n": n + 1},
        "parallel": [{"n": 2 * n}, {"n": n + 1}, {"n": n}],
        "map": [n * n, (n + 1) ** 2, (n + 2) ** 2],
        "caught": "Refused",
        "many": [n * n, (n + 1) ** 2, (n + 2) ** 2],
        "mended": {"n": -n},
        "asked": {"n": 5 * n},
        "cancelled": None,
        CALLING: {"n": 2 * n},
    }
    return outputs[kind_of(number)]


class Ledger:
    """Lines that are there once `write` has returned, whatever happens to the process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, *facts: object) -> None:
        # One write, and a line of its own even if the one before was torn.
        os.write(self._file, b"\n" + json.dumps(facts).encode())


def read(path: Path) -> list[list[Any]]:
    """What was written so far; a line that was torn acknowledges nothing."""
    lines = []
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


class WitnessedReporter:
    """Writes down each result that was taken."""

    def __init__(self, opened: OpenLocalBackend, ledger: Ledger) -> None:
        self._reporter = opened.reporter
        self._ledger = ledger

    async def succeed(self, token: TaskToken, output: str) -> None:
        await self._reporter.succeed(token, output)
        self._ledger.write("answered", token, output)

    async def fail(self, token: TaskToken, error: str, cause: str) -> None:
        await self._reporter.fail(token, error, cause)
        self._ledger.write("answered", token, None)

    async def heartbeat(self, token: TaskToken) -> None:
        await self._reporter.heartbeat(token)


class Opened:
    """An open local backend whose reporter is witnessed."""

    def __init__(self, opened: OpenLocalBackend, ledger: Ledger) -> None:
        self.tasks = opened.tasks
        self.reporter = WitnessedReporter(opened, ledger)
        self.activities = opened.activities
        self.state_machines = opened.state_machines
        self.machine_versions = opened.machine_versions
        self.executions = opened.executions
        self.diagnostics = opened.diagnostics
        self.search = opened.search
        self.recalls = opened.recalls
        self.callbacks = opened.callbacks
        self.now = opened.now


class WitnessedBackend:
    """A local backend on a file; `service` is there while it is open."""

    def __init__(self, path: Path, ledger: Ledger, statements: int | None) -> None:
        self._backend = LocalBackend(path)
        self._ledger = ledger
        self._statements = statements
        self.service: Service

    @asynccontextmanager
    async def open(self, *, max_polls: int) -> AsyncIterator[Opened]:
        async with self._backend.open(max_polls=max_polls) as opened:
            self.service = self._backend._service
            if self._statements is not None:
                await self._backend._database.run(
                    lambda connection: connection.set_trace_callback(self._count)
                )
            yield Opened(opened, self._ledger)

    def _count(self, statement: str) -> None:
        assert self._statements is not None
        self._statements -= 1
        if self._statements <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def make_engine(backend: WitnessedBackend) -> Engine:
    definitions = [{"name": name, "stateMachine": each} for name, each in MACHINES.items()]
    engine = Engine(
        app=APP,
        environment=ENVIRONMENT,
        definitions=json.dumps(definitions),
        backend=backend,
        concurrency=20,
    )

    async def work() -> None:
        await anyio.sleep(random.uniform(0, LONGEST_WORK_SECONDS))

    @engine.task("double")
    async def double(data: dict[str, int]) -> dict[str, int]:
        await work()
        return {"n": 2 * data["n"]}

    @engine.task("flaky")
    async def flaky(data: dict[str, int], ctx: TaskContext) -> dict[str, int]:
        await work()
        if ctx.attempt == 0:
            raise TaskError("Busy", "once more")
        return {"n": data["n"] + 1}

    @engine.task("spread")
    async def spread(data: dict[str, int]) -> list[int]:
        await work()
        return [data["n"], data["n"] + 1, data["n"] + 2]

    @engine.task("square")
    def square(n: int) -> int:
        return n * n

    @engine.task("refuse")
    async def refuse() -> None:
        await work()
        raise TaskError("Refused")

    @engine.task("mend")
    async def mend(data: dict[str, int]) -> dict[str, int]:
        await work()
        if data["again"] == 0:
            raise TaskError("Broken")
        return {"n": -data["n"]}

    return engine


class Load:
    """Starts what is yet to be started, and sees all of it to its end."""

    def __init__(self, engine: Engine, backend: WitnessedBackend, ledger: Ledger) -> None:
        self._engine = engine
        self._backend = backend
        self._ledger = ledger
        self._calling = ""

    async def prepare(self) -> None:
        """Make the state machines that no engine makes."""
        service = self._backend.service
        double = service.activities.arn(activity_name(ENVIRONMENT, APP, "double"))
        called = machine(pause=wait(Next="double"), double=task(double))
        child = await self._machine("called", called)
        call = {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Parameters": {"StateMachineArn": child, "Input.$": "$"},
            "OutputPath": "$.Output",
            "End": True,
        }
        self._calling = await self._machine(CALLING, machine(call=call))

    async def _machine(self, name: str, definition: Mapping[str, Any]) -> str:
        service = self._backend.service
        return await service.create_state_machine(
            name, json.dumps(definition), service.role_arn, {}
        )

    async def start(self, number: int) -> str:
        """Start one, perhaps for the second time; its id or, of the service's own, its ARN."""
        kind, input = kind_of(number), {"n": number}
        if kind == "asked" and number // len(KINDS) % 2:
            await self._answer(number)  # before anybody asks
        if kind != CALLING:
            return (await self._engine.start_workflow(kind, input, id_suffix=str(number))).id
        service = self._backend.service
        arn = str(service.executions.arn(CALLING, str(number)))
        if await service.executions.find(arn) is None:
            await service.start_execution(self._calling, str(number), json.dumps(input))
        else:
            await service.flushed()
        return arn

    async def _answer(self, number: int) -> None:
        """Give a callback its result, perhaps for the second time."""
        await self._engine.finalizer.success(str(number), expected(number))
        self._ledger.write("finalized", number)

    async def finish(self, number: int, id: str) -> None:
        """Do what a workflow needs, and wait for its end."""
        kind = kind_of(number)
        if kind == "asked":
            await self._answer(number)
        if kind == CALLING:
            run = await self._backend.service.execution_finished(id)
            self._ledger.write("ended", number, run.status.lower(), run.output and run.output.value)
            return
        if kind == "cancelled":
            await self._engine.cancel_workflow(id, reason="enough")
            self._ledger.write("cancelled", number)
        done = await self._engine.wait(id)
        if kind == "mended" and done.status == "failed":
            service = self._backend.service
            parts = id.rpartition("--")[0]
            await service.redrive_execution(service.executions.arn(parts, id))
            self._ledger.write("redriven", number)
            done = await self._engine.wait(id)
        self._ledger.write("ended", number, done.status.value, done.output)


async def run(
    path: Path, ledger_path: Path, count: int, *, is_last: bool, statements: int | None
) -> None:
    known = read(ledger_path)
    started = {facts[1]: facts[2] for facts in known if facts[0] == "started"}
    ended = {facts[1] for facts in known if facts[0] == "ended"}
    ledger = Ledger(ledger_path)
    backend = WitnessedBackend(path, ledger, statements)
    engine = make_engine(backend)
    missing: Iterator[int] = (number for number in range(count) if number not in started)
    if not is_last:
        missing = itertools.islice(missing, MOST_STARTS)
    async with engine:
        load = Load(engine, backend, ledger)
        await load.prepare()
        async with anyio.create_task_group() as group:

            async def feed() -> None:
                for number in missing:
                    id = await load.start(number)
                    ledger.write("started", number, id)
                    group.start_soon(load.finish, number, id)
                    if not is_last:
                        await anyio.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))

            for number, id in started.items():
                if number not in ended:
                    group.start_soon(load.finish, number, id)
            for _ in range(FEEDERS):
                group.start_soon(feed)
        if not is_last:
            await anyio.sleep_forever()  # it is there to be killed


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--held", action="store_true")
    parser.add_argument("--last", action="store_true")
    options = parser.parse_args(arguments)
    logging.getLogger("aiowfm").setLevel(logging.ERROR)  # failing handlers are part of it
    statements = None
    if options.held:
        print("loaded", flush=True)
        statements = int(sys.stdin.readline()) or None
    asyncio.run(
        run(
            options.file,
            options.ledger,
            options.count,
            is_last=options.last,
            statements=statements,
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
