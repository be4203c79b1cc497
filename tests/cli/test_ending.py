"""How all commands end: closed pipes, full disks, Ctrl-C, wrong calls; and what they share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from aiowfm.cli.app import app
from tests.cli.conftest import ENGINE, MODULE, Shop

PROGRAM = [Path(sys.executable).with_name("aiowfm")]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group
ORDER = [  # of the options that several commands have
    "--handlers",
    "--host",
    "--port",
    "--name",
    "--status",
    "--since",
    "--id-prefix",
    "--tag",
    "--error",
    "--limit",
    "--dry-run",
    "--yes",
    "--app",
    "--environment",
    "--region",
    "--account-id",
    "--worker",
    "--timeout",
    "--json",
    "--log-level",
    "--server",
]


def options_of(name: str) -> list[Any]:
    return [each for each in COMMANDS[name].params if each.opts[0].startswith("-")]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_takes_json(name: str) -> None:
    assert "--json" in [each.opts[0] for each in options_of(name)]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_options_have_one_order_everywhere(name: str) -> None:
    shared = [each.opts[0] for each in options_of(name) if each.opts[0] in ORDER]
    if name == "fail":
        shared.remove("--error")  # of the task; not what workflows are found by
    assert shared == sorted(shared, key=ORDER.index)


def test_what_an_option_takes_has_one_name_everywhere() -> None:
    metavars: dict[str, set[object]] = {}
    for name in COMMANDS:
        for each in options_of(name):
            if each.opts[0] not in ("--status", "--role", "--format"):  # a choice of each command
                metavars.setdefault(each.opts[0], set()).add(each.metavar)
    assert {option: names for option, names in metavars.items() if len(names) > 1} == {}
    assert {
        command.params[0].metavar
        for command in COMMANDS.values()
        if command.params and command.params[0].name == "engine"
    } == {"MODULE:ENGINE"}


def test_the_version_is_printed() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"aiowfm {version('aiowfm')}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["lss"], "No such command 'lss'", id="command"),
        pytest.param(["ls"], "Missing argument 'MODULE:ENGINE'; see", id="argument"),
        pytest.param(["ls", ENGINE, "--wrong"], "No such option: --wrong", id="option"),
        pytest.param(["ls", ENGINE, "--limit", "-1"], "Invalid value for '--limit'", id="range"),
        pytest.param(["ls", ENGINE, "--since", "x"], "--since: 'x' is neither a time", id="value"),
        pytest.param(["deploy", ENGINE, "--exit-code"], "it is for --dry-run", id="combination"),
        pytest.param(["graph", "x", "--format", "dot", "--json"], "another format", id="graph"),
        pytest.param(["validate", "x", "--format", "text", "--json"], "another", id="validate"),
        *(
            pytest.param([name, "nothing:engine"], "there is no module 'nothing'", id=name)
            for name in ("deploy", "iam", "doctor", "ls", "pending", "worker")
        ),
    ],
)
def test_a_wrong_call_is_one_line_and_2(shop: Shop, arguments: list[str], said: str) -> None:
    done = shop(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("aiowfm: ")
    assert said in done.err


@pytest.mark.parametrize("command", ["serve --port 0 --db", "vacuum", "ls"])
def test_a_file_that_cannot_be_used_is_said_in_one_way(shop: Shop, command: str) -> None:
    (shop.directory / "shop.db").write_text("just some text, longer than a SQLite header" * 20)
    name, *more = command.split()
    done = shop(name, *more, ENGINE if command == "ls" else "shop.db")
    assert (done.code, done.out) == (1, "")
    assert done.err == "aiowfm: shop.db: it is not a SQLite file: give another path\n"


def test_a_full_disk_is_a_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROGRAM, "schema"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == b"aiowfm: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("arguments", [["schema"], ["ls", "--help"]], ids=["output", "help"])
def test_a_pipe_that_is_closed_is_no_error_to_speak_of(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROGRAM, *arguments], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_ctrl_c_ends_what_the_program_does_when_it_is_imported(shop: Shop) -> None:
    source = "import time\nopen('waiting', 'w').close()\ntime.sleep(60)\n"
    (shop.directory / f"{MODULE}.py").write_text(source)
    with subprocess.Popen([*PROGRAM, "ls", ENGINE], stderr=subprocess.PIPE) as process:
        while not (shop.directory / "waiting").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err) == (130, b"")


@pytest.mark.parametrize("module", ["aiowfm", "aiowfm.cli.app"])
def test_ctrl_c_ends_it_while_it_is_imported_itself(module: str) -> None:
    interrupted = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(name, *_):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder)\n"
        "sys.argv = ['aiowfm', 'schema']\n"
        "from aiowfm_command import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", interrupted], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
