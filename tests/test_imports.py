"""What `import aiowfm` leaves alone: the SDK, the extras, the faces, and what they need."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "aioboto3",
    "aiobotocore",
    "aiohttp",
    "boto3",
    "botocore",
    "opentelemetry",
    "pytest",
    "rich",
    "typer",
    "aiowfm.cli",
    "aiowfm.otel",
    "aiowfm.serve",
    "aiowfm.testing",
}
PROGRAM = f"""
import sys
import aiowfm
engine = aiowfm.Engine(app="shop", environment="dev", backend=aiowfm.AwsBackend(
    region="eu-central-1", role_arn="arn:aws:iam::123456789012:role/workflows"))
print(sorted({HEAVY!r} & set(sys.modules)))
"""


def test_importing_and_making_an_engine_loads_nothing_that_may_not_be_needed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
