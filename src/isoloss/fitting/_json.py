"""What the dictionaries of results share."""

from __future__ import annotations

import math
from typing import Any

SCHEMA_VERSION = 1


def plain(values: dict[str, Any], reason: str) -> dict[str, Any]:
    """Not-a-number becomes null; the reason stands beside it."""
    missing = [k for k, v in values.items() if isinstance(v, float) and not math.isfinite(v)]
    result = {k: (None if k in missing else v) for k, v in values.items()}
    return result | {f"{k}_reason": reason or "not available" for k in missing}
