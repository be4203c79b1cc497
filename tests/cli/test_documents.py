"""The page about the command line says what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from aiowfm.cli.app import app
from aiowfm.cli.exits import Exit

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "command-line.md").read_text()
OTHERS = [DOCS / f"{name}.md" for name in ("deployment", "durability", "linting", "serve")]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_is_described(name: str) -> None:
    assert f"`{name}`" in PAGE.partition("## Which engine")[0]
    options = {
        option
        for parameter in COMMANDS[name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--") and option != "--help"
    }
    text = PAGE + "".join(path.read_text() for path in OTHERS)
    assert not {option for option in options if option not in text}


def test_every_exit_code_is_described() -> None:
    for code in Exit:
        if code is not Exit.SIGNAL:
            assert f"| {code.value} | " in PAGE
