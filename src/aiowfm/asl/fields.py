"""What fields of definitions hold, and the base of the models of `model`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.alias_generators import to_pascal, to_snake
from pydantic_core import CoreSchema

from aiowfm.asl.jsonata import Template as JsonataTemplate
from aiowfm.asl.jsonata import compile_jsonata_template
from aiowfm.asl.templates import Template, compile_template

QueryLanguage = Literal["JSONPath", "JSONata"]

# Whole numbers that JSONata states may also write as "{% ... %}".
Jsonata = Annotated[str, Field(pattern=r"^\{%[\s\S]*%\}$")]
MAX_SECONDS = 99_999_999  # Wait, TimeoutSeconds, IntervalSeconds, …
Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS, strict=True)]
PositiveSeconds = Annotated[int, Field(ge=1, le=MAX_SECONDS, strict=True)]
Whole = Annotated[int, Field(ge=0, strict=True)]
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
StateName = Annotated[str, Field(min_length=1, max_length=80, strict=True)]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _NotNull:
    """Takes back that a field may be null; None still says that it is not there."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        assert schema["type"] == "nullable"
        inner: CoreSchema = schema["schema"]
        return inner


# A field that may be left out, but not be null: None says that it is not there.
Given = Annotated[_T | None, _NotNull()]


@lru_cache
def attribute(field: str) -> str:
    """The attribute that holds the field spelt *field* in definitions."""
    return to_snake(field)


class Model(BaseModel):
    """Base of the models: field names as the language spells them, in Pascal case."""

    model_config = ConfigDict(
        alias_generator=to_pascal,
        extra="forbid",
        frozen=True,
        ignored_types=(cached_property,),
        defer_build=True,  # building takes longer than the rest of the import: see `rules.prepare`
    )

    @cached_property
    def _templates(self) -> dict[str, Template]:
        return {}

    @cached_property
    def _expressions(self) -> dict[str, JsonataTemplate]:
        return {}

    def gives(self, field: str) -> bool:
        """Whether the definition names *field*, even if as null."""
        return field in self.model_fields_set

    def template(self, field: str) -> Template:
        """The payload template in *field*, compiled when first asked for."""
        template = self._templates.get(field)
        if template is None:
            template = self._templates[field] = compile_template(getattr(self, field))
        return template

    def jsonata(self, field: str, shown: str | None = None) -> JsonataTemplate:
        """The JSONata in *field*, compiled when first asked for; errors call it *shown*."""
        template = self._expressions.get(field)
        if template is None:
            value = getattr(self, attribute(field))
            template = compile_jsonata_template(value, shown or field)
            self._expressions[field] = template
        return template


def holder(state: Model, field: str) -> tuple[Any, str]:
    """What holds *field*, the state or the part of it that precedes the slash, and the rest."""
    part, _, rest = field.rpartition("/")
    return (getattr(state, attribute(part)) if part else state), rest
