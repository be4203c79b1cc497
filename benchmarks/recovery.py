"""How long a file with many workflows takes to open, and how much memory.

    python benchmarks/recovery.py [--finished 100000] [--running 10000]

The file is filled by the service that the engine runs on; it is opened by another
process, the way a restarted application does it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aiowfm.local.service import Service
from aiowfm.local.storage.database import Database
from memory import resident_mib

ROLE = "arn:aws:iam::000000000000:role/benchmark"
AT_ONCE = 500
MACHINES = {
    "finished": {
        "first": {"Type": "Pass", "Next": "second"},
        "second": {"Type": "Pass", "End": True},
    },
    "waiting": {
        "first": {"Type": "Pass", "Next": "wait"},
        "wait": {"Type": "Wait", "Seconds": 86_400, "End": True},
    },
    "working": {
        "first": {"Type": "Pass", "Next": "work"},
        "work": {
            "Type": "Task",
            "Resource": "arn:aws:states:us-east-1:000000000000:activity:work",
            "HeartbeatSeconds": 3_600,
            "End": True,
        },
    },
}


def make_service(path: str) -> Service:
    database = Database(path, "commit")
    return Service(region="us-east-1", account_id="000000000000", database=database)


async def fill(path: str, finished: int, running: int) -> None:
    service = make_service(path)
    async with service.running():
        await service.create_activity("work")
        for name, count in (
            ("finished", finished),
            ("waiting", running // 2),
            ("working", running - running // 2),
        ):
            definition = json.dumps({"StartAt": "first", "States": MACHINES[name]})
            arn = await service.create_state_machine(name, definition, ROLE, {})
            for number in range(count):
                await service.begin_execution(arn, f"{name}-{number}", '{"order": "o-17"}')
                if number % AT_ONCE == 0:
                    await service.flushed()


async def recover(path: str) -> None:
    before = resident_mib()
    began = time.perf_counter()
    service = make_service(path)
    async with service.running():
        seconds = time.perf_counter() - began
        print(
            f"opened in {seconds:.1f} s; memory {resident_mib():,.0f} MiB,"
            f" {before:,.0f} MiB of them before"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--finished", type=int, default=100_000)
    parser.add_argument("--running", type=int, default=10_000)
    parser.add_argument("--open", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.open:
        asyncio.run(recover(given.open))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "workflows.db")
        asyncio.run(fill(path, given.finished, given.running))
        size = Path(path).stat().st_size / 2**20
        print(f"{given.finished:,} finished and {given.running:,} running: {size:,.0f} MiB of file")
        subprocess.run([sys.executable, __file__, "--open", path], check=True)


if __name__ == "__main__":
    main()
