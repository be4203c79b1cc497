from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.asl.payload import (
    MAX_LEVELS,
    MAX_PAYLOAD_BYTES,
    JsonValue,
    Payload,
    TooDeepError,
    dump,
    parse,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(JSON)
def test_what_is_written_is_read_back(value: JsonValue) -> None:
    assert parse(dump(value)) == value
    assert json.loads(dump(value)) == value


@pytest.mark.parametrize("depth", [1, 190, 300, 500])
def test_lists_may_be_nested_deeper_than_the_fast_parser_goes(depth: int) -> None:
    assert dump(parse("[" * depth + "1" + "]" * depth)) == "[" * depth + "1" + "]" * depth
    assert parse(dump(nested(depth))) == nested(depth)


def test_more_levels_than_allowed_are_refused_in_texts_and_values() -> None:
    text = "[" * MAX_LEVELS + "]" * MAX_LEVELS
    assert dump(parse(text)) == text
    for deeper in (f"[{text}]", f'[{{"a":{text[1:-1]}}}]', "[" * 5000 + "]" * 5000):
        with pytest.raises(TooDeepError, match="the data is nested too deep: more than 500 levels"):
            parse(deeper)
    for levels in (MAX_LEVELS + 1, 5000):
        with pytest.raises(TooDeepError):
            dump(nested(levels))
        with pytest.raises(TooDeepError, match="The output is nested too deep"):
            Payload(nested(levels)).written("The output")
    assert Payload(nested(MAX_LEVELS)).written("The output").value == nested(MAX_LEVELS)


def test_text_is_compact_and_in_the_characters_it_is_made_of() -> None:
    assert dump({"a": [1, None, True], "ü": "😀\n"}) == '{"a":[1,null,true],"ü":"😀\\n"}'


def test_whole_numbers_are_kept_however_large() -> None:
    assert dump(parse("123456789012345678901234567890")) == "123456789012345678901234567890"


def test_the_order_of_members_is_kept() -> None:
    assert dump(parse('{"b":1,"a":2}')) == '{"b":1,"a":2}'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut"),
        pytest.param("[1,]", id="comma"),
        pytest.param("{'a': 1}", id="single quotes"),
        pytest.param("NaN", id="NaN"),
        pytest.param('{"a":[Infinity]}', id="Infinity"),
        pytest.param("-Infinity", id="-Infinity"),
        pytest.param("1 2", id="more than one"),
        pytest.param("01", id="leading zero"),
        pytest.param("[" * 100_000, id="deep and cut"),
        pytest.param("[" * 100_000 + "]" * 100_000, id="too deep"),
    ],
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)
    with pytest.raises(ValueError, match=r"."):
        Payload.parsed(text)


def test_a_payload_is_parsed_and_written_at_most_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(name: str, function: Any) -> None:
        def call(*args: Any) -> Any:
            calls.append(name)
            return function(*args)

        monkeypatch.setattr(f"aiowfm.asl.payload.{name}", call)

    counted("parse", parse)
    counted("dump", dump)
    from_text, from_value = Payload(text="[1]"), Payload([1])
    assert calls == []
    for payload in (from_text, from_value):
        for _ in range(2):
            assert (payload.value, payload.text) == ([1], "[1]")
    assert calls == ["parse", "dump"]


def test_the_text_that_came_is_the_text_that_goes() -> None:
    assert Payload.parsed('{ "a" : 1.0 }').text == '{ "a" : 1.0 }'
    assert Payload(text=" [] ").text == " [] "


def test_payloads_are_equal_if_their_values_are() -> None:
    assert Payload({"a": 1, "b": 2}) == Payload(text='{"b":2, "a":1}')
    assert Payload(1) != Payload(2)
    assert Payload(None) != None  # noqa: E711
    with pytest.raises(TypeError):
        hash(Payload(1))


@pytest.mark.parametrize(
    ("text", "is_too_large"),
    [
        pytest.param("", False, id="empty"),
        pytest.param("x" * (MAX_PAYLOAD_BYTES - 2), False, id="all that fits"),
        pytest.param("x" * (MAX_PAYLOAD_BYTES - 1), True, id="one byte more"),
        pytest.param("😀" * (MAX_PAYLOAD_BYTES // 4 - 1), False, id="all that fits, in bytes"),
        pytest.param("😀" * (MAX_PAYLOAD_BYTES // 4), True, id="too many bytes"),
    ],
)
def test_sizes_are_counted_in_bytes(text: str, is_too_large: bool) -> None:
    assert Payload(text).is_too_large is is_too_large


@pytest.mark.parametrize("text", ["1e400", "[-1E+999]", '{"a": 1e1000}', "1" * 400 + ".5"])
def test_a_number_too_large_to_be_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        parse(text)
    assert parse('"1e400"') == "1e400"
    assert parse("1e308") == 1e308
