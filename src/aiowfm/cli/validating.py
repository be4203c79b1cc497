"""`aiowfm validate`: every problem of some files, as people, GitHub or programs read it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from aiowfm.cli.loading import METAVAR, load_engine
from aiowfm.cli.refusals import refusals
from aiowfm.cli.reports import Format, report
from aiowfm.definitions import check_definitions
from aiowfm.errors import DefinitionError, Problem


def validate(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Definitions, in YAML or JSON.")
    ],
    handlers: Annotated[
        str | None,
        typer.Option(
            metavar=METAVAR,
            help="Check each Resource against the handlers of this engine, and names against its"
            " environment. The module is imported; nothing is started.",
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="For people, for programs, or for GitHub's annotations.")
    ] = Format.TEXT,
) -> None:
    """Check definitions: all problems at once, each with its line.

    Ends with 1 if there are errors, with 0 if there are none or only warnings.
    """
    definitions, problems = check_definitions([Path(file) for file in files])
    if handlers is not None:
        with refusals(), _silent():
            try:
                engine = load_engine(handlers)
            except DefinitionError as exc:
                problems += exc.problems
                problems.append(_not_checked(handlers))
            else:
                problems += engine.check(definitions)
    problems = list(_each_once(problems))
    order = {_real(file): index for index, file in enumerate(files)}
    problems.sort(key=lambda each: _place(each, order))
    report(problems, format, files=len(files), workflows=len(definitions))
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(1)


@contextmanager
def _silent() -> Iterator[None]:
    """What an engine would log of its definitions is reported here."""
    log = logging.getLogger("aiowfm.definitions")
    was_disabled, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = was_disabled


def _not_checked(handlers: str) -> Problem:
    message = f"the handlers of {handlers} are not checked: its own definitions have errors"
    return Problem(where="", message=message, severity="warning", code="NOT_CHECKED")


def _each_once(problems: Sequence[Problem]) -> Iterator[Problem]:
    """*problems* without those that the engine has found in the same files again."""
    seen: set[tuple[object, ...]] = set()
    for each in problems:
        key = (_real(each.file), each.line, each.column, each.where, each.message)
        if each.line is None or key not in seen:
            yield each
        seen.add(key)


def _place(problem: Problem, order: dict[str, int]) -> tuple[int, int, int]:
    file = order.get(_real(problem.file), len(order))
    return file, problem.line or 0, problem.column or 0


def _real(file: str | None) -> str:
    return "" if file is None else os.path.realpath(file)
