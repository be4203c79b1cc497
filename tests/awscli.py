"""The AWS CLI, which lives in `.venv-awscli` and reads no configuration but what it is given."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[1] / ".venv-awscli" / "bin" / "aws"
CALL_LIMIT_SECONDS = 15.0
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "anyone",
    "AWS_SECRET_ACCESS_KEY": "anything",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_PAGER": "",
    "NO_PROXY": "127.0.0.1",
}


class AwsCli:
    """`aws stepfunctions` against one endpoint."""

    def __init__(self, url: str) -> None:
        if not PROGRAM.exists():
            pytest.fail(f"{PROGRAM} is missing: run `make test`, which installs it", pytrace=False)
        self._url = url

    def __call__(self, command: str, **options: str) -> Any:
        """What *command* answers; options are named as in Python."""
        done = self.run(command, **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def run(self, command: str, **options: str) -> subprocess.CompletedProcess[str]:
        """Run *command*, whatever comes of it."""
        program = [str(PROGRAM), "stepfunctions", command, "--endpoint-url", self._url]
        program += ["--output", "json"]
        for name, value in options.items():
            program += [f"--{name.replace('_', '-')}", value]
        return subprocess.run(
            program,
            env=_without_aws(os.environ) | _ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=CALL_LIMIT_SECONDS,
        )


def _without_aws(environment: Any) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}
