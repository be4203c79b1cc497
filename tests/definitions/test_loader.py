from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiowfm.definitions import WorkflowDefinition, check_definitions, load_definitions
from aiowfm.errors import DefinitionError

HELLO = """\
- name: hello-world
  version: 0
  defaultTags: {team: core}
  stateMachine:
    StartAt: hello
    TimeoutSeconds: 60
    States:
      hello: {Type: Task, Resource: first, Next: world}
      world: {Type: Task, Resource: second, End: true}
"""
MACHINE: dict[str, Any] = {"StartAt": "a", "States": {"a": {"Type": "Pass", "End": True}}}


def problems(source: Any) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load_definitions(source)
    return str(caught.value).splitlines()


def test_a_list_of_definitions_is_read_as_it_is_written() -> None:
    (definition,) = load_definitions(HELLO)
    assert definition.name == "hello-world"
    assert definition.version == 0
    assert definition.default_tags == {"team": "core"}
    assert definition.start_at == "hello"
    assert list(definition.state_machine) == ["StartAt", "TimeoutSeconds", "States"]
    assert definition.machine.states["hello"].type == "Task"
    assert definition.envelope is None


def test_paths_text_mappings_objects_and_lists_of_them_are_sources(tmp_path: Path) -> None:
    file = tmp_path / "one.yml"
    file.write_text(HELLO)
    odd = tmp_path / "no suffix"
    odd.write_text("name: odd\nstateMachine: " + str(MACHINE).replace("True", "true"))
    source: Any = [
        file,
        str(odd),
        '{"name": "text", "stateMachine": {"StartAt": "a", "States": {"a": {"Type": "Succeed"}}}}',
        {"name": "mapping", "stateMachine": MACHINE},
        [WorkflowDefinition(name="object", state_machine=MACHINE)],
    ]
    names = [definition.name for definition in load_definitions(source)]
    assert names == ["hello-world", "odd", "text", "mapping", "object"]


def test_no_sources_are_no_definitions() -> None:
    assert load_definitions(()) == ()


def test_every_problem_of_a_file_is_reported_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "workflows.yml"
    file.write_text("""\
- name: order
  verion: 1
  stateMachine:
    StartAt: fulfil
    States:
      fulfil:
        Type: Parallel
        Branches:
          - StartAt: pack
            States:
              pack: {Type: Task, Resource: pack, Next: shp}
              ship: {Type: Task, End: true}
        Next: done
      done: {Type: Succed}
- name: order
  stateMachine: {StartAt: a, States: {a: {Type: Pass}}}
- stateMachine: {}
- just text
""")
    assert problems(file) == [
        f"{file}:2:3: order: a definition has no field 'verion'; did you mean 'version'?",
        f"{file}:11:50: order.fulfil.pack: Next names no state: 'shp'; did you mean 'ship'?",
        f"{file}:12:15: order.fulfil.ship: a Task state needs Resource",
        f"{file}:14:14: order.done: unknown state Type 'Succed'; did you mean 'Succeed'?"
        " (one of Task, Pass, Choice, Wait, Succeed, Fail, Parallel, Map)",
        f"{file}:16:39: order.a: a Pass state needs Next or End: true",
        f"{file}:17:3: a definition needs name",
        f"{file}:17:3: a state machine needs StartAt",
        f"{file}:17:3: a state machine needs States",
        f"{file}:18:3: a definition is an object with name and stateMachine, not 'just text';"
        " there is no file 'just text'",
    ]


def test_problems_of_json_have_places_too(tmp_path: Path) -> None:
    file = tmp_path / "workflow.json"
    file.write_text("""\
{
  "name": "order",
  "stateMachine": {
    "StartAt": "work",
    "States": {
      "work": {
        "Type": "Map",
        "ItemProcessor": {
          "StartAt": "pack",
          "States": {
            "pack": {"Type": "Task", "Resource": "pack", "TimeoutSeconds": -1, "End": true}
          }
        },
        "End": true
      }
    }
  }
}
""")
    assert problems(str(file)) == [
        f"{file}:11:58: order.work.pack: TimeoutSeconds must be at least 1, not -1"
    ]


def test_problems_of_all_sources_come_at_once(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("name: [")
    found = problems(
        [tmp_path / "none.yml", broken, {"name": "n", "stateMachine": {}}, tmp_path, 3, b"x"]
    )
    assert found == [
        f"{tmp_path / 'none.yml'}: no such file",
        f"{broken}:1:8: not YAML: expected the node content, but found '<stream end>',"
        " while parsing a flow node",
        "<definitions>: n: a state machine needs StartAt",
        "<definitions>: n: a state machine needs States",
        f"{tmp_path}: is a directory: name the files in it, in a list",
        "<definitions>: definitions are a path, text, a mapping or a list of these, not int",
        "<definitions>: definitions are a path, text, a mapping or a list of these, not bytes",
    ]


def test_a_missing_file_is_not_taken_for_text() -> None:
    assert problems("missing.yml") == ["missing.yml: no such file"]
    assert "there is no file 'missing'" in problems("missing")[0]


def test_a_key_that_stands_twice_is_reported_beside_the_other_problems() -> None:
    found = problems(
        "name: a\nstateMachine:\n  StartAt: b\n  StartAt: a\n"
        "  States: {a: {Type: Pass, End: true}}\n"
    )
    assert found == [
        "<definitions>:3:3: a: StartAt names no state: 'b'; the states here are 'a'",
        "<definitions>:4:3: key 'StartAt' stands here twice",
    ]


def test_a_name_is_used_once(tmp_path: Path) -> None:
    file = tmp_path / "hello.yml"
    file.write_text(HELLO)
    assert problems([file, file]) == [
        f"{file}:1:3: hello-world: a definition named 'hello-world' is there already,"
        f" {file}:1: rename one"
    ]


def test_names_that_are_equal_on_step_functions_are_refused() -> None:
    one, two = ({"name": name, "stateMachine": MACHINE} for name in ("a b", "a-b"))
    assert problems([one, two]) == [
        "<definitions>: a-b: 'a-b' and 'a b' (before) have one name on Step Functions, 'a-b':"
        " rename one"
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"name": ""}, "the name must not be empty", id="empty name"),
        pytest.param({"name": "a--b"}, "'a--b' must not contain '--'", id="separator"),
        pytest.param({"name": "a, b"}, "(there: 'a--b') must not contain '--'", id="by cleaning"),
        pytest.param({"name": "-a"}, "must neither begin nor end with '-'", id="first dash"),
        pytest.param({"name": "a!"}, "must neither begin nor end with '-'", id="last dash"),
        pytest.param({"name": 5}, "name must be a string, not 5", id="name is a number"),
        pytest.param({"version": -2}, "version must be at least -1, not -2", id="version"),
        pytest.param({"version": "1"}, "version must be a whole number, not '1'", id="text"),
        pytest.param(
            {"defaultTags": {"a": 1}}, "a must be a string, not 1", id="tag that is a number"
        ),
        pytest.param({"envelope": "no"}, "envelope must be true or false", id="envelope"),
        pytest.param(
            {"stateMachine": []}, "stateMachine must be an object, not an empty list", id="machine"
        ),
    ],
)
def test_a_bad_field_is_refused(fields: dict[str, Any], message: str) -> None:
    (found,) = problems({"name": "n", "stateMachine": MACHINE, **fields})
    assert message in found


def test_a_state_machine_by_itself_is_checked_and_told_what_it_lacks() -> None:
    assert problems("StartAt: a\nStates:\n  b: {Type: Pass, End: true}\n") == [
        "<definitions>:1:1: a state machine by itself: put it under stateMachine, beside a name",
        "<definitions>:1:1: StartAt names no state: 'a'; the states here are 'b'",
    ]


def test_a_bad_state_machine_in_an_object_is_refused_when_it_is_loaded() -> None:
    bad = WorkflowDefinition(name="bad", state_machine={"StartAt": "a", "States": {}})
    assert problems(bad) == ["<definitions>: bad: States must not be empty"]


def test_checking_gives_definitions_and_problems() -> None:
    definitions, found = check_definitions([HELLO, {"name": "x"}])
    assert [definition.name for definition in definitions] == ["hello-world"]
    assert [str(problem) for problem in found] == [
        "<definitions>: x: a definition needs stateMachine"
    ]
