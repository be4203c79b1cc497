"""One evaluation of a JSONata expression: the library's evaluator, bounded and corrected.

The library (jsonata-python) is the only code here without types. Where it departs
from the JavaScript original that AWS runs (2.0.6), changes what it was given, or
could run without end, its methods are replaced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, cast

from aiowfm.asl.jsonata.bounds import Budget
from aiowfm.asl.jsonata.library import Functions, JException, Jsonata, Parser, Utils
from aiowfm.asl.jsonata.operators import Operators, Transformer
from aiowfm.asl.jsonata.values import (
    MAX_DEPTH,
    NULL,
    Frame,
    JList,
    Node,
    ObjectValue,
    Value,
    fail,
    sequence,
    swapped_sort,
    too_deep,
)


class Entropy(Protocol):
    """Where random numbers come from: `random.Random` will do."""

    def random(self) -> float: ...
    def getrandbits(self, k: int, /) -> int: ...


def evaluation() -> Evaluation:
    """The evaluation under way, for the functions that it calls."""
    return cast("Evaluation", Jsonata.CURRENT.jsonata)


def call(function: Value, *args: Value) -> Value:
    """What *function* of the expression gives for *args*, as many as it takes."""
    if Functions.is_lambda(function):
        current = evaluation()
        taken = args[: max(1, len(function.arguments))]
        return current.apply(function, list(taken), None, current.environment)
    taken = args[: max(1, Functions.get_function_arity(function))]
    return function.call(None, list(taken))


class Evaluation(Operators):
    """The evaluation of one expression, once.

    Attributes:
        entropy: For the functions that need randomness.
        timestamp: In milliseconds since the epoch, for `$now` and `$millis`.
    """

    def __init__(
        self,
        functions: Jsonata.Frame,
        parse: Callable[[str], Node],
        entropy: Entropy,
        now: float,
    ) -> None:
        # The library's own parses a text; nothing else of it is wanted.
        Budget.__init__(self)
        self.parser = _PARSER
        self.environment = Frame(functions)
        self.timestamp = math.floor(now * 1000)
        self.input = None
        self.entropy = entropy
        self._parse = parse
        self._depth = 0

    def run(self, tree: Node, root: Value, names: Mapping[str, Value]) -> Value:
        """The value of *tree*, None if undefined."""
        self.environment.bindings.update(names)
        self.environment.bindings["$"] = root
        if isinstance(root, list):
            root = sequence([root])
            root.outer_wrapper = True
        # Functions of the library find the evaluation they belong to here.
        before = getattr(Jsonata.CURRENT, "jsonata", None)
        Jsonata.CURRENT.jsonata = self
        try:
            result = self.eval(tree, root, self.environment)
            self.size(result)
            return result
        finally:
            Jsonata.CURRENT.jsonata = before

    def get_per_thread_instance(self) -> Evaluation:
        return self

    def create_frame(self, enclosing_environment: Jsonata.Frame | None = None) -> Frame:
        return Frame(enclosing_environment)

    def eval(self, expr: Node, input: Value, environment: Jsonata.Frame) -> Value:
        self.spend(1)
        if self._depth >= MAX_DEPTH:
            raise too_deep()
        self._depth += 1
        outer = self.input
        self.input = input
        try:
            return self._evaluated(expr, input, environment)
        finally:
            self._depth -= 1
            self.input = outer

    def _evaluated(self, expr: Node, input: Value, environment: Jsonata.Frame) -> Value:
        kind = expr.type
        evaluate = _BY_TYPE.get(kind)
        result = evaluate(self, expr, input, environment) if evaluate is not None else None
        if expr.predicate is not None:
            for item in expr.predicate:
                result = self.evaluate_filter(item.expr, result, environment)
        if expr.group is not None and kind != "path":
            result = self.evaluate_group_expression(expr.group, result, environment)
        if isinstance(result, JList) and result.sequence and not result.tuple_stream:
            if expr.keep_array:
                result.keep_singleton = True
            if not result:
                return None
            if len(result) == 1 and not result.keep_singleton:
                return result[0]
        if isinstance(result, str) and len(result) > 4095:
            self.spend(len(result) >> 12)  # it may be compared, which takes its length
        return result

    def evaluate_step(
        self, expr: Node, input: Sequence[Value], environment: Jsonata.Frame, last_step: bool
    ) -> Value:
        if expr.type == "sort":
            return super().evaluate_step(expr, input, environment, last_step)
        found: list[Value] = []
        for item in input:
            value = self.eval(expr, item, environment)
            for stage in expr.stages or ():
                value = self.evaluate_filter(stage.expr, value, environment)
            if value is not None:
                found.append(value)
        if (
            last_step
            and len(found) == 1
            and isinstance(found[0], list)
            and not Utils.is_sequence(found[0])
        ):
            return found[0]
        result = sequence()
        for value in found:
            if not isinstance(value, list) or (isinstance(value, JList) and value.cons):
                result.append(value)
            else:
                self.spend(len(value) >> 5)
                result.extend(value)
        return result

    def evaluate_tuple_step(
        self,
        expr: Node,
        input: Sequence[Value],
        tuple_bindings: Sequence[Mapping[str, Value]] | None,
        environment: Jsonata.Frame,
    ) -> Value:
        if expr.type == "sort":
            return super().evaluate_tuple_step(expr, input, tuple_bindings, environment)
        result = sequence()
        result.tuple_stream = True
        bindings = [{"@": item} for item in input] if tuple_bindings is None else tuple_bindings
        for binding in bindings:
            frame = self.create_frame_from_tuple(environment, binding)
            found = self.eval(expr, binding["@"], frame)
            if found is None:
                continue
            items = found if isinstance(found, list) else [found]
            self.spend(len(items))
            for index, item in enumerate(items):
                made = dict(binding)
                if isinstance(items, JList) and items.tuple_stream:
                    made.update(item)
                else:
                    made["@"] = item if expr.focus is None else binding["@"]
                    if expr.focus is not None:
                        made[expr.focus] = item
                    if expr.index is not None:
                        made[expr.index] = index
                    if expr.ancestor is not None:
                        made[expr.ancestor.label] = binding["@"]
                result.append(made)
        if expr.stages is not None:
            return self.evaluate_stages(expr.stages, result, environment)
        return result

    def evaluate_name(self, expr: Node, input: Value, environment: Jsonata.Frame) -> Value:
        return self.member(input, str(expr.value))

    def member(self, value: Value, name: str) -> Value:
        """The member of *value* with this *name*; of all items if it is an array."""
        if isinstance(value, dict):
            found = value.get(name)
            return NULL if found is None and name in value else found
        if not isinstance(value, list):
            return None
        self.spend(len(value) >> 3)
        result = sequence()
        for item in value:
            found = self.member(item, name)
            if isinstance(found, list):
                result.extend(found)
            elif found is not None:
                result.append(found)
        return result

    def evaluate_wildcard(self, expr: Node, input: Value, environment: object = None) -> Value:
        if isinstance(input, JList) and input.outer_wrapper and input:
            input = input[0]
        self.walk(input)
        return super().evaluate_wildcard(expr, input)

    def evaluate_descendants(self, expr: Node, input: Value, environment: object = None) -> Value:
        self.walk(input)
        return super().evaluate_descendants(expr, input)

    def evaluate_unary(self, expr: Node, input: Value, environment: Jsonata.Frame) -> Value:
        if expr.value == "[":
            return self._array(expr, input, environment)
        if expr.value != "-":
            return self.evaluate_group_expression(expr, input, environment)
        value = self.eval(expr.expression, input, environment)
        if value is None:
            return None
        if not Utils.is_numeric(value):
            raise fail("D1002", value)
        return -value

    def _array(self, expr: Node, input: Value, environment: Jsonata.Frame) -> Value:
        result = JList()
        for item in expr.expressions:
            value = self.eval(item, input, environment)
            if isinstance(value, list) and item.value != "[":
                self.spend(len(value) >> 5)
                result.extend(value)
            elif value is not None:
                result.append(value)
        result.cons = expr.consarray
        return self.admit(result)

    def evaluate_group_expression(
        self, expr: Node, input: Value, environment: Jsonata.Frame
    ) -> Value:
        is_stream = isinstance(input, JList) and input.tuple_stream
        # An object is made of nothing, too: that is how a literal one comes about.
        items = (input if isinstance(input, list) else [input]) or [None]
        groups: dict[str, _Group] = {}
        for item in items:
            frame = self.create_frame_from_tuple(environment, item) if is_stream else environment
            for number, (key_node, _) in enumerate(expr.lhs_object):
                key = self.eval(key_node, item["@"] if is_stream else item, frame)
                if key is None:
                    continue
                if not isinstance(key, str):
                    raise fail("T1003", key)
                group = groups.get(key)
                if group is None:
                    groups[key] = _Group(number, item)
                elif group.number != number:
                    raise fail("D1009", key)
                else:
                    group.add(item)
        result = ObjectValue()
        for key, group in groups.items():
            context, frame = group.data, environment
            if is_stream:
                merged = self.reduce_tuple_stream(context)
                context = merged["@"]
                names = {name: value for name, value in merged.items() if name != "@"}
                frame = self.create_frame_from_tuple(environment, names)
            value = self.eval(expr.lhs_object[group.number][1], context, frame)
            if value is not None:
                result[key] = value
        return self.admit(result)

    def evaluate_sort_expression(
        self, expr: Node, input: Value, environment: Jsonata.Frame
    ) -> Value:
        is_stream = isinstance(input, JList) and input.tuple_stream
        order = Jsonata.ComparatorWrapper(self, expr, environment, is_stream)
        return swapped_sort(input, lambda left, right: order.compare(left, right) > 0)

    def evaluate_transform_expression(
        self, expr: Node, input: Value, environment: Jsonata.Frame
    ) -> Value:
        return Jsonata.JFunction(Transformer(self, expr, environment), "<(oa):o>")

    def apply_inner(
        self, proc: Value, args: Sequence[Value], input: Value, environment: Jsonata.Frame
    ) -> Value:
        self.spend(1)
        if proc is None or not self.is_function_like(proc):
            raise fail("T1006")
        if Functions.is_regex(proc):
            return None if args[0] is None else _next_match(proc.finditer(args[0]))
        if isinstance(proc, Parser.Symbol) and proc.signature is not None:
            proc.signature.function_name = proc.token
        return super().apply_inner(proc, args, input, environment)

    def evaluate_partial_application(
        self, expr: Node, input: Value, environment: Jsonata.Frame
    ) -> Value:
        try:
            return super().evaluate_partial_application(expr, input, environment)
        except JException as error:
            if error.error == "T1008" and expr.procedure.type == "path":
                name = str(expr.procedure.steps[0].value)
                if environment.lookup(name) is not None:
                    raise fail("T1007", name) from None
            raise

    def partial_apply_native_function(self, native: Value, args: Sequence[Value]) -> Value:
        count = min(len(args), native.get_number_of_args())
        names = ", ".join(f"$p{number}" for number in range(count))
        body = self._parse(f"function({names}){{${native.function_name}({names})}}")
        return self.partial_apply_procedure(body, args)


class _Group:
    """What belongs under one key of an object that is being made."""

    __slots__ = ("_is_own", "data", "number")

    def __init__(self, number: int, item: Value) -> None:
        self.number = number
        self.data = item
        self._is_own = False

    def add(self, item: Value) -> None:
        if not self._is_own:  # it may be part of the input
            self.data = JList(self.data if isinstance(self.data, list) else [self.data])
            self._is_own = True
        self.data.extend(item if isinstance(item, list) else [item])


def _next_match(found: Iterator[dict[str, Value]]) -> Value:
    """The next match, with a function that gives the one after it."""
    match = next(found, None)
    if match is not None:
        match["next"] = Jsonata.JLambda(lambda: _next_match(found))
    return match


_BY_TYPE: dict[str, Callable[[Evaluation, Node, Value, Jsonata.Frame], Value]] = {
    "path": lambda self, expr, input, frame: self.evaluate_path(expr, input, frame),
    "binary": lambda self, expr, input, frame: self.evaluate_binary(expr, input, frame),
    "unary": Evaluation.evaluate_unary,
    "name": Evaluation.evaluate_name,
    "string": lambda self, expr, input, frame: expr.value,
    "number": lambda self, expr, input, frame: expr.value,
    "value": lambda self, expr, input, frame: NULL if expr.value is None else expr.value,
    "wildcard": Evaluation.evaluate_wildcard,
    "descendant": Evaluation.evaluate_descendants,
    "parent": lambda self, expr, input, frame: frame.lookup(expr.slot.label),
    "condition": lambda self, expr, input, frame: self.evaluate_condition(expr, input, frame),
    "block": lambda self, expr, input, frame: self.evaluate_block(expr, input, frame),
    "bind": lambda self, expr, input, frame: self.evaluate_bind_expression(expr, input, frame),
    "regex": lambda self, expr, input, frame: expr.value,
    "function": lambda self, expr, input, frame: self.evaluate_function(
        expr, input, frame, Utils.NONE
    ),
    "variable": lambda self, expr, input, frame: self.evaluate_variable(expr, input, frame),
    "lambda": lambda self, expr, input, frame: self.evaluate_lambda(expr, input, frame),
    "partial": lambda self, expr, input, frame: self.evaluate_partial_application(
        expr, input, frame
    ),
    "apply": lambda self, expr, input, frame: self.evaluate_apply_expression(expr, input, frame),
    "transform": Evaluation.evaluate_transform_expression,
}

_PARSER = Parser()  # stands behind the closures that are made
