"""A value that a parameter of an estimator may have: anything JSON can hold, and mappings by whole numbers."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from typing_extensions import TypeAliasType

_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")


def _whole_or_name(key: Any) -> Any:
    """A key as YAML has it, or as JSON gave it back: JSON has no keys but text, so `"1"` is 1 again."""
    if isinstance(key, bool):
        return int(key)
    return int(key) if isinstance(key, str) and _WHOLE.fullmatch(key) else key


ParameterKey = Annotated[int | str, BeforeValidator(_whole_or_name)]
_Nested = TypeAliasType("_Nested", "bool | int | float | str | list[_Nested] | dict[ParameterKey, _Nested] | None")
Parameter = Annotated[
    _Nested, WithJsonSchema({"type": ["boolean", "integer", "number", "string", "array", "object", "null"]})
]
