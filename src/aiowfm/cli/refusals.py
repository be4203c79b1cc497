"""How commands end where something is wrong: with a line or two, and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aiowfm.errors import AiowfmError, DefinitionError


@contextmanager
def refusals() -> Iterator[None]:
    """End the program with what an error of ours says, without a traceback."""
    try:
        yield
    except DefinitionError as exc:
        sys.exit(str(exc))  # each line says which file it is about
    except AiowfmError as exc:
        sys.exit(f"aiowfm: {exc}")
