"""How verdicts are written down: PostgreSQL's JSON knows no NaN, and policies measure with NumPy's numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def to_json(value: object) -> str:
    """JSON of what a policy measured. A number that is not finite becomes null: unknown."""
    return json.dumps(plain(value))


def plain(value: Any) -> Any:
    """What JSON has in place of a value."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case _ if hasattr(value, "tolist"):  # NumPy's scalars and arrays
            return plain(value.tolist())
        case _:
            return str(value)
