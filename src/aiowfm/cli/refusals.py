"""How commands end where something is wrong: with a line or two, and without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aiowfm.cli.loading import NoEngineError
from aiowfm.errors import AiowfmError, DefinitionError

WRONG_CALL = 2  # exit code of a command that was called wrongly, as typer has it


@contextmanager
def refusals() -> Iterator[None]:
    """End the program with what an error of ours says: exit code 1, or 2 for a wrong call."""
    try:
        yield
    except DefinitionError as exc:
        sys.exit(str(exc))  # each line says which file it is about
    except NoEngineError as exc:
        print(f"aiowfm: {exc}", file=sys.stderr)
        sys.exit(WRONG_CALL)
    except AiowfmError as exc:
        sys.exit(f"aiowfm: {exc}")
