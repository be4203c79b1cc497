"""The page about the command line says what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from aiowfm.cli.app import app
from aiowfm.cli.exits import Exit

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "command-line.md").read_text()
COMMON_FILTERS = {"--name", "--since", "--id-prefix", "--tag", "--limit"}
COMMON_FILTERS |= {"--dry-run", "--concurrency", "--rate", "--yes"}  # of cancel, to which it refers
OF_SEVERAL = {"--json", "--server", "--log-level"}  # described once
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
    section = PAGE.partition(f"## `aiowfm {name}`\n")[2].partition("\n## ")[0]
    assert section
    options -= OF_SEVERAL
    missing = {each for each in options if not re.search(rf"{each}\b(?!-)", section)}
    if name == "resume":
        missing -= COMMON_FILTERS
    assert not missing


def test_options_of_several_commands_are_described() -> None:
    for option in OF_SEVERAL:
        assert f"| `{option}" in PAGE
    assert {
        option for parameter in COMMANDS["cancel"].params for option in parameter.opts
    } >= COMMON_FILTERS


def test_every_exit_code_is_described() -> None:
    for code in Exit:
        if code is not Exit.SIGNAL:
            assert f"| {code.value} | " in PAGE
