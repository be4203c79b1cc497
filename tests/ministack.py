"""MiniStack, the AWS emulator that tests of the AWS backend run against.

It lives in `.venv-aws`, is started once for all tests and answers on 127.0.0.1 only.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from aiowfm.aws import AwsBackend

PROGRAM = Path(__file__).parents[1] / ".venv-aws" / "bin" / "ministack"
REGION = "eu-central-1"
ROLE_ARN = "arn:aws:iam::000000000000:role/workflows"
START_LIMIT_SECONDS = 15.0  # a test may take 20
STOP_LIMIT_SECONDS = 5.0
LOG_TAIL_LINES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """Something that runs and speaks AWS's API."""

    url: str

    def backend(self, **options: Any) -> AwsBackend:
        """A backend on it; *options* replace those of `AwsBackend`."""
        defaults: dict[str, Any] = {
            "region": REGION,
            "role_arn": ROLE_ARN,
            "session": session(),
            "endpoint_url": self.url,
        }
        return AwsBackend(**(defaults | options))


class MiniStack(Emulator):
    """A running MiniStack."""


@cache
def session() -> Any:
    """A session with made-up credentials; one for all tests, since it loads slowly."""
    import aioboto3  # not at the top: other tests need not wait for it

    return aioboto3.Session(
        aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION
    )


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    with emulator(
        [PROGRAM],
        health=f"{url}/_ministack/health",
        variables=variables,
        directory=tmp_path_factory.mktemp("ministack"),
    ):
        yield MiniStack(url=url)


@pytest.fixture
def environment() -> str:
    """An environment of the test's own, so that names never collide."""
    return f"t{secrets.token_hex(4)}"


@contextmanager
def emulator(
    command: Sequence[str | Path], *, health: str, variables: Mapping[str, str], directory: Path
) -> Iterator[None]:
    """Have *command* run until left, and begin when the URL *health* answers."""
    if not Path(command[0]).exists():
        pytest.fail(f"{command[0]} is missing: run `make test`, which installs it", pytrace=False)
    with tempfile.TemporaryFile(mode="w+b") as log:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=os.environ | variables | {"HOME": str(directory), "TMPDIR": str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_ready(process, Path(command[0]).name, health, log)
            yield
        finally:
            _end(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], name: str, health: str, log: Any) -> None:
    give_up_at = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            pytest.fail(
                f"{name} ended at once, with {process.returncode}:\n{_tail(log)}",
                pytrace=False,
            )
        try:
            with urllib.request.urlopen(health, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(
        f"{name} was not ready after {START_LIMIT_SECONDS:g} s:\n{_tail(log)}",
        pytrace=False,
    )


def _tail(log: Any) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
