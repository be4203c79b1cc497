from __future__ import annotations

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.ministack",
    "tests.moto",
    "tests.places",
    "tests.callbacks.storage",
    "tests.end_to_end.watched",
]

settings.register_profile("shared", deadline=None)  # the machines are shared and noisy
settings.load_profile("shared")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
