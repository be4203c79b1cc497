"""The text of a state machine as it is deployed: for people to read in AWS's console."""

from __future__ import annotations

import json
from collections.abc import Mapping

MAX_BYTES = 1_048_576  # CreateStateMachine, member `definition`


def deployed_text(compiled: Mapping[str, object]) -> str:
    """*compiled* as JSON, its keys in their order; indented, unless that makes it too long."""
    text = json.dumps(compiled, ensure_ascii=False, indent=2)
    if len(text.encode(errors="replace")) <= MAX_BYTES:
        return text
    return json.dumps(compiled, ensure_ascii=False, separators=(",", ":"))
