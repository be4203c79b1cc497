"""What a shell block calls, looked up where each command says what it takes."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec

from typer.main import get_command

from aiowfm.cli.app import app
from tests.docs.blocks import ROOT

# Not ours, and not looked into.
OF_OTHERS = frozenset(
    {
        "[",
        "cd",
        "curl",
        "docker",
        "dot",
        "echo",
        "export",
        "git",
        "jq",
        "kubectl",
        "mkdir",
        "sqlite3",
        "uvicorn",
    }
)

_TARGET = re.compile(r"^([\w-]+):", re.MULTILINE)
_KEYWORD = re.compile(r"^\s*(?:if|elif|then|else|fi)\b")
_SUBSTITUTION = re.compile(r"\w+=\$\(([^()]*)\)")
_VARIABLE = re.compile(r"^[A-Z_0-9]+=")


def commands(text: str, *, prompt: str = "") -> Iterator[list[str]]:
    """The commands of a block, in words; with a *prompt* only the lines that begin with it."""
    for line in text.replace("\\\n", " ").splitlines():
        if not line.startswith(prompt):
            continue
        line = _SUBSTITUTION.sub(r"\1", _KEYWORD.sub("", line.removeprefix(prompt)))
        words: list[str] = []
        for word in shlex.split(line, comments=True):
            if word in ("&&", "|", ";"):
                yield words
                words = []
            elif words or not _VARIABLE.match(word):
                words.append(word)
        if words:
            yield words


def check(words: Sequence[str], files: frozenset[str]) -> None:
    """Fail if the command does not exist, or does not take an option that it is given.

    Args:
        words: The command.
        files: What the document has told the reader to save.
    """
    program, *arguments = words
    if program in OF_OTHERS:
        return
    known: dict[str, Callable[[list[str], frozenset[str]], None]] = {
        "aiowfm": _aiowfm,
        "aws": _aws,
        "make": _make,
        "pip": _pip,
        "python": _python,
        "pytest": _pytest,
    }
    assert program in known, f"{program}: nobody looks whether there is such a command"
    known[program](arguments, files)


def _aiowfm(arguments: list[str], files: frozenset[str]) -> None:
    command = get_command(app)
    named = getattr(command, "commands", {})
    name = arguments[0]
    if name.startswith("-"):
        assert name in ("--help", "--install-completion", "--version")
        return
    assert name in named, f"aiowfm has no command {name}"
    options = {option for parameter in named[name].params for option in parameter.opts}
    _take(options | {"--help"}, arguments[1:], f"aiowfm {name}")


def _aws(arguments: list[str], files: frozenset[str]) -> None:
    service, operation, *rest = arguments
    operations = _operations({"stepfunctions": "stepfunctions"}.get(service, service))
    assert operation in operations, f"aws {service} has no {operation}"
    _take(operations[operation] | {"--query"}, rest, f"aws {service} {operation}")


def _make(arguments: list[str], files: frozenset[str]) -> None:
    targets = _TARGET.findall((ROOT / "Makefile").read_text())
    for argument in arguments:
        if not _VARIABLE.match(argument):
            assert argument in targets, f"make has no target {argument}"


def _pip(arguments: list[str], files: frozenset[str]) -> None:
    verb, *rest = arguments
    assert verb == "install"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for argument in rest:
        wanted = re.fullmatch(r"(?:\.|aiowfm)(?:\[([\w,-]+)\])?", argument)
        if wanted is None:
            assert find_spec(argument.partition("[")[0].replace("-", "_")), argument
        elif wanted[1]:
            assert set(wanted[1].split(",")) <= set(project["optional-dependencies"])


def _python(arguments: list[str], files: frozenset[str]) -> None:
    if arguments[0] == "-m":
        assert find_spec(arguments[1]), f"there is no module {arguments[1]}"
        if arguments[1] == "aiowfm":
            _aiowfm(arguments[2:], files)
        return
    name, *rest = arguments
    assert name in files or (ROOT / name).is_file(), f"there is no {name}"
    if name not in files:
        text = (ROOT / name).read_text()
        _take(set(re.findall(r'"(--[\w-]+)"', text)), rest, name)


def _pytest(arguments: list[str], files: frozenset[str]) -> None:
    for argument in arguments:
        if not argument.startswith("-"):
            assert argument in files or (ROOT / argument).exists(), f"there is no {argument}"


def _take(options: set[str], arguments: Sequence[str], what: str) -> None:
    for argument in arguments:
        if argument.startswith("--"):
            option = argument.partition("=")[0]
            assert option in options, f"{what} takes no {option}"


@cache
def _operations(service: str) -> dict[str, set[str]]:
    """What the AWS CLI calls the operations of a service, and what they take."""
    from botocore import xform_name  # not at the top: it takes a while
    from botocore.session import get_session

    model = get_session().get_service_model(service)
    found = {}
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        members = shape.members if shape else {}
        found[xform_name(name, "-")] = {f"--{xform_name(each, '-')}" for each in members}
    return found
