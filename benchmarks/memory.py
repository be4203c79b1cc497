"""How much memory this process has."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def resident_mib() -> float:
    """What it has now or, where the system does not say, had at most; in MiB."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # The peak, in bytes on macOS and in KiB elsewhere.
        return peak / (2**20 if sys.platform == "darwin" else 2**10)
    return pages * resource.getpagesize() / 2**20
