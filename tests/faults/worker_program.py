"""A worker in a process of its own, which can be killed.

    python -m tests.faults.worker_program URL REGION ENVIRONMENT

For each task that it is given it writes a line: the number, the task and the attempt.
"""

from __future__ import annotations

import asyncio
import os
import sys

from aiowfm import Engine
from tests.faults.load import backend, definition, handled
from tests.ministack import session

CONCURRENCY = 10
WORK_SECONDS = 0.1
GRACE_SECONDS = 0.05  # so that a stop cuts handlers off
HEARTBEAT_SECONDS = 2


def main(url: str, region: str, environment: str) -> None:
    engine = Engine(
        app="shop",
        environment=environment,
        definitions=definition(HeartbeatSeconds=HEARTBEAT_SECONDS),
        backend=backend(url, region, session()),
        concurrency=CONCURRENCY,
        grace_seconds=GRACE_SECONDS,
    )
    handled(engine, _say, WORK_SECONDS)
    asyncio.run(engine.run_forever())


def _say(*words: object) -> None:
    line = " ".join(map(str, words)) + "\n"
    os.write(sys.stdout.fileno(), line.encode())  # at once and whole: a kill may come next


if __name__ == "__main__":
    main(*sys.argv[1:])
