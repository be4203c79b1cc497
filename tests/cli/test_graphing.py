from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydot
import pytest
from typer.testing import CliRunner

from aiowfm.cli.app import app

ORDERS = str(Path(__file__).parents[2] / "examples" / "orders" / "workflows.yml")


@pytest.mark.parametrize("arguments", [[], ["order"], ["order", "--format", "mermaid"]])
def test_a_picture_is_for_mermaid_unless_another_is_wanted(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["graph", ORDERS, *arguments])
    assert done.exit_code == 0
    assert done.output.startswith('---\ntitle: "order"\n---\nflowchart TD\n    n0(("start"))\n')


def test_a_picture_can_be_for_graphviz() -> None:
    done = CliRunner().invoke(app, ["graph", ORDERS, "--format", "dot"])
    assert done.exit_code == 0
    assert pydot.graph_from_dot_data(done.output)


def test_programs_get_nodes_groups_and_edges() -> None:
    done = CliRunner().invoke(app, ["graph", ORDERS, "--json"])
    assert done.exit_code == 0
    chart = json.loads(done.output)
    assert chart["title"] == "order"
    assert chart["nodes"][0] == {"id": "n0", "type": "start", "lines": ["start"]}

    def ids(group: Any) -> Iterator[str]:
        yield from (node["id"] for node in group["nodes"])
        for inner in group["groups"]:
            yield from ids(inner)

    known = set(ids(chart))
    assert len(chart["edges"]) > 3
    for edge in chart["edges"]:
        assert {edge["source"], edge["target"]} <= known


def test_what_is_not_there_is_said_in_a_line() -> None:
    done = CliRunner().invoke(app, ["graph", ORDERS, "ordre"])
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "did you mean 'order'" in done.output
    assert CliRunner().invoke(app, ["graph", ORDERS, "--format", "png"]).exit_code == 2
