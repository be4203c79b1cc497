"""`aiowfm worker`: handles the tasks of an engine until a signal stops it."""

from __future__ import annotations

import anyio
from rich.text import Text

from aiowfm.cli import documents, texts
from aiowfm.cli.loading import EngineArgument
from aiowfm.cli.logs import LogLevel, LogLevelOption, log_to_stderr
from aiowfm.cli.opening import loaded
from aiowfm.cli.options import JsonOption, ServerOption
from aiowfm.definitions import has_callbacks
from aiowfm.engine import Engine
from aiowfm.errors import ConfigError
from aiowfm.lifecycle import unwrapping
from aiowfm.local import LocalBackend


def worker(
    engine: EngineArgument,
    json: JsonOption = False,
    log_level: LogLevelOption = LogLevel.INFO,
    server: ServerOption = None,
) -> None:
    """Handle tasks, and read the queue of callbacks, until a signal.

    Ctrl-C or SIGTERM lets running tasks end, for the seconds that the engine gives them; a
    second one ends that. Ends with 0. With --json a line of JSON tells when it works.
    """
    made = loaded(engine, server)
    if isinstance(made.backend, LocalBackend) and made.backend.path is None:
        raise ConfigError(
            "this engine keeps its workflows in memory, where no other process can start any:"
            " use `aiowfm dev`, give --server URL, or the engine a LocalBackend with a file"
        )
    log_to_stderr(log_level)
    if server is not None and any(map(has_callbacks, made.definitions)):
        texts.console(is_error=True).print(
            "callbacks are not read through a server; `aiowfm dev` reads its own",
            style="yellow",
        )
    with unwrapping(first=True):
        anyio.run(_work, made, json)


async def _work(engine: Engine, as_json: bool) -> None:
    async with anyio.create_task_group() as group:
        await group.start(engine.run_forever)
        if as_json:
            documents.print_line(documents.engine_fields(engine))
        else:
            how_to_stop = "Ctrl-C lets tasks end and stops it, a second one at once"
            texts.console(is_error=True).print(described(engine, "worker", how_to_stop))


def described(engine: Engine, what: str, how_to_stop: str) -> Text:
    """What works here, in a line."""
    tasks = ", ".join(engine.stats().tasks) or "no tasks"
    config = engine.config
    return Text.assemble(
        f"{what} of ",
        (texts.printable(f"{config.app} in {config.environment}"), "bold"),
        f": {texts.printable(tasks)}; {how_to_stop}",
    )
