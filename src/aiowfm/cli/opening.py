"""How commands come to a running engine and leave it; signals become exit codes."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeAlias

import anyio
import typer
from anyio.abc import TaskStatus

from aiowfm.aws.servers import ServerBackend
from aiowfm.cli.exits import Exit
from aiowfm.cli.loading import load_engine
from aiowfm.engine import Engine
from aiowfm.errors import ConfigError
from aiowfm.lifecycle import unwrapping
from aiowfm.local import LocalBackend

Work: TypeAlias = "Callable[[Engine], Awaitable[int]]"


def run(place: str, server: str | None, work: Work) -> NoReturn:
    """Do *work* on the engine at *place*, without a worker, and end the program.

    Args:
        place: `module:engine`.
        server: The URL of a server to use in place of the engine's backend.
        work: What to do; it is cancelled by SIGINT and SIGTERM.
    """
    engine = loaded(place, server)
    require_shared(engine)
    run_on(engine, work)


def run_on(engine: Engine, work: Work, *, worker: bool = False) -> NoReturn:
    """Do *work* on *engine*, which runs meanwhile, and end the program with what it returns.

    Args:
        engine: What was loaded.
        work: As of `run`.
        worker: Whether the engine handles tasks meanwhile.
    """
    raise typer.Exit(code_of(lambda: on_engine(engine, work, worker)))


def code_of(main: Callable[[], Awaitable[int]]) -> int:
    """What *main* returns; a signal cancels it, and ends the program."""
    code, received = anyio.run(_until_signal, main)
    if received:
        raise typer.Exit(Exit.SIGNAL + received)
    return code


def loaded(place: str, server: str | None = None) -> Engine:
    """The engine at *place*, on the backend of *server* if there is one.

    Raises:
        AiowfmError: as `load_engine`.
    """
    engine = load_engine(place)
    if server is not None:
        try:
            engine.backend = ServerBackend(server)
        except ConfigError as exc:
            raise typer.BadParameter(
                "not a URL like http://127.0.0.1:8083", param_hint="--server"
            ) from exc
    return engine


def require_shared(engine: Engine) -> None:
    """Refuse an engine whose workflows no other process can have made.

    Raises:
        ConfigError: they are in memory, or there is no file yet.
    """
    backend = engine.backend
    if not isinstance(backend, LocalBackend):
        return
    if backend.path is None:
        raise ConfigError(
            "this engine keeps its workflows in memory, where only the process sees them that"
            " started them: give --server URL of an `aiowfm dev` or `aiowfm serve`, or the engine"
            " a LocalBackend with a file"
        )
    if not backend.is_made:
        raise ConfigError(
            f"LocalBackend({backend.path!r}): there is no such file in {os.getcwd()}: no workflow"
            " was started yet, or that was in another directory"
        )


def works(engine: Engine, wish: bool | None) -> bool:
    """Whether to handle tasks; None: where no other process can do so meanwhile."""
    return isinstance(engine.backend, LocalBackend) if wish is None else wish


async def on_engine(
    engine: Engine, work: Work, worker: bool = False, interrupted_grace: float = 0
) -> int:
    """What *work* returns on *engine*, which runs meanwhile.

    Args:
        engine: What was loaded.
        work: As of `run`.
        worker: Whether the engine handles tasks.
        interrupted_grace: Seconds that running tasks get where *work* was cancelled, or did
            not come to its end in time.
    """
    await engine.start(worker=worker)
    grace = interrupted_grace
    try:
        code = await work(engine)
        if code != Exit.UNFINISHED:
            grace = engine.config.grace_seconds
        return code
    finally:
        with anyio.CancelScope(shield=True):
            await engine.stop(grace)


async def _until_signal(main: Callable[[], Awaitable[int]]) -> tuple[int, int]:
    """What *main* returns, and the signal that cancelled it or 0.

    A second signal, which a shell and a parent may both send, changes nothing; a third one
    does what it always does.
    """
    received: list[int] = []
    scope = anyio.CancelScope()

    async def listen(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                received.append(number)
                scope.cancel()
                if len(received) == 3:
                    signal.signal(number, signal.SIG_DFL)
                    os.kill(os.getpid(), number)

    code = 0
    with unwrapping(first=True):
        async with anyio.create_task_group() as group:
            await group.start(listen)
            with scope:
                code = await main()
            group.cancel_scope.cancel()
    return code, received[0] if received else 0
