"""The command line, as a program of its own and in this one."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

import aiowfm
from aiowfm.cli.app import app
from aiowfm.local.storage.database import Database
from tests.serve.conftest import boto3_client
from tests.serve.test_clients import walk


def test_serve_listens_until_a_signal_and_says_where() -> None:
    program = [sys.executable, "-m", "aiowfm", "serve", "--port", "0"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        assert len(walk(found[0])) == 7
        server.send_signal(signal.SIGTERM)
        assert server.stderr.read() == ""
        assert server.wait() == 0


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(app, ["serve", "--port", port])
    assert done.exit_code == 1
    assert re.match(r"aiowfm: cannot listen on 127\.0\.0\.1:\d+: Address .*--port\n", done.stderr)


def test_an_account_is_twelve_digits() -> None:
    done = CliRunner().invoke(app, ["serve", "--account-id", "1"])
    assert done.exit_code == 2
    assert "12 digits" in done.output


def test_an_endpoint_for_messages_is_a_url() -> None:
    done = CliRunner().invoke(app, ["serve", "--sqs-endpoint", "localhost"])
    assert done.exit_code == 2
    assert "not a URL" in done.output


MESSAGES = ["serve", "--port", "0", "--sqs-endpoint", "http://127.0.0.1:9"]


def test_a_server_for_everybody_says_so_and_where_messages_go() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    program = [sys.executable, "-m", "aiowfm", *MESSAGES, "--host", "0.0.0.0"]
    with subprocess.Popen(
        program, stderr=subprocess.PIPE, text=True, env=os.environ | keys
    ) as server:
        assert server.stderr is not None
        said = "".join(server.stderr.readline() for _ in range(3))
        server.send_signal(signal.SIGINT)
        said += server.stderr.read()
    assert "reachable from other machines" in said
    assert "sqs:sendMessage sends to http://127.0.0.1:9" in said
    assert server.returncode == 0


def test_messages_without_credentials_are_refused_at_the_start() -> None:
    none = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    environment: dict[str, str | None] = {name: None for name in os.environ if name[:4] == "AWS_"}
    environment |= none | {"AWS_EC2_METADATA_DISABLED": "true"}
    done = CliRunner().invoke(app, MESSAGES, env=environment)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("aiowfm: --sqs-endpoint: ")
    assert "set AWS_ACCESS_KEY_ID" in done.stderr


def test_a_missing_extra_of_the_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.startswith(("aiohttp", "aiowfm.serve")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(aiowfm, "serve", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    done = CliRunner().invoke(app, ["serve", "--port", "0"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "needs aiohttp, which is not installed: pip install 'aiowfm[cli,serve]'" in done.stderr


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_named(missing: str) -> None:
    without = (
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        "sys.argv = ['aiowfm', 'serve', '--port', '0']\n"
        "from aiowfm.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"needs {missing}, which is not installed: pip install 'aiowfm[cli" in done.stderr
    assert "Traceback" not in done.stderr


# Files.


@contextmanager
def serving_a_file(path: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server on a file, and what it says when it listens."""
    program = [sys.executable, "-m", "aiowfm", "serve", "--port", "0", "--db", str(path), *options]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            yield server, server.stderr.readline()
        finally:
            server.kill()


def url_in(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    return found[0]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="as it is"),
        pytest.param(["--durability", "fsync", "--retention-days", "0.5"], id="with options"),
        pytest.param(["--durability", "none", "--retention-days", "0"], id="with others"),
    ],
)
def test_a_file_is_kept_and_closed_on_a_signal(tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "workflows.db"
    with serving_a_file(path, *options) as (server, line):
        assert f"kept in {path};" in line
        walk(url_in(line))
        server.send_signal(signal.SIGTERM)
        assert server.stderr is not None
        assert server.stderr.read() == ""
        assert server.wait() == 0
    assert [each.name for each in tmp_path.iterdir()] == ["workflows.db"]
    if options:
        return
    with serving_a_file(path) as (_, line), boto3_client(url_in(line)) as sfn:
        arn = "arn:aws:states:us-east-1:000000000000:execution:m:x"
        assert sfn.describe_execution(executionArn=arn)["output"] == '"done"'


def test_a_file_of_another_kind_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("just some text, longer than the header of a SQLite file" * 20)
    for command in (["serve", "--port", "0", "--db"], ["vacuum"]):
        done = CliRunner().invoke(app, [*command, str(path)])
        assert done.exit_code == 1
        assert done.output == f"aiowfm: {path}: it is not a SQLite file: give another path\n"


def test_a_damaged_file_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "workflows.db"
    with serving_a_file(path) as (server, line):
        walk(url_in(line))
        server.send_signal(signal.SIGTERM)
        server.wait()
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    whole = path.read_bytes()
    path.write_bytes(whole[: 2 * size] + b"\xff" * (len(whole) - 2 * size))
    done = CliRunner().invoke(app, ["serve", "--port", "0", "--db", str(path)])
    assert done.exit_code == 1
    assert re.fullmatch(rf"aiowfm: {re.escape(str(path))}: .*malformed.*\n", done.output)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--durability", "fsync"], "no --db", id="durability without a file"),
        pytest.param(["--db", ":memory:"], "not the name of a file", id="no file"),
        pytest.param(["--db", "x", "--durability", "much"], "'much'", id="durability"),
        pytest.param(["--retention-days", "-1"], "retention", id="negative retention"),
        pytest.param(["--retention-days", "nan"], "retention", id="no retention"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["serve", *options])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_vacuum_shrinks_a_file_and_says_by_how_much(tmp_path: Path) -> None:
    path = tmp_path / "workflows.db"

    async def fill() -> None:
        database = Database(str(path), "commit")
        await database.open()
        row = "INSERT INTO documents VALUES ('some', ?, ?)"
        rows = [(str(number), "x" * 10_000) for number in range(300)]
        await database.run(lambda connection: connection.executemany(row, rows))
        await database.run(lambda connection: connection.execute("DELETE FROM documents"))
        await database.close()

    anyio.run(fill)
    before = path.stat().st_size
    done = CliRunner().invoke(app, ["vacuum", str(path)])
    assert done.exit_code == 0
    assert path.stat().st_size < before / 10
    shown = re.fullmatch(r"(.+): (.+) MB before, (.+) kB after\n", done.output)
    assert shown
    assert shown[1] == str(path)
    assert float(shown[2]) == pytest.approx(before / 1e6, abs=0.1)
    assert float(shown[3]) == pytest.approx(path.stat().st_size / 1e3, abs=0.1)
    assert [each.name for each in tmp_path.iterdir()] == ["workflows.db"]
    after = path.stat().st_size
    done = CliRunner().invoke(app, ["vacuum", str(path), "--json"])
    sizes = {"bytes_before": after, "bytes_after": path.stat().st_size}
    assert json.loads(done.output) == {"file": str(path), **sizes}


def test_vacuum_makes_no_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["vacuum", str(tmp_path / "none.db")])
    assert done.exit_code == 1
    assert "there is no such file" in done.output
    assert list(tmp_path.iterdir()) == []
