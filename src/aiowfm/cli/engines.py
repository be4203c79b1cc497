"""The engine that a command is told of, as `module:engine`."""

from __future__ import annotations

import importlib
import os
import sys
from functools import reduce

from aiowfm.engine import Engine
from aiowfm.errors import DefinitionError


class NoEngineError(Exception):
    """There is no engine where there should be one; the message says why."""


def engine_at(place: str) -> Engine:
    """The engine *place* names: a module, a colon, and the name of an engine in it.

    Modules are looked for in the current directory first.

    Raises:
        NoEngineError: there is none.
        DefinitionError: it has definitions that cannot be used.
    """
    module, colon, name = place.partition(":")
    if not (colon and module and name):
        raise NoEngineError(f"{place!r} is not of the form module:engine")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        imported = importlib.import_module(module)
    except DefinitionError:
        raise
    except (Exception, SystemExit) as exc:
        # Whatever the module does when it is imported; the cause is shown where it is asked for.
        raise NoEngineError(f"importing {module!r} failed: {type(exc).__name__}: {exc}") from exc
    try:
        found = reduce(getattr, name.split("."), imported)
    except AttributeError as exc:
        engines = [each for each, value in vars(imported).items() if isinstance(value, Engine)]
        hint = f"; it has {', '.join(map(repr, engines))}" if engines else ""
        raise NoEngineError(f"the module {module!r} has no {name!r}{hint}") from exc
    if not isinstance(found, Engine):
        raise NoEngineError(f"{place} is of type {type(found).__name__}, not an Engine")
    return found
