"""Runs the Python blocks that are parts of programs, in the midst of what they are parts of.

The blocks of one document share their names, as a reader would think; the engine is new for
each, on the same backend, and runs where the block awaits something of a running one.
"""

from __future__ import annotations

import ast
import inspect
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, chdir, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

import aiowfm
from aiowfm import Engine, EngineState, LocalBackend, TaskError
from tests.docs.blocks import Block, blocks_of

DEFINITIONS = """
- name: order
  stateMachine:
    StartAt: price
    TimeoutSeconds: 60
    States:
      price: {Type: Pass, Assign: {total: 10}, Next: charge}
      charge:
        Type: Task
        Resource: charge
        Parameters: {id.$: $.id, total.$: $total}
        Next: approve
      approve:
        Type: Task
        Resource: arn:aws:states:::sqs:sendMessage.waitForTaskToken
        TimeoutSeconds: 60
        Parameters: {MessageBody: {TaskKey.$: $.id}}
        End: true
"""
KEY = "o-17"
ID = f"dev--order--0--price--{KEY}"
LIMIT_SECONDS = 15
HANDLES_ITS_LIFE = ("engine.start(", "async with engine", "run_forever", "lifespan")


class Order(BaseModel):
    id: str


class Receipt(BaseModel):
    paid: bool = True


async def run_fragments(document: Path, folder: Path) -> None:
    """Run all of *document*, in *folder*, where the files are that readers were told to save."""
    names: dict[str, Any] = dict(_settings())
    backend = LocalBackend()
    (folder / "workflows.yml").write_text(DEFINITIONS)
    with chdir(folder), _logging_as_before():
        for block in blocks_of(document):
            if block.language != "python":
                continue
            if block.title:
                names.update(_constants(block))
            else:
                names["request"] = SimpleNamespace(url=names.get("url"))
                with anyio.fail_after(LIMIT_SECONDS):
                    await _run(block, names, backend)


async def _run(block: Block, names: dict[str, Any], backend: LocalBackend) -> None:
    names["engine"] = engine = _engine(backend)
    if 'engine.task("charge"' not in block.text:
        engine.task("charge")(_charge)
    code = _compiled(block)
    if any(sign in block.text for sign in HANDLES_ITS_LIFE):
        async with _stopped_by_signal(engine, wanted="run_forever" in block.text):
            await _execute(code, names)
    elif code.co_flags & inspect.CO_COROUTINE:
        async with engine:
            await _until_waiting(engine)
            if ".resume_workflow(" in block.text:  # of one that has ended
                await engine.cancel_workflow(ID)
            await _execute(code, names)
    elif block.text.startswith("raise "):
        with pytest.raises(TaskError):
            await _execute(code, names)
    else:
        await _execute(code, names)
        if names["engine"] is engine:  # it takes what it was given
            async with engine:
                pass


async def _charge(order: dict[str, Any]) -> dict[str, Any]:
    return order


async def _execute(code: CodeType, names: dict[str, Any]) -> None:
    result = eval(code, names)  # what the documents show, on purpose
    if inspect.isawaitable(result):
        await result


def _compiled(block: Block) -> CodeType:
    padded = "\n" * (block.line - 1) + block.text  # so that tracebacks name the line
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(padded, block.document, "exec", flags, dont_inherit=True)
    return code


async def _until_waiting(engine: Engine) -> None:
    await engine.start_workflow("order", {"id": KEY}, id_suffix=KEY)
    while await engine.finalizer.get(KEY) is None:  # noqa: ASYNC110 - nothing tells
        await anyio.sleep(0.01)


@asynccontextmanager
async def _stopped_by_signal(engine: Engine, *, wanted: bool) -> AsyncIterator[None]:
    """Where *wanted*, send the process SIGTERM once the engine runs."""

    async def kill() -> None:
        while engine.state is not EngineState.RUNNING:  # noqa: ASYNC110 - nothing tells
            await anyio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    async with anyio.create_task_group() as group:
        if wanted:
            group.start_soon(kill)
        yield


def _engine(backend: LocalBackend) -> Engine:
    return Engine(
        app="shop",
        environment="dev",
        definitions=DEFINITIONS,
        backend=backend,
        link_secret="a secret of sixteen",
        grace_seconds=0.1,
    )


@contextmanager
def _logging_as_before() -> Any:
    log = logging.getLogger("aiowfm")
    handlers = list(log.handlers)
    try:
        yield
    finally:
        log.handlers[:] = handlers


def _constants(block: Block) -> dict[str, str]:
    """The texts that a program of the document names, such as its definitions."""
    return {
        statement.targets[0].id: statement.value.value
        for statement in ast.parse(block.text).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    }


@asynccontextmanager
async def _own_lifespan(app: object) -> AsyncIterator[dict[str, str]]:
    yield {}


def _settings() -> dict[str, Any]:
    """The names that the fragments take for granted, and do not show."""
    from opentelemetry import trace

    everything = {name: getattr(aiowfm, name) for name in aiowfm.__all__}
    return everything | {
        "Order": Order,
        "Receipt": Receipt,
        "asynccontextmanager": asynccontextmanager,
        "audit": SimpleNamespace(entry=lambda *_: nullcontext()),
        "id": ID,
        "key": KEY,
        "logging": logging,
        "noon": datetime.now(UTC),
        "order": {"id": "o-18"},
        "orders": [{"id": "o-19"}, {"id": "o-20"}],
        "own_lifespan": _own_lifespan,
        "trace": trace,
        "yesterday": datetime.now(UTC) - timedelta(days=1),
    }
