"""Arguments and options that several commands have."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from aiowfm.asl.payload import JsonValue
from aiowfm.cli.loading import METAVAR
from aiowfm.cli.places import a_region, an_account_id
from aiowfm.workflows import Filters

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of a workflow.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The key of a callback task.")]
HandlersOption = Annotated[
    str | None,
    typer.Option(
        "--handlers",
        metavar=METAVAR,
        help="An engine whose handlers, environment and options count. Its module is imported;"
        " nothing is started.",
    ),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="AIOWFM_SERVER",
        help="Where `aiowfm serve` or `aiowfm dev` listens; used in place of the engine's own"
        " backend.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
AlwaysJsonOption = Annotated[
    bool, typer.Option("--json", help="Changes nothing: JSON is printed anyway.")
]
JSON = "JSON|@FILE|-"  # the metavar of what `json_of` reads
LimitOption = Annotated[
    int, typer.Option("--limit", min=0, metavar="N", help="How many at most, newest first; 0: all.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
RegionOption = Annotated[
    str,
    typer.Option("--region", metavar="REGION", help="Part of the ARNs.", callback=a_region),
]
AccountIdOption = Annotated[
    str,
    typer.Option(
        "--account-id", metavar="ID", help="Part of the ARNs: 12 digits.", callback=an_account_id
    ),
]
PortOption = Annotated[
    int,
    typer.Option(
        "--port", min=0, max=65_535, metavar="N", help="To listen on; 0 takes a free one."
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", min=0, metavar="SECONDS", help="Wait no longer; ends with 6."),
]
WorkerOption = Annotated[
    bool | None,
    typer.Option(
        "--worker/--no-worker",
        help="Whether to handle tasks here, too; unless said, where the backend is a"
        " LocalBackend, of which this process is the only one meanwhile.",
        show_default=False,
    ),
]

# What many workflows are chosen by.
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="Started since then: 2026-05-01, 2026-05-01T09:30+02:00, or 90s, 30m, 12h, 7d ago.",
    ),
]
IdPrefixOption = Annotated[
    str | None,
    typer.Option("--id-prefix", metavar="TEXT", help="Whose ids begin so (LocalBackend alone)."),
]
TagOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="KEY=VALUE",
        help="Of definitions with this default tag (LocalBackend alone); may be repeated.",
    ),
]
ErrorOption = Annotated[
    str | None,
    typer.Option("--error", metavar="NAME", help="That failed with it (LocalBackend alone)."),
]

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def json_of(text: str, hint: str) -> JsonValue:
    """The value of an option: JSON, `@file` with JSON, or `-` for what comes in.

    Args:
        text: The option's.
        hint: Its name, for what is said of a value that is not JSON.
    """
    place = ""
    if text == "-":
        text, place = sys.stdin.read(), "standard input: "
    elif text.startswith("@"):
        place = f"{text[1:]}: "
        try:
            text = Path(text[1:]).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
            raise typer.BadParameter(f"{place}{reason}", param_hint=hint) from exc
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise typer.BadParameter(f"{place}not JSON: {exc}", param_hint=hint) from exc
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def filters_of(
    *,
    since: str | None,
    limit: int,
    id_prefix: str | None,
    tag: list[str] | None,
    error: str | None = None,
) -> Filters:
    """What the options of these names say; a limit of 0 is none."""
    return Filters(
        since=_since_of(since),
        limit=limit or None,
        id_prefix=id_prefix,
        tags=_tags_of(tag),
        error=error,
    )


def _since_of(text: str | None) -> datetime | None:
    """The instant of `--since`; without a zone it is local time."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: float(ago[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise typer.BadParameter(
            f"{text!r} is neither a time like 2026-05-01T09:30 nor like 12h", param_hint="--since"
        ) from exc


def _tags_of(texts: list[str] | None) -> dict[str, str]:
    """The tags of `--tag`."""
    tags = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--tag")
        tags[key] = value
    return tags
