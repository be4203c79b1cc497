"""What only a process of its own can be put through: limits and lost privileges.

python -m tests.local.fault_program limited FILE
python -m tests.local.fault_program unprivileged FILE
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys

from aiowfm import Engine, LocalBackend
from aiowfm.errors import AiowfmError, BackendUnavailableError

NOBODY = 65534
FIRST_LIMIT_BYTES = 1_000_000
INPUT_LENGTH = 50_000
DEFINITIONS = """
- name: echo
  stateMachine: {StartAt: echo, States: {echo: {Type: Task, Resource: echo, End: true}}}
"""


def make_engine(path: str) -> Engine:
    engine = Engine(
        app="app", environment="test", definitions=DEFINITIONS, backend=LocalBackend(path)
    )

    @engine.task("echo")
    async def echo(text: str) -> str:
        return text

    return engine


async def limited(path: str) -> dict[str, object]:
    """Start workflows until their file may not grow any more, then let it grow."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FIRST_LIMIT_BYTES, hard))
    ids: list[str] = []
    async with make_engine(path) as engine:
        while True:
            text = f"{len(ids):0{INPUT_LENGTH}}"
            try:
                started = await engine.start_workflow("echo", text, id_suffix=str(len(ids)))
            except BackendUnavailableError as exc:
                refusal = str(exc)
                break
            ids.append(started.id)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        while len(ids) < 100:
            text = f"{len(ids):0{INPUT_LENGTH}}"
            try:
                started = await engine.start_workflow("echo", text, id_suffix=str(len(ids)))
            except BackendUnavailableError:
                await asyncio.sleep(0.05)  # until the store tries again
            else:
                ids.append(started.id)
        outputs = [(await engine.wait(id)).output for id in ids]
    right = [f"{number:0{INPUT_LENGTH}}" for number in range(len(ids))]
    return {"refusal": refusal, "right": outputs == right, "ids": ids}


async def unprivileged(path: str) -> dict[str, object]:
    """Open a file as a user whom permissions bind."""
    engine = make_engine(path)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        async with engine:
            workflow = await engine.start_workflow("echo", "x")
            return {"output": (await engine.wait(workflow.id)).output}
    except AiowfmError as exc:
        return {"error": type(exc).__name__, "message": str(exc)}


if __name__ == "__main__":
    work = {"limited": limited, "unprivileged": unprivileged}[sys.argv[1]]
    print(json.dumps(asyncio.run(work(sys.argv[2]))))
