"""How commands end where something is wrong: with a line or two, and without a traceback."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from aiowfm.cli import texts
from aiowfm.cli.exits import Exit
from aiowfm.cli.loading import NoEngineError
from aiowfm.errors import AiowfmError, DefinitionError, FileInUseError

# Each version of typer has it, whether its click is one of its own or not.
WrongCall: type[Exception] = typer.BadParameter.__bases__[0]

_INTERRUPTED = Exit.SIGNAL + signal.SIGINT
_OF_A_BACKEND = re.compile(r"^LocalBackend\((['\"])(.*?)\1\): ")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class CommandError(AiowfmError):
    """A command cannot do what it is for; the message says why."""


class OutputError(CommandError):
    """What a command prints cannot be written."""

    def __init__(self, reason: OSError) -> None:
        self.reason = reason
        super().__init__(f"the output cannot be written: {reason.strerror}")


def cannot_listen(host: str, port: int, reason: OSError) -> CommandError:
    """What is said of an address that a server cannot have."""
    code = reason.errno or 0
    said = os.strerror(code) if code > 0 else reason.strerror or str(reason)
    instead = "; give another --port" if code in (errno.EADDRINUSE, errno.EACCES) else ""
    return CommandError(f"cannot listen on {host}:{port}: {said}{instead}")


class Commands(TyperGroup):
    """All commands: whichever is called, what is wrong is said in the same way."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command that *args* name, and end the program."""
        texts.be_lenient()
        try:
            sys.exit(self._code(*args, **extra))
        finally:
            _let_go()

    def _code(self, *args: Any, **extra: Any) -> int:
        try:
            with output_errors():
                code: int | None = super().main(*args, **{**extra, "standalone_mode": False})
                sys.stdout.flush()
        except (KeyboardInterrupt, typer.Abort):
            return _INTERRUPTED
        except Exception as exc:
            refused = refusal(exc)
            if refused is None:
                raise
            code, line = refused
            with suppress(OSError):
                texts.complain(line)
            return code
        return code or Exit.DONE

    # typer has a way of its own with pipes, where it sees the error.

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """The context, for which options such as --help are printed."""
        with output_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with output_errors():
            return super().invoke(ctx)


def refusal(error: Exception) -> tuple[int, str] | None:
    """The exit code for *error* and what is said of it; None: it is none that can be expected."""
    if isinstance(error, OutputError) and error.reason.errno == errno.EPIPE:
        return Exit.SIGNAL + signal.SIGPIPE, ""  # whoever read it has enough
    if isinstance(error, DefinitionError):
        return Exit.ERROR, str(error)  # each line says which file it is about
    if isinstance(error, AiowfmError):
        code = Exit.WRONG_CALL if isinstance(error, NoEngineError) else Exit.ERROR
        said = _OF_A_BACKEND.sub(r"\2: ", str(error))
        if isinstance(error, FileInUseError):
            said = f"{said}. {_instead(error.path)}"
        return code, f"aiowfm: {said}"
    if isinstance(error, WrongCall):
        return Exit.WRONG_CALL, _wrong_call(error)
    return None


def _instead(path: str) -> str:
    return (
        "Stop that process first. Or let a server own the file, and use it from all others:"
        f" `aiowfm serve --db {path}`, then --server URL here and for `aiowfm worker`, or"
        " AwsBackend(endpoint_url=URL) in the program; `aiowfm dev` is such a server, too."
    )


def _wrong_call(error: Any) -> str:
    if type(error).__name__ == "NoArgsIsHelpError":
        return str(error.message)
    said = " ".join(error.format_message().split()).removesuffix(".")
    command = error.ctx.command_path if error.ctx is not None else "aiowfm"
    return f"aiowfm: {said}; see `{command} --help`"


@contextmanager
def output_errors() -> Iterator[None]:
    """Tell an output that takes no more from other errors of the system.

    Raises:
        OutputError: the output takes no more.
    """
    try:
        yield
    except OSError as exc:
        is_pipe = isinstance(exc, BrokenPipeError)
        if is_pipe or (exc.filename is None and exc.errno in _NO_ROOM):
            raise OutputError(exc) from exc
        raise
    except SystemExit as exc:
        if isinstance(exc.__context__, BrokenPipeError):  # rich, where it prints help
            raise OutputError(exc.__context__) from exc
        raise


def _let_go() -> None:
    """See that the interpreter has nothing left to write, which it may fail to."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
