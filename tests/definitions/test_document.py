from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.definitions.document import Document, read_file, read_text
from aiowfm.errors import Problem

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def only(document: Document) -> Problem:
    (problem,) = document.problems
    return problem


def test_yaml_is_read_with_the_position_of_each_key_and_element() -> None:
    document = read_text(
        "# first\n- name: a\n  list:\n    - 1\n    - two\n- {name: b, x: {y: 1}}\n"
    )
    assert document.data == [
        {"name": "a", "list": [1, "two"]},
        {"name": "b", "x": {"y": 1}},
    ]
    assert document.position((0, "name")) == (2, 3)
    assert document.position((0, "list", 1)) == (5, 7)
    assert document.position((1, "x", "y")) == (6, 17)


def test_json_is_read_with_the_position_of_each_key_and_element() -> None:
    document = read_text('[\n\t{"name": "\\ud83d\\ude00\\/",\n\t "x": [1, {"y": 2}]}]')
    assert document.data == [{"name": "😀/", "x": [1, {"y": 2}]}]
    assert document.position((0,)) == (2, 2)
    assert document.position((0, "name")) == (2, 3)
    assert document.position((0, "x", 1, "y")) == (3, 13)


def test_a_place_that_is_not_in_the_text_has_the_position_of_what_it_belongs_to() -> None:
    document = read_text("a:\n  b: 1\n")
    assert document.position(("a", "c", "d")) == (1, 1)
    assert Document().position(("a",)) == (None, None)


def test_dates_stay_as_they_are_written() -> None:
    document = read_text("a: 2024-01-31\nb: 2024-01-31T10:00:00Z\n2024-02-01: 3\n")
    assert document.data == {"a": "2024-01-31", "b": "2024-01-31T10:00:00Z", "2024-02-01": 3}


def test_keys_are_strings_as_they_are_written() -> None:
    assert read_text("404: a\ntrue: b\n1.50: c").data == {"404": "a", "true": "b", "1.50": "c"}


def test_yes_and_no_are_strings_as_yaml_1_2_says() -> None:
    assert read_text("a: yes\nb: true\nc: ~\nd: 0x1F\ne: 1e3").data == {
        "a": "yes",
        "b": True,
        "c": None,
        "d": 31,
        "e": 1000.0,
    }


def test_anchors_and_merge_keys_work() -> None:
    document = read_text(
        "base: &base {Type: Task, Retry: &retry [1]}\n"
        "other: &other {Type: Pass, End: true}\n"
        "it:\n  <<: [*base, *other]\n  Resource: x\nlist: *retry\n"
    )
    assert document.problems == ()
    assert document.data["it"] == {"Resource": "x", "Type": "Task", "Retry": [1], "End": True}
    assert document.data["list"] == [1]
    assert document.position(("it", "Type")) == (1, 14)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        pytest.param("", 1, 1, "empty: it must hold", id="empty"),
        pytest.param("  \n", 1, 1, "empty: it must hold", id="only space"),
        pytest.param("# only\n", 1, 1, "holds nothing", id="only a comment"),
        pytest.param("a: 1\nb: [1, 2", 2, 9, "not YAML: expected ','", id="open list"),
        pytest.param("a: b: c", 1, 5, "mapping values are not allowed", id="two colons"),
        pytest.param("a:\n\tb: c", 2, 1, "a tab cannot indent; use spaces", id="tab"),
        pytest.param("a: 1\nb: 2\na: 3", 3, 1, "key 'a' stands here twice", id="same key"),
        pytest.param("{a: 1, a: 3}", 1, 8, "key 'a' stands here twice", id="same key in braces"),
        pytest.param('{"a": 1,\n "a": 3}', 2, 2, "key 'a' stands here twice", id="JSON, same key"),
        pytest.param("a: *b", 1, 4, "found undefined alias", id="unknown alias"),
        pytest.param("a: 1\n---\nb: 2", 2, 1, "a second YAML document", id="two documents"),
        pytest.param("a: !!python/object:os.system x", 1, 4, "the tag", id="tag of Python"),
        pytest.param("a: !mine {b: 1}", 1, 4, "the tag !mine has no meaning", id="own tag"),
        pytest.param("a: .nan", 1, 4, "JSON has no number .nan", id="not a number"),
        pytest.param("? [a]\n: 1", 1, 3, "a key must be a string", id="list as a key"),
        pytest.param("a:\n  <<: 3", 2, 7, "<< merges an object", id="merge of a number"),
        pytest.param("ab: \x07", 1, 5, "the character U+0007", id="control character"),
        pytest.param("a: &a [*a]", 1, 4, "nested more than 200 deep", id="alias in itself"),
        pytest.param("a: " + "[" * 5000, 1, 4, "nested more than", id="hostile YAML"),
        pytest.param("[" * 5000 + "]" * 5000, 1, 1, "nested more than", id="hostile JSON"),
        pytest.param("- " * 3000 + "a", 1, 403, "nested more than", id="hostile list"),
        pytest.param("[a, " * 9000, 1, 805, "nested more than 200 deep", id="hostile flow"),
        pytest.param("- " + "9" * 5000, 1, 3, "more than 1,000 digits", id="endless integer"),
        pytest.param("%YAML 1.1\n---\n- " + "1:" * 999 + "1", 3, 3, "1,000 digits", id="base 60"),
        pytest.param("a: \ud800", 1, 4, "the character U+D800", id="half a character"),
        pytest.param("- x\n" * 250_001, 250_000, 3, "more than 250,000 values", id="many values"),
        pytest.param("[" + "1," * 300_000 + "1]", 1, 500_000, "more than 250,000", id="long JSON"),
        pytest.param("a: !!int x", 1, 4, "'x' is not of type", id="tag that does not fit"),
    ],
)
def test_broken_text_is_a_problem_with_line_and_column(
    text: str, line: int, column: int, message: str
) -> None:
    problem = only(read_text(text))
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


def test_text_that_means_too_much_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 10):
        aliases = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    problem = only(read_text("\n".join(lines)))
    assert "by aliases" in problem.message


def test_merges_that_mean_too_much_are_refused() -> None:
    lines = ["- &a0 {x: 1}"]
    for level in range(1, 40):
        lines.append(f"- &a{level}\n  <<: [*a{level - 1}, *a{level - 1}]")
    assert "by aliases" in only(read_text("\n".join(lines))).message


def test_of_very_many_problems_the_first_thousand_are_kept() -> None:
    assert len(read_text("a: 1\n" * 5000).problems) == 1000


def test_a_file_longer_than_anyone_needs_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "workflows.yml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    message = "longer than 8 MiB: split it into several files"
    assert only(read_file(path)).message == message
    assert only(read_text("# " * 5_000_000)).message == message


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        pytest.param(b"a: \xff\xfe", 1, 4, "not UTF-8: byte 0xff", id="not UTF-8"),
        pytest.param(b"a: 1\nb: caf\xe9", 2, 7, "not UTF-8: byte 0xe9", id="Latin-1"),
        pytest.param(b"{a: 1}", 1, 2, "not JSON: Expecting property name", id="YAML in .json"),
        pytest.param(b'{"a": NaN}', 1, 1, "there is no number NaN", id="NaN"),
        pytest.param(b"[" + b"1" * 5000 + b"]", 1, 1, "not usable", id="endless number"),
    ],
)
def test_a_broken_file_is_a_problem_with_file_line_and_column(
    tmp_path: Path, content: bytes, line: int, column: int, message: str
) -> None:
    path = tmp_path / "workflows.json"
    path.write_bytes(content)
    problem = only(read_file(path))
    assert (problem.file, problem.line, problem.column) == (str(path), line, column)
    assert message in problem.message


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "workflows.yml"
    path.write_bytes(b"\xef\xbb\xbfname: a")
    assert read_file(path).data == {"name": "a"}


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    assert only(read_file(tmp_path / "none.yml")).message == "no such file"
    assert "is a directory" in only(read_file(tmp_path)).message
    assert "cannot be read" in only(read_file("a\0b")).message


@given(JSON_VALUES)
def test_json_is_read_as_pythons_own_reader_does(value: object) -> None:
    for text in (json.dumps([value]), json.dumps([value], ensure_ascii=False, indent="\t")):
        document = read_text(text)
        assert document.data == [value]
        assert document.problems == ()
