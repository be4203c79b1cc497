"""A text with definitions as plain data, and where in the text each part stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from aiowfm.asl.findings import Pointer
from aiowfm.definitions.json_text import read_json
from aiowfm.definitions.reading import Position, Reading, SyntaxProblem
from aiowfm.errors import Problem

# Ours. Step Functions takes 1 MiB for one definition, and a file may hold some of them.
MAX_TEXT_BYTES = 8 * 1_048_576

NOT_READABLE = "NOT_READABLE"
_HINT = "it must hold a workflow definition or a list of them"
_TOO_LONG = f"longer than {MAX_TEXT_BYTES // 1_048_576} MiB: split it into several files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was read.

    Attributes:
        data: JSON values: null, true, numbers, strings, lists and objects. None where the
            text could not be read at all; `problems` says why.
        positions: 1-based line and column by pointer: for a member of an object those of
            its key, for an element of a list those of the element.
        file: The path, or None for text.
        problems: What is wrong with the text as YAML or JSON.
    """

    data: Any = None
    positions: Mapping[Pointer, Position] = field(default_factory=dict, repr=False)
    file: str | None = None
    problems: tuple[Problem, ...] = ()

    def position(self, pointer: Pointer) -> Position | tuple[None, None]:
        """Where *pointer* stands, or what it is part of where it is not in the text."""
        for length in range(len(pointer), -1, -1):
            if pointer[:length] in self.positions:
                return self.positions[pointer[:length]]
        return None, None


def read_file(path: str | PathLike[str]) -> Document:
    """The document in the file *path*, which must be UTF-8."""
    file = str(path)
    try:
        with Path(path).open("rb") as opened:
            content = opened.read(MAX_TEXT_BYTES + 1)
    except FileNotFoundError:
        return _unreadable(file, "no such file")
    except IsADirectoryError:
        return _unreadable(file, "is a directory: name the files in it, in a list")
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return _unreadable(file, f"cannot be read: {reason}")
    if len(content) > MAX_TEXT_BYTES:
        return _unreadable(file, _TOO_LONG)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        good = exc.object[: exc.start].decode("utf-8")
        problem = SyntaxProblem(
            f"not UTF-8: byte 0x{exc.object[exc.start]:02x} ({exc.reason}); save the file as UTF-8",
            good.count("\n") + 1,
            len(good) - good.rfind("\n"),
        )
        return _document(Reading(problems=[problem]), file)
    return read_text(text, file=file)


def read_text(text: str, *, file: str | None = None) -> Document:
    """The document in *text*, YAML or JSON, said to come from *file*."""
    if len(text) > MAX_TEXT_BYTES:
        return _unreadable(file, _TOO_LONG)
    text = text.removeprefix("\ufeff")
    if not text.strip():
        return _document(Reading(problems=[SyntaxProblem(f"empty: {_HINT}", 1, 1)]), file)
    reading = None
    if text.lstrip()[0] in "{[" or (file or "").endswith(".json"):
        # JSON is almost YAML, but for tabs and escapes; YAML's { a: b } is not JSON.
        reading = read_json(text)
    if reading is None or (reading.data is None and not (file or "").endswith(".json")):
        # Here for the sake of programs that give no text, such as those that only finish tasks.
        from aiowfm.definitions.yaml_text import read_yaml

        reading = read_yaml(text)
    if reading.data is None and not reading.problems:
        reading.problems.append(SyntaxProblem(f"holds nothing: {_HINT}", 1, 1))
    return _document(reading, file)


def _document(reading: Reading, file: str | None) -> Document:
    problems = [
        Problem(
            where="",
            message=each.message,
            file=file,
            line=each.line,
            column=each.column,
            code=NOT_READABLE,
        )
        for each in reading.problems
    ]
    return Document(
        data=reading.data, positions=reading.positions, file=file, problems=tuple(problems)
    )


def _unreadable(file: str | None, message: str) -> Document:
    return Document(
        file=file, problems=(Problem(where="", message=message, file=file, code=NOT_READABLE),)
    )
