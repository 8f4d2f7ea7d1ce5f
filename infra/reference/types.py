"""Types as the reference pages name them."""

from __future__ import annotations

import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from infra.reference.markdown import code


def type_in_words(annotation: Any, words: Mapping[Any, str]) -> str:
    """A type in words.

    Args:
        annotation: the type of a setting or of an option.
        words: names of plain types; one that is not among them keeps its own name.
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(type_in_words(one, words) for one in inner if one is not types.NoneType)
    if origin is Literal:
        return ", ".join(code(str(value)) for value in inner)
    if origin is list:
        return f"{type_in_words(inner[0], words)}, may be given several times"
    if origin is dict:
        return "JSON object"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(code(str(value.value)) for value in annotation)
    return "flag" if annotation is bool else words.get(annotation, getattr(annotation, "__name__", str(annotation)))
