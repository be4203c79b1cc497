from __future__ import annotations

import pytest

pytest_plugins = ["tests.ministack"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
