"""Finds the engine that a command is about: `module:engine`, as uvicorn finds applications."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Annotated

import typer

from aiowfm.asl.findings import did_you_mean
from aiowfm.cli.texts import near
from aiowfm.engine import Engine
from aiowfm.errors import AiowfmError, ConfigError

METAVAR = "MODULE:ENGINE"
EngineArgument = Annotated[
    str,
    typer.Argument(
        metavar=METAVAR, help="An Engine, or a function without arguments that makes it."
    ),
]


class NoEngineError(ConfigError):
    """There is no engine where there should be one; the message says why."""


def load_engine(place: str) -> Engine:
    """The engine at *place*: `module:attribute`, an `Engine` or a function that returns one.

    The current directory can be imported from.

    Raises:
        NoEngineError: there is none, or what makes it fails.
        AiowfmError: the engine's definitions or its options cannot be used.
    """
    module_name, colon, path = place.partition(":")
    if not colon or not module_name or not path:
        raise NoEngineError(f"{place!r} is not of the form module:engine, as in 'shop.app:engine'")
    if (directory := os.getcwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, directory)
    found: object = _imported(module_name)
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            owner = f"module {found.__name__!r}" if isinstance(found, ModuleType) else repr(found)
            hint = did_you_mean(name, [each for each in dir(found) if not each.startswith("_")])
            raise NoEngineError(f"{place!r}: {owner} has no attribute {name!r}{hint}") from None
    return _engine(found, place)


def _imported(name: str) -> ModuleType:
    with _of_the_program(f"importing {name!r}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as exc:
            # What the module itself fails to import is its own affair.
            if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
                raise
            hint = f"; name the module, {name[:-3]!r}, not its file" if name.endswith(".py") else ""
            raise NoEngineError(
                f"there is no module {exc.name!r}, neither installed nor in {os.getcwd()}{hint}"
            ) from None


@contextmanager
def _of_the_program(doing: str) -> Iterator[None]:
    """Say in a line what the program that holds the engine raises, and where."""
    try:
        yield
    except AiowfmError:
        raise
    except (Exception, SystemExit) as exc:
        frames = traceback.extract_tb(exc.__traceback__)
        # Python's own parts, such as `<frozen os>`, are no place to look.
        last = next((each for each in reversed(frames) if each.filename[:1] != "<"), frames[-1])
        where = f" ({near(last.filename)}:{last.lineno})"
        if isinstance(exc, SyntaxError):
            where = ""  # it says where itself, and the traceback ends in importlib
        raise NoEngineError(f"{doing} failed: {type(exc).__name__}: {exc}{where}") from exc


def _engine(found: object, place: str) -> Engine:
    if not isinstance(found, Engine) and callable(found):
        if _needs_arguments(found):
            raise NoEngineError(f"{place!r} needs arguments, so it cannot be called for an engine")
        with _of_the_program(f"calling {place!r}"):
            found = found()
        if inspect.iscoroutine(found):
            found.close()
            raise NoEngineError(
                f"{place!r} is a coroutine function: give a plain one, or an Engine"
            )
        place = f"{place}()"
    if not isinstance(found, Engine):
        raise NoEngineError(f"{place!r} is a {type(found).__name__}, not an aiowfm.Engine")
    return found


def _needs_arguments(function: object) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]  # it is callable
    except (TypeError, ValueError):
        return False
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(each.default is each.empty and each.kind not in variable for each in parameters)
