"""Commands on `aiowfm serve`: one process serves, another works, this one looks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cli.conftest import ENGINE, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def server(shop: Shop) -> Iterator[str]:
    """Where the file of the program is served."""
    program = [sys.executable, "-m", "aiowfm", "serve", "--port", "0", "--db", "shop.db", "--json"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        place = {"region": "us-east-1", "account_id": "000000000000"}
        assert ready == {"url": ready["url"], "db": "shop.db", **place}
        yield ready["url"]
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def test_workflows_of_a_server_are_worked_on_by_one_and_watched_by_another(
    shop: Shop, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = shop("ls", ENGINE)
    assert "it is in use by process" in refused.err
    assert "--server URL" in refused.err

    monkeypatch.setenv("AIOWFM_SERVER", server)  # as --server does
    assert shop("ls", ENGINE).err == "no workflows\n"
    failed = shop("run", ENGINE, "order", "--input", '{"poor": 1, "count": 2}', "--detach")
    program = [sys.executable, "-m", "aiowfm", "worker", ENGINE, "--json", "--log-level", "error"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(program, text=True, **pipes) as worker:  # type: ignore[call-overload]  # of two pipes
        tasks = ["charge", "pack", "wait"]
        ready = {"app": "shop", "environment": "dev", "tasks": tasks}
        assert json.loads(worker.stdout.readline()) == ready
        done = shop("run", ENGINE, "order", "--input", '{"count": 2}', "--follow")
        assert (done.code, done.json) == (0, [0, 10])
        assert "lines[1].pack succeeded" in done.err
        id = failed.out.strip()
        assert shop("follow", ENGINE, id).code == 4
        assert [each["status"] for each in shop("ls", ENGINE, "--json").json] == [
            "succeeded",
            "failed",
        ]
        (shop.directory / "rich").touch()
        assert shop("resume", ENGINE, id).out == f"resumed {id}\n"
        done = shop("follow", ENGINE, id)
        assert (done.code, done.json) == (0, [0, 10])
        assert "2/2" in shop("show", ENGINE, id).out

        slow = shop.started("slow", {})
        assert shop("cancel", ENGINE, slow, "--reason", "no use").out == f"cancelled {slow}\n"
        assert shop("follow", ENGINE, slow).code == 5
        worker.send_signal(signal.SIGINT)
        said = worker.stderr.read()
        assert worker.wait() == 0
    assert "callbacks are not read through a server" in said
    assert "Traceback" not in said

    what_it_does_not_know_is_said_in_a_line(shop, server)


def what_it_does_not_know_is_said_in_a_line(shop: Shop, server: str) -> None:
    for command in (["pending"], ["complete", "k"], ["fail", "k", "--error", "No"]):
        done = shop(command[0], ENGINE, *command[1:], "--server", server)
        assert (done.code, done.out) == (1, "")
        assert f"aiowfm: {server} knows no callbacks" in done.err
    done = shop("ls", ENGINE, "--tag", "team=core", "--server", server)
    assert done.code == 1
    assert "LocalBackend alone can search" in done.err
