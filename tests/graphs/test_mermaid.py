"""Mermaid has no parser in Python: these are the productions of its grammar that are used."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given

from aiowfm.graphs import as_mermaid, chart_of
from tests.graphs.machines import ALL_TYPES, TRICKY, machines

# Inside quotes nothing ends the text but a quote; entities, and line breaks as tags, are ours.
TEXT = r'"(?:[^"#`%<>&;:$\\{}\x00-\x1f]|#\d+;|<br/>)*"'
SHAPES = "|".join(
    f"{re.escape(opening)}{TEXT}{re.escape(closing)}"
    for opening, closing in [
        ("(((", ")))"),
        ("((", "))"),
        ("([", "])"),
        ("[[", "]]"),
        ("[/", "/]"),
        ("[/", "\\]"),
        ("{{", "}}"),
        ("[", "]"),
        ("(", ")"),
        ("{", "}"),
    ]
)
NODE = re.compile(rf" +(n\d+)(?:{SHAPES})")
EDGE = re.compile(rf" +([ng]\d+) (?:-->|-\.->)(?:\|{TEXT}\|)? (n\d+)")
SUBGRAPH = re.compile(rf" +subgraph (g\d+)\[{TEXT}\]")


def check(machine: dict[str, Any], title: str = "") -> str:
    """That each line is one of the language, and that all it refers to is there."""
    text = as_mermaid(chart_of(machine, title))
    assert text == as_mermaid(chart_of(machine, title))
    lines = text.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    if title:
        assert (lines[0], lines[2]) == ("---", "---")
        json.loads(lines[1].removeprefix("title: "))
        lines = lines[3:]
    assert lines[0] == "flowchart TD"
    known: dict[str, tuple[str, ...]] = {}  # by id, the subgraphs around it
    opened: list[str] = []
    for line in lines[1:]:
        if match := SUBGRAPH.fullmatch(line):
            known[match[1]] = tuple(opened)
            opened.append(match[1])
        elif line.strip() == "end":
            opened.pop()
        elif line.strip() == "direction TB":
            assert opened
        elif match := NODE.fullmatch(line):
            assert match[1] not in known
            known[match[1]] = tuple(opened)
        else:
            match = EDGE.fullmatch(line)
            assert match, line
            assert not opened
            assert match[1] in known
            # An edge from a subgraph into itself has no picture.
            assert match[1] not in known[match[2]]
    assert not opened
    return text


def test_a_machine_with_all_types_is_a_flowchart() -> None:
    text = check(ALL_TYPES, "order")
    assert 'n1["charge<br/>pay<br/>retry Busy, Slow x5<br/>retry States.ALL x3"]' in text
    assert re.search(r'n2 -->\|"#36;\.total #62; 100"\| n3\n', text)
    assert len(re.findall(r" -\.->\|", text)) == 2
    assert text.count("subgraph") == 5


def test_any_text_stays_within_its_quotes() -> None:
    for text in TRICKY:
        states = {text: {"Type": "Fail", "Error": text}}
        check({"StartAt": text, "States": states}, text)


@given(machines())
def test_any_machine_is_a_flowchart(machine: dict[str, Any]) -> None:
    check(machine, next(iter(machine["States"])))
