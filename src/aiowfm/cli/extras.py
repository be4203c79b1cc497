"""What the command line says where an extra is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiowfm.errors import ConfigError


@contextmanager
def needing(what: str, extras: str, *modules: str) -> Iterator[None]:
    """Say what to install if one of *modules* cannot be imported within.

    Args:
        what: What needs them, for the hint.
        extras: The extras of this package that bring them.
        modules: Their names.

    Raises:
        ConfigError: one is missing.
    """
    try:
        yield
    except ModuleNotFoundError as exc:
        missing = str(exc.name).partition(".")[0]
        if missing not in modules:
            raise
        raise ConfigError(
            f"{what} needs {missing}, which is not installed: pip install 'aiowfm[{extras}]'"
        ) from exc
