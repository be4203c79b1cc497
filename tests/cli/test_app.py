"""The command line, as a program of its own and in this one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from aiowfm.cli.app import app
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


def test_a_server_for_everybody_says_so() -> None:
    program = [sys.executable, "-m", "aiowfm", "serve", "--host", "0.0.0.0", "--port", "0"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        server.stderr.readline()
        said = server.stderr.readline()
        server.send_signal(signal.SIGINT)
        said += server.stderr.read()
    assert "reachable from other machines" in " ".join(said.split())


def test_a_port_that_is_taken_is_named() -> None:
    listen = (
        "import socket, subprocess, sys\n"
        "taken = socket.create_server(('127.0.0.1', 0))\n"
        "port = str(taken.getsockname()[1])\n"
        "sys.exit(subprocess.call([sys.executable, '-m', 'aiowfm', 'serve', '--port', port]))"
    )
    done = subprocess.run([sys.executable, "-c", listen], capture_output=True, text=True)
    assert done.returncode == 1
    assert re.match(r"aiowfm: cannot listen on 127\.0\.0\.1:\d+: ", done.stderr)


def test_an_account_is_twelve_digits() -> None:
    done = CliRunner().invoke(app, ["serve", "--account-id", "1"])
    assert done.exit_code == 2
    assert "12 digits" in done.output


def test_an_endpoint_for_messages_is_a_url() -> None:
    done = CliRunner().invoke(app, ["serve", "--sqs-endpoint", "localhost"])
    assert done.exit_code == 2
    assert "not a URL" in done.output


def serving_messages(**environment: str) -> subprocess.Popen[str]:
    """A server with an endpoint for messages, and no credentials but those given."""
    program = [sys.executable, "-m", "aiowfm", "serve", "--port", "0"]
    program += ["--sqs-endpoint", "http://127.0.0.1:9"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    none = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    metadata = {"AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.Popen(
        program, stderr=subprocess.PIPE, text=True, env=kept | none | metadata | environment
    )


def test_the_endpoint_for_messages_is_shown() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with serving_messages(**keys) as server:
        assert server.stderr is not None
        said = server.stderr.readline() + server.stderr.readline()
        server.send_signal(signal.SIGTERM)
        said += server.stderr.read()
    assert "sqs:sendMessage sends to http://127.0.0.1:9" in said
    assert server.returncode == 0


def test_messages_without_credentials_are_refused_at_the_start() -> None:
    with serving_messages() as server:
        assert server.stderr is not None
        said = server.stderr.read()
    assert server.returncode == 1
    assert said.startswith("aiowfm: --sqs-endpoint: ")
    assert "set AWS_ACCESS_KEY_ID" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("missing", ["typer", "rich", "aiohttp"])
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
