from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from aiowfm.cli import reports
from aiowfm.cli.app import app
from aiowfm.errors import Problem

GOOD = """\
- name: order
  stateMachine:
    StartAt: charge
    TimeoutSeconds: 60
    States:
      charge: {Type: Task, Resource: charge, End: true}
"""
BAD = """\
- name: order
  stateMachine:
    StartAt: charge
    States:
      charge:
        Type: Task
        Resource: chrge
        Next: shp
      ship: {Type: Task, Resource: ship, End: true}
"""
SHOP = """\
from aiowfm import Engine

engine = Engine(app="shop", environment={environment!r}, definitions={definitions!r})
nothing = None


@engine.task("charge")
async def charge(order: object) -> None: ...


@engine.task("ship")
async def ship(order: object) -> None: ...
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory; what is imported from there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def validate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["validate", *arguments])


def write(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_definitions_without_problems_are_counted() -> None:
    done = validate(write("good.yml", GOOD))
    assert done.exit_code == 0
    assert done.output == "no problems: 1 workflow in 1 file\n"


def test_all_problems_are_shown_with_line_and_caret() -> None:
    done = validate(write("bad.yml", BAD))
    assert done.exit_code == 1
    assert done.output == (
        "bad.yml:2:3: order: warning: no TimeoutSeconds: a workflow that hangs does so for a year;"
        " give the state machine one that no good workflow needs\n"
        "  2 |   stateMachine:\n"
        "    |   ^^^^^^^^^^^^\n"
        "bad.yml:8:9: order.charge: error: Next names no state: 'shp'; did you mean 'ship'?\n"
        "  8 |         Next: shp\n"
        "    |         ^^^^\n"
        "1 error and 1 warning: 1 workflow in 1 file\n"
    )


def test_warnings_alone_do_not_fail() -> None:
    assert validate(write("w.yml", GOOD.replace("    TimeoutSeconds: 60\n", ""))).exit_code == 0


def test_programs_get_a_list_of_objects() -> None:
    done = validate(write("bad.yml", BAD), "--format", "json")
    assert done.exit_code == 1
    assert json.loads(done.output)[1] == {
        "file": "bad.yml",
        "line": 8,
        "column": 9,
        "where": "order.charge",
        "severity": "error",
        "code": "MISSING_TRANSITION_TARGET",
        "message": "Next names no state: 'shp'; did you mean 'ship'?",
    }
    assert validate("bad.yml", "--json").output == done.output
    assert json.loads(validate(write("good.yml", GOOD), "--json").output) == []


def test_github_gets_annotations_with_what_it_would_misread_escaped() -> None:
    name = write("a,b:c%.yml", BAD.replace("shp", "100%").replace("name: order", 'name: "x\\ny"'))
    done = validate(name, "--format", "github")
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0].startswith("::warning file=a%2Cb%3Ac%25.yml,line=2,col=3::x%0Ay: no Ti")
    assert lines[-1] == (
        "::error file=a%2Cb%3Ac%25.yml,line=8,col=9::x%0Ay.charge: Next names no state: '100%25';"
        " the states here are 'charge', 'ship'"
    )


def test_files_are_compared_with_one_another() -> None:
    done = validate(write("one.yml", GOOD), write("two.yml", GOOD))
    assert done.exit_code == 1
    assert (
        "two.yml:1:3: order: error: a definition named 'order' is there already, one.yml:1"
        in done.output
    )


def test_a_file_that_cannot_be_read_is_a_problem() -> None:
    done = validate("none.yml", write("good.yml", GOOD))
    assert done.exit_code == 1
    assert done.output.startswith("none.yml: error: no such file\n1 error: 1 workflow in 2 files")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["good.yml", "--format", "xml"],
        ["good.yml", "--handlers", "shop"],
        ["good.yml", "--handlers", "shop:"],
        ["good.yml", "--handlers", "no_such_module:engine"],
        ["good.yml", "--handlers", "shop:engin"],
        ["good.yml", "--handlers", "shop:nothing"],
    ],
    ids=" ".join,
)
def test_a_call_that_makes_no_sense_ends_with_two(arguments: list[str]) -> None:
    write("good.yml", GOOD)
    write("shop.py", SHOP.format(environment="dev", definitions=[]))
    assert validate(*arguments).exit_code == 2


def test_an_engine_that_is_not_there_is_said_in_a_line() -> None:
    write("shop.py", SHOP.format(environment="dev", definitions=[]))
    done = validate(write("good.yml", GOOD), "--handlers", "shop:engin")
    assert done.output == (
        "aiowfm: 'shop:engin': module 'shop' has no attribute 'engin'; did you mean 'engine'?\n"
    )


def test_resources_are_checked_against_handlers_and_handlers_against_resources() -> None:
    write("shop.py", SHOP.format(environment="dev", definitions=[]))
    done = validate(write("bad.yml", BAD), "--handlers", "shop:engine")
    assert done.exit_code == 1
    assert (
        "bad.yml:7:9: order.charge: error: Resource: no handler is registered for 'chrge';"
        " did you mean 'charge'?\n  7 |         Resource: chrge\n" in done.output
    )
    # Of the program, too, the path is from here.
    assert "\nshop.py:7: charge: warning: no Task names the handler 'charge'" in done.output
    assert "'ship'?\n" in done.output
    assert "no Task names the handler 'ship'" not in done.output


def test_names_are_checked_against_the_environment() -> None:
    write("shop.py", SHOP.format(environment="e" * 60, definitions=[]))
    done = validate(write("good.yml", GOOD), "--handlers", "shop:engine")
    assert done.exit_code == 1
    assert "good.yml:6:7: order.charge: error: a workflow that starts at this state" in done.output


def test_what_the_engine_finds_in_the_same_file_is_said_once() -> None:
    write("shop.py", SHOP.format(environment="dev", definitions="./bad.yml"))
    done = validate(write("bad.yml", BAD), "--handlers", "shop:engine")
    assert done.exit_code == 1
    assert done.output.count("Next names no state") == 1
    assert "the handlers of shop:engine are not checked" in done.output


def test_an_engine_logs_nothing_of_what_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    write("good.yml", GOOD.replace("End: true", "Parameters: {a: $.a}, End: true"))
    write("shop.py", SHOP.format(environment="dev", definitions="good.yml"))
    done = validate("good.yml", "--handlers", "shop:engine")
    assert done.output.count("looks like a JSONPath") == 1
    assert caplog.records == []


# --- lines and carets ----------------------------------------------------------------


def shown(text: str, line: int, column: int, *, file: str = "x.yml") -> list[str]:
    reports._lines.cache_clear()
    problem = Problem(where="", message="m", file=write(file, text), line=line, column=column)
    return reports._text(problem).plain.split("\n")[1:]


def test_a_caret_stands_below_what_it_means_whatever_precedes_it() -> None:
    assert shown("\t日本: {a: 1}", 1, 7) == ["  1 | \t日本: {a: 1}", "    | \t       ^"]


def test_of_a_long_line_the_part_that_matters_is_shown() -> None:
    line, caret = shown("[" + "12345678, " * 50_000 + "]", 1, 100_002, file="x.json")
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("12345678, ")


def test_lines_end_as_the_readers_say() -> None:
    assert shown("a: 1\r\nb: 2\r\n", 2, 1)[0] == "  2 | b: 2"
    assert shown('{"a":\r 1,\n"b": 2}', 2, 1, file="x.json")[0] == '  2 | "b": 2}'


def test_nothing_in_a_file_commands_the_terminal() -> None:
    problem = Problem(where="a\x1b[31m", message="b\x07", file="c\x9b.yml", line=1, column=1)
    assert reports._text(problem).plain == "c\ufffd.yml:1:1: a\ufffd[31m: error: b\ufffd"
    assert "\x1b" not in "".join(shown("a: \x1b[2J", 1, 1))


def test_colours_are_for_terminals() -> None:
    problem = Problem(where="a", message="b")
    console = Console(force_terminal=True, color_system="standard", width=80)
    with console.capture() as captured:
        console.print(reports._text(problem))
    assert "\x1b[" in captured.get()
    assert "\x1b" not in validate(write("bad.yml", BAD)).output


def test_the_schema_is_printed() -> None:
    done = CliRunner().invoke(app, ["schema"])
    assert done.exit_code == 0
    assert json.loads(done.output)["title"] == "Workflow definitions of aiowfm"


def test_a_pipe_gives_its_text_once_and_its_problems_all_the_same(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yml"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(BAD,))
    writer.start()
    done = validate(str(pipe))
    writer.join()
    assert done.exit_code == 1
    assert f"{pipe}:8:9: order.charge: error: Next names no state" in done.stdout
