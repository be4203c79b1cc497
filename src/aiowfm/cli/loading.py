"""Finds the engine that a command is about: `module:engine`, as uvicorn finds applications."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from types import ModuleType

from aiowfm.asl.findings import did_you_mean
from aiowfm.engine import Engine
from aiowfm.errors import ConfigError


def load_engine(place: str) -> Engine:
    """The engine at *place*: `module:attribute`, an `Engine` or a function that returns one.

    The current directory can be imported from. What importing raises is not caught.

    Raises:
        ConfigError: there is none, and why.
    """
    module_name, colon, path = place.partition(":")
    if not colon or not module_name or not path:
        raise ConfigError(f"{place!r} is not of the form module:engine, as in 'shop.app:engine'")
    if (directory := os.getcwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, directory)
    found: object = _imported(module_name)
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            owner = f"module {found.__name__!r}" if isinstance(found, ModuleType) else repr(found)
            hint = did_you_mean(name, [each for each in dir(found) if not each.startswith("_")])
            raise ConfigError(f"{place!r}: {owner} has no attribute {name!r}{hint}") from None
    return _engine(found, place)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        # What the module itself fails to import is its own affair.
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        raise ConfigError(
            f"there is no module {exc.name!r}, neither installed nor in {os.getcwd()}"
        ) from None


def _engine(found: object, place: str) -> Engine:
    if not isinstance(found, Engine) and callable(found):
        if _needs_arguments(found):
            raise ConfigError(f"{place!r} needs arguments, so it cannot be called for an engine")
        found = found()
        if inspect.iscoroutine(found):
            found.close()
            raise ConfigError(f"{place!r} is a coroutine function: give a plain one, or an Engine")
        place = f"{place}()"
    if not isinstance(found, Engine):
        raise ConfigError(f"{place!r} is a {type(found).__name__}, not an aiowfm.Engine")
    return found


def _needs_arguments(function: object) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]  # it is callable
    except (TypeError, ValueError):
        return False
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(each.default is each.empty and each.kind not in variable for each in parameters)
