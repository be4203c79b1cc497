"""A process that is killed again and again loses nothing of what it acknowledged.

The load is in `torture_program`. After each kill a copy of what is left is held against the
ledger; at the end all workflows are.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

from aiowfm.asl.history import HistoryEvent
from aiowfm.asl.payload import Payload, parse
from aiowfm.local.runs import Run
from aiowfm.local.service import Service
from aiowfm.local.storage.database import Database
from aiowfm.local.storage.store import events_of
from aiowfm.local.tokens import TokenMint
from tests.local.torture_program import CALLING, expected, kind_of, read

KILLS = 55
WORKFLOWS = 1_000
READY = 2  # programs that are loaded, and wait for their turn
LAST_RUN_SECONDS = 60

_ALONE = """
SELECT number FROM executions
WHERE NOT EXISTS (SELECT 1 FROM history WHERE execution = number AND first = 1)
UNION ALL SELECT execution FROM history
WHERE NOT EXISTS (SELECT 1 FROM executions WHERE number = execution)
"""
_KEPT = "SELECT status FROM waits WHERE task_key = ?"
FINAL = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}
ANSWERS = {"ActivitySucceeded", "ActivityFailed", "TaskSucceeded", "TaskFailed"}
Facts: TypeAlias = list[Any]


class Programs:
    """Loads programs ahead of their turn: loading one takes longer than its life."""

    def __init__(self, file: Path, ledger: Path) -> None:
        self._arguments = [str(file), str(ledger), str(WORKFLOWS)]
        self._ready: deque[subprocess.Popen[bytes]] = deque()

    def begin(self, statements: int) -> subprocess.Popen[bytes]:
        """Let the next one begin its work, and die before the SQL statement of this number."""
        while len(self._ready) < READY:
            self._ready.append(self._loaded("--held"))
        program = self._ready.popleft()
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == b"loaded\n"
        program.stdin.write(f"{statements}\n".encode())
        program.stdin.flush()
        self._ready.append(self._loaded("--held"))
        return program

    def last(self) -> subprocess.Popen[bytes]:
        return self._loaded("--last")

    def close(self) -> None:
        for program in self._ready:
            program.kill()
            program.communicate()

    def _loaded(self, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.local.torture_program", *self._arguments, *options]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)


@contextmanager
def copied(file: Path, to: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the file and its log, as a killed process left them."""
    to.mkdir()
    for suffix in ("", "-wal"):
        if Path(f"{file}{suffix}").exists():
            shutil.copy(f"{file}{suffix}", to)
    with closing(sqlite3.connect(to / file.name)) as connection:
        yield connection
    shutil.rmtree(to)


def check_left(connection: sqlite3.Connection, acknowledged: Sequence[Facts]) -> None:
    """See that what was acknowledged is there, and that the file is sound."""
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables:
        assert not acknowledged
        return
    # What happened at once is there at once.
    assert connection.execute(_ALONE).fetchall() == []
    rows = {
        arn.rpartition(":")[2]: rest
        for arn, *rest in connection.execute("SELECT arn, number, status, output FROM executions")
    }
    secret = connection.execute("SELECT document FROM documents WHERE key = 'token secret'")
    mint = TokenMint(bytes.fromhex((secret.fetchone() or ("",))[0]))
    for what, *facts in acknowledged:
        if what == "answered":
            token, output = facts
            task = mint.read(token)
            assert task is not None, "the secret is another one"
            history = list(events_of(connection, task.execution))
            assert answers(history, task.event_id) == [output and parse(output)], facts
            continue
        if what == "finalized":
            (key,) = map(str, facts)
            kept = connection.execute(_KEPT, (json.dumps(key),)).fetchone()
            assert kept is not None, facts
            assert kept[0] in ("EARLY", "COMPLETING", "DONE"), facts
            continue
        name = facts[1].rpartition(":")[2] if what == "started" else name_of(rows, facts[0])
        assert name in rows, (what, *facts)
        number, status, output = rows[name]
        types = [event.type for event in events_of(connection, number)]
        if what == "ended":
            assert shown(status, output) == facts[1:], facts
            assert types[-1] in FINAL, facts
        elif what == "cancelled":
            assert types[-1] == "ExecutionAborted", facts
        elif what == "redriven":
            assert types.count("ExecutionRedriven") == 1, facts
        else:
            assert types[0] == "ExecutionStarted", facts


def name_of(names: Iterable[str], number: int) -> str:
    (name,) = (
        name
        for name in names
        if name == str(number) or (name.startswith("test--") and name.endswith(f"--{number}"))
    )
    return name


def shown(status: str, output: str | None) -> list[Any]:
    status = {"ABORTED": "cancelled"}.get(status, status.lower())
    return [status, output and parse(output)]


def answers(history: Sequence[HistoryEvent], scheduled: int) -> list[object]:
    """What the task that this event scheduled was answered with: outputs, None for failures."""
    by_id = {event.id: event for event in history}
    found: list[object] = []
    for event in history:
        if event.type in ANSWERS:
            asked = event
            while not asked.type.endswith("Scheduled"):
                asked = by_id[asked.previous_event_id]
            if asked.id == scheduled:
                output = event.details.get("output")
                found.append(output.value if isinstance(output, Payload) else None)
    return found


async def check_all(file: Path, acknowledged: Sequence[Facts]) -> None:
    """See that every workflow has come to the right end, once."""
    service = Service(
        region="us-east-1", account_id="000000000000", database=Database(str(file), "commit")
    )
    async with service.running():
        runs = {run.number: run for run in await service.executions.select("1 = 1", ())}
        histories = {number: await service.store.history(number) for number in runs}
        statuses = await service.store.ask(
            lambda connection: connection.execute("SELECT status FROM waits").fetchall()
        )
    for number, history in histories.items():
        check_history(runs[number], history)
    ours = [run for run in runs.values() if kind_of_run(run) is not None]
    numbers = Counter(int(run.name.rpartition("--")[2]) for run in ours)
    assert numbers == Counter(range(WORKFLOWS))
    for run in ours:
        number = int(run.name.rpartition("--")[2])
        assert (kind_of_run(run), output_of(run)) == (kind_of(number), expected(number))
        assert run.status == ("ABORTED" if kind_of(number) == "cancelled" else "SUCCEEDED")
        assert run.redrive_count == (kind_of(number) == "mended")
    assert statuses == [("DONE",)] * sum(kind_of(each) == "asked" for each in range(WORKFLOWS))
    # Each child of a distributed Map and each that was called for began once.
    kinds = Counter(map(kind_of, range(WORKFLOWS)))
    items = Counter((run.origin.map_run_arn, run.origin.map_index) for run in runs.values())
    del items[None, None]
    assert (len(items), set(items.values())) == (3 * kinds["many"], {1})
    called = sum(run.machine.name == "called" for run in runs.values())
    assert called == kinds[CALLING]
    assert len(runs) == WORKFLOWS + len(items) + called
    assert {facts[1] for facts in acknowledged if facts[0] == "ended"} == set(range(WORKFLOWS))


def kind_of_run(run: Run) -> str | None:
    """The kind of a workflow; None for what others began."""
    if run.machine.name == CALLING:
        return CALLING
    if run.origin.map_run_arn is not None or run.machine.name == "called":
        return None
    return run.machine.name.split("--")[1]


def output_of(run: Run) -> object:
    return None if run.output is None else run.output.value


def check_history(run: Run, history: Sequence[HistoryEvent]) -> None:
    """One beginning, and one end of each attempt."""
    types = [event.type for event in history]
    assert [event.id for event in history] == list(range(1, len(history) + 1)), run.arn
    assert all(event.previous_event_id < event.id for event in history), run.arn
    assert run.status != "RUNNING", run.arn
    assert types.count("ExecutionStarted") == 1, run.arn
    ends = [place for place, type in enumerate(types) if type in FINAL]
    again = [place for place, type in enumerate(types) if type == "ExecutionRedriven"]
    assert [place + 1 for place in ends] == [*again, len(types)], run.arn
    assert len(again) == run.redrive_count, run.arn


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_was_acknowledged_survives_kills_at_any_moment(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"the seed of the moments is {seed}")
    chance = random.Random(seed)
    file, ledger = tmp_path / "workflows.db", tmp_path / "ledger"
    programs = Programs(file, ledger)
    checked = 0
    try:
        for number in range(KILLS):
            # Some die in the midst of a transaction, some while they take up what the file has.
            statements = chance.choice([0, chance.randint(1, 500)])
            program = programs.begin(statements)
            is_early = not statements and chance.random() < 0.4
            delay = chance.uniform(0.0, 0.2) if is_early else chance.uniform(0.2, 1.0)
            with suppress(subprocess.TimeoutExpired):
                program.wait(delay)
            program.kill()
            _, errors = program.communicate()
            assert program.returncode == -signal.SIGKILL, errors.decode()
            acknowledged = read(ledger)
            with copied(file, tmp_path / "copy") as connection:
                check_left(connection, acknowledged[checked:])
            checked = len(acknowledged)
            print(f"kill {number + 1}: {checked} acknowledged")
    finally:
        programs.close()
    program = programs.last()
    try:
        _, errors = program.communicate(timeout=LAST_RUN_SECONDS)
    finally:
        program.kill()
    assert program.returncode == 0, errors.decode()
    acknowledged = read(ledger)
    with copied(file, tmp_path / "copy") as connection:
        check_left(connection, acknowledged)
    anyio.run(check_all, file, acknowledged)
    print(json.dumps(Counter(facts[0] for facts in acknowledged)))
