"""The pytest plugin, in test suites of its own: under anyio, under pytest-asyncio, and unused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import asyncio

import pytest

from aiowfm import TaskError
from aiowfm.testing import Script

MACHINE = {
    "StartAt": "charge",
    "States": {
        "charge": {
            "Type": "Task",
            "Resource": "charge",
            "Retry": [{"ErrorEquals": ["Busy"]}],
            "Next": "wait",
        },
        "wait": {"Type": "Wait", "Seconds": 604800, "End": True},
    },
}


@pytest.mark.MARK
async def test_a_week(virtual_engine):
    async with virtual_engine(MACHINE, Script({"charge": [TaskError("Busy"), 1]})) as virtual:
        run = await virtual.run()
        run.assert_path("charge", "wait")
        await asyncio.sleep(86_400)
    await asyncio.sleep(0.01)  # on a loop that goes on as it did before


@pytest.mark.MARK
async def test_a_handler(task_environment):
    async def double(n: int) -> int:
        return 2 * n

    assert await task_environment().run(double, 4) == 8
"""
ANYIO = """
@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
UNRELATED = """
import sys


def test_nothing_of_ours_is_loaded():
    assert not [name for name in sys.modules if name.split(".")[0] in ("aiowfm", "aioboto3")]
    assert "pytest_aiowfm" in sys.modules
"""


SNIFFIO = """
import asyncio
from contextvars import ContextVar


class AsyncLibraryNotFoundError(RuntimeError):
    pass


current_async_library_cvar = ContextVar("current_async_library_cvar", default=None)


def current_async_library():
    try:
        if current_async_library_cvar.get() or asyncio.current_task():
            return "asyncio"
    except RuntimeError:
        pass
    raise AsyncLibraryNotFoundError
"""
ONE_LINERS = """
import sniffio

from aiowfm.testing import TaskEnvironment, run_workflow_sync

WAIT = {"StartAt": "wait", "States": {"wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
run_workflow_sync(WAIT).assert_succeeded()
print(TaskEnvironment().run_sync(lambda: 5))
"""


def outcome_of(suite: str, directory: Path, *options: str) -> str:
    (directory / "test_suite.py").write_text(suite)
    (directory / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *options],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_under_anyio(tmp_path: Path) -> None:
    suite = SUITE.replace("MARK", "anyio") + ANYIO
    assert "2 passed" in outcome_of(suite, tmp_path, "-p", "no:asyncio")


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["function", "session"])
def test_under_pytest_asyncio(tmp_path: Path, scope: str) -> None:
    pytest.importorskip("pytest_asyncio")
    options = [
        "-o", "asyncio_mode=strict",
        "-o", f"asyncio_default_fixture_loop_scope={scope}",
        "-o", f"asyncio_default_test_loop_scope={scope}",
    ]  # fmt: skip
    assert "2 passed" in outcome_of(SUITE.replace("MARK", "asyncio"), tmp_path, *options)


@pytest.mark.slow
def test_a_suite_that_does_not_use_it_imports_nothing(tmp_path: Path) -> None:
    assert "1 passed" in outcome_of(UNRELATED, tmp_path, "-p", "no:asyncio")


@pytest.mark.slow
def test_where_sniffio_is_installed(tmp_path: Path) -> None:
    # It knows asyncio by the task that runs, and time moves where none does.
    (tmp_path / "sniffio.py").write_text(SNIFFIO)
    (tmp_path / "program.py").write_text(ONE_LINERS)
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
