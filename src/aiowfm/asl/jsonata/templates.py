"""JSONata expressions in the fields of a state: strings that are `{% … %}` as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TypeAlias

from aiowfm.asl.errors import QUERY_EVALUATION_ERROR, EvaluationError
from aiowfm.asl.jsonata.evaluation import Entropy
from aiowfm.asl.jsonata.expressions import UNDEFINED, Expression, JsonataError, compile_expression
from aiowfm.asl.payload import JsonValue, dump

Kind: TypeAlias = Literal["array", "boolean", "null", "number", "object", "string"]


class JsonataScope(Protocol):
    """What expressions are evaluated in.

    Attributes:
        bindings: `states` and the variables, by name without `$`.
        now: In seconds since the epoch.
    """

    @property
    def bindings(self) -> Mapping[str, JsonValue]: ...
    @property
    def now(self) -> float: ...
    def entropy(self) -> Entropy: ...
    def spend(self, effort: int) -> None:
        """Note how many steps an evaluation took, each of about two microseconds."""
        ...


Template: TypeAlias = Callable[[JsonataScope], JsonValue]


def compile_jsonata_template(value: JsonValue, field: str) -> Template:
    """The function that evaluates the expressions in *value*, which stands in *field*.

    It raises `EvaluationError` for an expression that fails or gives nothing.

    Raises:
        InvalidExpressionError: a string between `{%` and `%}` is no expression.
    """
    return _compiled(value, field) or (lambda scope: value)


def _compiled(value: JsonValue, field: str) -> Template | None:
    """None for what is constant."""
    if isinstance(value, dict):
        return _compiled_object(value, field)
    if isinstance(value, list):
        return _compiled_list(value, field)
    text = expression_in(value)
    if text is None:
        return None
    expression = compile_expression(text)
    return lambda scope: evaluate_field(expression, field, scope)


def _compiled_object(value: dict[str, JsonValue], field: str) -> Template | None:
    members = [
        (name, template)
        for name, item in value.items()
        if (template := _compiled(item, f"{field}/{name}")) is not None
    ]
    if not members:
        return None

    def fill(scope: JsonataScope) -> JsonValue:
        result = value.copy()
        for name, template in members:
            result[name] = template(scope)
        return result

    return fill


def _compiled_list(value: list[JsonValue], field: str) -> Template | None:
    items = [_compiled(item, f"{field}[{index}]") for index, item in enumerate(value)]
    if not any(items):
        return None
    return lambda scope: [
        constant if template is None else template(scope)
        for constant, template in zip(value, items, strict=True)
    ]


def evaluate_field(expression: Expression, field: str, scope: JsonataScope) -> JsonValue:
    """The value of *expression*, which stands in *field*.

    Raises:
        EvaluationError: it has none.
    """
    subject = f"The JSONata expression '{expression.text}' specified for the field '{field}'"
    try:
        value = expression.evaluate(scope.bindings, scope.entropy(), scope.now, scope.spend)
    except JsonataError as error:
        separator = ". " if error.code else ": "
        raise EvaluationError(
            f"{subject} threw an error during evaluation{separator}{error}",
            QUERY_EVALUATION_ERROR,
            location=field,
        ) from error
    if value is UNDEFINED:
        raise EvaluationError(
            f"{subject} returned nothing (undefined).", QUERY_EVALUATION_ERROR, location=field
        )
    return value


def expression_in(value: JsonValue) -> str | None:
    """The text between `{%` and `%}` if *value* is such a string and nothing else."""
    if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        return value[2:-2].strip() if len(value) >= 4 else None
    return None


def expect(value: JsonValue, kind: Kind, text: str, field: str) -> JsonValue:
    """*value*, which the expression *text* gave for *field*, if it is of this *kind*.

    Raises:
        EvaluationError: it is not.
    """
    actual = kind_of(value)
    if actual != kind:
        raise EvaluationError(
            f"The JSONata expression '{text}' specified for the field '{field}' returned an"
            f" unexpected result type. Expected '{kind}', but was '{actual}' for value:"
            f" {dump(value)}",
            QUERY_EVALUATION_ERROR,
            location=field,
        )
    return value


def kind_of(value: JsonValue) -> Kind:
    """The name of the type of *value*."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else "number"
