"""The contract says what a model has seen, and keeps rows with their right answers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bentos.contract import Contract
from jobs.models.contract import missing_columns, write_contract
from jobs.models.prediction import model_frame
from tidewheel.spec.sections import Features

FEATURES = Features(transform="a:b", numeric=["weight", "depth"], categorical=["carrier"])


class Sum:
    """A model whose answers one can work out by hand."""

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return frame["weight"].fillna(0).to_numpy() * 2


def contract(rows: int = 100) -> Contract:
    frame = pd.DataFrame(
        {
            "weight": np.arange(rows, dtype="int64"),
            "depth": [None if n == 57 else n / 10 for n in range(rows)],
            "carrier": ["b" if n % 2 else "a" for n in range(rows)],
        }
    )
    return write_contract("parcels", "regression", FEATURES, model_frame(frame, FEATURES), Sum())


def test_columns_have_type_range_categories_and_whether_they_may_be_empty() -> None:
    weight, depth, carrier = contract().columns
    assert (weight.name, weight.nullable, weight.minimum, weight.maximum) == ("weight", False, 0, 99)  # type: ignore[union-attr]
    assert depth.nullable
    assert carrier.model_dump() == {
        "type": "category", "name": "carrier", "nullable": False, "categories": ("a", "b"), "longest": 1000,
    }  # fmt: skip


def test_golden_rows_span_the_training_rows_and_show_what_may_be_missing() -> None:
    golden = contract().golden_rows
    weights = [row.row["weight"] for row in golden]
    assert (min(weights), max(weights)) == (0, 99)  # type: ignore[type-var]
    assert any(row.row["depth"] is None for row in golden)
    assert [row.prediction for row in golden] == [2 * weight for weight in weights]  # type: ignore[operator]


def test_a_contract_reads_back_as_it_was_written_whatever_the_number_of_rows() -> None:
    for rows in (58, 100):
        assert Contract.model_validate_json(contract(rows).model_dump_json()) == contract(rows)


def test_columns_that_the_features_have_no_more_are_named() -> None:
    changed = Features(transform="a:b", numeric=["weight", "carrier"])
    assert missing_columns(contract(), changed) == ["depth", "carrier"]
