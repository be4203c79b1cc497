"""A program with an engine on a file, and the command line that is driven on it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore import loaders
from typer import testing
from typer.main import get_command
from typer.testing import CliRunner

from aiowfm.cli.app import app
from tests.cli import terminal

PROGRAM = """
import asyncio
import os

from aiowfm import Engine, LocalBackend, TaskError

options = {"app": "shop", "environment": "dev", "definitions": "shop.yml", "grace_seconds": 1}
engine = Engine(backend=LocalBackend("shop.db"), **options)
in_memory = Engine(**options)
other = Engine(app="other", environment="dev")


async def opened(gate: str) -> None:
    while not os.path.exists(gate):
        await asyncio.sleep(0.02)


for each in (engine, in_memory):

    @each.task("charge")
    async def charge(order: dict) -> dict:
        if order.get("poor") and not os.path.exists("rich"):
            raise TaskError("CardDeclined", "no \\x1b[31m money")
        first = order.get("first", 0)
        return {"paid": order, "items": list(range(first, first + order.get("count", 3)))}

    @each.task("pack")
    async def pack(item: int) -> int:
        if item >= 1000:
            await opened("go")
        return item * 10

    @each.task("wait")
    async def wait(order: dict) -> dict:
        open("waiting", "w").close()
        await opened("go")
        return order
"""
DEFINITIONS = """
- name: order
  defaultTags: {team: core}
  stateMachine:
    StartAt: charge
    States:
      charge: {Type: Task, Resource: charge, Next: lines}
      lines:
        Type: Map
        ItemsPath: $.items
        MaxConcurrency: 2
        Iterator:
          StartAt: pack
          States:
            pack: {Type: Task, Resource: pack, End: true}
        End: true
- name: slow
  stateMachine:
    StartAt: wait
    States:
      wait: {Type: Task, Resource: wait, End: true}
- name: approval
  stateMachine:
    StartAt: approve
    States:
      approve:
        Type: Task
        Resource: arn:aws:states:::sqs:sendMessage.waitForTaskToken
        TimeoutSeconds: 600
        Parameters:
          MessageBody: {TaskKey.$: $.id, note: please}
        End: true
"""
MODULE = "shop_of_cli"
ENGINE = f"{MODULE}:engine"


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """All of standard error on a line."""
        return " ".join(self.err.split())


class Shop:
    """The program in a directory, which is the current one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, command: str, *arguments: str, input: str | None = None) -> Done:
        """Run a command in this process, which has loaded what others take a second for."""
        done = CliRunner().invoke(app, [command, *arguments], input=input)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def started(self, workflow: str, input: object) -> str:
        """The id of a workflow that nobody works on yet."""
        done = self("run", ENGINE, workflow, "--input", json.dumps(input), "--detach")
        assert done.code == 0, done.err
        return done.out.strip()

    def ended(self, workflow: str, input: object) -> str:
        """The id of a workflow that came to its end."""
        done = self("run", ENGINE, workflow, "--input", json.dumps(input), "--json")
        assert done.code in (0, 4), done.err
        id: str = done.json["id"]
        return id


@pytest.fixture(autouse=True, scope="session")
def made_once() -> Iterator[None]:
    """What would be made for each call: commands out of signatures, and AWS's models from files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaders, "create_loader", cache(loaders.create_loader))
        patch.setattr(testing, "_get_command", cache(get_command))
        yield
    terminal.close()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    (tmp_path / f"{MODULE}.py").write_text(PROGRAM)
    (tmp_path / "shop.yml").write_text(DEFINITIONS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    monkeypatch.delenv("AIOWFM_SERVER", raising=False)
    yield Shop(tmp_path)
    sys.modules.pop(MODULE, None)
