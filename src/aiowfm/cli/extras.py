"""What the command line says where an extra is not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needing(what: str, extras: str, *modules: str) -> Iterator[None]:
    """End the program with a hint if one of *modules* cannot be imported within.

    Args:
        what: What needs them, for the hint.
        extras: The extras of this package that bring them.
        modules: Their names.
    """
    try:
        yield
    except ModuleNotFoundError as exc:
        missing = str(exc.name).partition(".")[0]
        if missing not in modules:
            raise
        sys.exit(
            f"aiowfm: {what} needs {missing}, which is not installed:"
            f" pip install 'aiowfm[{extras}]'"
        )
