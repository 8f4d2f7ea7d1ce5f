"""Labels of several classes, as a source brings them."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest

from jobs.data.structure import LabelRules, labels_of_day
from tidewheel.errors import DataRefused

TEXTS, NUMBERS = ("low", "high", "none"), (1, 2, 3)


def landed(values: pa.Array, classes: tuple[str | int, ...]) -> pa.ChunkedArray:
    table = pa.table({"id": list(range(len(values))), "level": values})
    return labels_of_day(table, ["id"], LabelRules("level", "multiclass", classes), "labels.csv")["level"]


@pytest.mark.parametrize(
    ("values", "classes", "expected"),
    [
        (pa.array(["low", None, "high"]), TEXTS, ["low", "high"]),
        (pa.array(["low", "low"]).dictionary_encode(), TEXTS, ["low", "low"]),
        (pa.array([1, 3], pa.int16()), NUMBERS, [1, 3]),
        (pa.array(pd.Series([1.0, float("nan"), 2.0])), NUMBERS, [1, 2]),
        (pa.array([Decimal(2)]), NUMBERS, [2]),
        (pa.nulls(2), TEXTS, []),
    ],
    ids=str,
)
def test_labels_are_texts_or_integers_and_a_missing_one_is_left_out(
    values: pa.Array, classes: tuple[str | int, ...], expected: list[str | int]
) -> None:
    found = landed(values, classes)
    assert found.to_pylist() == expected
    assert found.type == (pa.string() if classes is TEXTS else pa.int64())


@pytest.mark.parametrize(
    ("values", "classes", "words"),
    [
        (
            pa.array(["low", "lost", "lost"]),
            TEXTS,
            r"2 of 3 labels are no declared class \(for example 'lost'\).*one of labels.classes \(low, high, none\)",
        ),
        (pa.array([1, 7]), NUMBERS, r"1 of 2 labels are no declared class \(for example 7\)"),
        (pa.array([1.5, 1.0]), NUMBERS, r"for example 1.5.*labels.classes are integers"),
        (pa.array([1, 2]), TEXTS, r"declare `labels.types: \{level: text\}`"),
        (pa.array(["1", "2"]), NUMBERS, r"declare `labels.types: \{level: integer\}`"),
        (pa.array([True, False]), NUMBERS, "labels.classes are integers"),
    ],
    ids=str,
)
def test_a_label_that_no_class_has_is_refused_by_name(
    values: pa.Array, classes: tuple[str | int, ...], words: str
) -> None:
    with pytest.raises(DataRefused, match=words):
        landed(values, classes)
