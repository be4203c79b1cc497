"""How long `import aiowfm` takes: fresh interpreters, less what Python itself takes to start.

python benchmarks/imports.py [--rounds 15] [--limit 0.3]

All modules are compiled beforehand, as those of an installed package are, whether or not the
environment lets Python write what it compiles.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from statistics import median

PROGRAMS = {
    "nothing": "pass",
    "what it needs": "import anyio, pydantic; pydantic.BaseModel",
    "aiowfm": "import aiowfm",
    "aiowfm, and a LocalBackend": "import aiowfm; aiowfm.LocalBackend()",
}


def cost_of(program: str, environ: Mapping[str, str]) -> tuple[float, float]:
    """How long a new interpreter takes to run *program*, by the clock and of the processor."""
    used, began = _processor(), time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, env=environ)
    return time.perf_counter() - began, _processor() - used


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description="Times `import aiowfm` in fresh interpreters.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--limit", type=float, help="seconds; exit with 1 if the least is more")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        environ = os.environ | {"PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        for program in PROGRAMS.values():
            cost_of(program, environ)
        rounds = [
            {name: cost_of(program, environ) for name, program in PROGRAMS.items()}
            for _ in range(options.rounds)
        ]
    bare = [min(column) for column in zip(*(each["nothing"] for each in rounds), strict=True)]
    print(f"{'':28}   least  median   least of the processor")
    for name in PROGRAMS:
        clock, processor = zip(*(each[name] for each in rounds), strict=True)
        print(
            f"{name:28} {min(clock) - bare[0]:.3f} s {median(clock) - bare[0]:.3f} s"
            f" {min(processor) - bare[1]:.3f} s"
        )
    least = min(each["aiowfm"][0] for each in rounds) - bare[0]
    if options.limit is not None and least > options.limit:
        sys.exit(f"more than {options.limit:g} s")


if __name__ == "__main__":
    main()
