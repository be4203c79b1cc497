"""`aiowfm dev`: the embedded backend, a worker and a server in one, new after each change."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from aiowfm.cli import documents, texts
from aiowfm.cli.exits import Exit
from aiowfm.cli.extras import needing
from aiowfm.cli.loading import EngineArgument
from aiowfm.cli.logs import LogLevel, LogLevelOption, log_to_stderr
from aiowfm.cli.opening import code_of, loaded, on_engine
from aiowfm.cli.options import JsonOption, PortOption
from aiowfm.cli.refusals import cannot_listen, refusal
from aiowfm.cli.working import described
from aiowfm.engine import Engine
from aiowfm.local import LocalBackend

if TYPE_CHECKING:
    from watchfiles.main import FileChange

HOST = "127.0.0.1"
SUFFIXES = (".yml", ".yaml", ".json")  # beside Python's
# Running tasks get so long to end before a change takes effect; others are handed back.
GRACE_SECONDS = 1.0
_KILLED_AFTER_SECONDS = 10
_PROGRAM = """
import json, sys
from aiowfm.cli.developing import serve_until_signal
serve_until_signal(*json.loads(sys.argv.pop()))
"""


def dev(
    engine: EngineArgument,
    db: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where workflows are kept; in the engine's own LocalBackend file unless given,"
            " or until this ends.",
        ),
    ] = None,
    port: PortOption = 8083,
    watch: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            exists=True,
            help="What to watch; the current directory unless given; may be repeated.",
        ),
    ] = None,
    json: JsonOption = False,
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Run an engine on the embedded backend, and begin anew when its program changes.

    Workflows stay: what a change cuts off goes on afterwards. Other commands come to it with
    --server. Changes of .py, .yml, .yaml and .json files count. Ctrl-C stops it. With --json a
    line of JSON tells each time where it listens.
    """
    with needing("reloading", "cli", "watchfiles"):
        from watchfiles import PythonFilter
        from watchfiles import watch as changes_of
    try:
        with socket.create_server((HOST, port)) as probe:
            port = probe.getsockname()[1]
    except OSError as exc:
        raise cannot_listen(HOST, port, exc) from exc
    logging.getLogger("watchfiles").setLevel(logging.ERROR)  # it warns of every Ctrl-C
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="aiowfm-dev-") as directory:
        otherwise = os.path.join(directory, "workflows.db")
        current = _Child(engine, db, otherwise, port, log_level, json)
        try:
            current.start()
            for changes in changes_of(
                *(watch or [Path.cwd()]),
                watch_filter=PythonFilter(extra_extensions=SUFFIXES),
                raise_interrupt=False,
            ):
                _say_what_changed(changes)
                current.stop()
                current.start()
        except KeyboardInterrupt:
            pass  # it came while nothing was watched
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            current.stop()


class _Child:
    """The process that is started anew, with the arguments of `serve_until_signal`."""

    def __init__(self, *arguments: object) -> None:
        self._arguments = dumps(arguments)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it hears of `stop` when it is ready to.

        Ctrl-C does not reach it by itself, in a process group of its own: a second SIGINT
        could come while it ends.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, self._arguments],
                stdin=subprocess.DEVNULL,
                process_group=0,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stop(self) -> None:
        """Let it end, and wait for that."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_KILLED_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _say_what_changed(changes: set[FileChange]) -> None:
    paths = sorted({os.path.relpath(path) for _, path in changes})
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    console = texts.console(is_error=True)
    console.print(texts.printable(f"changed: {', '.join(paths[:3])}{more}"), style="dim")


def serve_until_signal(
    place: str, db: str | None, otherwise: str, port: int, log_level: str, as_json: bool
) -> None:
    """What is started anew after each change; it ends with a signal, or with what is wrong.

    Args:
        place: `module:engine`.
        db: The file to use.
        otherwise: The one to use if none is given, and the engine has none either.
        port: Where to listen.
        log_level: What to show of the log.
        as_json: Whether a program wants to know where it listens.
    """
    texts.be_lenient()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        engine = loaded(place)
        own = engine.backend.path if isinstance(engine.backend, LocalBackend) else None
        if db is not None or own is None:
            engine.backend = LocalBackend(db or otherwise)
        log_to_stderr(LogLevel(log_level))

        async def work(engine: Engine) -> int:
            await _serve(engine, place, port, as_json)
            return Exit.DONE

        code_of(lambda: on_engine(engine, work, True, GRACE_SECONDS))
    except (typer.Exit, KeyboardInterrupt):
        return
    except Exception as exc:
        refused = refusal(exc)
        if refused is None:
            raise
        texts.complain(refused[1])
        texts.console(is_error=True).print("waiting for a change to try again", style="dim")
        sys.exit(Exit.ERROR)
    finally:
        # Ctrl-C while a change is waited for stops it a second time.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


async def _serve(engine: Engine, place: str, port: int, as_json: bool) -> None:
    with needing("the server", "cli,serve", "aiohttp", "botocore"):
        from aiowfm.cli.asking import route
        from aiowfm.serve import listen
    assert isinstance(engine.backend, LocalBackend)
    async with anyio.create_task_group() as group:
        url = await group.start(listen, engine.backend.service, HOST, port, route(engine))
        if as_json:
            documents.print_line({"url": url, **documents.engine_fields(engine)})
            return
        console = texts.console(is_error=True)
        console.print(described(engine, "dev", "Ctrl-C stops it"))
        console.print(f"  aiowfm run {place} WORKFLOW --server {url}")
