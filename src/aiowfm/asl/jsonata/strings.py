"""JSONata's functions on strings, and regular expressions as JavaScript has them.

In place of the library's, which differ from the original or would take for ever.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from itertools import islice

import regex

from aiowfm.asl.jsonata.evaluation import call, evaluation
from aiowfm.asl.jsonata.library import Functions, RegexFlags
from aiowfm.asl.jsonata.values import (
    MAX_CHARS,
    MAX_NODES,
    JList,
    Value,
    fail,
    sequence,
    too_large,
    too_long,
)

# The engine that matches counts nothing: it is given ever more seconds, which count as the
# steps that are done in them.
_PATIENCE = ((0.0002, 5), (0.002, 500), (0.02, 5_000), (0.1, 25_000), (0.5, 125_000))


class Pattern:
    """A regular expression of an expression's text."""

    def __init__(self, source: str, flags: RegexFlags) -> None:
        options = regex.VERSION0
        if flags.case_insensitive:
            options |= regex.IGNORECASE
        if flags.multiline:
            options |= regex.MULTILINE
        text = source if flags.multiline else _at_the_very_end(source)
        self._compiled = regex.compile(text, options)
        self.source = source

    def finditer(self, text: str) -> Iterator[dict[str, Value]]:
        """What matches, one after the other, as JSONata's matchers give it.

        Raises:
            JException: a match after the first is empty, or it takes too long.
        """
        is_first = True
        for found in timed(lambda seconds: self._compiled.finditer(text, timeout=seconds)):
            if not is_first and not found[0]:
                if found.start() >= len(text):
                    return
                raise fail("D1004", self.source)
            is_first = False
            yield {
                "match": found[0],
                "start": found.start(),
                "end": found.end(),
                "groups": list(found.groups()),
            }

    # The library takes for a regular expression what has these, too.
    def search(self, text: str) -> Value:
        return next(self.finditer(text), None)

    sub = split = search


def timed(
    matching: Callable[[float], Iterator[regex.Match[str]]],
) -> Iterator[regex.Match[str]]:
    """What *matching* finds, given some seconds for it; the more it needs, the more it counts.

    Raises:
        JException: it takes too long.
    """
    given = 0
    for seconds, steps in _PATIENCE:
        evaluation().spend(steps)
        try:
            for found in islice(matching(seconds), given, None):
                given += 1
                yield found
            return
        except TimeoutError:
            pass
    raise too_long()


def compiled(source: str, flags: RegexFlags) -> Pattern:
    """The engine that the library's tokenizer is given.

    Raises:
        regex.error: *source* is no regular expression.
    """
    return Pattern(source, flags)


def matches_of(matcher: Value, text: str) -> Iterator[dict[str, Value]]:
    """What *matcher*, a regular expression or a function in place of one, finds in *text*."""
    if isinstance(matcher, Pattern):
        yield from matcher.finditer(text)
        return
    found = call(matcher, text)
    while found is not None:
        if not isinstance(found, dict) or not found.keys() >= {"match", "start", "end"}:
            raise fail("T1010")
        yield {**found, "groups": found.get("groups") or []}
        following = found.get("next")
        found = None if following is None else call(following)


def _at_the_very_end(source: str) -> str:
    """*source* with `$` for the end of the text only, not before a last line break, too."""
    result: list[str] = []
    is_escaped = in_class = False
    for char in source:
        if is_escaped:
            is_escaped = False
        elif char == "\\":
            is_escaped = True
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "$":
            char = r"\Z"
        result.append(char)
    return "".join(result)


def string(value: Value, indented: Value) -> Value:
    if isinstance(value, JList) and value.outer_wrapper:
        value = value[0]
    return None if value is None else evaluation().text(value, indented=bool(indented))


def join(strings: Value, separator: Value) -> Value:
    if strings is None:
        return None
    between = separator or ""
    evaluation().admit_text(sum(map(len, strings)) + len(between) * len(strings))
    return between.join(strings)


def pad(text: Value, width: Value, filler: Value) -> Value:
    if text is None or width is None:
        return text
    length = abs(int(width)) - len(text)
    if length <= 0:
        return text
    evaluation().admit_text(len(text) + length)
    if length > MAX_CHARS:
        raise too_large("a string", MAX_CHARS)
    filling = (filler or " ") * (length // len(filler or " ") + 1)
    return text + filling[:length] if width > 0 else filling[:length] + text


def lowercase(text: Value) -> Value:
    return None if text is None else text.lower()


def contains(text: Value, token: Value) -> Value:
    if text is None or token is None:
        return None if text is None else False
    if isinstance(token, str):
        return token in text
    return next(matches_of(token, text), None) is not None


def match(text: Value, pattern: Value, limit: Value) -> Value:
    if text is None:
        return None
    if limit is not None and limit < 0:
        raise fail("D3040", limit)
    result = sequence()
    if limit is not None and limit <= 0:
        return result
    for found in matches_of(pattern, text):
        if len(result) > MAX_NODES >> 3:
            raise too_large("an array", MAX_NODES >> 3)
        result.append({"match": found["match"], "index": found["start"], "groups": found["groups"]})
        if limit is not None and len(result) >= limit:
            break
    return result


def split(text: Value, separator: Value, limit: Value) -> Value:
    if text is None or separator is None:
        return None if text is None else [text]
    if limit is not None and limit < 0:
        raise fail("D3020", limit)
    most = len(text) + 1 if limit is None else math.floor(limit)
    if isinstance(separator, str):
        if max(text.count(separator), 1) > MAX_NODES:
            raise too_large("an array", MAX_NODES)
        return text.split(separator)[:most] if separator else list(text[:most])
    parts: list[str] = []
    start = 0
    for found in matches_of(separator, text) if most else ():
        parts.append(text[start : found["start"]])
        start = found["end"]
        if len(parts) >= most:
            return parts
    return [*parts, text[start:]][:most]


def replace(text: Value, pattern: Value, replacement: Value, limit: Value) -> Value:
    if text is None or pattern is None or replacement is None:
        return None if text is None else text
    if pattern == "":
        raise fail("D3010", pattern)
    if limit is not None and limit < 0:
        raise fail("D3011", limit)
    if limit == 0:
        return text
    most = math.inf if limit is None else math.ceil(limit)
    current = evaluation()
    if isinstance(pattern, str) and isinstance(replacement, str):
        count = min(text.count(pattern), most)
        current.admit_text(len(text) + int(count) * (len(replacement) - len(pattern)))
        return text.replace(pattern, replacement, int(count))
    parts: list[str] = []
    start = length = 0
    for found in _occurrences(pattern, text):
        if isinstance(replacement, str):
            new = _substituted(replacement, found["match"], found["groups"])
        else:
            new = call(replacement, found)
            if not isinstance(new, str):
                raise fail("D3012", new)
        length += found["start"] - start + len(new)
        current.admit_text(length if length > MAX_CHARS else len(new))
        parts += (text[start : found["start"]], new)
        start = found["start"] + len(found["match"])
        if len(parts) >= 2 * most:
            break
    return "".join((*parts, text[start:]))


def _occurrences(pattern: Value, text: str) -> Iterator[dict[str, Value]]:
    if not isinstance(pattern, str):
        yield from matches_of(pattern, text)
        return
    start = text.find(pattern)
    while start >= 0:
        end = start + len(pattern)
        yield {"match": pattern, "start": start, "end": end, "groups": []}
        start = text.find(pattern, end)


def _substituted(template: str, whole: str, groups: list[str | None]) -> str:
    """*template* with `$0`, `$1`… filled in; `$$` is a dollar sign."""
    most_digits = len(str(len(groups)))

    def filled(found: re.Match[str]) -> str:
        digits = found[1]
        if digits == "$":
            return "$"
        if digits.startswith("0"):
            return whole + digits[1:]
        taken = digits[:most_digits]
        if len(taken) > 1 and int(taken) > len(groups):
            taken = taken[:-1]
        group = groups[int(taken) - 1] if 0 < int(taken) <= len(groups) else None
        return (group or "") + digits[len(taken) :]

    return re.sub(r"\$(\$|[0-9]+)", filled, template)


def decode_url(text: Value) -> Value:
    return _decoded("decodeUrl", Functions.decode_url, text)


def decode_url_component(text: Value) -> Value:
    return _decoded("decodeUrlComponent", Functions.decode_url_component, text)


def encode_url(text: Value) -> Value:
    return _decoded("encodeUrl", Functions.encode_url, text)


def encode_url_component(text: Value) -> Value:
    return _decoded("encodeUrlComponent", Functions.encode_url_component, text)


def _decoded(name: str, convert: Callable[[str], str], text: Value) -> Value:
    if text is None:
        return None
    try:
        return convert(text)
    except UnicodeError as error:
        raise fail("D3140", name, text) from error
