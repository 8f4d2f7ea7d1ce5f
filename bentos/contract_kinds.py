"""What requests outside the contract are counted by, and the columns of the files that hold the counts."""

from __future__ import annotations

import pyarrow as pa

from bentos.segments import TIME

OTHERS = "(other columns)"
KEY_FIELDS = "(key)"
"""Stand for columns that are not counted by name, and for the fields of the entity key."""
ANSWERED, REFUSED = "answered", "refused"
MISSING, WRONG, UNKNOWN, BEYOND = "missing", "wrong_type", "unknown_category", "out_of_range"
FIELD, BODY = "unknown_field", "body"
ANY = "any"
"""Stands for all problems of a column: a request that has several of them counts once."""
SCHEMA = pa.schema(
    [
        ("time", TIME),
        ("model_version", pa.string()),
        ("colour", pa.string()),
        ("field", pa.string()),
        ("problem", pa.string()),
        ("outcome", pa.string()),
        ("requests", pa.int64()),
        ("rows", pa.int64()),
    ]
)
"""Of the files. Rows without field and problem count all requests of an outcome, and the rows of those answered."""
