"""moto's server, a second opinion on SQS and DynamoDB.

It lives in `.venv-aws`, is started once for all tests and answers on 127.0.0.1 only.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ministack import PROGRAM as MINISTACK
from tests.ministack import Emulator, emulator, free_port

PROGRAM = MINISTACK.with_name("moto_server")


class Moto(Emulator):
    """A running moto server."""


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with emulator(
        [PROGRAM, "-H", "127.0.0.1", "-p", str(port)],
        health=f"{url}/moto-api/data.json",
        variables={},
        directory=tmp_path_factory.mktemp("moto"),
    ):
        yield Moto(url=url)
