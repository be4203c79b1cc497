"""Executions as the service knows them, and as rows of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio

from aiowfm.asl.errors import Failure
from aiowfm.asl.interpreter import Interpreter
from aiowfm.asl.payload import Payload
from aiowfm.executions import Execution, ExecutionStatus
from aiowfm.local.machines import Machine
from aiowfm.local.storage.rows import ExecutionRow, json_of, loaded
from aiowfm.names import ExecutionArn


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How an execution came to be, if not by StartExecution on a machine alone.

    Attributes:
        version_arn: The version of the machine it was started on.
        alias_arn: The alias it was started on.
        map_run_arn: The run of a distributed Map that it is part of.
        map_index: Its place in that run.
        map_attempt: How often that run had been redriven when it began.
        place: Where in the machine's definition its own begins: that Map's processor.
    """

    version_arn: str | None = None
    alias_arn: str | None = None
    map_run_arn: str | None = None
    map_index: int | None = None
    map_attempt: int = 0
    place: tuple[str | int, ...] = ()


NO_ORIGIN = Origin()


@dataclass(slots=True, eq=False)
class Run:
    """An execution, running or finished.

    Attributes:
        number: Its place among all executions; part of task tokens.
        revision: The number of the revision of its machine that it runs.
        interpreter: None once it has finished and its history says all.
        activities: Where its tasks wait or were taken, by the ids of their events.
        heartbeats: When tasks last gave a sign of life.
        watchers: Waiting for it to finish.
        redriven_at: When it was last redriven.
        redrive_token: The client's token of that call.
    """

    number: int
    arn: ExecutionArn
    name: str
    machine: Machine
    revision: int
    input: Payload
    started_at: float
    origin: Origin = NO_ORIGIN
    interpreter: Interpreter | None = None
    status: str = "RUNNING"
    output: Payload | None = None
    error: str | None = None
    cause: str | None = None
    stopped_at: float | None = None
    redrive_count: int = 0
    redriven_at: float | None = None
    redrive_token: str | None = None
    activities: dict[int, str] = field(default_factory=dict)
    heartbeats: dict[int, float] = field(default_factory=dict)
    watchers: list[asyncio.Future[None]] = field(default_factory=list)
    _news: anyio.Event | None = None

    def news(self) -> anyio.Event:
        """What is set when the next events have happened."""
        if self._news is None:
            self._news = anyio.Event()
        return self._news

    def tell_news(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None

    def finish(self, interpreter: Interpreter) -> None:
        """Note how it ended, and tell those who wait."""
        self.status = interpreter.status
        self.output = interpreter.output
        self.stopped_at = interpreter.stopped_at
        failure = interpreter.failure or Failure(None, None, 0.0)
        self.error, self.cause = failure.error, failure.cause
        self.interpreter = None
        self.activities = {}
        for watcher in self.watchers:
            if not watcher.done():
                watcher.set_result(None)
        self.watchers = []

    def begin_again(self, interpreter: Interpreter, now: float, token: str | None) -> None:
        """Note that it is being redriven."""
        self.interpreter = interpreter
        self.status = "RUNNING"
        self.output = self.error = self.cause = self.stopped_at = None
        self.redriven_at = now
        self.redrive_count += 1
        self.redrive_token = token

    def row(self) -> ExecutionRow:
        origin = self.origin
        facts: dict[str, object] = {"name": self.name, "revision": self.revision}
        if origin is not NO_ORIGIN:
            facts["version"] = origin.version_arn
            facts["alias"] = origin.alias_arn
            facts["index"] = origin.map_index
            facts["attempt"] = origin.map_attempt
            facts["place"] = origin.place
        if self.error is not None or self.cause is not None:
            facts["error"], facts["cause"] = self.error, self.cause
        if self.redrive_count:
            facts["redrives"] = (self.redrive_count, self.redriven_at, self.redrive_token)
        return ExecutionRow(
            self.number,
            self.arn,
            self.machine.id,
            self.status,
            self.started_at,
            self.stopped_at,
            origin.map_run_arn,
            json_of(facts),
            self.input.text,
            None if self.output is None else self.output.text,
        )


def run_of(row: ExecutionRow, machine_of: Callable[[int], Machine]) -> Run:
    """The execution that *row* was made of; one that runs lacks its interpreter."""
    facts = loaded(row.facts)
    redrives = facts.get("redrives") or (0, None, None)
    return Run(
        number=row.number,
        arn=ExecutionArn(row.arn),
        name=facts["name"],
        machine=machine_of(row.machine),
        revision=facts["revision"],
        input=Payload(text=row.input),
        started_at=row.started_at,
        origin=Origin(
            version_arn=facts.get("version"),
            alias_arn=facts.get("alias"),
            map_run_arn=row.map_run,
            map_index=facts.get("index"),
            map_attempt=facts.get("attempt", 0),
            place=tuple(facts.get("place") or ()),
        ),
        status=row.status,
        output=None if row.output is None else Payload(text=row.output),
        error=facts.get("error"),
        cause=facts.get("cause"),
        stopped_at=row.stopped_at,
        redrive_count=redrives[0],
        redriven_at=redrives[1],
        redrive_token=redrives[2],
    )


def shown(run: Run, *, with_data: bool) -> Execution:
    """*run* as it crosses the port."""
    output = run.output if with_data else None
    return Execution(
        arn=run.arn,
        name=run.name,
        status=ExecutionStatus(run.status),
        started_at=datetime.fromtimestamp(run.started_at, UTC),
        stopped_at=None if run.stopped_at is None else datetime.fromtimestamp(run.stopped_at, UTC),
        input=run.input.text if with_data else None,
        output=None if output is None else output.text,
        error=run.error if with_data else None,
        cause=run.cause if with_data else None,
    )
