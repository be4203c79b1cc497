"""Every block of the README and the documents is what it looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.docs import definitions, shell
from tests.docs.blocks import DOCUMENTS, ROOT, Block, all_blocks, blocks_of
from tests.docs.fragments import run_fragments

CHECKED = {"console", "json", "mermaid", "python", "sh", "text", "yaml"}


def test_every_block_says_what_it_is() -> None:
    strange = [str(each) for each in all_blocks() if each.language not in CHECKED]
    assert strange == []


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_definitions_can_be_loaded(block: Block, caplog: pytest.LogCaptureFixture) -> None:
    definitions.check(block.text)
    assert caplog.messages == []


@pytest.mark.parametrize("block", all_blocks("sh", "console"), ids=str)
def test_commands_exist_and_take_what_they_are_given(block: Block) -> None:
    files = frozenset(each.title for each in blocks_of(ROOT / block.document) if each.title)
    prompt = "$ " if block.language == "console" else ""
    for words in shell.commands(block.text, prompt=prompt):
        shell.check(words, files)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "document",
    [
        each
        for each in DOCUMENTS
        if any(block.language == "python" and not block.title for block in blocks_of(each))
    ],
    ids=lambda each: each.name,
)
async def test_parts_of_programs_run(document: Path, tmp_path: Path) -> None:
    await run_fragments(document, tmp_path)
