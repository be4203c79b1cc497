"""A server on a file: killed again and again, it loses and doubles nothing."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from aiowfm.local.errors import ServiceError
from aiowfm.serve import protocol
from tests.serve.conftest import CLIENT
from tests.serve.test_clients import ROLE

EXECUTIONS, STARTERS, WORKERS, KILLS = 60, 2, 4, 4
LIMIT_SECONDS = 50.0
LAST = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"}


class Server:
    """`aiowfm serve --db`, always on the same port.

    Args:
        path: The file.
        options: More of the command line.
    """

    def __init__(self, path: Path, *options: str) -> None:
        self._path = path
        self._options = options
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = [sys.executable, "-m", "aiowfm", "serve", "--port", str(self.port)]
        program += ["--db", str(self._path), *self._options]
        self._process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert re.search(rf"{re.escape(self.url)}, kept in .*workflows\.db", line), line

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def stop(self) -> str:
        """End it in order; what it said of that."""
        process, self._process = self._process, None
        assert process is not None
        process.terminate()
        _, said = process.communicate()
        assert process.returncode == 0, said
        return said


class Score:
    """What the clients have done so far."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.answered = 0
        self.is_over = False

    def answer(self) -> None:
        with self._changed:
            self.answered += 1
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self.is_over = True
            self._changed.notify_all()

    def wait(self, is_so: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(is_so, LIMIT_SECONDS), "the clients do not get on"


def free_port() -> int:
    """A free port that no outgoing connection takes while no server listens there."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def client(url: str) -> Iterator[Any]:
    """A client that tries again as boto3 does."""
    config = Config(retries={"mode": "standard"}, read_timeout=65)
    made = boto3.client("stepfunctions", endpoint_url=url, config=config, **CLIENT)
    try:
        yield made
    finally:
        made.close()


def definition(activity: str) -> str:
    # A task may be handed out to a worker that never hears of it: its answer died with the server.
    lost = {
        "ErrorEquals": ["States.Timeout"],
        "IntervalSeconds": 1,
        "BackoffRate": 1.0,
        "MaxAttempts": 50,
    }
    task = {"Type": "Task", "Resource": activity, "TimeoutSeconds": 2, "Retry": [lost]}
    states = {"first": task | {"Next": "second"}, "second": task | {"End": True}}
    return json.dumps({"StartAt": "first", "States": states})


def start(url: str, machine: str, names: list[str]) -> list[str]:
    """Start executions; a name that exists was started by a call whose answer was lost."""
    with client(url) as sfn:
        for name in names:
            while True:
                try:
                    sfn.start_execution(stateMachineArn=machine, name=name, input="[]")
                except sfn.exceptions.ExecutionAlreadyExists:
                    break
                except BotoCoreError:
                    continue  # even the last of the retries came too early
                break
    return names


def work(url: str, activity: str, score: Score) -> None:
    """Answer tasks until it is over."""
    with client(url) as sfn:
        while not score.is_over:
            try:
                task = sfn.get_activity_task(activityArn=activity)
                if "taskToken" not in task:
                    continue
                answer = [*json.loads(task["input"]), "done"]
                sfn.send_task_success(taskToken=task["taskToken"], output=json.dumps(answer))
            except sfn.exceptions.TaskTimedOut:
                pass  # a retry whose first try had arrived, or it came too late
            except (BotoCoreError, ClientError):
                continue
            score.answer()


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_server_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    server = Server(tmp_path / "workflows.db")
    score = Score()
    names = [f"x{number}" for number in range(EXECUTIONS)]
    server.start()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(STARTERS + WORKERS))
        stack.callback(server.kill)
        stack.callback(score.end)
        with client(server.url) as sfn:
            activity = sfn.create_activity(name="work")["activityArn"]
            machine = sfn.create_state_machine(
                name="m", definition=definition(activity), roleArn=ROLE
            )["stateMachineArn"]
            starting = [
                pool.submit(start, server.url, machine, names[each::STARTERS])
                for each in range(STARTERS)
            ]
            working = [pool.submit(work, server.url, activity, score) for _ in range(WORKERS)]
            for kill in range(1, KILLS + 1):
                due = kill * 2 * EXECUTIONS // (KILLS + 1)
                score.wait(lambda due=due: score.answered >= due)  # type: ignore[misc]
                server.kill()
                server.start()
            assert sorted(name for each in starting for name in each.result()) == sorted(names)
            histories = {name: settled(sfn, machine, name) for name in names}
        score.end()
        assert server.stop() == ""
        for each in working:
            each.result()
    for name, types in histories.items():
        assert types[-1] == "ExecutionSucceeded", name
        assert len([type for type in types if type in LAST]) == 1, name
        assert types.count("ActivitySucceeded") == 2, name
    assert sorted(each.name for each in tmp_path.iterdir()) == ["workflows.db"]


def settled(sfn: Any, machine: str, name: str) -> list[str]:
    """The events of an execution once it has ended."""
    arn = machine.replace(":stateMachine:", ":execution:") + f":{name}"
    while sfn.describe_execution(executionArn=arn)["status"] == "RUNNING":
        pass
    pages = sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event["type"] for page in pages for event in page["events"]]


def test_clients_are_told_to_try_again_while_a_file_cannot_be_written() -> None:
    error = ServiceError("ServiceUnavailable", "The file cannot be written")
    assert protocol.status_of(error) == 503  # which AWS's clients try again
    assert json.loads(protocol.error_body(error))["__type"].endswith("#ServiceUnavailable")
