"""The pytest plugin: fixtures of `aiowfm.testing`, which is imported when one is asked for.

It stands beside the package, so that test suites that don't use it don't import aiowfm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aiowfm.testing import TaskEnvironment, VirtualEngine


@pytest.fixture
def virtual_engine() -> type[VirtualEngine]:
    """The class `VirtualEngine`, to be called: what it makes is an async context manager."""
    from aiowfm.testing import VirtualEngine

    return VirtualEngine


@pytest.fixture
def task_environment() -> type[TaskEnvironment]:
    """The class `TaskEnvironment`, to be called."""
    from aiowfm.testing import TaskEnvironment

    return TaskEnvironment
