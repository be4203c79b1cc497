"""What the user gave: from YAML to a checked model to the language that is deployed."""

from aiowfm.definitions.advice import unused_tasks
from aiowfm.definitions.callbacks import CALLBACK_RESOURCE, has_callbacks
from aiowfm.definitions.checks import (
    own_tasks,
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
from aiowfm.definitions.deployed_text import deployed_text
from aiowfm.definitions.loader import (
    DefinitionSource,
    DefinitionSources,
    check_definitions,
    load_definitions,
)
from aiowfm.definitions.registry import (
    DefinitionRegistry,
    check_for_engine,
    problems_for_engine,
)
from aiowfm.definitions.resuming import (
    ResumedDefinition,
    ResumedInput,
    read_resumed_input,
    resumed,
    resumed_input,
)
from aiowfm.definitions.tags import HASH_TAG, machine_tags
from aiowfm.definitions.tracing import is_trace_state, with_trace, without_trace

__all__ = [
    "CALLBACK_RESOURCE",
    "HASH_TAG",
    "CompilerOptions",
    "DefinitionRegistry",
    "DefinitionSource",
    "DefinitionSources",
    "ResumedDefinition",
    "ResumedInput",
    "WorkflowDefinition",
    "check_definitions",
    "check_for_engine",
    "compile_definition",
    "deployed_text",
    "has_callbacks",
    "is_trace_state",
    "least_heartbeats",
    "load_definitions",
    "located",
    "machine_tags",
    "own_tasks",
    "problems_for_engine",
    "problems_for_names",
    "read_resumed_input",
    "resource_names",
    "resumed",
    "resumed_input",
    "stripped",
    "unknown_resources",
    "unused_tasks",
    "with_trace",
    "without_trace",
]
