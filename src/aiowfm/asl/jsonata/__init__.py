"""JSONata, the query language of Step Functions: expressions and templates of them.

Evaluation is bounded, for an expression can loop, recurse and grow without end.
It ends with a `JsonataError` of the code U1001 when more than `MAX_STEPS`
sub-expressions were evaluated (what handles large values counts in proportion), when
`MAX_DEPTH` of them lie in one another, when a value would have more than `MAX_NODES`
parts, `MAX_HEIGHT` levels or, being a string, `MAX_CHARS` characters, and when a
regular expression takes longer than half a second for one text (the time it takes counts
as steps). The numbers are in `values`; they hold every expression to a second or two.
"""

from aiowfm.asl.jsonata.evaluation import Entropy
from aiowfm.asl.jsonata.expressions import (
    UNDEFINED,
    Expression,
    JsonataError,
    Undefined,
    compile_expression,
)
from aiowfm.asl.jsonata.templates import (
    JsonataScope,
    Kind,
    Template,
    compile_jsonata_template,
    evaluate_field,
    expect,
    expression_in,
    kind_of,
)
from aiowfm.asl.jsonata.tree import InvalidExpressionError

__all__ = [
    "UNDEFINED",
    "Entropy",
    "Expression",
    "InvalidExpressionError",
    "JsonataError",
    "JsonataScope",
    "Kind",
    "Template",
    "Undefined",
    "compile_expression",
    "compile_jsonata_template",
    "evaluate_field",
    "expect",
    "expression_in",
    "kind_of",
]
