"""`aiowfm validate`: every problem of some files, as people, GitHub or programs read it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from aiowfm.cli.exits import Exit
from aiowfm.cli.loading import load_engine
from aiowfm.cli.options import HandlersOption, JsonOption
from aiowfm.cli.reports import Format, report
from aiowfm.cli.texts import near
from aiowfm.definitions import check_definitions
from aiowfm.errors import DefinitionError, Problem


def validate(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Definitions, in YAML or JSON.")
    ],
    handlers: HandlersOption = None,
    format: Annotated[
        Format | None,
        typer.Option(help="For people, unless given; for programs, or for GitHub's annotations."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check definitions: all problems at once, each with its line.

    With --handlers each Resource is checked against the handlers of an engine, and names against
    its environment. Ends with 1 if there are errors, with 0 if there are none or only warnings.
    """
    if json and format not in (None, Format.JSON):
        raise typer.BadParameter("it is another format", param_hint="--json")
    definitions, problems = check_definitions([Path(file) for file in files])
    if handlers is not None:
        with _silent():
            try:
                engine = load_engine(handlers)
            except DefinitionError as exc:
                problems += exc.problems
                problems.append(_not_checked(handlers))
            else:
                problems += [_from_here(each, files) for each in engine.check(definitions)]
    problems = list(_each_once(problems))
    order = {_real(file): index for index, file in enumerate(files)}
    problems.sort(key=lambda each: _place(each, order))
    shown_as = Format.JSON if json else format or Format.TEXT
    report(problems, shown_as, files=len(files), workflows=len(definitions))
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(Exit.ERROR)


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


def _from_here(problem: Problem, files: Sequence[str]) -> Problem:
    """*problem* with a path from here, unless it is in one of *files*, which are called so."""
    if problem.file is None or problem.file in files:
        return problem
    return replace(problem, file=near(problem.file))


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
