"""How long `import aiowfm` takes: fresh interpreters, less what Python itself takes to start.

python benchmarks/imports.py [--rounds 15] [--limit 0.3]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median


def seconds_of(program: str) -> float:
    """How long a new interpreter takes to run *program*."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="Times `import aiowfm` in fresh interpreters.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--limit", type=float, help="seconds; exit with 1 if the least is more")
    options = parser.parse_args()
    seconds_of("import aiowfm")  # compiled, and in the cache of the disk
    rounds = [
        (
            seconds_of("pass"),
            seconds_of("import pydantic; pydantic.BaseModel"),
            seconds_of("import aiowfm"),
        )
        for _ in range(options.rounds)
    ]
    bare = min(each[0] for each in rounds)
    for name, column in (("pydantic", 1), ("aiowfm", 2)):
        times = [each[column] - bare for each in rounds]
        print(f"import {name}: {min(times):.3f} s at least, {median(times):.3f} s median")
    if options.limit is not None and min(each[2] for each in rounds) - bare > options.limit:
        sys.exit(f"more than {options.limit:g} s")


if __name__ == "__main__":
    main()
