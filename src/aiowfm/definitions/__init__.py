"""What the user gave: from YAML to a checked model to the language that is deployed."""

from aiowfm.definitions.checks import (
    CALLBACK_RESOURCE,
    problems_for_names,
    resource_names,
    unknown_resources,
)
from aiowfm.definitions.compiler import (
    CompilerOptions,
    compile_definition,
    least_heartbeats,
    stripped,
)
from aiowfm.definitions.definition import WorkflowDefinition, located
from aiowfm.definitions.loader import (
    DefinitionSource,
    DefinitionSources,
    check_definitions,
    load_definitions,
)

__all__ = [
    "CALLBACK_RESOURCE",
    "CompilerOptions",
    "DefinitionSource",
    "DefinitionSources",
    "WorkflowDefinition",
    "check_definitions",
    "compile_definition",
    "least_heartbeats",
    "load_definitions",
    "located",
    "problems_for_names",
    "resource_names",
    "stripped",
    "unknown_resources",
]
