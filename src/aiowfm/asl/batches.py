"""What the child executions of a distributed Map get: items, or batches of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.asl import model
from aiowfm.asl.payload import MAX_PAYLOAD_BYTES, JsonValue, Payload

if TYPE_CHECKING:
    from aiowfm.asl.frames import Visit
    from aiowfm.asl.interpreter import Interpreter


def batches(
    run: Interpreter, visit: Visit, state: model.MapState, items: list[JsonValue]
) -> list[Payload]:
    """The inputs of the children, one for each item or, with ItemBatcher, for several."""
    payloads = [
        visit.dialect.item_input(run, visit, index, item) for index, item in enumerate(items)
    ]
    batcher = state.item_batcher
    if batcher is None:
        return payloads
    number = visit.dialect.number
    most_items = number(run, visit, "ItemBatcher/MaxItemsPerBatch", least=1)
    most_bytes = number(run, visit, "ItemBatcher/MaxInputBytesPerBatch", least=1)
    around: dict[str, JsonValue] = {}
    if batcher.batch_input is not None:
        around["BatchInput"] = visit.dialect.batch_input(run, visit)
    made: list[Payload] = []
    batch: list[JsonValue] = []
    empty_bytes = len(Payload({**around, "Items": []}).text.encode())
    size_bytes = empty_bytes
    for payload in payloads:
        item_bytes = len(payload.text.encode()) + 1  # and a comma
        is_full = most_items is not None and len(batch) >= most_items
        is_large = size_bytes + item_bytes > (most_bytes or MAX_PAYLOAD_BYTES)
        if batch and (is_full or is_large):
            made.append(Payload({**around, "Items": batch}))
            batch, size_bytes = [], empty_bytes
        batch.append(payload.value)
        size_bytes += item_bytes
    if batch:
        made.append(Payload({**around, "Items": batch}))
    return made
