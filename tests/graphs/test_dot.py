from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pydot
from hypothesis import given, settings

from aiowfm.graphs import as_dot, chart_of
from aiowfm.graphs.chart import Group
from tests.graphs.machines import ALL_TYPES, TRICKY, machines


def parsed(text: str) -> Any:
    graphs = pydot.graph_from_dot_data(text)
    assert graphs, text
    (graph,) = graphs
    return graph


def clusters(graph: Any) -> Iterator[Any]:
    for each in graph.get_subgraphs():
        yield each
        yield from clusters(each)


def groups(group: Group) -> Iterator[Group]:
    for each in group.groups:
        yield each
        yield from groups(each)


def check(machine: dict[str, Any], title: str = "") -> Any:
    """That a parser finds all there is, and each edge between nodes that there are."""
    chart = chart_of(machine, title)
    text = as_dot(chart)
    assert text == as_dot(chart_of(machine, title))
    graph = parsed(text)
    inner = list(clusters(graph))
    nodes = {node.get_name() for each in (graph, *inner) for node in each.get_nodes()}
    found = graph.get_edges()
    assert len(found) == len(chart.edges)
    assert {end for edge in found for end in (edge.get_source(), edge.get_destination())} <= nodes
    assert {each.get_name() for each in inner} == {
        f"cluster_{group.id}" for group in groups(chart.root)
    }
    assert all(edge.get("ltail") in (None, *(each.get_name() for each in inner)) for edge in found)
    return graph


def test_a_machine_with_all_types_is_a_digraph() -> None:
    graph = check(ALL_TYPES, "order")
    assert graph.get_type() == "digraph"
    assert graph.get("label") == '"order"'
    shapes = {node.get("shape") for each in (graph, *clusters(graph)) for node in each.get_nodes()}
    assert len(shapes) == 9  # Task and Pass are boxes, one of them rounded
    dashed = [edge for edge in graph.get_edges() if edge.get("style") == "dashed"]
    assert [edge.get("label") for edge in dashed] == ['"Declined"', '"States.ALL"']


def test_any_text_stays_within_its_quotes() -> None:
    for text in TRICKY:
        states = {text: {"Type": "Fail", "Error": text}}
        check({"StartAt": text, "States": states}, text)


def test_backslashes_quotes_and_entities_are_shown_as_they_are() -> None:
    name = 'a\\N "b" &lt;'
    text = as_dot(chart_of({"StartAt": name, "States": {name: {"Type": "Succeed"}}}))
    assert '[label="a\\\\N \\"b\\" &amp;lt;", shape=ellipse];' in text


@settings(max_examples=20)  # the parser is slow
@given(machines(depth=1))
def test_any_machine_is_a_digraph(machine: dict[str, Any]) -> None:
    check(machine, next(iter(machine["States"])))
