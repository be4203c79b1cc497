"""How problems are printed: for people with the line and a caret, for GitHub, for programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import typer
from rich.cells import cell_len
from rich.text import Text

from aiowfm.cli import documents, texts
from aiowfm.cli.texts import printable
from aiowfm.definitions.document import MAX_TEXT_BYTES
from aiowfm.errors import Problem

_SHOWN = 100  # characters of a line; JSON may stand on one
_BEFORE = 60  # of these, at most so many before the column
_BREAK = re.compile(r"\r\n|[\n\r]")
_TOKEN = re.compile(r"""\"(?:[^"\\]|\\.)*\"|'[^']*'|[^\s:,{}\[\]"'](?:[^\s:,{}\[\]]|:(?=\S))*""")
_STYLES = {"error": "bold red", "warning": "yellow"}


class Format(StrEnum):
    """How to print problems."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def report(problems: Sequence[Problem], format: Format, *, files: int, workflows: int) -> None:
    """Print *problems*; people are also told how many there are, in how much."""
    if format is Format.JSON:
        documents.print_json([documents.problem_fields(each) for each in problems])
        return
    if format is Format.GITHUB:
        for each in problems:
            typer.echo(_annotation(each))
        return
    console = texts.console()
    for each in problems:
        console.print(_text(each))
    console.print(_summary(problems, files, workflows))


# --- GitHub --------------------------------------------------------------------------


def _annotation(problem: Problem) -> str:
    """A workflow command, which makes a note beside the line in a pull request."""
    parts = [("file", problem.file), ("line", problem.line), ("col", problem.column)]
    places = [f"{name}={_property(str(value))}" for name, value in parts if value is not None]
    where = f"{problem.where}: " if problem.where else ""
    begin = f"::{problem.severity}{' ' if places else ''}{','.join(places)}::"
    return begin + _escaped(where + problem.message)


def _escaped(text: str) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    # Half a character and the like cannot be printed.
    return text.encode("utf-8", "replace").decode()


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


# --- people --------------------------------------------------------------------------


def _text(problem: Problem) -> Text:
    place = [problem.file or "<definitions>"]
    if problem.line is not None:
        place.append(str(problem.line))
        place += [] if problem.column is None else [str(problem.column)]
    style = _STYLES[problem.severity]
    text = Text()
    text.append(printable(":".join(place)) + ": ", "bold")
    text.append(f"{printable(problem.where)}: " if problem.where else "")
    text.append(f"{problem.severity}: ", style)
    text.append(printable(problem.message))
    if problem.file is not None and problem.line is not None and problem.column is not None:
        lines = _lines(problem.file)
        if problem.line <= len(lines):
            line, before, length = _cut(lines[problem.line - 1], problem.column - 1)
            number = str(problem.line)
            blank = "".join(" " * cell_len(each) if each != "\t" else each for each in before)
            text.append(f"\n  {number} | ", "dim").append(line)
            text.append(f"\n  {' ' * len(number)} | ", "dim").append(blank)
            text.append("^" * length, style)
    return text


@lru_cache(maxsize=16)
def _lines(file: str) -> list[str]:
    """The lines of *file*, as the readers of YAML and JSON count them."""
    if not Path(file).is_file():
        return []  # a pipe, which gives its text once
    try:
        with Path(file).open("rb") as opened:
            text = opened.read(MAX_TEXT_BYTES).decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        return []
    is_json = file.endswith(".json") or text.lstrip()[:1] in ("{", "[")
    return text.split("\n") if is_json else _BREAK.split(text)


def _cut(line: str, column: int) -> tuple[str, str, int]:
    """What to show of *line*, what of that precedes *column*, and how much to underline."""
    found = _TOKEN.match(line, column)
    start = column - _BEFORE if column > _SHOWN - 20 else 0
    end = start + _SHOWN
    left, right = "…" if start else "", "…" if len(line) > end else ""
    before = left + printable(line[start:column])
    after = printable(line[column:end].rstrip())
    length = min(cell_len(found[0]) if found else 1, max(cell_len(after), 1))
    return before + after + right, before, length


def _summary(problems: Sequence[Problem], files: int, workflows: int) -> Text:
    looked_at = f"{_count(workflows, 'workflow')} in {_count(files, 'file')}"
    if not problems:
        return Text.assemble(("no problems", "bold green"), f": {looked_at}")
    parts = [
        (_count(number, severity), _STYLES[severity])
        for severity in ("error", "warning")
        if (number := sum(each.severity == severity for each in problems))
    ]
    counted = Text(" and ").join(Text(*part) for part in parts)
    return Text.assemble(counted, f": {looked_at}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
