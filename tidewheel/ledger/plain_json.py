"""How verdicts are written down: PostgreSQL's JSON knows no NaN, and policies measure with NumPy's numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def to_json(value: object) -> str:
    """JSON of what a policy measured. A number that is not finite becomes null: unknown."""
    return json.dumps(_plain(value))


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _ if hasattr(value, "tolist"):  # NumPy's scalars and arrays
            return _plain(value.tolist())
        case _:
            return str(value)
