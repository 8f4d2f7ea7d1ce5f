"""The type that pydantic checks a request against, made from the contract; OpenAPI's schema is made from it too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, with_config
from typing_extensions import NotRequired, TypedDict  # noqa: UP035  pydantic needs these before Python 3.12

from bentos.problems import quantity, shortened

if TYPE_CHECKING:
    from bentos.contract import CategoryColumn, Column
    from bentos.packaged import Packaged

LONGEST_TEXT = 1000
KEY_EXPECTED = "a whole number or text or null"
KeyField = Annotated[
    int | Annotated[str, Field(max_length=LONGEST_TEXT)],
    Field(description="says whose row it is: written to the prediction log, not given to the model"),
]


def request_type(packaged: Packaged, *more: Any) -> Any:
    """The type of a request: `{"rows": [{...}]}`, with the contract's fields and no others.

    Args:
        packaged: the model.
        more: annotations of the list of rows, besides its limits.
    """
    strict = with_config(ConfigDict(extra="forbid", strict=True))
    fields = {column.name: _field_type(column, packaged.refuse_unknown) for column in packaged.contract.columns}
    fields |= dict.fromkeys(packaged.key, NotRequired[KeyField | None])
    row = strict(TypedDict("Row", fields))  # type: ignore[operator]
    examples = [[dict(golden.row) for golden in packaged.contract.golden_rows[:1]]]
    limits = Field(min_length=1, max_length=packaged.maximum_rows, examples=examples)
    return strict(TypedDict("Request", {"rows": Annotated[list[row], limits, *more]}))  # type: ignore[operator,valid-type]


def _field_type(column: Column, refuse_unknown: bool) -> Any:
    kind: Any
    if column.type == "number":
        seen = f"training saw {column.minimum:g} to {column.maximum:g}" if column.minimum is not None else None
        kind = Annotated[float, Field(allow_inf_nan=False, description=seen)]
    elif refuse_unknown and not column.categories:
        return NotRequired[None]
    elif refuse_unknown:
        kind = Annotated[str, Field(json_schema_extra={"enum": list(column.categories)})]
    else:
        some = quantity(len(column.categories), "category", "categories")
        seen = f"training saw {some}, such as {_shown(column, 5)}" if column.categories else "training saw no value"
        kind = Annotated[str, Field(max_length=column.longest, description=seen)]
    return NotRequired[kind | None] if column.nullable else kind


def known_categories(column: CategoryColumn) -> str:
    """What a column that refuses unknown categories takes, in words."""
    if not column.categories:
        return "null, since training never saw a value"
    shown = _shown(column, 10)
    return f"one of {shown}{', ...' if len(column.categories) > 10 else ''}{' or null' if column.nullable else ''}"


def _shown(column: CategoryColumn, count: int) -> str:
    """The first categories, each cut to a readable length."""
    return ", ".join(shortened(text) for text in column.categories[:count])
