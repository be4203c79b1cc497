"""How commands come to an engine: what is wrong with it is a line, and no traceback."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from aiowfm.cli.app import app
from tests.cli.conftest import ENGINE, MODULE, Shop

COMMANDS = [
    pytest.param([command, *more], id=command)
    for command, *more in (
        ("ls",),
        ("show", "x"),
        ("follow", "x"),
        ("cancel", "x"),
        ("resume", "x"),
        ("pending",),
        ("complete", "k"),
        ("fail", "k", "--error", "No"),
    )
]


def called(shop: Shop, place: str, command: list[str]) -> tuple[int, str, str]:
    name, *more = command
    done = shop(name, place, *more)
    return done.code, done.out, done.err


@pytest.mark.parametrize("command", COMMANDS)
def test_workflows_in_memory_cannot_be_seen_from_here(shop: Shop, command: list[str]) -> None:
    code, out, err = called(shop, f"{MODULE}:in_memory", command)
    assert (code, out) == (1, "")
    assert err.startswith("aiowfm: this engine keeps its workflows in memory")
    assert "--server URL" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_looking_makes_no_file(shop: Shop, command: list[str]) -> None:
    code, out, err = called(shop, ENGINE, command)
    assert (code, out) == (1, "")
    assert err.startswith(f"aiowfm: shop.db: there is no such file in {shop.directory}")
    assert not (shop.directory / "shop.db").exists()


def test_a_file_of_another_process_is_said_with_what_to_do(shop: Shop) -> None:
    shop.ended("order", {})
    own = (
        f"import anyio, {MODULE}\n"
        "async def main():\n"
        f"    async with {MODULE}.engine:\n"
        "        print('it runs', flush=True)\n"
        "        await anyio.to_thread.run_sync(input)\n"
        "anyio.run(main)"
    )
    program = [sys.executable, "-c", own]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(program, text=True, **pipes) as owner:  # type: ignore[call-overload]  # of two pipes
        owner.stdout.readline()
        for command in (
            ["ls", ENGINE],
            ["worker", ENGINE],
            ["run", ENGINE, "order"],
            ["serve", "--port", "0", "--db", "shop.db"],
            ["vacuum", "shop.db"],
        ):
            done = shop(*command)
            assert (done.code, done.out) == (1, "")
            assert re.search(
                r"^aiowfm: shop\.db: it is in use by process"
                rf" {owner.pid} on .*; a file has one owner at a time\. Stop that process first\.",
                done.err,
            )
            assert "`aiowfm serve --db shop.db`, then --server URL" in done.err
        owner.communicate("\n")
    assert owner.returncode == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("1 / 0", "ZeroDivisionError: division by zero", id="exception"),
        pytest.param("\ndef x(:", "SyntaxError: invalid syntax", id="syntax"),
        pytest.param("import sys\nsys.exit('no')", "SystemExit: no", id="exit"),
        pytest.param(
            "import nothing_like_this", "No module named 'nothing_like_this'", id="import"
        ),
    ],
)
def test_what_the_program_raises_is_said_with_its_line(shop: Shop, text: str, said: str) -> None:
    (shop.directory / f"{MODULE}.py").write_text(text)
    done = shop("ls", ENGINE)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err
    assert re.search(rf"{MODULE}.py(:|, line ){text.count(chr(10)) + 1}\)$", done.err)


def test_problems_of_definitions_have_their_lines(shop: Shop) -> None:
    with (shop.directory / "shop.yml").open("a") as file:
        file.write("- name: order\n")
    done = shop("run", ENGINE, "order")
    assert done.code == 1
    assert re.search(r"^\S*shop\.yml:\d+:\d+: ", done.err, re.MULTILINE)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("url", ["localhost", "ftp://localhost", "http://user:secret@localhost"])
def test_a_server_is_a_url(shop: Shop, url: str) -> None:
    for command in (["ls"], ["pending"], ["run", "order"]):
        done = shop(command[0], ENGINE, *command[1:], "--server", url)
        assert done.code == 2
        assert "not a URL like" in done.err
        assert "secret" not in done.err


def test_a_server_that_is_not_there_is_a_line(shop: Shop) -> None:
    for command in ("ls", "pending"):
        done = shop(command, ENGINE, "--server", "http://127.0.0.1:9")
        assert (done.code, done.out) == (1, "")
        assert "127.0.0.1:9" in done.err
        assert done.err.count("\n") == 1


def test_a_worker_needs_workflows_that_others_can_start(shop: Shop) -> None:
    done = shop("worker", f"{MODULE}:in_memory")
    assert (done.code, done.out) == (1, "")
    assert "use `aiowfm dev`" in done.err


def completed(shop: Shop, line: str) -> list[str]:
    """What a shell is offered for the last word of *line*."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    environment = words | {"_AIOWFM_COMPLETE": "complete_bash"}
    done = CliRunner().invoke(app, env=environment)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_commands_and_the_names_of_workflows(shop: Shop) -> None:
    assert completed(shop, "aiowfm can") == ["cancel"]
    assert completed(shop, f"aiowfm run {ENGINE} o") == ["order"]
    assert completed(shop, "aiowfm run nothing:engine o") == []
