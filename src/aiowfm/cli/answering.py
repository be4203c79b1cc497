"""`aiowfm pending`, `complete` and `fail`: callback tasks, by their keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias, cast

import typer

from aiowfm.callbacks import Finalization
from aiowfm.cli import documents, texts
from aiowfm.cli.answers import answer
from aiowfm.cli.exits import Exit
from aiowfm.cli.loading import EngineArgument
from aiowfm.cli.opening import code_of, loaded, require_shared, run_on
from aiowfm.cli.options import (
    JSON,
    JsonOption,
    KeyArgument,
    ServerOption,
    json_of,
)
from aiowfm.engine import Engine

WaitIdOption = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Which of the key's waits is meant, as `pending` shows it."),
]
EarlyOption = Annotated[
    bool,
    typer.Option("--early", help="Keep the result for a while if nothing waits for it yet."),
]

Shown: TypeAlias = "Callable[[object], None]"

_SAID = {
    Finalization.DELIVERED: "delivered: the workflow goes on",
    Finalization.PROBABLY_DELIVERED: "probably delivered: it was sent twice",
    Finalization.DEFERRED: "kept until its task waits",
    Finalization.ALREADY_FINALIZED: "had this result before",
}


def pending(
    engine: EngineArgument,
    limit: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="How many at most, those that wait longest; 0: all."),
    ] = 100,
    json: JsonOption = False,
    server: ServerOption = None,
) -> None:
    """List the callback tasks that wait, longest first."""

    def shown(result: object) -> None:
        tasks = cast("list[dict[str, Any]]", result)
        if json:
            documents.print_json(tasks)
        else:
            _print_rows(tasks)

    _ask(engine, server, {"call": "pending", "limit": limit or None}, shown)


def complete(
    engine: EngineArgument,
    key: KeyArgument,
    output: Annotated[str, typer.Option(metavar=JSON, help="The output of the state.")] = "{}",
    wait_id: WaitIdOption = None,
    early: EarlyOption = False,
    json: JsonOption = False,
    server: ServerOption = None,
) -> None:
    """Finish a callback task with a result.

    Ends with 1 if nothing waits under the key, or another result came first.
    """
    question = {"call": "success", "key": key, "output": json_of(output, "--output")}
    _ask(engine, server, question | _which(wait_id, early), _finished(key, json))


def fail(
    engine: EngineArgument,
    key: KeyArgument,
    error: Annotated[
        str, typer.Option(metavar="NAME", help="What Retry and Catch of the state match.")
    ],
    cause: Annotated[str | None, typer.Option(metavar="TEXT", help="For people.")] = None,
    wait_id: WaitIdOption = None,
    early: EarlyOption = False,
    json: JsonOption = False,
    server: ServerOption = None,
) -> None:
    """Fail a callback task.

    Ends with 1 if nothing waits under the key, or another result came first.
    """
    question = {"call": "failure", "key": key, "error": error, "cause": cause}
    _ask(engine, server, question | _which(wait_id, early), _finished(key, json))


def _which(wait_id: str | None, early: bool) -> dict[str, object]:
    return {"wait_id": wait_id, "early": early}


def _ask(place: str, server: str | None, question: Mapping[str, Any], shown: Shown) -> None:
    """Show what the engine at *place* says, or the one at *server* in its place."""
    engine = loaded(place, server)
    config = engine.config
    whole = {**question, "app": config.app, "environment": config.environment}

    async def here(engine: Engine) -> int:
        shown(await answer(engine, whole))
        return Exit.DONE

    async def there() -> int:
        from aiowfm.cli.asking import asked  # loads aiohttp, only when needed

        assert server is not None
        shown(await asked(server, whole))
        return Exit.DONE

    if server is not None:
        raise typer.Exit(code_of(there))
    require_shared(engine)
    run_on(engine, here)


def _finished(key: str, as_json: bool) -> Shown:
    def shown(result: object) -> None:
        finalization = Finalization(str(result))
        if as_json:
            documents.print_json({"key": key, "finalization": finalization})
        else:
            typer.echo(f"{texts.printable(key)}: {_SAID[finalization]}")

    return shown


def _print_rows(tasks: list[dict[str, Any]]) -> None:
    if not tasks:
        texts.console(is_error=True).print("nothing waits", style="dim")
        return
    rows = [["KEY", "SINCE", "EXPIRES", "STATE", "WORKFLOW", "MESSAGE"]]
    rows += [
        [
            texts.printable(each["key"]),
            texts.local(datetime.fromisoformat(each["waiting_since"])),
            "never"
            if each["expires_at"] is None
            else texts.local(datetime.fromisoformat(each["expires_at"])),
            texts.printable(each["state_name"] or ""),
            texts.printable(each["workflow_id"] or ""),
            texts.compact(each["message"], 100),
        ]
        for each in tasks
    ]
    for line in texts.aligned(rows):
        texts.console().print(line)
