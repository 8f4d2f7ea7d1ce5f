"""Weights of rows that no fit and no mean could use are refused, each with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs.data.structure import LabelRules, labels_of_day
from jobs.data.training_data import choose_training_data, labelled_rows
from jobs.data.weight_rules import refuse_day_without_weight, refuse_unusable_weights
from jobs.training.fitting import read_training_rows
from tests.weighted_parcels import declare, publish_days
from tidewheel.errors import DataRefused
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.spec import Pipeline

MakeParcels = Callable[..., "Parcels"]
DAYS = pd.Series(["2024-01-01", "2024-01-01", "2024-01-02"])


def declared(parcels: Parcels) -> Pipeline:
    return find_pipeline(parcels.settings.pipelines_folder, parcels.name)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (
            [1.0, np.nan, 2.0],
            "sample_weight w has no value in 1 of 3 rows, first on 2024-01-01; expected a number of",
        ),
        ([1.0, 2.0, -3.0], "sample_weight w is negative in 1 of 3 rows, first on 2024-01-02 (for example -3);"),
        ([np.inf, 2.0, 3.0], "sample_weight w is infinite in 1 of 3 rows, first on 2024-01-01 (for example inf);"),
    ],
    ids=["missing", "negative", "infinite"],
)
def test_a_weight_that_is_none_is_refused_with_its_day(weights: list[float], words: str) -> None:
    with pytest.raises(DataRefused) as refused:
        refuse_unusable_weights(pd.Series(weights, name="w"), DAYS, "shop")
    assert words in str(refused.value)
    with pytest.raises(DataRefused):
        refuse_day_without_weight(pd.Series(weights, name="w"), "2024-01-01", "shop")


def test_a_day_of_which_nothing_counts_is_refused_and_one_of_which_something_does_is_not() -> None:
    with pytest.raises(DataRefused, match="sample_weight w is 0 in every row of 2024-01-02, so that nothing of the da"):
        refuse_day_without_weight(pd.Series([0, 0], name="w"), "2024-01-02", "shop")
    refuse_day_without_weight(pd.Series([0, 0.5], name="w"), "2024-01-02", "shop")


def test_days_without_the_column_must_be_built_again(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(8)
    declare(parcels, "sample_weight: items")
    with pytest.raises(DataRefused, match="6 more whose features lack items and must be built again"):
        choose_training_data(parcels.lake, declared(parcels), days[-1])


def test_training_reads_the_weights_of_its_rows_and_refuses_a_batch_with_a_wrong_one(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    declare(parcels, "sample_weight: items")
    days = publish_days(parcels, 8)
    chosen = choose_training_data(parcels.lake, declared(parcels), days[-1])
    training_rows = read_training_rows(parcels.lake, declared(parcels), chosen.training)
    assert training_rows.weights is not None
    assert set(training_rows.weights) == {0.0, 1.0, 2.0, 3.0}
    assert "items" not in training_rows.frame

    table = parcels.lake.read(parcels.lake.need("features", str(days[1])))
    spoiled = table.set_column(table.column_names.index("items"), "items", pa.array([-1.0] * table.num_rows))
    parcels.lake.publish(parcels.lake.write_table("features", str(days[1]), spoiled, {}, "test"))
    chosen = choose_training_data(parcels.lake, declared(parcels), days[-1])
    with pytest.raises(DataRefused, match="sample_weight items is negative in 120 of 360 rows, first on 2024-01-02"):
        read_training_rows(parcels.lake, declared(parcels), chosen.training)


def test_a_class_of_which_no_row_counts_is_refused(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    declare(parcels, "sample_weight: items")
    days = publish_days(parcels, 8, weigh=lambda late: np.where(late == 1, 0.0, 1.0))
    chosen = choose_training_data(parcels.lake, declared(parcels), days[-1])
    with pytest.raises(DataRefused, match="sample_weight items is 0 in every row with label 1 of 2024-01-01 to 2024-"):
        read_training_rows(parcels.lake, declared(parcels), chosen.training)


def test_a_count_below_0_is_refused_where_it_is_landed_and_where_it_is_learned(make_parcels: MakeParcels) -> None:
    table = pa.table({"k": ["a", "b"], "n": [3, -1]})
    assert labels_of_day(table, ["k"], LabelRules("n", "regression"), "labels.csv").num_rows == 2
    with pytest.raises(DataRefused, match=r"1 of 2 labels are wrong \(for example -1\).*of `loss: poisson` 0 or more"):
        labels_of_day(table, ["k"], LabelRules("n", "regression", least=0), "labels.csv")

    parcels = make_parcels(task="regression", floors="{d2: 0}")
    declare(parcels, "loss: poisson")
    days = parcels.publish_days(8)
    known = parcels.lake.read(parcels.lake.need("labels", str(days[1])))
    negative = known.set_column(known.column_names.index("late"), "late", pa.array([-2] * known.num_rows))
    parcels.lake.publish(parcels.lake.write_table("labels", str(days[1]), negative, {}, "test"))
    chosen = choose_training_data(parcels.lake, declared(parcels), days[-1])
    with pytest.raises(DataRefused, match="label late is negative in 120 of 360 rows, for example -2 on") as refused:
        labelled_rows(parcels.lake, declared(parcels), chosen.training)
    assert "take another training.loss" in str(refused.value)
