"""What is wrong with distributed Maps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from aiowfm.asl.findings import DUPLICATE_LABEL, LABEL, NO_EFFECT, Finding, Pointer
from aiowfm.asl.places import Place, as_dict

MAX_LABEL_LENGTH = 40  # characters; developer guide, "Using Map state in Distributed mode": Label
MAX_ITEMS = 100_000_000  # ReaderConfig.MaxItems
# What labels of Maps and names (CreateActivity, member `name`) may not contain.
FORBIDDEN_IN_NAMES = re.compile(
    r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]"
)
# developer guide, "Distributed Map state fields"
_OF_DISTRIBUTED = frozenset(
    {
        "ItemReader",
        "ItemBatcher",
        "ResultWriter",
        "Label",
        "ToleratedFailureCount",
        "ToleratedFailureCountPath",
        "ToleratedFailurePercentage",
        "ToleratedFailurePercentagePath",
    }
)
# One of these at least (developer guide, "ItemBatcher (Map)").
_SIZES_OF_BATCHES = ("MaxItemsPerBatch", "MaxInputBytesPerBatch")
_SIZES = {f"{size}{path}" for size in _SIZES_OF_BATCHES for path in ("", "Path")}
_PROCESSORS = ("ItemProcessor", "Iterator")


def map_problems(place: Place) -> Iterator[Finding]:
    """What is wrong with a Map, but for its processor's states."""
    yield from _label(place)
    yield from _processor(place)
    yield from _batcher(place)
    yield from _reader(place)


def map_warnings(place: Place) -> Iterator[Finding]:
    """Fields that do nothing in an inline Map."""
    processor = as_dict(place.state.get("ItemProcessor", place.state.get("Iterator")))
    if as_dict(processor.get("ProcessorConfig")).get("Mode") == "DISTRIBUTED":
        return
    for field in _OF_DISTRIBUTED & place.state.keys():
        message = f"{field} is for distributed Maps: here it does nothing without"
        yield place.finding(
            f"{message} ProcessorConfig: {{Mode: DISTRIBUTED, ExecutionType: STANDARD}}",
            field,
            severity="warning",
            code=NO_EFFECT,
        )


def repeated_labels(places: Iterable[Place]) -> Iterator[Finding]:
    """Labels that several Maps have."""
    seen: dict[str, Pointer] = {}
    for place in places:
        name = place.state.get("Label")
        if place.kind != "Map" or not isinstance(name, str):
            continue
        if name in seen:
            first = "/".join(map(str, ("", *seen[name])))
            yield place.finding(
                f"two Maps have the Label {name!r}, the other is {first}: change one",
                "Label",
                aws=f"Duplicate Label name: {name}",
                code=DUPLICATE_LABEL,
            )
        seen.setdefault(name, place.pointer)


def _label(place: Place) -> Iterator[Finding]:
    label = place.state.get("Label")
    if not isinstance(label, str):
        return
    if not label:
        message = "Label cannot be empty"
        yield place.finding(message, "Label", aws=message, code=LABEL)
    if len(label) > MAX_LABEL_LENGTH:
        message = f"Label cannot exceed {MAX_LABEL_LENGTH} characters"
        yield place.finding(message, "Label", aws=message, code=LABEL)
    for character in label:
        if FORBIDDEN_IN_NAMES.match(character):
            message = f"Label contains invalid character: {character!r}"
            yield place.finding(message, "Label", aws=message, code=LABEL)
            return


def _processor(place: Place) -> Iterator[Finding]:
    for field in _PROCESSORS:
        steps = (field, "ProcessorConfig")
        config = as_dict(as_dict(place.state.get(field)).get("ProcessorConfig"))
        if config.get("Mode") == "DISTRIBUTED":
            if "ExecutionType" not in config:
                message = "Mode DISTRIBUTED needs ExecutionType: STANDARD or EXPRESS"
                yield place.finding(message, *steps, missing="ExecutionType")
            if place.is_express:
                yield place.finding(
                    "an EXPRESS state machine has no distributed Maps: use Mode INLINE",
                    *steps,
                    "Mode",
                    aws="The field 'Mode' with value 'DISTRIBUTED' is not supported"
                    " inside 'EXPRESS' state machines",
                )
        elif config.get("Mode") == "INLINE" and "ExecutionType" in config:
            yield place.finding(
                "ExecutionType is for Mode DISTRIBUTED: take it out",
                *steps,
                "ExecutionType",
                aws="Field 'ExecutionType' is not supported",
                at=steps,
            )


def _batcher(place: Place) -> Iterator[Finding]:
    batcher = place.state.get("ItemBatcher")
    if isinstance(batcher, dict) and not _SIZES & batcher.keys():
        message = f"ItemBatcher needs {' or '.join(_SIZES_OF_BATCHES)}: how large batches are"
        yield place.finding(message, "ItemBatcher")


def _reader(place: Place) -> Iterator[Finding]:
    steps = ("ItemReader", "ReaderConfig")
    config = as_dict(as_dict(place.state.get("ItemReader")).get("ReaderConfig"))
    number = config.get("MaxItems")
    if isinstance(number, int) and not isinstance(number, bool) and number > MAX_ITEMS:
        message = f"MaxItems must be at most {MAX_ITEMS}, not {number}"
        yield place.finding(message, *steps, "MaxItems", aws=f"Maximum value is {MAX_ITEMS}")
    if config.get("CSVHeaderLocation") == "GIVEN" and "CSVHeaders" not in config:
        message = "CSVHeaderLocation GIVEN needs CSVHeaders: the names of the columns"
        yield place.finding(message, *steps, missing="CSVHeaders")
